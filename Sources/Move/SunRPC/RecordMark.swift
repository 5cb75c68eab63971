/// Records over a stream (RFC 5531, 11).
public enum RecordMark {
    /// A message as one last fragment.
    public static func record(_ message: [UInt8]) -> [UInt8] {
        var out = XDRWriter()
        out.integer(UInt32(message.count) | 1 << 31)
        out.raw(message)
        return out.bytes
    }
}

/// Puts records together from the bytes of a stream.
public struct RecordAssembler: Sendable {
    private let mostBytes: Int
    private var waiting: [UInt8] = []
    private var record: [UInt8] = []

    /// - Parameter mostBytes: the longest record that is accepted.
    public init(mostBytes: Int) { self.mostBytes = mostBytes }

    /// Takes the next bytes.
    public mutating func add(_ bytes: some Collection<UInt8>) { waiting += bytes }

    /// The next whole record; `nil` until more bytes have come.
    public mutating func next() throws(XDRError) -> [UInt8]? {
        while waiting.count >= 4 {
            let mark = waiting.bigEndian(at: 0)
            let count = Int(mark & 0x7fff_ffff)
            guard record.count + count <= mostBytes else {
                throw XDRError("a record of more than \(mostBytes) bytes")
            }
            // Fragments without a byte and without an end would never come to one.
            guard count > 0 || mark >> 31 == 1 else { throw XDRError("an empty fragment") }
            guard waiting.count >= 4 + count else { return nil }
            record += waiting[4..<4 + count]
            waiting.removeFirst(4 + count)
            if mark >> 31 == 1 {
                defer { record = [] }
                return record
            }
        }
        return nil
    }
}
