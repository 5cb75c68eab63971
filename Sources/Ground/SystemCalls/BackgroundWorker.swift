import Glibc
import Synchronization

/// A thread that does one job after the other, for what may wait where the loop must not: /proc, the disk.
///
/// The loop submits jobs, polls `number` and takes the outcomes, which come in the order of the jobs. The thread
/// lives as long as the process.
public final class BackgroundWorker<Job: Sendable, Outcome: Sendable>: Sendable {
    private struct Queues {
        var jobs: [Job] = []
        var outcomes: [Outcome] = []
        /// Jobs that were submitted and whose outcome was not taken.
        var outstanding = 0
    }

    private let queues = Mutex(Queues())
    private let submitted: EventDescriptor
    private let finished: EventDescriptor

    /// Starts the thread; `work` runs on it alone.
    public init(_ work: @escaping @Sendable (Job) -> Outcome) throws(SystemError) {
        submitted = try EventDescriptor()
        finished = try EventDescriptor()
        try DetachedThread.start { [self] in
            while true { run(work) }
        }
    }

    /// The number to poll: readable when there are outcomes.
    public var number: Int32 { finished.number }

    /// Jobs whose outcome was not taken yet.
    public var outstanding: Int { queues.withLock { $0.outstanding } }

    /// Hands a job over; never waits.
    public func submit(_ job: Job) {
        queues.withLock { queues in
            queues.jobs.append(job)
            queues.outstanding += 1
        }
        submitted.raise()
    }

    /// The outcomes since this was last asked.
    public func take() -> [Outcome] {
        // Together: what is ready without an outcome would wake a loop for ever that has no reason to ask again.
        queues.withLock { queues in
            finished.acknowledge()
            defer { queues.outcomes.removeAll() }
            queues.outstanding -= queues.outcomes.count
            return queues.outcomes
        }
    }

    /// Waits until there is an outcome to take, at most so many milliseconds.
    public func wait(milliseconds: Int32) {
        var waiting = pollfd(fd: finished.number, events: Int16(POLLIN), revents: 0)
        _ = poll(&waiting, 1, milliseconds)
    }

    private func run(_ work: (Job) -> Outcome) {
        var waiting = pollfd(fd: submitted.number, events: Int16(POLLIN), revents: 0)
        _ = poll(&waiting, 1, -1)
        submitted.acknowledge()
        while let job = queues.withLock({ $0.jobs.isEmpty ? nil : $0.jobs.removeFirst() }) {
            let outcome = work(job)
            queues.withLock { queues in
                queues.outcomes.append(outcome)
                finished.raise()
            }
        }
    }
}

/// Threads without an end of their own.
public enum DetachedThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts a thread. The corresponding C function is `pthread_create`.
    public static func start(_ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let context = Unmanaged.passRetained(Body(body))
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { context in
                Unmanaged<Body>.fromOpaque(context!).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        if failure != 0 {
            context.release()
            throw SystemError("pthread_create", code: failure)
        }
        pthread_detach(thread)
    }
}
