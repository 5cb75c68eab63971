import Records

/// The rows of a list that a group can be made of, found without building the graph of all rows.
///
/// They are all rows of the nodes that are connected with the start, in whatever direction, and perhaps others: no
/// closure leaves what is connected, so that the group in the graph of these rows is the group in the graph of all.
public struct RowSelection: Equatable {
    /// Where the rows lie in the file, in order.
    public internal(set) var ranges: [Range<Int>] = []
    /// How many rows the whole list has.
    public internal(set) var rows = 0
    /// All hosts of the list, in the order in which it names them.
    var hosts: [String] = []
    var columns = 0

    /// Bytes of the rows.
    public var bytes: Int { ranges.reduce(0) { $0 + $1.count } }

    /// Reading more than this share of a file here and there gains nothing over reading it all, on two threads.
    static let largestShare = 8

    mutating func append(_ range: Range<Int>) {
        if let last = ranges.last, last.upperBound == range.lowerBound {
            ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
        } else {
            ranges.append(range)
        }
    }

    /// Finds the rows for a small group by reading the list once, keeping two fingerprints of a row; `nil` if the list is
    /// not one that can be so read, the name is none of one path on one host, or the group is not small.
    ///
    /// - Parameters:
    ///   - pattern: the start.
    ///   - descriptor: of a regular file; its position is neither used nor changed.
    ///   - head: its first bytes, behind a byte order mark.
    ///   - offset: where they begin.
    ///   - size: bytes of the file.
    ///   - least: bytes below which reading it all takes no longer.
    public static func scan(
        for pattern: NodePattern, _ descriptor: Int32, head: UnsafeRawBufferPointer, at offset: Int,
        size: Int,
        least: Int = 1 << 20
    ) -> RowSelection? {
        guard size >= least, let (named, path) = pattern.exactPath, let host = named,
            ThreadPair.isWorthwhile || least == 0,
            let layout = RowScan.Layout(head: head, at: offset),
            let scan = RowScan(descriptor, layout, size: size, seed: .random(in: .min ... .max))
        else { return nil }
        let seeds = scan.keys.fingerprints(of: path, on: host, columns: layout.columns)
        guard !seeds.isEmpty else { return nil }
        // In many a large group a small part of the rows shows that it is large.
        let early = max((size - layout.begin) / 64, 1 << 16)
        let isRead = scan.read(early: early) {
            ConnectedRows(scan, seeds, most: max(scan.rows / 8, 64)) != nil
        }
        guard isRead, let rows = ConnectedRows(scan, seeds, most: scan.rows / 32) else { return nil }
        return rows.selection
    }
}

/// The rows that are connected with some nodes.
private struct ConnectedRows: ~Copyable {
    private let scan: RowScan
    private var members: FingerprintSet

    /// Searches again and again, forth and back, until nothing new appears; `nil` if more than `most` nodes are
    /// connected, or the way to the farthest is too long for so simple a search.
    init?(_ scan: RowScan, _ seeds: [UInt64], most: Int) {
        self.scan = scan
        members = FingerprintSet()
        for seed in seeds { members.insert(seed) }
        for turn in 0..<Self.mostTurns {
            let before = members.count
            for half in turn & 1 == 0 ? [0, 1] : [1, 0] { search(half, isForth: turn & 1 == 0, most) }
            if members.count > min(most, FingerprintSet.most) { return nil }
            if members.count == before { return }
        }
        return nil
    }

    private static let mostTurns = 24

    private mutating func search(_ half: Int, isForth: Bool, _ most: Int) {
        let most = min(most, FingerprintSet.most)
        scan.parts[half].ends.withElements { ends in
            let rows = ends.count / 2
            var row = isForth ? 0 : rows - 1
            let step = isForth ? 1 : -1
            for _ in 0..<rows {
                let (from, to) = (ends[2 * row], ends[2 * row + 1])
                if members.mayHave(from) || members.mayHave(to) {
                    if members.contains(from) {
                        members.insert(to)
                    } else if members.contains(to) {
                        members.insert(from)
                    }
                    if members.count > most { return }
                }
                row += step
            }
        }
    }

    var selection: RowSelection {
        var selection = RowSelection()
        selection.rows = scan.rows
        selection.hosts = scan.hosts
        selection.columns = scan.layout.columns
        for half in 0..<2 {
            var position = scan.parts[half].begin
            scan.parts[half].ends.withElements { ends in
                scan.parts[half].lengths.withElements { lengths in
                    for row in 0..<lengths.count {
                        let next = position + Int(lengths[row])
                        if members.mayHave(ends[2 * row]), members.contains(ends[2 * row]) {
                            selection.append(position..<next)
                        }
                        position = next
                    }
                }
            }
        }
        return selection
    }
}

/// A set of not too many fingerprints, in front of which stands a filter that the fastest cache holds.
private struct FingerprintSet: ~Copyable {
    /// No more, so that the filter lets few others pass.
    static let most = 1 << 14
    private static let filterBits = 18
    private var filter = Column<UInt64>(zeroes: 1 << (filterBits - 6))
    private var slots = Column<UInt64>(zeroes: 1 << 16)
    private(set) var count = 0

    /// `false` if it is not in the set.
    @inline(__always)
    func mayHave(_ value: UInt64) -> Bool {
        let bit = Int(truncatingIfNeeded: value >> (64 - UInt64(Self.filterBits)))
        return filter[bit >> 6] >> UInt64(bit & 63) & 1 != 0
    }

    func contains(_ value: UInt64) -> Bool { slots[slot(value)] == value }

    mutating func insert(_ value: UInt64) {
        let slot = slot(value)
        guard slots[slot] == 0, count <= Self.most else { return }
        slots[slot] = value
        count += 1
        let bit = Int(truncatingIfNeeded: value >> (64 - UInt64(Self.filterBits)))
        filter[bit >> 6] |= 1 << UInt64(bit & 63)
    }

    /// Where a value stands, or would.
    private func slot(_ value: UInt64) -> Int {
        var slot = Int(truncatingIfNeeded: value) & (slots.count - 1)
        while slots[slot] != 0, slots[slot] != value { slot = (slot + 1) & (slots.count - 1) }
        return slot
    }
}

extension ListReader {
    /// Takes the selected rows of a list of which nothing was fed; `finish` has to follow.
    ///
    /// - Parameter descriptor: of the file in which they were found.
    public mutating func take(
        _ selection: RowSelection, _ descriptor: Int32, into builder: inout GraphBuilder
    ) throws(ListError) {
        begin(selection.columns, into: &builder)
        // Numbers of hosts, and which name of an address counts, are those of the whole list.
        for host in selection.hosts { _ = builder.listedHost(host) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
        defer { buffer.deallocate() }
        guard let base = buffer.baseAddress else { return }
        for range in selection.ranges {
            var position = range.lowerBound
            while position < range.upperBound {
                let wanted = min(buffer.count, range.upperBound - position)
                let have = FileBytes.read(descriptor, into: base, wanted, at: position)
                if have == 0 { break }
                try feed(UnsafeRawBufferPointer(start: base, count: have), into: &builder)
                position += have
            }
        }
        countAll(selection.rows)
    }
}
