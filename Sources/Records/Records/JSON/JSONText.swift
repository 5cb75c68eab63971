/// Byte strings as JSON strings.
package enum JSONText {
    /// Appends `text` between quotes.
    ///
    /// Escaped are what JSON demands and what would break a line or steer a terminal: controls of both
    /// sets (U+0000–U+001F, U+007F–U+009F), U+2028 and U+2029, on which some readers split lines. Where
    /// the bytes are not UTF-8 stands U+FFFD.
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
            if let unit = unitToEscape(text, offset, length) {
                out.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[start..<offset]))
                appendEscape(unit, to: &out)
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

    /// The code unit of the sequence at `offset` if it must be escaped.
    private static func unitToEscape(_ text: UnsafeRawBufferPointer, _ offset: Int, _ length: Int) -> UInt16?
    {
        let first = text[offset]
        switch length {
        case 1: return first < 0x20 || first == 0x22 || first == 0x5c || first == 0x7f ? UInt16(first) : nil
        case 2: return first == 0xc2 && text[offset + 1] < 0xa0 ? UInt16(text[offset + 1]) : nil
        case 3:
            let isSeparator =
                first == 0xe2 && text[offset + 1] == 0x80
                && (text[offset + 2] == 0xa8 || text[offset + 2] == 0xa9)
            return isSeparator ? 0x2028 + UInt16(text[offset + 2] - 0xa8) : nil
        default: return nil
        }
    }

    private static func appendEscape(_ unit: UInt16, to out: inout [UInt8]) {
        switch unit {
        case 0x22: out.append("\\\"")
        case 0x5c: out.append("\\\\")
        case 0x08: out.append("\\b")
        case 0x09: out.append("\\t")
        case 0x0a: out.append("\\n")
        case 0x0c: out.append("\\f")
        case 0x0d: out.append("\\r")
        default:
            out.append("\\u")
            for shift in stride(from: 12, through: 0, by: -4) {
                let digit = UInt8(unit >> UInt16(shift) & 15)
                out.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
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
