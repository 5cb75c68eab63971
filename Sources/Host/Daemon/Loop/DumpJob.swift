import Glibc
import Observation
import Records
import SystemCalls

/// A dump on its way: the dump barrier, step by step, with drains in between.
///
/// 1. Drain: everything that a process completed before it was asked for is interpreted.
/// 2. Scan: what is still open, those that did something first.
/// 3. Settle: the notices of connections that have just ended, which come from a work queue.
/// 4. Describe: what the programs that have records run with, read by a thread.
/// 5. Write: a slice of lines a turn, put onto the disk by a thread.
struct DumpJob {
    enum Stage: Equatable {
        case scanning(number: UInt64)
        case settling(until: UInt64)
        case describing(number: UInt64, until: UInt64)
        case writing
    }

    /// How long the scan may go on reading processes that did nothing since the last one, nanoseconds.
    static let scanLimit: UInt64 = 120_000_000
    /// How long notices of ended connections are waited for, nanoseconds.
    static let patience: UInt64 = 200_000_000
    /// Lines of a slice, and about what they take, nanoseconds.
    static let slice = 8192
    static let sliceTime: UInt64 = 2_000_000
    /// Pieces that may wait for the disk.
    static let mostWaiting = 32

    /// When it was asked for, nanoseconds since 1970.
    let time: UInt64
    /// The client that waits for it; `nil` for a dump into the folder of dumps.
    let client: Int32?
    /// Only what changed at a greater number is written, and nothing is described; `nil` for a whole dump.
    let changesAfter: UInt32?
    var stage: Stage
    var file: DumpFile?
    /// Whether every line was handed to the thread.
    var isHandedOver = false
    /// Whether it goes to a file in memory, since the disk took none.
    var isInMemory = false
    /// What programs run with; `nil` where that is not asked for.
    var described: ProcessDescriber.Outcome?

    init(_ request: DumpRequest, scan: UInt64) {
        time = request.time
        client = request.client
        changesAfter = request.changesAfter
        stage = .scanning(number: scan)
    }

    /// The same once more, with a file that needs no disk.
    init(inMemory job: DumpJob) {
        self = job
        file = nil
        isHandedOver = false
        isInMemory = true
    }
}

/// A dump that was asked for.
struct DumpRequest {
    /// When, nanoseconds since 1970.
    var time: UInt64
    /// Who waits for it; `nil` for a dump into the folder of dumps.
    var client: Int32?
    /// `nil` for a whole dump.
    var changesAfter: UInt32?
    /// Whether a scan goes before.
    var looks = true
}

/// A dump's file, open for writing and reading.
final class DumpFile: Sendable {
    let descriptor: FileDescriptor
    /// Whether it lies on a disk, so that its pages are to be written out while it grows.
    let isOnDisk: Bool
    /// Bytes that it may have: in memory not more than the daemon may take.
    let most: Int

    init(_ descriptor: consuming FileDescriptor, isOnDisk: Bool, most: Int = .max) {
        self.descriptor = descriptor
        self.isOnDisk = isOnDisk
        self.most = most
    }
}

/// Puts dumps onto the disk, on a thread of its own.
final class DumpWriter: Sendable {
    enum Job: Sendable {
        case bytes(DumpFile, [UInt8])
        /// Everything was written; `publish` gives it its name.
        case end(DumpFile, publish: (folder: DumpFolder, time: UInt64, keep: Int)?)
    }

    /// What became of a job; the file identifies the dump.
    enum Outcome: Sendable {
        case written
        case ended(DumpFile)
        case failed(DumpFile, SystemError)
    }

    private let worker: BackgroundWorker<Job, Outcome>

    init() throws(SystemError) {
        let progress = WriteProgress()
        worker = try BackgroundWorker { job in
            do throws(SystemError) {
                switch job {
                case .bytes(let file, let bytes):
                    try progress.write(bytes, to: file)
                    return .written
                case .end(let file, let publish):
                    defer { progress.reset() }
                    if let failure = progress.failure { throw failure }
                    if let publish {
                        try publish.folder.publish(file.descriptor, time: publish.time, keep: publish.keep)
                    }
                    return .ended(file)
                }
            } catch {
                switch job {
                case .bytes(let file, _): return .failed(file, error)
                case .end(let file, _):
                    progress.reset()
                    return .failed(file, error)
                }
            }
        }
    }

    var number: Int32 { worker.number }
    var outstanding: Int { worker.outstanding }
    func submit(_ job: Job) { worker.submit(job) }
    func take() -> [Outcome] { worker.take() }
}

/// How far the present dump was written; used by the writing thread alone.
private final class WriteProgress: @unchecked Sendable {
    private var end = 0
    private var writeOut: WriteOut?
    /// What went wrong with the present dump: the rest of it need not be tried.
    private(set) var failure: SystemError?

    func reset() {
        end = 0
        writeOut = nil
        failure = nil
    }

    func write(_ bytes: [UInt8], to file: DumpFile) throws(SystemError) {
        if let failure { throw failure }
        if writeOut == nil, file.isOnDisk { writeOut = WriteOut(file.descriptor) }
        do throws(SystemError) {
            guard bytes.count <= file.most - end else { throw SystemError("write", code: EFBIG) }
            var written = 0
            let number = file.descriptor.number
            while written < bytes.count {
                let left = bytes[written...]
                written += try systemCall("write") {
                    left.withUnsafeBytes { Glibc.write(number, $0.baseAddress, $0.count) }
                }
            }
            end += bytes.count
            try writeOut?.advance(to: end)
        } catch {
            failure = error
            throw error
        }
    }
}
