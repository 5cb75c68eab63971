import SocketDiagnostics
import Testing

@testable import MoveAgent

/// Which of what conntrack lists may be one of this host's that has ended.
@Suite("Connections that have ended")
struct EndedConnectionsTests {
    private static let own: [UInt8] = [10, 0, 0, 1]
    private static let peer: [UInt8] = [10, 0, 0, 9]
    private static let ends = EndedConnections.Ends(
        port: 8080, peer: SocketAddress(v4: 0x0a00_0009, port: 40_000))

    /// What the kernel answers of one.
    private static func answer(
        from source: [UInt8] = peer, _ sourcePort: UInt16 = 40_000, to destination: [UInt8] = own,
        _ destinationPort: UInt16 = 8080, transport: UInt8 = 6, status: UInt32 = 0x0e, mark: UInt32? = 0
    ) -> NetlinkAnswer {
        func raw(_ number: some FixedWidthInteger) -> [UInt8] { NetlinkMessage.raw(number.bigEndian) }
        let kinds: (UInt16, UInt16) = source.count == 4 ? (1, 2) : (3, 4)
        let tuple =
            NetlinkMessage.nested(
                1, NetlinkMessage.attribute(kinds.0, source) + NetlinkMessage.attribute(kinds.1, destination))
            + NetlinkMessage.nested(
                2,
                NetlinkMessage.attribute(1, [transport]) + NetlinkMessage.attribute(2, raw(sourcePort))
                    + NetlinkMessage.attribute(3, raw(destinationPort)))
        var body: [UInt8] = [source.count == 4 ? 2 : 10, 0, 0, 0] + NetlinkMessage.nested(1, tuple)
        body += NetlinkMessage.attribute(3, raw(status)) + NetlinkMessage.attribute(12, [1, 2, 3, 4])
        if let mark { body += NetlinkMessage.attribute(8, raw(mark)) }
        return NetlinkAnswer(kind: 1 << 8, sequence: 1, body: body)
    }

    private static func read(_ answer: NetlinkAnswer, ports: Set<UInt16> = [8080]) -> EndedConnections.Ends? {
        let six = SocketAddress(high: 0xfd00 << 48, low: 1, port: 0)
        return EndedConnections.Tracked(
            answer, ports: ports, addresses: [SocketAddress(v4: 0x0a00_0001, port: 0), six], markedBy: 0x52
        )?.ends
    }

    @Test func oneOfThisHostIsReadEitherWayRound() {
        #expect(Self.read(Self.answer()) == Self.ends)
        #expect(Self.read(Self.answer(mark: nil)) == Self.ends)
        #expect(Self.read(Self.answer(from: Self.own, 8080, to: Self.peer, 40_000)) == Self.ends)
        let six = { (last: UInt8) in [0xfd] + [UInt8](repeating: 0, count: 14) + [last] }
        let found = Self.read(Self.answer(from: six(9), 40_000, to: six(1), 8080))
        let peer = SocketAddress(high: 0xfd00 << 48, low: 9, port: 40_000)
        #expect(found == EndedConnections.Ends(port: 8080, peer: peer))
    }

    /// One that is marked, one that is translated, one of another port or transport, one that only passes through.
    @Test func othersAreLeft() {
        for answer in [
            Self.answer(mark: 0x5212_3400), Self.answer(status: 0x2e), Self.answer(status: 0x1e),
            Self.answer(to: Self.own, 8081), Self.answer(transport: 17), Self.answer(to: [10, 0, 0, 2]),
            Self.answer(from: Self.peer, 8080, to: [10, 0, 0, 2], 8080),
        ] { #expect(Self.read(answer) == nil) }
    }

    @Test func whatIsCutOffIsNone() {
        let whole = Self.answer()
        // The mark comes last, and one without a mark is none of the agent's.
        let needed = whole.body.count - 8
        for count in 0..<needed {
            var part = whole
            part.body = Array(whole.body.prefix(count))
            #expect(Self.read(part) == nil, "\(count) bytes")
        }
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var other = whole
            for _ in 0..<3 {
                other.body[Int.random(in: 0..<other.body.count, using: &random)] = .random(in: 0...255)
            }
            _ = Self.read(other)
        }
    }

    @Test func oneIsForgottenByItsTupleAndNumber() throws {
        let answer = Self.answer()
        let one = try #require(
            EndedConnections.Tracked(
                answer, ports: [8080], addresses: [SocketAddress(v4: 0x0a00_0001, port: 0)], markedBy: 0x52))
        let sent = try #require(NetlinkAnswer.all(in: one.end.bytes()).first)
        #expect(sent.kind == 1 << 8 | 2 && sent.body.first == 2)
        let (asked, known) = (sent.attributes(behind: 4), answer.attributes(behind: 4))
        #expect(asked[1] == known[1] && asked[12] == [1, 2, 3, 4])
    }
}
