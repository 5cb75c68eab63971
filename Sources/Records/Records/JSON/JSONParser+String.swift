extension JSONParser {
    /// Reads a string.
    package mutating func string() throws(JSONError) -> String {
        let start = try beginString()
        let end = bytes.endOfPlain(from: start)
        if end < bytes.count, bytes[end] == UInt8(ascii: "\"") {
            // Most keys and words: short, plain, and so without an allocation.
            offset = end + 1
            return String(decoding: UnsafeRawBufferPointer(rebasing: bytes[start..<end]), as: UTF8.self)
        }
        var text: [UInt8] = []
        try finishString(into: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads a string and appends its UTF-8 bytes to `text`.
    package mutating func string(into text: inout [UInt8]) throws(JSONError) {
        _ = try beginString()
        try finishString(into: &text)
    }

    private mutating func beginString() throws(JSONError) -> Int {
        guard try next() == UInt8(ascii: "\"") else {
            throw JSONError(.type(expected: "a string"), at: offset)
        }
        offset += 1
        return offset
    }

    private mutating func finishString(into text: inout [UInt8]) throws(JSONError) {
        while true {
            let start = offset
            offset = bytes.endOfPlain(from: start)
            text.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[start..<offset]))
            guard offset < bytes.count else { throw JSONError(.end, at: offset) }
            switch bytes[offset] {
            case UInt8(ascii: "\""):
                offset += 1
                return
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<0x20: throw JSONError(.control, at: offset)
            default:
                guard case .valid(let length) = UTF8Form(bytes, at: offset) else {
                    throw JSONError(.utf8, at: offset)
                }
                text.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length]))
                offset += length
            }
        }
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
        let start = offset
        guard offset + 1 < bytes.count else { throw JSONError(.end, at: bytes.count) }
        let letter = bytes[offset + 1]
        offset += 2
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(letter)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var value = UInt32(try codeUnit())
            if (0xd800...0xdbff).contains(value) {
                // The other half must follow at once.
                guard offset + 1 < bytes.count, bytes[offset] == UInt8(ascii: "\\"),
                    bytes[offset + 1] == UInt8(ascii: "u")
                else { throw JSONError(.escape, at: start) }
                offset += 2
                let low = UInt32(try codeUnit())
                guard (0xdc00...0xdfff).contains(low) else { throw JSONError(.escape, at: start) }
                value = 0x10000 + (value - 0xd800) << 10 + (low - 0xdc00)
            }
            guard let scalar = Unicode.Scalar(value) else { throw JSONError(.escape, at: start) }
            text.append(contentsOf: Unicode.UTF8.encode(scalar)!)
        default: throw JSONError(.escape, at: start)
        }
    }

    private mutating func codeUnit() throws(JSONError) -> UInt16 {
        guard bytes.count - offset >= 4 else { throw JSONError(.end, at: bytes.count) }
        var unit: UInt16 = 0
        for _ in 0..<4 {
            let digit: UInt8
            switch bytes[offset] {
            case let byte where (0x30...0x39).contains(byte): digit = byte - 0x30
            case let byte where (0x61...0x66).contains(byte | 0x20): digit = (byte | 0x20) - 0x61 + 10
            default: throw JSONError(.escape, at: offset)
            }
            unit = unit << 4 | UInt16(digit)
            offset += 1
        }
        return unit
    }
}
