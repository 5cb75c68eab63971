import Glibc
import SystemCalls
import TestSupport
import Testing

@testable import TracepointRing

/// The rings of `sock:sk_data_ready` on a kernel that has it.
@Suite(.serialized, .enabled(if: isRoot, "needs root: perf events of every process"))
struct DataReadyRingsTests {
    private static func wakeSomebody() throws {
        var ends: [Int32] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        defer { for end in ends { close(end) } }
        try #require(write(ends[0], "x", 1) == 1)
    }

    private func seen(_ functions: @escaping @Sendable () -> DataReadyEvents.Functions?) throws -> (
        Bool, Bool
    )? {
        var rings: DataReadyRings
        do throws(TracepointError) { rings = try DataReadyRings(functions) } catch {
            // Linux before 6.3 has no such tracepoint.
            guard case .missing = error else { throw error }
            return nil
        }
        let atFirst = rings.isReadable
        let isSeen = try eventually(within: 10) { () -> Bool? in
            try Self.wakeSomebody()
            return rings.drain(now: Clock.monotonic()) { _ in }.counts.events > 0 ? true : nil
        }
        #expect(isSeen == true)
        return (atFirst, rings.isReadable)
    }

    /// That the kernel's functions are not found shows with the first event, and not before: nobody waits for them.
    @Test func eventsThatCannotBeToldApart() throws {
        if let (atFirst, later) = try seen({ nil }) { #expect(atFirst && !later) }
        if let (atFirst, later) = try seen(DataReadyEvents.Functions.init) { #expect(atFirst && later) }
    }
}
