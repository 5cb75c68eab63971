import Records

/// What a file is, told by its first bytes.
enum InputForm: Equatable {
    case dump, store, list
    /// Nothing that can be read here, and what to do about it.
    case foreign(String)

    init(head: [UInt8]) {
        if let form = Self.known.first(where: { head.starts(with: $0.start) })?.form {
            self = form
        } else if head.isEmpty {
            self = .foreign("is empty: not even a header or the names of columns")
        } else if head.contains(0) {
            self = .foreign("is no dump, no store and no dependency list, which have no NUL bytes")
        } else if Self.isSeed(head) {
            self = .foreign(
                "has records of calls, of which a dependency list must be made first: "
                    + "retinue list FILE... -o list.csv, then --from list.csv")
        } else {
            let first = head.first { $0 != 0x20 && $0 != 0x0a && $0 != 0x0d && $0 != 0x09 }
            self = first == UInt8(ascii: "{") ? .dump : .list
        }
    }

    private static let known: [(start: [UInt8], form: InputForm)] = [
        (Array("SQLite format 3\0".utf8), .store),
        ([0x1f, 0x8b], compressed("gzip")), ([0x28, 0xb5, 0x2f, 0xfd], compressed("zstd")),
        ([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], compressed("xz")), (Array("BZh".utf8), compressed("bzip2")),
        ([0x04, 0x22, 0x4d, 0x18], compressed("lz4")),
    ]

    private static func compressed(_ program: String) -> InputForm {
        .foreign("is compressed; decompress it first: \(program) -dc FILE | retinue ... --from -")
    }

    /// Whether the first line is a record of a call (docs/seed-form.md). That of an open has four columns, as a
    /// list has; but no path is a number.
    private static func isSeed(_ head: [UInt8]) -> Bool {
        let fields = head.prefix { $0 != 0x0a }.split(separator: UInt8(ascii: ","), maxSplits: 2)
        guard fields.count == 3 else { return false }
        switch String(decoding: fields[0], as: UTF8.self) {
        case "open", "fork", "exec": return fields[1].allSatisfy { (0x30...0x39).contains($0) }
        case "accept", "connect": return NetworkAddress(fields[1]) != nil
        default: return false
        }
    }
}
