import Glibc

/// The words into which a message digest mixes blocks of 64 bytes.
protocol BlockState: Sendable {
    /// In which order the message's length stands behind it.
    static var isBigEndian: Bool { get }
    /// As the standard begins.
    init()
    /// Mixes in 64 bytes.
    mutating func take(block: UnsafeRawPointer)
}

/// What MD5 (RFC 1321, 3.1 and 3.2) and SHA-256 (FIPS 180-4, 5.1.1) do alike: bytes gather into blocks, and behind the last
/// byte stand a bit, zeros and the length.
struct BlockMessage<State: BlockState>: Sendable {
    private var state = State()
    /// Bytes that do not fill a block yet.
    private var rest: [UInt8] = []
    /// Bytes taken in so far; the digest holds their number of bits modulo 2^64.
    private var length: UInt64 = 0

    init() { rest.reserveCapacity(128) }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        length &+= UInt64(bytes.count)
        var offset = 0
        if !rest.isEmpty {
            offset = min(64 - rest.count, bytes.count)
            rest.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[..<offset]))
            guard rest.count == 64 else { return }
            rest.withUnsafeBytes { state.take(block: $0.baseAddress!) }
            rest.removeAll(keepingCapacity: true)
        }
        // A local copy stays in registers from block to block.
        var running = state
        while bytes.count - offset >= 64 {
            running.take(block: bytes.baseAddress! + offset)
            offset += 64
        }
        state = running
        rest.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[offset...]))
    }

    /// The words behind the last byte.
    consuming func finish() -> State {
        let bits = length &<< 3
        rest.append(0x80)
        while rest.count % 64 != 56 { rest.append(0) }
        for index in 0..<8 {
            let shift = State.isBigEndian ? 56 - 8 * index : 8 * index
            rest.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift)))
        }
        rest.withUnsafeBytes { padded in
            for offset in stride(from: 0, to: padded.count, by: 64) {
                state.take(block: padded.baseAddress! + offset)
            }
        }
        return state
    }
}
