import Glibc
import Records

/// What a file beside a list says of it: which rows are connected with which names (`retinue index`).
///
/// An index has no names but those of hosts: it leads from the fingerprint of a node to the rows of everything that is
/// connected with it, and the rows say the rest. It belongs to one state of one file, is checked before it is used,
/// piece by piece as far as it is read, and is never guessed from: what is wrong with it is an error. Who can write it
/// could as well write the list; so it is taken only from the list's owner, the caller or root.
///
/// Numbers are little-endian. Behind the head (`Head`) come the names of the hosts, each with a NUL behind it, a
/// checksum for each block of what follows, and, from a multiple of 8 on:
/// - for each bucket, and one more, the number of its first entry (32 bits): the upper bits of a fingerprint are its
///   bucket;
/// - an entry for each node: the lower 32 bits of its fingerprint, the number of its component;
/// - for each component, and one more, the number of its first run (64 bits);
/// - runs of rows: where in the list one begins (40 bits), how many bytes it has (24 bits).
public struct ListIndex: Sendable {
    /// What the name of an index has behind that of its list.
    public static let suffix = ".retinue-index"

    let head: Head
    private let hosts: [String]
    private let sums: [UInt64]
    private let descriptor: Int32

    /// Opens the index in a regular file, and checks all but its blocks.
    ///
    /// - Parameter descriptor: has to stay open; its position is neither used nor changed.
    public init(_ descriptor: Int32) throws(ListIndexError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .damaged("is no file")
        }
        self.descriptor = descriptor
        let start = try Self.bytes(descriptor, 0..<min(Head.size, Int(status.st_size)))
        head = try Head(start)
        guard let layout = Layout(head), layout.end == Int(status.st_size) else {
            throw .damaged("is not as long as it says")
        }
        let rest = try Self.bytes(descriptor, Head.size..<layout.payload)
        guard head.sum == Self.sum(start[..<(Head.size - 8)], then: rest[...]) else {
            throw .damaged("does not have its checksum")
        }
        hosts = rest[..<Int(head.hostBytes)].split(separator: 0, omittingEmptySubsequences: false).dropLast()
            .map { String(decoding: $0, as: UTF8.self) }
        let sums = Int(head.hostBytes).roundedUp..<rest.count
        self.sums = rest[sums].withUnsafeBytes { bytes in
            (0..<bytes.count / 8).map {
                bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self).littleEndian
            }
        }
        guard Set(hosts).count == hosts.count, rest[..<Int(head.hostBytes)].last ?? 0 == 0 else {
            throw .damaged("names hosts twice")
        }
    }

    /// Whether a file is an index, of whatever version.
    public static func isOne(_ descriptor: Int32) -> Bool {
        (try? bytes(descriptor, 0..<Head.magic.count)) == Head.magic
    }

    /// Whether it is of the list as it is now.
    public func isCurrent(_ list: Int32) -> Bool { ListState(list).map { $0 == head.state } ?? false }

    /// How many rows the list has.
    public var rows: Int { Int(head.rows) }

    /// Finds the rows of what is connected with a name; `nil` if it is none of one path, nothing has it, or its rows are
    /// so many that reading the whole list takes no longer.
    ///
    /// - Throws: if the index is damaged. A name that only shares its fingerprint leads to rows, too.
    public func rows(for pattern: NodePattern) throws(ListIndexError) -> RowSelection? {
        guard let (host, path) = pattern.exactPath else { return nil }
        let keys = NodeKeys(seed: head.seed)
        var components: Set<UInt32> = []
        for host in host.map({ [$0] }) ?? hosts {
            for value in keys.fingerprints(of: path, on: host, columns: Int(head.columns)) {
                try find(value, &components)
            }
        }
        guard !components.isEmpty else { return nil }
        var runs: [Range<Int>] = []
        var bytes = 0
        for component in components {
            for run in try runsOf(component, mostBytes: Int(head.state.size) / RowSelection.largestShare) {
                bytes += run.count
                runs.append(run)
            }
        }
        guard bytes <= Int(head.state.size) / RowSelection.largestShare else { return nil }
        var selection = RowSelection()
        selection.rows = rows
        selection.hosts = hosts
        selection.columns = Int(head.columns)
        for run in runs.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            guard run.lowerBound >= selection.ranges.last?.upperBound ?? 0 else {
                throw .damaged("has a row twice")
            }
            selection.append(run)
        }
        return selection
    }

    private func find(_ value: UInt64, _ components: inout Set<UInt32>) throws(ListIndexError) {
        let layout = try layout
        let bucket = head.bucketBits == 0 ? 0 : Int(value >> (64 - UInt64(head.bucketBits)))
        let ends = try words(layout.buckets + bucket * 4, 2)
        guard ends[0] <= ends[1], UInt64(ends[1]) <= head.nodes else { throw .damaged("has no such entries") }
        // Many with one bucket there are only if somebody made them so.
        guard ends[1] - ends[0] <= 1 << 12 else { throw .damaged("has a bucket that is too large") }
        let entries = try words(layout.entries + Int(ends[0]) * 8, Int(ends[1] - ends[0]) * 2)
        for entry in 0..<entries.count / 2 where entries[2 * entry] == UInt32(truncatingIfNeeded: value) {
            guard UInt64(entries[2 * entry + 1]) < head.components else {
                throw .damaged("has no such component")
            }
            components.insert(entries[2 * entry + 1])
        }
    }

    /// The runs of a component; more than `mostBytes` are not all looked at.
    private func runsOf(_ component: UInt32, mostBytes: Int) throws(ListIndexError) -> [Range<Int>] {
        let layout = try layout
        let ends = try longs(layout.components + Int(component) * 8, 2)
        guard ends[0] <= ends[1], ends[1] <= head.runs else { throw .damaged("has no such runs") }
        var runs: [Range<Int>] = []
        var bytes = 0
        var next = Int(ends[0])
        while next < Int(ends[1]), bytes <= mostBytes {
            let count = min(Int(ends[1]) - next, 1 << 12)
            for run in try longs(layout.runs + next * 8, count) {
                let start = Int(run >> 24)
                let end = start + Int(run & 0xff_ffff)
                guard start < end, UInt64(end) <= head.state.size else {
                    throw .damaged("has rows behind the end")
                }
                bytes += end - start
                runs.append(start..<end)
            }
            next += count
        }
        return runs
    }

    private var layout: Layout {
        get throws(ListIndexError) {
            guard let layout = Layout(head) else { throw .damaged("is not as long as it says") }
            return layout
        }
    }

    private func words(_ offset: Int, _ count: Int) throws(ListIndexError) -> [UInt32] {
        let bytes = try checked(offset..<offset + count * 4)
        return bytes.withUnsafeBytes { bytes in
            (0..<count).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self).littleEndian }
        }
    }

    private func longs(_ offset: Int, _ count: Int) throws(ListIndexError) -> [UInt64] {
        let bytes = try checked(offset..<offset + count * 8)
        return bytes.withUnsafeBytes { bytes in
            (0..<count).map { bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self).littleEndian }
        }
    }

    /// Reads a part of the payload with the blocks around it, whose checksums have to be right.
    private func checked(_ range: Range<Int>) throws(ListIndexError) -> [UInt8] {
        let layout = try layout
        guard range.lowerBound >= layout.payload, range.upperBound <= layout.end else {
            throw .damaged("is not as long as it says")
        }
        let first = (range.lowerBound - layout.payload) / Self.block
        let last = (range.upperBound - layout.payload + Self.block - 1) / Self.block
        guard first < last else { return [] }
        let start = layout.payload + first * Self.block
        let bytes = try Self.bytes(descriptor, start..<min(layout.payload + last * Self.block, layout.end))
        for block in first..<last {
            let lower = (block - first) * Self.block
            let part = bytes[lower..<min(lower + Self.block, bytes.count)]
            guard sums[block] == Self.sum(part) else { throw .damaged("has a block without its checksum") }
        }
        return Array(bytes[(range.lowerBound - start)..<(range.upperBound - start)])
    }

    private static func bytes(_ descriptor: Int32, _ range: Range<Int>) throws(ListIndexError) -> [UInt8] {
        guard !range.isEmpty else { return [] }
        let bytes = [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
            guard let start = buffer.baseAddress else { return }
            count = FileBytes.read(descriptor, into: start, range.count, at: range.lowerBound)
        }
        guard bytes.count == range.count else { throw .damaged("is cut off") }
        return bytes
    }

    /// Bytes of what has a checksum of its own.
    static let block = 4096

    static func sum(_ bytes: ArraySlice<UInt8>, then more: ArraySlice<UInt8> = []) -> UInt64 {
        var sum = bytes.withUnsafeBytes {
            TextHash(seed: 0x7265_7469_6e75_6531).hash($0.baseAddress, $0.count)
        }
        if !more.isEmpty { sum = more.withUnsafeBytes { TextHash(seed: sum).hash($0.baseAddress, $0.count) } }
        return sum
    }
}

/// What is wrong with an index.
public enum ListIndexError: Error, Equatable, CustomStringConvertible {
    /// It is no index of this form.
    case foreign
    /// It is one, and not whole, or not consistent: what about it.
    case damaged(String)

    /// A sentence without its subject.
    public var description: String {
        switch self {
        case .foreign: "is no index that this version can read"
        case .damaged(let what): "is damaged: it \(what)"
        }
    }
}

extension Int {
    /// The next multiple of 8.
    fileprivate var roundedUp: Int { (self + 7) & ~7 }
}

/// The state of a file: of two states that are not equal the contents may differ.
///
/// The time of the last change of the inode cannot be set (`utimensat`(2) sets the two others, and changes this one), so
/// that contents are equal where it is, as long as the clock is not set back. The first and the last bytes are compared
/// as well, in case it was.
struct ListState: Equatable, Sendable {
    var size: UInt64
    var device: UInt64
    var inode: UInt64
    var changed: UInt64
    var written: UInt64
    var ends: UInt64

    static let words = 6

    /// The state of a regular file as it is now; `nil` if it is none.
    init?(_ descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        size = UInt64(status.st_size)
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        changed = Self.nanoseconds(status.st_ctim)
        written = Self.nanoseconds(status.st_mtim)
        let count = min(1 << 16, Int(status.st_size))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count * 2 + 1, alignment: 16)
        defer { buffer.deallocate() }
        guard let start = buffer.baseAddress,
            FileBytes.read(descriptor, into: start, count, at: 0) == count,
            FileBytes.read(descriptor, into: start + count, count, at: Int(status.st_size) - count) == count
        else { return nil }
        ends = TextHash(seed: size).hash(start, count * 2)
    }

    init(_ words: [UInt64]) {
        (size, device, inode) = (words[0], words[1], words[2])
        (changed, written, ends) = (words[3], words[4], words[5])
    }

    var words: [UInt64] { [size, device, inode, changed, written, ends] }

    private static func nanoseconds(_ time: timespec) -> UInt64 {
        UInt64(truncatingIfNeeded: time.tv_sec) &* 1_000_000_000 &+ UInt64(truncatingIfNeeded: time.tv_nsec)
    }
}

extension ListIndex {
    /// The head of an index: the magic, version and columns, the list's state, the seed of the fingerprints, and how much
    /// of everything there is; its checksum is that of the hosts and the blocks' checksums, too.
    struct Head: Sendable {
        static let magic = Array("RETINDEX".utf8)
        /// 1 had fingerprints of which some could be made equal.
        static let version: UInt64 = 2
        static let size = 8 + 16 * 8 + 8

        var columns: UInt64
        var state: ListState
        var seed: UInt64
        var rows: UInt64
        var nodes: UInt64
        var components: UInt64
        var runs: UInt64
        var bucketBits: UInt64
        var hostBytes: UInt64
        var sum: UInt64 = 0

        private var words: [UInt64] {
            [Self.version, columns] + state.words
                + [seed, rows, nodes, components, runs, bucketBits, hostBytes, 0]
        }

        /// Its bytes, up to the checksum.
        var bytes: [UInt8] {
            var out = Self.magic
            for word in words { withUnsafeBytes(of: word.littleEndian) { out.append(contentsOf: $0) } }
            return out
        }

        init(columns: Int, state: ListState, seed: UInt64) {
            self.columns = UInt64(columns)
            self.state = state
            self.seed = seed
            (rows, nodes, components, runs, bucketBits, hostBytes) = (0, 0, 0, 0, 0, 0)
        }

        init(_ bytes: [UInt8]) throws(ListIndexError) {
            guard bytes.count >= 16, bytes.prefix(8).elementsEqual(Self.magic) else { throw .foreign }
            func word(_ number: Int) -> UInt64 {
                bytes.withUnsafeBytes {
                    $0.loadUnaligned(fromByteOffset: 8 + number * 8, as: UInt64.self).littleEndian
                }
            }
            guard word(0) == Self.version else { throw .foreign }
            guard bytes.count == Self.size else { throw .damaged("is cut off") }
            columns = word(1)
            let first = 2 + ListState.words
            state = ListState((2..<first).map(word))
            seed = word(first)
            (rows, nodes, components) = (word(first + 1), word(first + 2), word(first + 3))
            (runs, bucketBits, hostBytes) = (word(first + 4), word(first + 5), word(first + 6))
            sum = word(16)
            guard columns == 4 || columns == 9 else { throw .damaged("has no such columns") }
        }
    }

    /// Where the parts of an index lie.
    struct Layout {
        let payload: Int
        let buckets: Int
        let entries: Int
        let components: Int
        let runs: Int
        let end: Int

        /// `nil` if the head asks for what no index can have.
        init?(_ head: Head) {
            let most = UInt64(1) << 40
            guard head.rows < most, head.nodes < most, head.components <= head.nodes, head.runs <= head.rows,
                head.bucketBits <= 32, head.hostBytes < 1 << 32, head.state.size < most,
                head.nodes <= UInt64(UInt32.max)
            else { return nil }
            let bytes = Self.payloadBytes(head)
            let blocks = (bytes + ListIndex.block - 1) / ListIndex.block
            payload = Head.size + Int(head.hostBytes).roundedUp + blocks * 8
            buckets = payload
            entries = buckets + Self.bucketBytes(head)
            components = entries + Int(head.nodes) * 8
            runs = components + (Int(head.components) + 1) * 8
            end = payload + bytes
        }

        private static func bucketBytes(_ head: Head) -> Int {
            (((1 << Int(head.bucketBits)) + 1) * 4).roundedUp
        }

        static func payloadBytes(_ head: Head) -> Int {
            bucketBytes(head) + Int(head.nodes) * 8 + (Int(head.components) + 1) * 8 + Int(head.runs) * 8
        }
    }

    /// Puts hosts and checksums in front of a payload: everything that comes before it in the file.
    static func start(_ head: Head, _ hosts: [String], _ payload: UnsafeRawBufferPointer) -> [UInt8] {
        var rest: [UInt8] = []
        for host in hosts { rest += Array(host.utf8) + [0] }
        rest += [UInt8](repeating: 0, count: rest.count.roundedUp - rest.count)
        var at = 0
        while at < payload.count {
            let part = UnsafeRawBufferPointer(rebasing: payload[at..<min(at + block, payload.count)])
            let sum = TextHash(seed: 0x7265_7469_6e75_6531).hash(part.baseAddress, part.count)
            withUnsafeBytes(of: sum.littleEndian) { rest.append(contentsOf: $0) }
            at += block
        }
        var out = head.bytes
        withUnsafeBytes(of: sum(out[...], then: rest[...]).littleEndian) { out.append(contentsOf: $0) }
        return out + rest
    }
}
