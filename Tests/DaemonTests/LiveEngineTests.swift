import Glibc
import Observation
import Synchronization
import Testing

@testable import Daemon

/// The living kernel as an engine, with a kernel that a test scripts.
@Suite struct LiveEngineTests {
    /// What a scan has met may have an event that is still queued: it is delivered only after a drain that began later.
    @Test func aScanThatFinishesDuringADrainWaitsForTheNext() throws {
        let script = KernelScript()
        let work = ScriptedWork()
        work.state.withLock { $0.isHeld = true }
        var engine = try ScriptedLiveEngine(
            try ScriptedSources(script), work.work { 1_000_000_000 }, nil, ownNetwork: 7, started: script.wall
        )
        engine.requestScan(ScanRequest(.open, .look, number: 5))
        let number = try #require(engine.workerNumbers.first)
        script.duringDrain = {
            work.state.withLock { $0.isHeld = false }
            var waiting = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            #expect(poll(&waiting, 1, 60_000) == 1, "the scan finishes")
        }
        var batch = EventBatch()
        _ = engine.drain(into: &batch)
        #expect(work.scans.count == 1)
        #expect(engine.finishedScan() == nil)
        _ = engine.drain(into: &batch)
        #expect(engine.finishedScan()?.request.number == 5)
        #expect(engine.finishedScan() == nil)
    }
}
