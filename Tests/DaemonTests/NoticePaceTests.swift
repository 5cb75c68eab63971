import Glibc
import Observation
import Records
import SystemCalls
import Testing

@testable import Daemon

/// When the notices of TCP sockets are given up and taken up again.
@Suite struct NoticePaceTests {
    private static let tick: UInt64 = 10_000_000
    private let script = KernelScript()

    /// The steps of drains every ten milliseconds that bring so many ends each.
    private func steps(_ pace: inout NoticePace, _ ends: Int, drains: Int, from now: inout UInt64)
        -> [NoticePace.Step]
    {
        var steps: [NoticePace.Step] = []
        for _ in 0..<drains {
            now += Self.tick
            let step = pace.drained(ends: ends, isIdle: false, isWhole: true, at: now)
            if step == .pause { pace.paused(at: now) }
            if step == .resume { pace.resumed() }
            if step != .none { steps.append(step) }
        }
        return steps
    }

    @Test func aRateThatIsBorneChangesNothing() {
        var (pace, now): (NoticePace, UInt64) = (NoticePace(), 1_000_000_000)
        // 2,000 a second for ten minutes; then half of it, and a burst of 8,000 each half minute.
        #expect(steps(&pace, 20, drains: 60_000, from: &now) == [])
        for _ in 0..<20 {
            #expect(steps(&pace, 10, drains: 3000, from: &now) == [])
            #expect(steps(&pace, 8000, drains: 1, from: &now) == [])
        }
    }

    @Test func manyAreGivenUpAndFewTakenUpAgain() {
        var (pace, now): (NoticePace, UInt64) = (NoticePace(), 1_000_000_000)
        #expect(steps(&pace, 400, drains: 21, from: &now) == [])
        #expect(steps(&pace, 400, drains: 2, from: &now) == [.pause])
        // Between the two rates it stays as it is.
        #expect(steps(&pace, 20, drains: 3000, from: &now) == [])
        #expect(steps(&pace, 4, drains: 201, from: &now) == [.resume])
        #expect(steps(&pace, 20, drains: 3000, from: &now) == [])
        #expect(pace.pauses == 1)
    }

    @Test func whatIsLostOrIdleTakesThemUpAgain() {
        var (pace, now): (NoticePace, UInt64) = (NoticePace(), 1_000_000_000)
        #expect(steps(&pace, 10_000, drains: 1, from: &now) == [.pause])
        #expect(pace.drained(ends: 0, isIdle: true, isWhole: true, at: now + 1) == .resume)
        pace.resumed()
        #expect(steps(&pace, 10_000, drains: 1, from: &now) == [.pause])
        #expect(pace.drained(ends: 400, isIdle: false, isWhole: false, at: now + 1) == .resume)
        pace.resumed()
        // A minute later, whatever happens.
        #expect(steps(&pace, 400, drains: 5999, from: &now) == [])
        #expect(steps(&pace, 400, drains: 2, from: &now) == [.pause])
    }

    /// A drain of the scripted kernel in which so many connections end.
    private func drain(_ sources: inout ScriptedSources, ends: Int, lost: UInt64 = 0) -> (
        since: UInt64, isEmpty: Bool
    ) {
        script.now += Self.tick
        for number in 0..<ends {
            script.records += Connections.transition(
                1, 7, pid: 0, port: UInt16(1024 + number % 60_000), at: script.now)
        }
        if lost > 0 { script.records += Connections.lost(lost) }
        var batch = EventBatch()
        let drained = sources.drain(into: &batch, nil)
        return (batch.noticesSince, drained.isEmpty)
    }

    /// The kernel is asked once each time, and a batch says so though nothing else has happened.
    @Test func theKernelIsAskedAndTheBatchSaysSo() throws {
        var sources = try ScriptedSources(script)
        #expect(drain(&sources, ends: 10_000).since == 0)
        #expect(script.noticesWanted == [false])
        // What was sent before comes with this one.
        let next = drain(&sources, ends: 0)
        #expect(next.since == .max)
        #expect(!next.isEmpty)
        // Nothing happened.
        #expect(script.noticesWanted == [false, true])
        let after = drain(&sources, ends: 0)
        #expect(after.since == script.now - Self.tick)
        #expect(!after.isEmpty)
        #expect(drain(&sources, ends: 0).isEmpty)
    }

    /// Where changes of state are lost a notice may be all that is known of a connection.
    @Test func aLossOfTheRingTakesThemUp() throws {
        var sources = try ScriptedSources(script)
        _ = drain(&sources, ends: 10_000)
        _ = drain(&sources, ends: 400)
        #expect(script.noticesWanted == [false])
        _ = drain(&sources, ends: 400, lost: 3)
        #expect(script.noticesWanted == [false, true])
        for _ in 0..<100 { _ = drain(&sources, ends: 400) }
        #expect(script.noticesWanted == [false, true])
    }

    /// They stay if they cannot be given up. If they cannot be taken up the listener is opened anew, as often as it takes.
    @Test func whatTheKernelRefuses() throws {
        var sources = try ScriptedSources(script)
        script.noticesFailure = ENOMEM
        _ = drain(&sources, ends: 10_000)
        #expect(drain(&sources, ends: 0).since == 0)
        #expect(sources.failing.isEmpty)
        script.noticesFailure = nil
        _ = drain(&sources, ends: 20_000)
        _ = drain(&sources, ends: 1)
        #expect(script.noticesWanted.last == false)
        script.noticesFailure = ENOMEM
        script.notices.reopenFailure = ENOMEM
        for _ in 0..<3 {
            let next = drain(&sources, ends: 0)
            #expect(next.since == .max)
            #expect(!next.isEmpty)
        }
        #expect(sources.failing.isEmpty)
        script.notices.reopenFailure = nil
        let reopened = script.notices.reopened.count
        #expect(drain(&sources, ends: 400).since == .max)
        #expect(script.notices.reopened.count == reopened + 1)
        #expect(drain(&sources, ends: 400).since == script.now - Self.tick)
    }
}
