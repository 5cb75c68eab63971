import Glibc

/// Runs one body on two threads, for work so large that starting a thread does not show.
///
/// The body tells its two halves by a number and must keep them apart by itself: what one thread writes the
/// other neither reads nor writes before the next `meet`, or before `run` returns, which waits for both.
/// That is why it is safe to hand over a body that Swift cannot check.
final class ThreadPair {
    private let barrier: UnsafeMutablePointer<pthread_barrier_t>

    /// Whether there is a second processor for the second thread.
    static let isWorthwhile = sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 1

    private init() {
        barrier = .allocate(capacity: 1)
        precondition(pthread_barrier_init(barrier, nil, 2) == 0)
    }

    deinit {
        pthread_barrier_destroy(barrier)
        barrier.deallocate()
    }

    /// Waits for the other thread; what either wrote before, both see after. Both must meet equally often.
    func meet() { pthread_barrier_wait(barrier) }

    /// Runs a body as 0 on this thread and as 1 on another; if there is no other, says so, having done nothing.
    static func run(_ body: (_ half: Int, _ pair: ThreadPair) -> Void) -> Bool {
        withoutActuallyEscaping(body) { body in
            let pair = ThreadPair()
            let work = Unmanaged.passRetained(Work { body(1, pair) })
            var thread = pthread_t()
            let result = pthread_create(&thread, nil, { Work.perform($0) }, work.toOpaque())
            guard result == 0 else {
                work.release()
                return false
            }
            body(0, pair)
            pthread_join(thread, nil)
            return true
        }
    }

    /// The second thread's part; that thread lets go of it.
    private final class Work {
        let body: () -> Void

        init(_ body: @escaping () -> Void) { self.body = body }

        static func perform(_ work: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
            guard let work else { return nil }
            Unmanaged<Work>.fromOpaque(work).takeRetainedValue().body()
            return nil
        }
    }
}
