/// Base64 with padding (RFC 4648, section 4).
package enum Base64 {
    private static let alphabet = [UInt8](
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Appends the text form of `bytes`.
    package static func append(_ bytes: UnsafeRawBufferPointer, to out: inout [UInt8]) {
        var offset = 0
        while offset < bytes.count {
            let left = bytes.count - offset
            var group = UInt32(bytes[offset]) << 16
            if left > 1 { group |= UInt32(bytes[offset + 1]) << 8 }
            if left > 2 { group |= UInt32(bytes[offset + 2]) }
            out.append(alphabet[Int(group >> 18)])
            out.append(alphabet[Int(group >> 12 & 63)])
            out.append(left > 1 ? alphabet[Int(group >> 6 & 63)] : UInt8(ascii: "="))
            out.append(left > 2 ? alphabet[Int(group & 63)] : UInt8(ascii: "="))
            offset += 3
        }
    }

    /// The bytes that `text` stands for; `nil` unless it is exactly what `append` writes.
    package static func decode(_ text: [UInt8]) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        for start in stride(from: 0, to: text.count, by: 4) {
            let isLast = start + 4 == text.count
            let padding = text[start..<start + 4].reversed().prefix { $0 == UInt8(ascii: "=") }.count
            guard padding == 0 || (isLast && padding <= 2) else { return nil }
            var group: UInt32 = 0
            for index in start..<start + 4 - padding {
                guard let value = value(of: text[index]) else { return nil }
                group = group << 6 | value
            }
            group <<= UInt32(6 * padding)
            // Bits that padding cuts off must be zero, or two texts would stand for the same bytes.
            guard group & (1 << UInt32(8 * padding) - 1) == 0 else { return nil }
            for index in 0..<3 - padding { bytes.append(UInt8(group >> UInt32(16 - 8 * index) & 0xff)) }
        }
        return bytes
    }

    private static func value(of letter: UInt8) -> UInt32? {
        switch letter {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(letter - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(letter - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(letter - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
