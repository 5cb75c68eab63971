import Records
import RecordStore
import SystemCalls

/// Writes the store on a thread of its own: the disk may take as long as it likes.
final class StoreWriter: Sendable {
    enum Job: Sendable {
        /// Opens the store, which must hold just so much.
        case open(StoreProgress)
        /// Begins a new store; what has the place of the old one is set aside.
        case renew
        case apply(StoreSlice)
    }

    enum Outcome: Sendable {
        /// Done, and on the disk.
        case done
        case failed(StoreError)
    }

    /// The open store; used by the thread alone once it runs.
    private final class Holder: @unchecked Sendable {
        var store: RecordStore?
        init(_ store: consuming RecordStore?) { self.store = store }
    }

    private let worker: BackgroundWorker<Job, Outcome>

    /// Takes over a store that was loaded, if it could be opened.
    init(_ store: consuming RecordStore?, path: String, host: String) throws(SystemError) {
        let holder = Holder(store)
        worker = try BackgroundWorker { job in
            do throws(StoreError) {
                switch job {
                case .open(let progress):
                    var store = try RecordStore(path: path, host: host)
                    try store.resume(progress)
                    holder.store = consume store
                case .renew:
                    holder.store = nil
                    // Where the folder is gone there is nothing to set aside.
                    _ = try? RecordStore.setAside(path)
                    holder.store = try RecordStore(path: path, host: host)
                case .apply(let slice):
                    guard holder.store != nil else { throw StoreError.notLoaded }
                    try holder.store?.apply(slice)
                }
                return .done
            } catch {
                return .failed(error)
            }
        }
    }

    var number: Int32 { worker.number }
    var isBusy: Bool { worker.outstanding > 0 }
    func submit(_ job: Job) { worker.submit(job) }
    func take() -> [Outcome] { worker.take() }
    func wait(milliseconds: Int32) { worker.wait(milliseconds: milliseconds) }
}

/// Where the daemon stands with its store.
struct StoreState {
    /// What was handed to the thread so far.
    var progress: StoreProgress
    /// The slice that the thread has, or that it could not write: it goes first.
    var slice: StoreSlice?
    var isOpen: Bool
    /// Whether a new store is to be begun.
    var mustRenew = false
    var isTimerArmed = false
    var pace = StorePace()
    /// When everything was on the disk last, nanoseconds since 1970.
    var written: UInt64?
    /// Why it cannot be written.
    var error: String?
    /// Until when everything that was observed was handed over, nanoseconds since 1970.
    var completeUntil: UInt64 = 0
    /// Records that waited at a moment and still do: on a busy host some always wait, but not for ever the same.
    private(set) var waiting: (records: Int, since: UInt64)?

    /// Notes that a slice was taken of so many records that waited; those that came first went first.
    mutating func noteTaken(_ pending: Int, left: Int, at moment: UInt64) {
        guard left > 0 else {
            waiting = nil
            return
        }
        let (records, since) = waiting ?? (pending, moment)
        let rest = records - max(pending - left, 0)
        waiting = rest > 0 ? (rest, since) : nil
        if rest <= 0 { completeUntil = max(completeUntil, since) }
    }
}
