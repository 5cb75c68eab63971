/// Rows for `COPY … FROM STDIN (FORMAT binary)`
/// (https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4), sent a piece at a time.
public struct BinaryCopy {
    private var bytes: [UInt8] = []
    private let send: ([UInt8]) throws(PostgreSQLError) -> Void
    private static let piece = 256 << 10

    init(_ send: @escaping ([UInt8]) throws(PostgreSQLError) -> Void) {
        self.send = send
        bytes.reserveCapacity(Self.piece + (64 << 10))
        bytes += Array("PGCOPY\n".utf8) + [0xff, 0x0d, 0x0a, 0x00]
        // No flags, no extension.
        bytes += [UInt8](repeating: 0, count: 8)
    }

    /// Begins a row of so many columns, and sends what was collected if it is enough.
    public mutating func row(columns: Int16) throws(PostgreSQLError) {
        if bytes.count >= Self.piece {
            try send(bytes)
            bytes.removeAll(keepingCapacity: true)
        }
        append(columns)
    }

    /// A `bigint`.
    public mutating func column(_ number: Int64) {
        append(Int32(8))
        append(number)
    }

    /// A `bigint`, or null.
    public mutating func column(_ number: Int64?) {
        if let number { column(number) } else { append(Int32(-1)) }
    }

    /// A `smallint`.
    public mutating func column(small number: Int16) {
        append(Int32(2))
        append(number)
    }

    /// A `bytea`.
    public mutating func column(bytes value: some Collection<UInt8>) {
        append(Int32(value.count))
        bytes.append(contentsOf: value)
    }

    mutating func finish() throws(PostgreSQLError) {
        append(Int16(-1))
        try send(bytes)
        bytes = []
    }

    private mutating func append(_ number: some FixedWidthInteger & BitwiseCopyable) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }
}
