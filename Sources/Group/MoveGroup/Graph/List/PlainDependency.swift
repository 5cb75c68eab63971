import Records

/// What a row of nine plain columns says of two programs, or of a program and a file, beside their names.
///
/// Most rows are such. Sockets and channels, which have to be paired or have names of their own, and whatever is
/// wrong, are left to `WideRow`.
struct PlainDependency {
    let mark: EdgeMark
    /// What the other end is.
    let otherKind: NodeKind
    private(set) var detail = EdgeDetail()

    /// `nil` if the row is none.
    @inline(__always)
    init?(
        _ row: UnsafeRawPointer, _ shape: PlainNineRow, _ source: UInt16, _ first: inout TimeReader,
        _ last: inout TimeReader
    ) {
        let path = shape.field(5, row)
        guard shape.field(1, row).count <= RowBatch.longestProgram,
            let link = Self.link(shape.field(2, row).bytes)
        else { return nil }
        if link == .file {
            guard let access = Self.access(shape.field(3, row).bytes) else { return nil }
            otherKind = .file
            mark = EdgeMark(.file, access: access)
        } else {
            // A path is no endpoint.
            guard path.count <= RowBatch.longestProgram, path.bytes.first == UInt8(ascii: "/") else {
                return nil
            }
            otherKind = .program
            mark = EdgeMark(link)
        }
        guard let count = Self.count(shape.field(6, row).bytes),
            let from = Self.time(shape.field(7, row).bytes, &first),
            let to = Self.time(shape.field(8, row).bytes, &last),
            shape.field(8, row).count == 0 || from <= to
        else { return nil }
        detail.source = source
        detail.count = count
        detail.first = from
        detail.last = to
    }

    @inline(__always)
    private static func link(_ word: UnsafeRawBufferPointer) -> Link? {
        switch word.count {
        case 4 where Self.equal(word, "file"): .file
        case 5 where Self.equal(word, "spawn"): .spawn
        case 6 where Self.equal(word, "accept"): .accept
        case 7 where Self.equal(word, "connect"): .connect
        default: nil
        }
    }

    @inline(__always)
    private static func equal(_ bytes: UnsafeRawBufferPointer, _ word: StaticString) -> Bool {
        guard bytes.count == word.utf8CodeUnitCount else { return false }
        for offset in 0..<bytes.count where bytes[offset] != word.utf8Start[offset] { return false }
        return true
    }

    /// The letters in the order `rwx`, each at most once.
    @inline(__always)
    private static func access(_ letters: UnsafeRawBufferPointer) -> Access? {
        var access: UInt8 = 0
        for letter in letters {
            let bit: UInt8
            switch letter {
            case UInt8(ascii: "r"): bit = 1
            case UInt8(ascii: "w"): bit = 2
            case UInt8(ascii: "x"): bit = 4
            default: return nil
            }
            guard bit > access else { return nil }
            access |= bit
        }
        return Access(rawValue: access)
    }

    /// Of digits alone, fewer than would overflow; 0 if there are none.
    @inline(__always)
    private static func count(_ digits: UnsafeRawBufferPointer) -> UInt64? {
        guard digits.count <= 18 else { return nil }
        var value: UInt64 = 0
        for byte in digits {
            let digit = byte &- 0x30
            guard digit < 10 else { return nil }
            value = value &* 10 &+ UInt64(digit)
        }
        return value
    }

    /// 0 if it is left out.
    @inline(__always)
    private static func time(_ text: UnsafeRawBufferPointer, _ reader: inout TimeReader) -> UInt64? {
        text.isEmpty ? 0 : reader.parse(text)
    }
}
