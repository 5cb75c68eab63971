import Glibc

/// A piece of a list in a file, read and split by one of two threads.
///
/// Cells lie on a grid; a cell has the rows that begin in it. Splitting has no effect outside the cell: only
/// when both threads have done theirs is it known whether a row before was quoted and what comes after it
/// means what it seems to. A cell with anything but plain rows of four columns is left to the plain way.
struct ListCell: ~Copyable {
    /// Bytes of the grid, and how far a row may reach beyond.
    static let size = 1 << 18
    static let slack = 1 << 12

    /// An end of one or several rows; a program's rows often follow one another.
    struct End {
        /// Of the text first, then of the node.
        var hash: UInt64
        /// Where the text begins in the cell's buffer.
        var offset: UInt32
        var count: UInt32
        /// The host's number in the cell's own table.
        var host: UInt32
        /// Its row, and behind it how many rows; 0 for the second end of one row.
        var row: UInt16
        var run: UInt16
    }

    /// The ends whose nodes belong to one half of the index.
    struct Ends {
        let start: UnsafeMutablePointer<End>
        var count = 0
        var need = NodeTable.Need()
        /// Many for so many bytes: a cell that has more goes the plain way. Each row has an end of its own, so that
        /// rows can be counted by 16 bits.
        static let most = ListCell.size / 16
    }

    private(set) var lower = Ends(start: .allocate(capacity: Ends.most))
    private(set) var upper = Ends(start: .allocate(capacity: Ends.most))
    /// Offset in the file at which the first row begins, and that behind the last.
    private(set) var begin = 0
    private(set) var end = 0
    private(set) var rows = 0
    /// Whether all its rows are plain.
    private(set) var isPlain = false
    /// What was read: `bytes` from `offset` on.
    private(set) var offset = 0
    private(set) var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
    private let buffer = UnsafeMutableRawBufferPointer.allocate(
        byteCount: 1 + size + slack, alignment: 16)

    deinit {
        lower.start.deallocate()
        upper.start.deallocate()
        buffer.deallocate()
    }

    /// Reads and splits the cell that begins at an offset behind the start of the file.
    mutating func fill(_ descriptor: Int32, at cell: Int, _ hash: TextHash, _ names: inout HostNames) {
        isPlain = false
        rows = 0
        (lower.count, upper.count) = (0, 0)
        (lower.need, upper.need) = (NodeTable.Need(), NodeTable.Need())
        // With the byte before, which shows whether a row begins with the cell.
        offset = cell - 1
        bytes = UnsafeRawBufferPointer(rebasing: buffer[..<Self.read(descriptor, into: buffer, at: offset)])
        guard let base = bytes.baseAddress, let before = memchr(base, 0x0a, bytes.count) else { return }
        var at = base.distance(to: UnsafeRawPointer(before)) + 1
        begin = offset + at
        var last = Last()
        while at <= Self.size, at < bytes.count {
            guard let row = PlainRow(base + at, available: bytes.count - at),
                lower.count + 2 <= Ends.most, upper.count + 2 <= Ends.most
            else { return }
            take(base + at, row, hash, &names, &last)
            at += row.lineEnd + 1
            rows += 1
        }
        end = offset + at
        isPlain = true
    }

    /// The row before.
    private struct Last {
        var host = HostCache.Field()
        var number: UInt32 = 0
        var path = HostCache.Field()
        /// Its first end.
        var end: UnsafeMutablePointer<End>?
    }

    @inline(__always)
    private mutating func take(
        _ row: UnsafeRawPointer, _ shape: PlainRow, _ hash: TextHash, _ names: inout HostNames,
        _ last: inout Last
    ) {
        let host = HostCache.Field(start: row, count: shape.first)
        let path = HostCache.Field(start: row + shape.first + 1, count: shape.second - shape.first - 1)
        let isSame = last.host.equals(host)
        if isSame, last.path.equals(path), let end = last.end {
            end.pointee.run += 1
        } else {
            if !isSame { last.number = names.number(host.bytes) }
            last.end = append(path, last.number, hash, run: 1)
        }
        (last.host, last.path) = (host, path)
        let far = HostCache.Field(start: row + shape.second + 1, count: shape.third - shape.second - 1)
        let number = host.equals(far) ? last.number : names.number(far.bytes)
        _ = append(
            HostCache.Field(start: row + shape.third + 1, count: shape.end - shape.third - 1), number, hash,
            run: 0)
    }

    @inline(__always)
    private mutating func append(
        _ text: HostCache.Field, _ host: UInt32, _ hash: TextHash, run: UInt16
    ) -> UnsafeMutablePointer<End>? {
        guard let start = text.start else { return nil }
        let value = hash.hash(start, text.count)
        let end = End(
            hash: value, offset: UInt32(bytes.baseAddress.unsafelyUnwrapped.distance(to: start)),
            count: UInt32(text.count), host: host, row: UInt16(rows), run: run)
        return value.isUpperHalf ? upper.append(end) : lower.append(end)
    }

    private static func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) -> Int {
        var have = 0
        while have < buffer.count, let start = buffer.baseAddress {
            let count = pread(descriptor, start + have, buffer.count - have, offset + have)
            if count < 0, errno == EINTR { continue }
            // What cannot be read is met again, and reported, by the plain way.
            if count <= 0 { break }
            have += count
        }
        return have
    }
}

extension ListCell.Ends {
    @inline(__always)
    fileprivate mutating func append(_ end: ListCell.End) -> UnsafeMutablePointer<ListCell.End> {
        let place = start + count
        place.initialize(to: end)
        count += 1
        need.nodes += 1
        need.words += NodeTable.words(of: Int(end.count))
        return place
    }

    /// Puts the ends into their half of the index, and their numbers into the edges; in batches, as
    /// `RowBatch` describes.
    ///
    /// - Parameters:
    ///   - text: where the cell's buffer begins.
    ///   - tags: tags of the cell's hosts.
    func intern(
        of text: UnsafeRawPointer, into half: inout NodeHalf, _ tags: UnsafePointer<UInt32>,
        _ edges: EdgeTable.Ends
    ) -> UInt64 {
        var seen: UInt64 = 0
        var first = 0
        while first < count {
            let batch = first..<min(first + 32, count)
            for place in batch {
                start[place].hash = start[place].hash.tagged(tags[Int(start[place].host)])
                seen ^= half.peek(start[place].hash)
            }
            for place in batch { seen ^= half.peekEntry(start[place].hash, Int(start[place].count)) }
            for place in batch {
                let end = start[place]
                let node = half.intern(
                    tags[Int(end.host)], text + Int(end.offset), Int(end.count), hash: end.hash)
                if end.run == 0 {
                    edges.to[Int(end.row)] = node
                } else {
                    for row in Int(end.row)..<Int(end.row) + Int(end.run) { edges.from[row] = node }
                }
            }
            first = batch.upperBound
        }
        return seen
    }
}
