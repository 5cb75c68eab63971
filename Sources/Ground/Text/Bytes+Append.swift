extension [UInt8] {
    /// Appends a number in decimal.
    @inlinable
    public mutating func append(decimal value: UInt64) {
        if value < 10 {
            append(UInt8(ascii: "0") + UInt8(value))
            return
        }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var start = 20
            var rest = value
            repeat {
                start -= 1
                digits.initializeElement(at: start, to: UInt8(ascii: "0") + UInt8(rest % 10))
                rest /= 10
            } while rest != 0
            append(contentsOf: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(digits)[start...]))
        }
    }

    /// Appends a word that the program knows.
    @inlinable @inline(__always)
    public mutating func append(_ word: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
    }

    /// Appends what stands before a time, and the time.
    public mutating func append(_ start: StaticString, time: UInt64) {
        append(start)
        Timestamp.append(time, to: &self)
    }
}
