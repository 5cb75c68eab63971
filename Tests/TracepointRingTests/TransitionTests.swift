import TestSupport
import Testing
import TracepointRing
import Wire

@Suite struct TransitionTests {
    private func parse(
        _ bytes: [UInt8], _ layout: TransitionLayout
    ) throws(WireError) -> (transitions: [StateTransition], lost: [UInt64]) {
        var transitions = [StateTransition]()
        var lost = [UInt64]()
        try TracepointRings.parse(bytes.span.bytes, layout: layout) {
            transitions.append(copy $0)
        } lost: {
            lost.append($0)
        }
        return (transitions, lost)
    }

    @Test func aClientsConnection() throws {
        let bytes = Fixtures.connecting + Fixtures.lost + Fixtures.throttle + Fixtures.connected
        let (all, lost) = try parse(bytes + Fixtures.lostSamples, try Fixtures.layout)
        try #require(all.count == 2)
        #expect(lost == [23, 3])
        let low: UInt64 = 0xffff_7f00_0001
        #expect(all[0].time == 123_456_789)
        #expect(all[0].process == 23)
        #expect(all[0].thread == 24)
        #expect(all[0].socket == 0xffff_8881_c0a1_b240)
        #expect(all[0].oldState == .close)
        #expect(all[0].newState == .synSent)
        #expect(all[0].family == 2)
        #expect(all[0].transport == 6)
        #expect(all[0].local == TransitionAddress(high: 0, low: low, port: 0))
        #expect(all[0].remote == TransitionAddress(high: 0, low: low, port: 34761))
        #expect(all[1].time == 123_456_790)
        #expect(all[1].process == 0)
        #expect(all[1].socket == all[0].socket)
        #expect(all[1].oldState == .synSent)
        #expect(all[1].newState == .established)
        #expect(all[1].local == TransitionAddress(high: 0, low: low, port: 52926))
    }

    @Test func addressesKeepTheirByteOrder() throws {
        var bytes = Fixtures.connected
        let event = 28
        for index in 0..<32 { bytes[event + 40 + index] = UInt8(0xa0 + index) }
        let transition = try parse(bytes, try Fixtures.layout).transitions[0]
        #expect(transition.local.high == 0xa0a1_a2a3_a4a5_a6a7)
        #expect(transition.local.low == 0xa8a9_aaab_acad_aeaf)
        #expect(transition.remote.high == 0xb0b1_b2b3_b4b5_b6b7)
        #expect(transition.remote.low == 0xb8b9_babb_bcbd_bebf)
    }

    @Test func whatIsNotWantedIsSkipped() throws {
        let layout = try Fixtures.layout
        var sctp = Fixtures.connecting
        sctp[28 + 30] = 132
        var mptcp = Fixtures.connecting
        mptcp[28 + 30...28 + 31] = [6, 1]
        var foreign = Fixtures.connecting
        foreign[28] = 0xee
        #expect(try parse(sctp, layout).transitions.isEmpty)
        #expect(try parse(mptcp, layout).transitions.map(\.transport) == [262])
        #expect(try parse(foreign, layout).transitions.isEmpty)
        #expect(try parse(sctp + foreign + Fixtures.connecting, layout).transitions.count == 1)
    }

    /// Another tracepoint's events on the same ring need not be as long as ours.
    @Test func aShortForeignEventIsSkipped() throws {
        let short = hex(
            """
            09000000 0100 2000  // perf_event_header: PERF_RECORD_SAMPLE, misc, size
            17000000 18000000 15cd5b0700000000  // pid, tid, time
            04000000  // size of the raw data
            ee08 0000
            """)
        #expect(try parse(short + Fixtures.connecting, try Fixtures.layout).transitions.count == 1)
    }

    @Test func oneByteOfProtocol() throws {
        var layout = try Fixtures.layout.bytes
        layout[17] = 1
        var bytes = Fixtures.connecting
        bytes[28 + 31] = 0xff
        #expect(try parse(bytes, TransitionLayout(layout)).transitions.map(\.transport) == [6])
        #expect(try parse(bytes, Fixtures.layout).transitions.isEmpty)
    }

    @Test func lengthsAreNotTrusted() throws {
        let layout = try Fixtures.layout
        func broken(_ fixture: [UInt8], _ change: (inout [UInt8]) -> Void) -> WireError? {
            var bytes = fixture
            change(&bytes)
            do throws(WireError) {
                _ = try parse(bytes, layout)
                return nil
            } catch { return error }
        }
        #expect(broken(Fixtures.connecting) { $0[6...7] = [0, 0] } == .malformed(offset: 0))
        #expect(broken(Fixtures.connecting) { $0[6...7] = [7, 0] } == .malformed(offset: 0))
        #expect(broken(Fixtures.connecting) { $0[6...7] = [0xff, 0xff] } == .truncated(offset: 0))
        #expect(broken(Fixtures.connecting) { $0[6...7] = [27, 0] } == .malformed(offset: 8))
        // The raw data's: beyond the record, far beyond, and shorter than the fields need.
        #expect(broken(Fixtures.connecting) { $0[24] += 1 } == .truncated(offset: 28))
        #expect(
            broken(Fixtures.connecting) { $0[24...27] = [0xff, 0xff, 0xff, 0xff] } == .truncated(offset: 28))
        #expect(broken(Fixtures.connecting) { $0[24] = 1 } != nil)
        #expect(broken(Fixtures.connecting) { $0[24] = 71 } != nil)
        #expect(broken(Fixtures.connecting) { $0[24] = 72 } == nil)
        #expect(broken(Fixtures.lost + Fixtures.lost) { $0[6] = 16 } == .malformed(offset: 0))
        #expect(broken(Fixtures.lostSamples + Fixtures.lost) { $0[6] = 8 } == .malformed(offset: 0))
    }

    @Test func everyTruncationIsAnError() throws {
        let layout = try Fixtures.layout
        let whole = [
            Fixtures.connecting, Fixtures.connected, Fixtures.lost, Fixtures.lostSamples, Fixtures.throttle,
        ]
        for bytes in whole {
            for length in 1..<bytes.count {
                #expect(throws: WireError.self) { try parse(Array(bytes.prefix(length)), layout) }
            }
        }
        #expect(try parse([], layout).transitions.isEmpty)
    }

    @Test func hostileBytesDoNotTrap() throws {
        let good = [
            Fixtures.connecting, Fixtures.connected + Fixtures.lost,
            Fixtures.lostSamples + Fixtures.connecting,
        ]
        let layout = try Fixtures.layout
        var parsed = 0
        var refused = 0
        hostileMessages(from: good, count: 20_000, seed: 77) { bytes in
            do throws(WireError) {
                parsed += try parse(bytes, layout).transitions.count
            } catch { refused += 1 }
        }
        #expect(parsed > 1000)
        #expect(refused > 1000)
    }

    /// A recorded layout may be anything; events are then not what they seem, but bounds hold.
    @Test func hostileLayoutsDoNotTrap() throws {
        let good = try Fixtures.layout.bytes
        var understood = 0
        hostileMessages(from: [good], count: 5_000, seed: 5) { bytes in
            guard let layout = try? TransitionLayout(bytes) else { return }
            understood += 1
            _ = try? parse(Fixtures.connecting + Fixtures.lost + Fixtures.connected, layout)
        }
        #expect(understood > 100)
    }
}
