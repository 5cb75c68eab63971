import NIOCore

/// Runs what tasks do on an event loop, beside its connections, and not on the threads that all tasks of the process share: nobody
/// there can keep clients waiting.
final class LoopExecutor: TaskExecutor {
    private let loop: any EventLoop

    init(_ loop: any EventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
