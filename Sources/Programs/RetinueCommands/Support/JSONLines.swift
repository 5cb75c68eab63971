/// Lines of JSON on their way out as one array, for programs that read documents and no lines.
struct JSONLines {
    private let output: Output
    private var hasBegun = false
    /// A line has ended, and whether another one follows is not known yet.
    private var isBetween = false

    init(to output: Output) { self.output = output }

    /// Writes a piece of the lines, which may end anywhere.
    mutating func write(_ piece: UnsafeRawBufferPointer) throws {
        var out: [UInt8] = []
        out.reserveCapacity(piece.count + 64)
        for byte in piece {
            if isBetween { out += Array(",\n".utf8) }
            if !hasBegun { out += Array("[".utf8) }
            hasBegun = true
            // No string of JSON has one that is not escaped.
            isBetween = byte == 0x0a
            if !isBetween { out.append(byte) }
        }
        try output.write(out)
    }

    /// Ends the array.
    mutating func finish() throws { try output.write(hasBegun ? "]\n" : "[]\n") }
}
