import SocketDiagnostics
import TestSupport
import Testing
import Wire

/// What connection tracking says of a flow.
@Suite struct TranslatedFlowTests {
    /// 10.0.0.1:48546 asks 10.0.0.1:8080 and is answered by 10.0.0.2:38067.
    private func message(status: UInt32) -> [UInt8] {
        func attribute(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
            let size = UInt16(value.count + 4)
            let padding = [UInt8](repeating: 0, count: (4 - value.count % 4) % 4)
            return [UInt8(size & 255), UInt8(size >> 8), UInt8(type & 255), UInt8(type >> 8)] + value
                + padding
        }
        func big(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
        func tuple(_ from: UInt8, _ to: UInt8, _ ports: (UInt16, UInt16)) -> [UInt8] {
            attribute(0x8001, attribute(1, [10, 0, 0, from]) + attribute(2, [10, 0, 0, to]))
                + attribute(
                    0x8002, attribute(1, [6]) + attribute(2, big(ports.0)) + attribute(3, big(ports.1)))
        }
        let bits = (0..<4).map { UInt8(truncatingIfNeeded: status >> (24 - 8 * $0)) }
        let body =
            [2, 0, 0, 0] + attribute(0x8001, tuple(1, 1, (48546, 8080)))
            + attribute(0x8002, tuple(2, 1, (38067, 48546))) + attribute(3, bits)
        let size = UInt32(body.count + 16)
        return (0..<4).map { UInt8(truncatingIfNeeded: size >> (8 * $0)) } + [
            0, 1, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0,
        ]
            + body
    }

    @Test func aTranslatedFlow() throws {
        var flows: [TranslatedFlow] = []
        try TranslatedFlow.parse((message(status: 0x1ae) + message(status: 0x18e)).span.bytes) {
            flows.append($0)
        }
        #expect(flows.count == 1, "the other's destination is its own")
        let flow = try #require(flows.first)
        #expect(flow.transport == 6)
        #expect(flow.client == SocketAddress(v4: 0x0a00_0001, port: 48546))
        #expect(flow.asked == SocketAddress(v4: 0x0a00_0001, port: 8080))
        #expect(flow.server == SocketAddress(v4: 0x0a00_0002, port: 38067))
        #expect(flow.seen == SocketAddress(v4: 0x0a00_0001, port: 48546))
    }

    /// Bytes that are no such message, cut off anywhere or changed anywhere, are an error or another flow, never a crash.
    @Test func hostileBytes() {
        let good = message(status: 0x1ae)
        for end in good.indices { try? TranslatedFlow.parse(Array(good[..<end]).span.bytes) { _ in } }
        var random = SeededGenerator(seed: 9)
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(
                    in: 0...255, using: &random)
            }
            try? TranslatedFlow.parse(bytes.span.bytes) { _ in }
        }
    }
}
