import Testing

@testable import Daemon

/// A look that came too early is repeated soon, then less and less often, and not for ever.
@Suite struct LaterLookTests {
    @Test func eachPauseIsTwiceTheOneBefore() {
        var look = LaterLook()
        var now: UInt64 = 1_000_000_000
        var pauses: [UInt64] = []
        for _ in 0..<20 {
            look.advance(now)
            guard look.moment != .max else { break }
            pauses.append((look.moment - now) / 1_000_000)
            now = look.moment
        }
        #expect(pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024])
        look.advance(now)
        #expect(look.moment == .max, "it has ended")
    }
}
