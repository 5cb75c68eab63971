extension JSONParser {
    /// Reads a number that must be whole, not negative, and at most `maximum`.
    package mutating func unsigned(maximum: UInt64 = .max) throws(JSONError) -> UInt64 {
        let token = try numberToken()
        var value: UInt64 = 0
        for position in token {
            guard (0x30...0x39).contains(bytes[position]) else {
                throw JSONError(.type(expected: "a whole number"), at: token.lowerBound)
            }
            let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflow) = product.addingReportingOverflow(UInt64(bytes[position] - 0x30))
            if tooLarge || overflow { throw JSONError(.range, at: token.lowerBound) }
            value = sum
        }
        guard value <= maximum else { throw JSONError(.range, at: token.lowerBound) }
        return value
    }

    /// Steps over a number, checking its form; where it stands.
    mutating func numberToken() throws(JSONError) -> Range<Int> {
        guard try kind() == .number else { throw JSONError(.type(expected: "a number"), at: offset) }
        let start = offset
        if bytes[offset] == UInt8(ascii: "-") { offset += 1 }
        if offset < bytes.count, bytes[offset] == UInt8(ascii: "0") {
            // Nothing of the number's whole part may follow a leading zero.
            offset += 1
            if offset < bytes.count, (0x30...0x39).contains(bytes[offset]) {
                throw JSONError(.number, at: start)
            }
        } else {
            try digits(from: start)
        }
        if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
            offset += 1
            try digits(from: start)
        }
        if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
            offset += 1
            if offset < bytes.count, bytes[offset] == UInt8(ascii: "+") || bytes[offset] == UInt8(ascii: "-")
            {
                offset += 1
            }
            try digits(from: start)
        }
        return start..<offset
    }

    /// Steps over at least one digit.
    private mutating func digits(from start: Int) throws(JSONError) {
        let first = offset
        while offset < bytes.count, (0x30...0x39).contains(bytes[offset]) { offset += 1 }
        guard offset > first else { throw JSONError(.number, at: start) }
    }
}
