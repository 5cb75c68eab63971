import Glibc
import SystemCalls
import Testing

@Suite struct BackgroundWorkerTests {
    /// After all outcomes were taken its number is not ready: a loop that waits for it would never sleep again.
    @Test func nothingIsReadyOnceEverythingWasTaken() throws {
        let worker = try BackgroundWorker<Int, Int> { $0 + 1 }
        for number in 0..<20_000 {
            worker.submit(number)
            // Taken as early as can be, not when the number says so: that is what another wake-up does.
            var taken: [Int] = []
            while taken.isEmpty { taken = worker.take() }
            #expect(taken == [number + 1])
            sched_yield()
            var waiting = pollfd(fd: worker.number, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, 0) == 0 else {
                Issue.record("ready without an outcome, at number \(number)")
                return
            }
        }
        #expect(worker.outstanding == 0)
    }
}
