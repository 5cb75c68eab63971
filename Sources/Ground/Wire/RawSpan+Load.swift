/// Bytes from the kernel, or from a file that claims to hold such, that are not what they should be.
public enum WireError: Error, Equatable, Sendable {
    /// Something is said to reach past the end of the bytes that hold it.
    case truncated(offset: Int)
    /// A length is smaller than the header that carries it.
    case malformed(offset: Int)
}

extension RawSpan {
    /// An integer in the machine's byte order at any offset, aligned or not.
    ///
    /// Always inlined: left to the compiler, its calls were a tenth of the instructions of a connection.
    @inlinable
    @inline(__always)
    public func integer<Value: FixedWidthInteger & BitwiseCopyable>(
        at offset: Int, as type: Value.Type = Value.self
    ) throws(WireError) -> Value {
        guard offset >= 0, byteCount >= MemoryLayout<Value>.size,
            offset <= byteCount - MemoryLayout<Value>.size
        else { throw .truncated(offset: offset) }
        return unsafeLoadUnaligned(fromByteOffset: offset, as: Value.self)
    }

    /// Checks that `count` bytes follow `offset`, and returns the offset behind them.
    @inlinable
    public func end(of count: Int, from offset: Int) throws(WireError) -> Int {
        guard offset >= 0, count >= 0, offset <= byteCount, count <= byteCount - offset else {
            throw .truncated(offset: offset)
        }
        return offset + count
    }

    /// A copy of a range of the bytes.
    public func copy(_ range: Range<Int>) throws(WireError) -> [UInt8] {
        _ = try end(of: range.count, from: range.lowerBound)
        return extracting(range).withUnsafeBytes { [UInt8]($0) }
    }
}
