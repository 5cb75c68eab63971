/// Lines on their way out: collected in one buffer that is used again, handed over in large pieces.
package struct OutputBuffer: ~Copyable {
    package var bytes: [UInt8] = []
    private let chunk: Int

    /// Makes a buffer that hands over when a line has filled `chunk` bytes.
    package init(chunk: Int) {
        self.chunk = max(chunk, 1)
        // Room for the line that goes over.
        bytes.reserveCapacity(self.chunk + min(self.chunk, 16 << 10))
    }

    /// Hands over what has been collected if it is enough.
    @inline(__always)
    package mutating func endLine<Failure: Error>(
        _ sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        bytes.append(UInt8(ascii: "\n"))
        if bytes.count >= chunk { try flush(sink) }
    }

    /// Hands over whatever has been collected.
    package mutating func flush<Failure: Error>(
        _ sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        if bytes.isEmpty { return }
        try bytes.withUnsafeBufferPointer { bytes throws(Failure) in try sink(UnsafeRawBufferPointer(bytes)) }
        bytes.removeAll(keepingCapacity: true)
    }
}
