/// What stands at a place in bytes that should be UTF-8 (The Unicode Standard, table 3-7).
public enum UTF8Form: Equatable, Sendable {
    /// A well-formed sequence of this many bytes.
    case valid(Int)
    /// This many bytes that no well-formed sequence starts with: what one U+FFFD replaces.
    case invalid(Int)

    /// Looks at `bytes[offset]` and what follows; `offset` must lie inside.
    @inlinable @inline(__always)
    public init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        let lead = bytes[offset]
        if lead < 0x80 {
            self = .valid(1)
            return
        }
        // The second byte's range shuts out overlong forms, surrogates and what lies beyond U+10FFFF.
        let (length, second): (Int, ClosedRange<UInt8>)
        switch lead {
        case 0xc2...0xdf: (length, second) = (2, 0x80...0xbf)
        case 0xe0: (length, second) = (3, 0xa0...0xbf)
        case 0xed: (length, second) = (3, 0x80...0x9f)
        case 0xe1...0xef: (length, second) = (3, 0x80...0xbf)
        case 0xf0: (length, second) = (4, 0x90...0xbf)
        case 0xf1...0xf3: (length, second) = (4, 0x80...0xbf)
        case 0xf4: (length, second) = (4, 0x80...0x8f)
        default:
            self = .invalid(1)
            return
        }
        guard offset + 1 < bytes.count, second.contains(bytes[offset + 1]) else {
            self = .invalid(1)
            return
        }
        for index in 2..<max(length, 2) {
            guard offset + index < bytes.count, (0x80...0xbf).contains(bytes[offset + index]) else {
                self = .invalid(index)
                return
            }
        }
        self = .valid(length)
    }
}
