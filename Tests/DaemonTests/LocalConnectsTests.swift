import EventTrace
import Glibc
import Observation
import Records
import SystemCalls
import TestSupport
import Testing

@testable import Daemon
@testable import TracepointRing

/// What reports Unix sockets, on a kernel whose functions have other names.
@Suite(.serialized, .privileged)
struct LocalConnectsTests {
    @Test func eventsThatNobodyCanTellApartAreADegradedMode() throws {
        let rings: DataReadyRings
        do throws(TracepointError) { rings = try DataReadyRings { nil } } catch {
            // Linux before 6.3 has no such tracepoint.
            guard case .missing = error else { throw error }
            return
        }
        let local = LocalConnects(rings, withoutProbes: "no probes (none)")
        #expect(local.isOn && !local.numbers.isEmpty)
        let isGivenUp: Bool? = eventually(within: 10) {
            var ends: [Int32] = [0, 0]
            guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0 else { return nil }
            defer { for end in ends { close(end) } }
            guard write(ends[0], "x", 1) == 1 else { return nil }
            var batch = EventBatch()
            batch.cutoff = Clock.monotonic()
            var drained = Drained()
            local.drain(&batch, &drained, nil)
            #expect(batch.connects.isEmpty)
            return drained.modeChanged ? true : nil
        }
        #expect(isGivenUp == true)
        #expect(!local.isOn && local.numbers.isEmpty)
        #expect(local.mode == "off: no probes (none), no sock:sk_data_ready (\(TracepointError.noFunctions))")
        #expect(local.blindSpots(started: 7).map(\.since) == [7])
    }
}
