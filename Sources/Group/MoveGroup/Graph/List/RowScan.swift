import Glibc
import Records

/// The fingerprints of both ends of each row of a list in a file, for finding rows without keeping a name.
///
/// A fingerprint is a hash of host, kind and path of 64 bits. Equal nodes have equal ones; of two nodes that differ
/// they may be equal, too, so that what is found by them can be too much and never too little: who asks them reads the
/// rows that they lead to, and decides by the names.
///
/// Only lists are taken in which every row is plain and says by itself what its ends are: no quotes, no sockets that
/// have to be paired, no host in other than ASCII (of which two spellings are one). Two threads read a half each, and
/// share nothing.
final class RowScan {
    /// What the rows are, from their first bytes.
    struct Layout: Equatable {
        /// Four or nine.
        var columns: Int
        /// Offset of the first row behind the columns' names.
        var begin: Int

        init(columns: Int, begin: Int) {
            self.columns = columns
            self.begin = begin
        }

        /// `nil` if the first line is neither the columns' names nor a plain row, or its end is not in `head`.
        ///
        /// - Parameter offset: where `head` begins in the file: behind a byte order mark, if there is one.
        init?(head: UnsafeRawBufferPointer, at offset: Int) {
            guard let base = head.baseAddress, let end = memchr(base, 0x0a, head.count) else { return nil }
            var line = UnsafeRawBufferPointer(start: base, count: base.distance(to: UnsafeRawPointer(end)))
            let behind = line.count + 1
            if line.last == 0x0d { line = UnsafeRawBufferPointer(rebasing: line.dropLast()) }
            for names in [WideRow.fourColumns, WideRow.columns]
            where line.elementsEqual(names.joined(separator: ",").utf8) {
                self.init(columns: names.count, begin: offset + behind)
                return
            }
            if PlainRow(base, available: head.count) != nil {
                self.init(columns: 4, begin: offset)
            } else if PlainNineRow(base, available: head.count) != nil {
                self.init(columns: 9, begin: offset)
            } else {
                return nil
            }
        }
    }

    /// What one thread found in its part of the file.
    struct Part: ~Copyable {
        /// Two for each row, in the order of the file.
        fileprivate(set) var ends = Column<UInt64>()
        /// Bytes of each row, its end included.
        fileprivate(set) var lengths = Column<UInt16>()
        fileprivate var hosts = NodeTable()
        fileprivate var keys = Column<UInt64>()
        fileprivate var known = KnownHosts()
        fileprivate var times = (first: TimeReader(), last: TimeReader())
        /// Offset of the first row.
        fileprivate(set) var begin = 0
        /// Offset behind the last row that was taken.
        fileprivate(set) var position = 0
        fileprivate var end = 0
        fileprivate var isPlain = true

        var rows: Int { lengths.count }
    }

    /// Bytes that are read at a time, and the longest row.
    private static let piece = 1 << 18
    static let longestRow = (1 << 16) - 1

    let layout: Layout
    let keys: NodeKeys
    private let descriptor: Int32
    /// The first half of the file and the second.
    let parts: UnsafeMutablePointer<Part>

    /// Begins with a list; `nil` if it cannot be taken.
    ///
    /// - Parameters:
    ///   - descriptor: of a regular file; its position is neither used nor changed.
    ///   - size: bytes of the file.
    ///   - seed: what the fingerprints depend on, beside the names.
    init?(_ descriptor: Int32, _ layout: Layout, size: Int, seed: UInt64) {
        guard let middle = Self.rowStart(descriptor, behind: layout.begin + (size - layout.begin) / 2, size)
        else { return nil }
        self.descriptor = descriptor
        self.layout = layout
        keys = NodeKeys(seed: seed)
        parts = .allocate(capacity: 2)
        for (half, range) in [layout.begin..<middle, middle..<size].enumerated() {
            var part = Part()
            (part.begin, part.position, part.end) = (range.lowerBound, range.lowerBound, range.upperBound)
            (parts + half).initialize(to: part)
        }
    }

    deinit {
        parts.deinitialize(count: 2)
        parts.deallocate()
    }

    var rows: Int { parts[0].rows + parts[1].rows }

    /// The hosts in the order in which the list names them first.
    var hosts: [String] {
        var names: [String] = []
        var known: Set<String> = []
        for half in 0..<2 {
            for number in 0..<UInt32(parts[half].hosts.count) {
                let name = parts[half].hosts.withText(number) { String(decoding: $0, as: UTF8.self) }
                if known.insert(name).inserted { names.append(name) }
            }
        }
        return names
    }

    /// Reads everything; says whether all rows were such as can be taken.
    ///
    /// - Parameters:
    ///   - early: bytes of each half after which `goesOn` is asked, once, while both threads rest.
    ///   - goesOn: whether the rest is worth reading.
    func read(early: Int = .max, goesOn: () -> Bool = { true }) -> Bool {
        var isWanted = true
        let isDone = ThreadPair.run { half, pair in
            let isLong = early < parts[half].end - parts[half].begin
            if isLong { take(half, until: parts[half].begin + early) }
            pair.meet()
            if half == 0 { isWanted = parts[0].isPlain && parts[1].isPlain && goesOn() }
            pair.meet()
            guard isWanted else { return }
            // Not before: in room for all rows even a few take whole huge pages.
            if isLong { reserve(half) }
            take(half, until: parts[half].end)
        }
        return isDone && isWanted && parts[0].isPlain && parts[1].isPlain
    }

    /// Makes room for as many rows as the part seems to have.
    private func reserve(_ half: Int) {
        let read = parts[half].position - parts[half].begin
        guard read > 0 else { return }
        let factor = Double(parts[half].end - parts[half].begin) / Double(read) * 1.02
        let rows = Int(Double(parts[half].rows) * factor)
        parts[half].ends.reserve(rows * 2)
        parts[half].lengths.reserve(rows)
    }

    private func take(_ half: Int, until limit: Int) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Self.piece + Self.longestRow + 1, alignment: 4096)
        defer { buffer.deallocate() }
        guard let base = buffer.baseAddress else { return }
        let part = parts + half
        while part.pointee.isPlain, part.pointee.position < limit {
            let wanted = min(buffer.count, part.pointee.end - part.pointee.position)
            let have = FileBytes.read(descriptor, into: base, wanted, at: part.pointee.position)
            let used = layout.columns == 4 ? take4(part, base, have) : take9(part, base, have)
            part.pointee.position += used
            // Nothing: the row is too long, cut off, or not plain.
            if used == 0 { part.pointee.isPlain = false }
        }
    }

    /// Takes the whole rows of what was read; says how many bytes they had.
    private func take4(
        _ part: UnsafeMutablePointer<Part>, _ base: UnsafeMutableRawPointer, _ count: Int
    ) -> Int {
        let base = UnsafeRawPointer(base)
        var at = 0
        var last = Last()
        while at < count, let row = PlainRow(base + at, available: count - at), row.lineEnd < Self.longestRow
        {
            let start = base + at
            let host = HostCache.Field(start: start, count: row.first)
            let path = HostCache.Field(start: start + row.first + 1, count: row.second - row.first - 1)
            let far = HostCache.Field(start: start + row.second + 1, count: row.third - row.second - 1)
            let other = HostCache.Field(start: start + row.third + 1, count: row.end - row.third - 1)
            guard last.take(host, path, .entry, part, keys), let key = last.key(of: far, part, keys) else {
                break
            }
            part.pointee.ends.append(last.end)
            part.pointee.ends.append(NodeKeys.fingerprint(key, .entry, other))
            part.pointee.lengths.append(UInt16(row.lineEnd + 1))
            at += row.lineEnd + 1
        }
        return at
    }

    private func take9(
        _ part: UnsafeMutablePointer<Part>, _ base: UnsafeMutableRawPointer, _ count: Int
    ) -> Int {
        let base = UnsafeRawPointer(base)
        var at = 0
        var last = Last()
        while at < count, let row = PlainNineRow(base + at, available: count - at),
            row.lineEnd < Self.longestRow,
            let dependency = PlainDependency(
                base + at, row, 0, &part.pointee.times.first, &part.pointee.times.last)
        {
            let start = base + at
            guard last.take(row.field(0, start), row.field(1, start), .program, part, keys),
                let key = last.key(of: row.field(4, start), part, keys)
            else { break }
            part.pointee.ends.append(last.end)
            part.pointee.ends.append(NodeKeys.fingerprint(key, dependency.otherKind, row.field(5, start)))
            part.pointee.lengths.append(UInt16(row.lineEnd + 1))
            at += row.lineEnd + 1
        }
        return at
    }

    /// The first end of the row before: rows of a program often follow one another.
    private struct Last {
        private var host = HostCache.Field()
        private var key: UInt64 = 0
        private var path = HostCache.Field()
        private(set) var end: UInt64 = 0

        /// Takes the next row's first end; says whether its host can be taken.
        @inline(__always)
        mutating func take(
            _ host: HostCache.Field, _ path: HostCache.Field, _ kind: NodeKind,
            _ part: UnsafeMutablePointer<Part>, _ keys: NodeKeys
        ) -> Bool {
            let isSame = self.host.equals(host)
            if !isSame {
                guard let key = RowScan.key(of: host, part, keys) else { return false }
                self.key = key
            }
            if !isSame || !self.path.equals(path) { end = NodeKeys.fingerprint(key, kind, path) }
            (self.host, self.path) = (host, path)
            return true
        }

        /// The key of the other end's host.
        @inline(__always)
        func key(of host: HostCache.Field, _ part: UnsafeMutablePointer<Part>, _ keys: NodeKeys) -> UInt64? {
            self.host.equals(host) ? key : RowScan.key(of: host, part, keys)
        }
    }

    @inline(__always)
    private static func key(
        of host: HostCache.Field, _ part: UnsafeMutablePointer<Part>, _ keys: NodeKeys
    ) -> UInt64? {
        if let key = part.pointee.known.key(of: host) { return key }
        let number = Int(part.pointee.hosts.intern(0, host.bytes))
        if number == part.pointee.keys.count {
            guard let key = keys.host(host.bytes) else { return nil }
            part.pointee.keys.append(key)
        }
        part.pointee.known.note(host, part.pointee.keys[number])
        return part.pointee.keys[number]
    }

    /// Offset of the first row that begins at an offset or behind it; `nil` if none does within a row's length.
    private static func rowStart(_ descriptor: Int32, behind offset: Int, _ size: Int) -> Int? {
        guard offset > 0, offset < size else { return nil }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: longestRow + 1, alignment: 16)
        defer { buffer.deallocate() }
        guard let base = buffer.baseAddress else { return nil }
        let have = FileBytes.read(
            descriptor, into: base, min(buffer.count, size - offset + 1), at: offset - 1)
        guard let end = memchr(base, 0x0a, have) else { return nil }
        return offset + UnsafeRawPointer(base).distance(to: UnsafeRawPointer(end))
    }
}

/// The keys of hosts that were met last, by names so short that two numbers hold them: most rows name a host of a few.
private struct KnownHosts: ~Copyable {
    /// All bytes of a name of 4 to 16, some of them for the second time.
    private struct Name: Equatable, BitwiseCopyable {
        let first: UInt64
        let last: UInt64
        let count: Int

        @inline(__always)
        init?(_ field: HostCache.Field) {
            guard let start = field.start, field.count >= 4, field.count <= 16 else { return nil }
            count = field.count
            if count >= 8 {
                first = start.loadUnaligned(as: UInt64.self)
                last = start.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
            } else {
                first = UInt64(start.loadUnaligned(as: UInt32.self))
                last = UInt64(start.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self))
            }
        }

        @inline(__always)
        var slot: Int {
            Int(
                truncatingIfNeeded: ((first ^ last &* 31) &* 0x9e37_79b9_7f4a_7c15)
                    >> UInt64(64 - KnownHosts.bits))
        }
    }

    private struct Entry: BitwiseCopyable {
        var name: Name
        var key: UInt64
    }

    private static let bits = 8
    /// Of names of no bytes, which none has, until some are noted.
    private var entries = Column<Entry>(zeroes: 1 << bits)

    @inline(__always)
    func key(of host: HostCache.Field) -> UInt64? {
        guard let name = Name(host) else { return nil }
        let entry = entries[name.slot]
        return entry.name == name ? entry.key : nil
    }

    mutating func note(_ host: HostCache.Field, _ key: UInt64) {
        if let name = Name(host) { entries[name.slot] = Entry(name: name, key: key) }
    }
}

/// Makes fingerprints of nodes: equal for equal nodes, and hard to make equal for who does not know the seed.
struct NodeKeys {
    let seed: UInt64

    /// The key of a host by the name that a list has for it; `nil` for one in other than ASCII, of which Unicode may
    /// have two spellings.
    ///
    /// Two spellings of an address are one host (`GraphBuilder.listedHost`).
    func host(_ name: UnsafeRawBufferPointer) -> UInt64? {
        guard name.allSatisfy({ 0 < $0 && $0 < 0x80 }) else { return nil }
        if let address = NetworkAddress(String(decoding: name, as: UTF8.self)), !address.isLoopback,
            !address.isWildcard
        {
            return withUnsafeBytes(of: (address.high, address.low)) {
                TextHash(seed: ~seed).hash($0.baseAddress, $0.count)
            }
        }
        return TextHash(seed: seed).hash(name.baseAddress, name.count)
    }

    /// Never 0, which stands for none.
    @inline(__always)
    static func fingerprint(_ host: UInt64, _ kind: NodeKind, _ path: HostCache.Field) -> UInt64 {
        let key = host ^ (UInt64(kind.rawValue) + 1) &* 0x9e37_79b9_7f4a_7c15
        return max(TextHash(seed: key).hash(path.start, path.count), 1)
    }

    /// The fingerprints of all nodes that a list of so many columns can have under a path.
    func fingerprints(of path: [UInt8], on host: String, columns: Int) -> [UInt64] {
        var host = host
        guard let key = host.withUTF8({ self.host(UnsafeRawBufferPointer($0)) }) else { return [] }
        return path.withUnsafeBytes { path in
            let field = HostCache.Field(start: path.baseAddress, count: path.count)
            return (columns == 4 ? [NodeKind.entry] : [.program, .file]).map {
                Self.fingerprint(key, $0, field)
            }
        }
    }
}

/// Reads a file at offsets.
enum FileBytes {
    /// Reads as many bytes as there are, at most `count`; less at the end of the file, or where it cannot be read.
    static func read(
        _ descriptor: Int32, into start: UnsafeMutableRawPointer, _ count: Int, at offset: Int
    ) -> Int {
        var have = 0
        while have < count {
            let more = pread(descriptor, start + have, count - have, offset + have)
            if more < 0, errno == EINTR { continue }
            // What cannot be read is met again, and reported, by reading piece by piece.
            if more <= 0 { break }
            have += more
        }
        return have
    }
}
