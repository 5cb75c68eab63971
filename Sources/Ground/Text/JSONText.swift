/// Byte strings as JSON strings.
package enum JSONText {
    /// Appends `text` between quotes.
    ///
    /// Escaped are what JSON demands and what would break a line or steer a terminal: the general categories Cc
    /// (controls, U+0000–U+001F and U+007F–U+009F), Cf (what reverses the writing or takes no room) and Zl, Zp
    /// (U+2028 and U+2029, on which some readers split lines). Where the bytes are not UTF-8 stands U+FFFD.
    ///
    /// - Returns: whether the bytes are UTF-8, so that nothing is lost.
    @discardableResult
    package static func append(_ text: UnsafeRawBufferPointer, to out: inout [UInt8]) -> Bool {
        var isWhole = true
        out.append(UInt8(ascii: "\""))
        var start = 0
        var offset = text.endOfAsIs(from: 0)
        while offset < text.count {
            let form = UTF8Form(text, at: offset)
            guard case .valid(let length) = form else {
                if case .invalid(let length) = form {
                    out.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[start..<offset]))
                    out.append("\u{fffd}")
                    isWhole = false
                    start = offset + length
                    offset = text.endOfAsIs(from: start)
                }
                continue
            }
            if let scalar = scalarToEscape(text, offset, length) {
                out.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[start..<offset]))
                appendEscape(scalar, to: &out)
                start = offset + length
            }
            offset = text.endOfAsIs(from: offset + length)
        }
        out.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[start...]))
        out.append(UInt8(ascii: "\""))
        return isWhole
    }

    /// Appends a string between quotes.
    package static func append(_ text: String, to out: inout [UInt8]) {
        var text = text
        text.withUTF8 { _ = append(UnsafeRawBufferPointer($0), to: &out) }
    }

    /// The character at `offset`, `length` bytes long, if it must be escaped.
    private static func scalarToEscape(
        _ text: UnsafeRawBufferPointer, _ offset: Int, _ length: Int
    ) -> UInt32? {
        let lead = text[offset]
        switch length {
        case 1: return lead < 0x20 || lead == 0x22 || lead == 0x5c || lead == 0x7f ? UInt32(lead) : nil
        case 2:
            let scalar = UInt32(lead & 0x1f) << 6 | UInt32(text[offset + 1] & 0x3f)
            switch scalar {
            case 0x80...0x9f, 0xad, 0x600...0x605, 0x61c, 0x6dd, 0x70f: return scalar
            default: return nil
            }
        case 3:
            // All that follows starts with one of these; most scripts of three bytes a letter with none.
            guard lead <= 0xe2 || lead == 0xef else { return nil }
            let scalar =
                UInt32(lead & 0x0f) << 12 | UInt32(text[offset + 1] & 0x3f) << 6
                | UInt32(text[offset + 2] & 0x3f)
            switch scalar {
            case 0x890...0x891, 0x8e2, 0x180e, 0x200b...0x200f, 0x2028...0x202e, 0x2060...0x2064,
                0x2066...0x206f, 0xfeff, 0xfff9...0xfffb:
                return scalar
            default: return nil
            }
        default:
            let high = UInt32(lead & 0x07) << 18 | UInt32(text[offset + 1] & 0x3f) << 12
            let scalar = high | UInt32(text[offset + 2] & 0x3f) << 6 | UInt32(text[offset + 3] & 0x3f)
            switch scalar {
            case 0x110bd, 0x110cd, 0x13430...0x1343f, 0x1bca0...0x1bca3, 0x1d173...0x1d17a, 0xe0001,
                0xe0020...0xe007f:
                return scalar
            default: return nil
            }
        }
    }

    private static func appendEscape(_ scalar: UInt32, to out: inout [UInt8]) {
        switch scalar {
        case 0x22: out.append("\\\"")
        case 0x5c: out.append("\\\\")
        case 0x08: out.append("\\b")
        case 0x09: out.append("\\t")
        case 0x0a: out.append("\\n")
        case 0x0c: out.append("\\f")
        case 0x0d: out.append("\\r")
        case 0x1_0000...:
            appendUnit(0xd800 + (scalar - 0x1_0000) >> 10, to: &out)
            appendUnit(0xdc00 + (scalar - 0x1_0000) & 0x3ff, to: &out)
        default: appendUnit(scalar, to: &out)
        }
    }

    private static func appendUnit(_ unit: UInt32, to out: inout [UInt8]) {
        out.append("\\u")
        for shift in stride(from: 12, through: 0, by: -4) {
            let digit = UInt8(unit >> UInt32(shift) & 15)
            out.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }
}

extension UnsafeRawBufferPointer {
    /// End of the bytes from `offset` on that may stand in a string as they are without a closer look.
    @inline(__always)
    fileprivate func endOfAsIs(from offset: Int) -> Int {
        // DEL is plain to JSON but not to a terminal. It is so rare that each run is looked through twice.
        let end = endOfPlain(from: offset)
        return UnsafeRawBufferPointer(rebasing: self[..<end]).first(0x7f, from: offset) ?? end
    }
}

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
