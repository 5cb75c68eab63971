import Glibc
import Records

/// Rows that are put into the graph together.
///
/// Nearly every row names something new, at a random place of a large index: a cache miss a row, and most of
/// the time. Looking at all the places of a batch first lets the processor fetch them side by side.
struct RowBatch: ~Copyable {
    /// One end of a row.
    struct End {
        var tag: UInt32 = 0
        /// Whether it is that of the row before.
        var isRepeated = false
        var path = HostCache.Field()
        var hash: UInt64 = 0
    }

    static let capacity = 32
    /// The longest path of a program for which there is room.
    static let longestProgram = 504
    private let ends: UnsafeMutablePointer<End>
    /// What rows of nine columns say beside their ends.
    private let marks: UnsafeMutablePointer<(mark: EdgeMark, detail: EdgeDetail)>
    /// The texts under which programs are kept, for each end.
    private let programs: UnsafeMutableRawPointer
    private static let programRoom = 8 + longestProgram
    private(set) var count = 0
    private var lastFrom: UInt32 = 0
    /// What looking ahead saw, kept so that it is not optimised away.
    private var seen: UInt64 = 0

    init() {
        ends = .allocate(capacity: Self.capacity * 2)
        ends.initialize(repeating: End(), count: Self.capacity * 2)
        marks = .allocate(capacity: Self.capacity)
        marks.initialize(repeating: (EdgeMark(.listed), EdgeDetail()), count: Self.capacity)
        programs = .allocate(byteCount: Self.capacity * 2 * Self.programRoom, alignment: 8)
    }

    deinit {
        ends.deallocate()
        marks.deallocate()
        programs.deallocate()
    }

    var isFull: Bool { count == Self.capacity }

    @inline(__always)
    mutating func append(from: End, to: End) {
        precondition(count < Self.capacity)
        ends[count * 2] = from
        ends[count * 2 + 1] = to
        count += 1
    }

    /// Adds a row of nine columns. A program's end has its path, of no more than `longestProgram` bytes.
    @inline(__always)
    mutating func append(from: End, to: End, _ mark: EdgeMark, _ detail: EdgeDetail) {
        precondition(count < Self.capacity)
        let number = count
        append(from: from, to: to)
        if !from.isRepeated { nameProgram(number * 2) }
        if NodeKind(rawValue: UInt8(to.tag & 7)) == .program { nameProgram(number * 2 + 1) }
        marks[number] = (mark, detail)
    }

    /// Puts the text under which a program is kept (`Node.appendText`) in the place of its path.
    @inline(__always)
    private func nameProgram(_ end: Int) {
        let path = ends[end].path
        precondition(path.count <= Self.longestProgram)
        let place = programs + end * Self.programRoom
        place.storeBytes(of: UInt32(path.count), as: UInt32.self)
        place.storeBytes(of: 0, toByteOffset: 4, as: UInt32.self)
        if let start = path.start { memcpy(place + 8, start, path.count) }
        ends[end].path = HostCache.Field(start: UnsafeRawPointer(place), count: 8 + path.count)
    }

    /// Puts rows of four columns into the graph, in order.
    mutating func flush(into builder: inout GraphBuilder) {
        flush(into: &builder) { builder, _, from, to in builder.edges.append(from, to, EdgeMark(.listed)) }
    }

    /// Puts rows of nine columns into the graph, in order.
    mutating func flushNine(into builder: inout GraphBuilder) {
        let marks = marks
        flush(into: &builder) { builder, row, from, to in
            builder.edges.append(from, to, marks[row].mark, marks[row].detail)
        }
    }

    @inline(__always)
    private mutating func flush(
        into builder: inout GraphBuilder, _ add: (inout GraphBuilder, Int, UInt32, UInt32) -> Void
    ) {
        for end in 0..<count * 2 where !ends[end].isRepeated {
            let bytes = ends[end].path.bytes
            ends[end].hash = builder.nodes.hash(ends[end].tag, bytes)
        }
        for end in 0..<count * 2 where !ends[end].isRepeated { seen ^= builder.nodes.peek(ends[end].hash) }
        for end in 0..<count * 2 where !ends[end].isRepeated {
            seen ^= builder.nodes.peekEntry(ends[end].hash)
        }
        for row in 0..<count {
            let from = ends[row * 2]
            if !from.isRepeated {
                lastFrom = builder.nodes.intern(from.tag, from.path.bytes, hash: from.hash)
            }
            let to = ends[row * 2 + 1]
            let node = builder.nodes.intern(to.tag, to.path.bytes, hash: to.hash)
            add(&builder, row, lastFrom, node)
        }
        count = 0
    }
}

/// Hosts by the bytes that a list has for them: a list names few hosts, often the one of the row before.
struct HostCache {
    private var names: [(bytes: [UInt8], number: HostID)] = []
    /// Where the fields of the row before lie, and what they stand for: in most lists the rows of a
    /// program follow one another.
    private var lastName = Field()
    private var lastHost = HostID.none
    private var lastPath = Field()

    /// Some bytes in the buffer that is read.
    struct Field {
        var start: UnsafeRawPointer?
        var count = 0

        @inline(__always)
        func equals(_ other: Field) -> Bool {
            guard count == other.count, let start, let otherStart = other.start else { return false }
            guard count >= 8 else { return memcmp(start, otherStart, count) == 0 }
            // Without a call; two fields that follow one another mostly differ at the end.
            guard
                start.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
                    == otherStart.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
            else { return false }
            var offset = 0
            while offset + 8 < count {
                guard
                    start.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                        == otherStart.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                else { return false }
                offset += 8
            }
            return true
        }

        @inline(__always)
        var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }
    }

    /// Forgets what lies in a buffer that goes.
    mutating func forget() {
        lastName = Field()
        lastPath = Field()
    }

    /// The first end of a row.
    @inline(__always)
    mutating func first(
        _ kind: NodeKind, _ name: Field, _ path: Field, _ builder: inout GraphBuilder
    ) -> RowBatch.End {
        var end = RowBatch.End()
        if lastName.equals(name) {
            end.isRepeated = lastPath.equals(path)
        } else {
            lastHost = search(name.bytes, &builder)
            lastName = name
        }
        lastPath = path
        end.path = path
        end.tag = NodeTag.make(kind, lastHost)
        return end
    }

    /// The second end of a row.
    @inline(__always)
    mutating func second(
        _ kind: NodeKind, _ name: Field, _ path: Field, _ builder: inout GraphBuilder
    ) -> RowBatch.End {
        var end = RowBatch.End()
        end.tag = NodeTag.make(kind, lastName.equals(name) ? lastHost : search(name.bytes, &builder))
        end.path = path
        return end
    }

    @inline(never)
    private mutating func search(_ name: UnsafeRawBufferPointer, _ builder: inout GraphBuilder) -> HostID {
        // Beyond so many the builder's own table is faster.
        if let found = names.firstIndex(where: { $0.bytes.elementsEqual(name) }) {
            return names[found].number
        }
        let number = builder.listedHost(String(decoding: name, as: UTF8.self))
        if names.count < 64 { names.append((Array(name), number)) }
        return number
    }
}

/// The hosts that one of two threads met in a list, by numbers of its own: the graph's numbers are given
/// when both threads rest, in the order of the file.
struct HostNames: ~Copyable {
    private var names = NodeTable()
    /// For each host the tag of an entry on it, as far as they were given.
    private(set) var tags = Column<UInt32>()

    /// The thread's own number of a host.
    @inline(__always)
    mutating func number(_ name: UnsafeRawBufferPointer) -> UInt32 { names.intern(0, name) }

    /// Whether there are hosts without a number in the graph.
    var hasUnsettled: Bool { tags.count < names.count }

    /// Gives the hosts that are new their numbers in the graph.
    mutating func settle(_ builder: inout GraphBuilder) {
        while tags.count < names.count {
            let name = names.withText(UInt32(tags.count)) { String(decoding: $0, as: UTF8.self) }
            tags.append(NodeTag.make(.entry, builder.listedHost(name)))
        }
    }
}
