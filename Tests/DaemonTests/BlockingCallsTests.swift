import SystemCalls
import Synchronization
import TestSupport
import Testing

@testable import Daemon

/// Calls that may never return.
@Suite struct BlockingCallsTests {
    /// A call that waits until it is let go.
    private final class Gate: Sendable {
        private let isOpen = Mutex(false)
        func open() { isOpen.withLock { $0 = true } }
        func wait() { _ = eventually(within: 60) { isOpen.withLock { $0 } ? true : nil } }
    }

    @Test func answerInTime() {
        let calls = BlockingCalls(deadline: 60_000_000_000)
        #expect(calls.run(1) { 23 } == 23)
        #expect(calls.expired == 0 && calls.outstanding == 0 && calls.delays.isEmpty)
    }

    @Test func placeThatDoesNotAnswerIsLeftAlone() {
        let calls = BlockingCalls(deadline: 20_000_000, pause: 1)
        let gate = Gate()
        #expect(calls.run(1) { gate.wait() } == nil)
        #expect(calls.expired == 1 && calls.outstanding == 1)
        #expect(calls.delays[1]?.isOutstanding == true)
        // Its pause is over, but the call has not returned.
        #expect(calls.run(1) { 23 } == nil)
        #expect(calls.refused == 1)
        gate.open()
        #expect(eventually { calls.outstanding == 0 ? true : nil } == true)
        #expect(calls.delays[1]?.isOutstanding == false)
        // Back in time once, it is forgiven.
        let patient: Int? = eventually { calls.run(1) { 23 } }
        #expect(patient == 23)
        #expect(calls.delays.isEmpty)
    }

    @Test func pauseGrows() {
        let calls = BlockingCalls(deadline: 1_000_000, pause: 1_000_000_000_000)
        let gate = Gate()
        #expect(calls.run(1) { gate.wait() } == nil)
        gate.open()
        #expect(eventually { calls.outstanding == 0 ? true : nil } == true)
        // Never before the pause is over, and a pause has an end.
        #expect(calls.run(1) { 23 } == nil)
        let now = Clock.monotonic()
        #expect((calls.delays[1]?.until ?? .max) - now <= BlockingCalls.longestPause)
    }

    @Test func soManyAndNoMoreAreOutstanding() {
        let calls = BlockingCalls(limit: 4, deadline: 10_000_000)
        let gate = Gate()
        for place in 0..<4 { #expect(calls.run(UInt64(place)) { gate.wait() } == nil) }
        #expect(calls.outstanding == 4)
        #expect(calls.run(99) { 23 } == nil)
        #expect(calls.refused == 1 && calls.expired == 4)
        gate.open()
        #expect(eventually { calls.outstanding == 0 ? true : nil } == true)
    }

    /// Who is slow is kept in mind, but no more than a bound.
    @Test func slowPlacesAreBounded() {
        let calls = BlockingCalls(limit: 4, deadline: 0, pause: 1_000_000_000)
        for place in 0..<UInt64(BlockingCalls.mostPlaces) + 23 {
            _ = eventually { calls.outstanding < 4 ? true : nil }
            _ = calls.run(place) { pause(seconds: 0.0001) }
        }
        #expect(calls.delays.count <= BlockingCalls.mostPlaces)
    }
}
