import TestSupport
import Testing
import Wire

@testable import TracepointRing

/// What samples of `sock:sk_data_ready` say: who connects, to which socket, by which name.
@Suite struct DataReadyTests {
    private let events: DataReadyEvents

    init() throws {
        events = try DataReadyEvents(
            identifier: 7, socket: 8, .init(connect: 1000..<2000, datagram: 5000..<6000))
    }

    private func bytes<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    /// A sample whose caller passed an address that lies so many bytes above its stack's end.
    private func sample(
        frames: [UInt64], address: [UInt8] = [], at offset: UInt64 = 64, length: UInt64? = nil,
        abi: UInt64 = 2
    ) -> [UInt8] {
        let event =
            bytes(UInt16(7)) + [0, 0] + bytes(Int32(3)) + bytes(UInt64(0xffff_8881_0000_4400))
            + bytes(UInt16(1)) + bytes(UInt16(0)) + bytes(UInt32(0)) + bytes(UInt64(0))
        let raw = event + [UInt8](repeating: 0, count: 4)
        var body = bytes(Int32(23)) + bytes(Int32(24)) + bytes(UInt64(4711)) + bytes(UInt64(frames.count))
        for frame in frames { body += bytes(frame) }
        body += bytes(UInt32(raw.count)) + raw
        body += bytes(abi)
        let stack: UInt64 = 0x7ffc_0000
        let registers = [length ?? UInt64(address.count), stack + offset, stack]
        if abi != 0 {
            #if arch(arm64)
                for value in [registers[1], registers[0], registers[2]] { body += bytes(value) }
            #else
                for value in registers { body += bytes(value) }
            #endif
        }
        var dumped = [UInt8](repeating: 0xaa, count: 512)
        let room = max(0, 512 - Int(offset))
        for (place, byte) in address.prefix(room).enumerated() { dumped[Int(offset) + place] = byte }
        body += bytes(UInt64(512)) + dumped + bytes(UInt64(512))
        return bytes(UInt32(9)) + bytes(UInt16(1)) + bytes(UInt16(body.count + 8)) + body
    }

    private func read(_ records: [UInt8]) throws -> [UnixConnect] {
        var found: [UnixConnect] = []
        _ = try events.parse(records.span.bytes) { found.append($0) }
        return found
    }

    private static let path: [UInt8] = [1, 0] + Array("/run/s".utf8) + [0]

    #if arch(x86_64) || arch(arm64)
        @Test func aConnectByName() throws {
            #expect(
                try read(sample(frames: [9000, 1500], address: Self.path)) == [
                    UnixConnect(
                        time: 4711, process: 23, call: .connect, socket: 0xffff_8881_0000_4400,
                        name: Array("/run/s".utf8))
                ])
            // An abstract name keeps its NUL, and those within it.
            let abstract: [UInt8] = [1, 0, 0, 97, 0, 98]
            #expect(try read(sample(frames: [1500], address: abstract)).first?.name == [0, 97, 0, 98])
        }

        /// A name that does not lie on the stack as a whole, or not in the form of an address, is not read.
        @Test func withoutAName() throws {
            for sample in [
                sample(frames: [1500], address: Self.path, at: 508),
                sample(frames: [1500], address: Self.path, at: 4096),
                sample(frames: [1500], address: Self.path, length: 2),
                sample(frames: [1500], address: Self.path, length: 1 << 40),
                sample(frames: [1500], address: [2, 0, 97, 98]),
                sample(frames: [1500], address: Self.path, abi: 1),
            ] {
                let found = try read(sample)
                #expect(found.count == 1)
                #expect(found.first?.name == nil)
            }
        }
    #endif

    /// The function that the call went through tells a connect, a datagram and a message of a stream.
    @Test func whatWasDone() throws {
        #expect(try read(sample(frames: [9000, 5999])).map(\.call) == [.datagram])
        #expect(try read(sample(frames: [9000, 2000, 999])).isEmpty)
        #expect(try read(sample(frames: [])).isEmpty)
    }

    @Test func hostileBytes() {
        let good = sample(frames: [9000, 1500], address: Self.path)
        for end in good.indices { _ = try? read(Array(good[..<end])) }
        var random = SeededGenerator(seed: 7)
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<130, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = try? read(bytes)
        }
    }

    /// What the kernel is asked to let through when messages are many.
    @Test func filters() {
        #expect(DataReadyRings.filter([]) == "family == 1 && skaddr == 0")
        #expect(DataReadyRings.filter([255, 16]) == "skaddr == 0xff || skaddr == 0x10")
    }
}
