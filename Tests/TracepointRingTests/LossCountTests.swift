import SystemCalls
import Testing

@testable import TracepointRing

/// When the kernel is asked what a ring has dropped.
@Suite struct LossCountTests {
    private static let size = 1 << 20

    /// Reads of the kernel's count until now, and what was answered.
    private final class Kernel {
        var reads = 0
        var dropped: UInt64 = 0
        func read() throws(SystemError) -> UInt64 {
            reads += 1
            return dropped
        }
    }

    @Test func aRingThatWasNeverFullIsAskedOnce() throws {
        let kernel = Kernel()
        let loss = LossCount(size: Self.size)
        for _ in 0..<100 {
            loss.held(Self.size / 4)
            #expect(try loss.count(kernel.read) == 0)
        }
        #expect(kernel.reads == 1)
    }

    @Test func aRingThatMayHaveBeenFullIsAskedUntilItWasDrained() throws {
        let kernel = Kernel()
        let loss = LossCount(size: Self.size)
        #expect(try loss.count(kernel.read) == 0)
        kernel.dropped = 3
        // Found by one drain, asked after the next one.
        loss.held(Self.size / 4 + 1)
        loss.held(0)
        #expect(try loss.count(kernel.read) == 3)
        #expect(try loss.count(kernel.read) == 3)
        #expect(kernel.reads == 2)
    }

    /// What a damaged head says is no reason to believe that nothing was dropped.
    @Test func aHeadThatRanBackIsAReasonToAsk() throws {
        let kernel = Kernel()
        let loss = LossCount(size: Self.size)
        #expect(try loss.count(kernel.read) == 0)
        loss.held(-1)
        #expect(try loss.count(kernel.read) == 0)
        #expect(kernel.reads == 2)
    }

    /// A record of 64 KiB may find no room in an empty one.
    @Test(arguments: [4096, 65536]) func aSmallRingIsAlwaysAsked(size: Int) throws {
        let kernel = Kernel()
        let loss = LossCount(size: size)
        for _ in 0..<5 {
            loss.held(0)
            _ = try loss.count(kernel.read)
        }
        #expect(kernel.reads == 5)
    }

    @Test func whatCannotBeReadIsAskedAgain() throws {
        let loss = LossCount(size: Self.size)
        #expect(throws: SystemError.self) {
            try loss.count { () throws(SystemError) in throw SystemError("read", code: 5) }
        }
        #expect(try loss.count { () throws(SystemError) in 7 } == 7)
    }
}
