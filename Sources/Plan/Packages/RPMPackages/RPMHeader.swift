import Wire

/// What rpm stores of one package (rpm's `docs/manual/format_header.md`): a table of tags, and the data that they point into.
///
/// As it lies in the database: the number of entries and the bytes of data, 16 bytes for each entry (tag, type, offset, count),
/// then the data, all of it big-endian. What was added after the package was signed, as the states of files, stands
/// behind the rest, and counts where a tag comes twice.
struct RPMHeader {
    /// Whose number a value has, as far as they are read here (rpm's `rpmtag.h`).
    enum Tag: UInt32 {
        case name = 1000
        case version = 1001
        case release = 1002
        case epoch = 1003
        case architecture = 1022
        case oldFileNames = 1027
        case fileSizes = 1028
        case fileStates = 1029
        case fileModes = 1030
        case fileDigests = 1035
        case fileLinks = 1036
        case fileFlags = 1037
        case provides = 1047
        case requires = 1049
        case folderNumbers = 1116
        case baseNames = 1117
        case folderNames = 1118
        case longFileSizes = 5008
        case digestAlgorithm = 5011
    }

    /// What is wrong with a header.
    enum Flaw: Error, Equatable, CustomStringConvertible {
        /// Less bytes, or more, than the header says.
        case size
        /// More entries or data than rpm allows (65,535 and 256 MiB).
        case tooLarge
        /// A value that reaches past the end of the data, or is of another type.
        case value(UInt32)
        /// Lists of files that differ in length, or name a folder that is none.
        case files

        var description: String {
            switch self {
            case .size: "a header of another size than it says"
            case .tooLarge: "a header that is larger than rpm allows"
            case .value(let tag): "a value that is none (tag \(tag))"
            case .files: "lists of files that do not fit each other"
            }
        }
    }

    private struct Entry {
        var type: UInt32
        var offset: Int
        var count: Int
    }

    /// All of it.
    let bytes: [UInt8]
    private let data: Int
    private var entries: [UInt32: Entry] = [:]

    /// Takes the table; values are checked when they are asked for.
    init(_ bytes: [UInt8]) throws(Flaw) {
        self.bytes = bytes
        let span = bytes.span.bytes
        guard let count = Self.number(span, 0), let size = Self.number(span, 4) else { throw .size }
        guard count > 0, count < 1 << 16, size < 1 << 28 else { throw .tooLarge }
        data = 8 + 16 * count
        guard bytes.count == data + size else { throw .size }
        for index in 0..<count {
            let start = 8 + 16 * index
            guard let tag = Self.number(span, start), let type = Self.number(span, start + 4),
                let offset = Self.number(span, start + 8), let length = Self.number(span, start + 12)
            else { throw .size }
            // Those of signatures and regions point elsewhere.
            guard tag >= 100 else { continue }
            entries[UInt32(tag)] = Entry(type: UInt32(type), offset: offset, count: length)
        }
    }

    private static func number(_ span: RawSpan, _ offset: Int) -> Int? {
        (try? span.integer(at: offset, as: UInt32.self)).map { Int(UInt32(bigEndian: $0)) }
    }

    /// Where the strings of a tag lie, without their NULs; none where the package has no such tag.
    func strings(_ tag: Tag) throws(Flaw) -> [Range<Int>] {
        guard let entry = entries[tag.rawValue] else { return [] }
        // STRING, STRING_ARRAY, I18NSTRING; a STRING is one.
        guard [6, 8, 9].contains(entry.type), entry.type != 6 || entry.count == 1 else {
            throw .value(tag.rawValue)
        }
        // Each has a NUL at least.
        guard entry.offset <= bytes.count - data, entry.count <= bytes.count - data - entry.offset else {
            throw .value(tag.rawValue)
        }
        var found: [Range<Int>] = []
        found.reserveCapacity(entry.count)
        var start = data + entry.offset
        for _ in 0..<entry.count {
            guard let end = bytes[start...].firstIndex(of: 0) else { throw .value(tag.rawValue) }
            found.append(start..<end)
            start = end + 1
        }
        return found
    }

    /// The first string of a tag.
    func text(_ tag: Tag) throws(Flaw) -> String? {
        try strings(tag).first.map { String(decoding: bytes[$0], as: UTF8.self) }
    }

    /// The numbers of a tag, whichever of their four widths they have; none where the package has no such tag.
    func numbers(_ tag: Tag) throws(Flaw) -> [UInt64] {
        guard let entry = entries[tag.rawValue] else { return [] }
        // CHAR, INT8, INT16, INT32, INT64
        guard let width = [1: 1, 2: 1, 3: 2, 4: 4, 5: 8][entry.type], entry.offset <= bytes.count - data,
            entry.count <= (bytes.count - data - entry.offset) / width
        else { throw .value(tag.rawValue) }
        let start = data + entry.offset
        return (0..<entry.count).map { index in
            bytes[start + width * index..<start + width * (index + 1)].reduce(0) { $0 << 8 | UInt64($1) }
        }
    }
}
