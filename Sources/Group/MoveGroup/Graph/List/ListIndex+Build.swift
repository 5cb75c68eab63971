import Glibc
import Records

extension ListIndex {
    /// Why a list has no index.
    public enum Refusal: Error, Equatable {
        /// It is shorter than an index would be worth, or longer than one can lead into.
        case size
        /// A row is not plain, or its host is not in ASCII.
        case rows
        /// It was written to while it was read.
        case changed
    }

    /// What an index has.
    public struct Summary: Sendable {
        /// Rows of the list.
        public var rows: Int
        /// Nodes that are known by a fingerprint.
        public var nodes: Int
        /// Sets of nodes that nothing connects.
        public var components: Int
    }

    /// Reads a list and makes its index.
    ///
    /// - Parameters:
    ///   - list: a regular file; its position is neither used nor changed.
    ///   - head: its first bytes, behind a byte order mark.
    ///   - offset: where they begin.
    ///   - size: bytes of the file.
    ///   - sink: takes the bytes of the index, piece by piece.
    public static func make(
        of list: Int32, head: UnsafeRawBufferPointer, at offset: Int, size: Int,
        to sink: (UnsafeRawBufferPointer) throws -> Void
    ) throws -> Summary {
        guard size > 1, size < 1 << 40 else { throw Refusal.size }
        // A change within the clock's last tick would leave the same time behind.
        usleep(20_000)
        guard let state = ListState(list), state.size == UInt64(size) else { throw Refusal.changed }
        let seed = UInt64.random(in: .min ... .max)
        guard let layout = RowScan.Layout(head: head, at: offset),
            let scan = RowScan(list, layout, size: size, seed: seed), scan.read(early: 1 << 20)
        else { throw Refusal.rows }
        guard scan.rows < Int(UInt32.max / 2) else { throw Refusal.size }
        var components = RowComponents(scan)
        components.number()
        let runs = components.runs(scan)
        var index = Head(columns: layout.columns, state: state, seed: seed)
        index.rows = UInt64(scan.rows)
        index.nodes = UInt64(components.nodes)
        index.components = UInt64(components.count)
        index.runs = UInt64(runs.total)
        index.bucketBits =
            components.nodes < 16
            ? 0
            : UInt64((components.nodes / 8).bitWidth - 1)
                - UInt64((components.nodes / 8).leadingZeroBitCount)
        let hosts = scan.hosts
        index.hostBytes = UInt64(hosts.reduce(0) { $0 + $1.utf8.count + 1 })
        let bytes = Layout.payloadBytes(index)
        let memory = LargeMemory.zeroes(bytes)
        defer { LargeMemory.release(zeroes: memory, bytes) }
        let payload = UnsafeMutableRawBufferPointer(start: memory, count: bytes)
        guard let places = Layout(index) else { throw Refusal.size }
        components.writeEntries(
            memory, bits: Int(index.bucketBits), entries: places.entries - places.payload)
        components.writeRuns(
            scan, runs.counts, memory + (places.components - places.payload),
            memory + (places.runs - places.payload))
        guard ListState(list) == state else { throw Refusal.changed }
        try start(index, hosts, UnsafeRawBufferPointer(payload)).withUnsafeBytes { try sink($0) }
        try sink(UnsafeRawBufferPointer(payload))
        return Summary(rows: scan.rows, nodes: components.nodes, components: components.count)
    }
}

/// The nodes of a scanned list by their fingerprints, and which are connected.
private struct RowComponents: ~Copyable {
    /// Fingerprint and number of a node.
    private struct Slot {
        var value: UInt64
        var number: UInt64
    }

    private var slots: Column<Slot>
    private var values = Column<UInt64>()
    /// For each node another of its component, one that was met before it; first ones themselves.
    private var parents = Column<UInt32>()
    /// For each row the node at its first end.
    private var firsts = Column<UInt32>()
    private(set) var count = 0

    var nodes: Int { values.count }

    init(_ scan: RowScan) {
        // Most rows name one new node.
        var size = 1 << 12
        while size * 3 < scan.rows * 5 { size *= 2 }
        slots = Column(zeroes: size)
        firsts.reserve(scan.rows)
        values.reserve(scan.rows + scan.rows / 16)
        parents.reserve(scan.rows + scan.rows / 16)
        for half in 0..<2 {
            scan.parts[half].ends.withElements { ends in
                var first = 0
                var seen: UInt64 = 0
                var last: (value: UInt64, node: UInt32) = (0, 0)
                while first < ends.count {
                    let batch = first..<min(first + 64, ends.count)
                    // Side by side, as `RowBatch` describes.
                    for end in batch { seen ^= peek(ends[end]) }
                    for row in batch.lowerBound / 2..<batch.upperBound / 2 {
                        if ends[2 * row] != last.value { last = (ends[2 * row], number(of: ends[2 * row])) }
                        firsts.append(last.node)
                        join(last.node, number(of: ends[2 * row + 1]))
                    }
                    first = batch.upperBound
                }
                RowComponents.keep(seen)
            }
        }
    }

    /// So that looking ahead is not optimised away.
    @inline(never)
    private static func keep(_ seen: UInt64) {}

    @inline(__always)
    private func peek(_ value: UInt64) -> UInt64 {
        slots[Int(truncatingIfNeeded: value) & (slots.count - 1)].value
    }

    @inline(__always)
    private mutating func number(of value: UInt64) -> UInt32 {
        var slot = Int(truncatingIfNeeded: value) & (slots.count - 1)
        while slots[slot].value != 0 {
            if slots[slot].value == value { return UInt32(truncatingIfNeeded: slots[slot].number) }
            slot = (slot + 1) & (slots.count - 1)
        }
        let number = UInt32(values.count)
        slots[slot] = Slot(value: value, number: UInt64(number))
        values.append(value)
        parents.append(number)
        if values.count * 4 > slots.count * 3 { grow() }
        return number
    }

    private mutating func grow() {
        var larger = Column<Slot>(zeroes: slots.count * 2)
        for number in 0..<values.count {
            var slot = Int(truncatingIfNeeded: values[number]) & (larger.count - 1)
            while larger[slot].value != 0 { slot = (slot + 1) & (larger.count - 1) }
            larger[slot] = Slot(value: values[number], number: UInt64(number))
        }
        slots = larger
    }

    @inline(__always)
    private mutating func root(_ node: UInt32) -> UInt32 {
        var node = node
        while parents[Int(node)] != node {
            let above = parents[Int(parents[Int(node)])]
            parents[Int(node)] = above
            node = above
        }
        return node
    }

    private mutating func join(_ one: UInt32, _ other: UInt32) {
        let (a, b) = (root(one), root(other))
        if a < b { parents[Int(b)] = a } else { parents[Int(a)] = b }
    }

    /// Gives the components their numbers; from here on `parents` has those.
    mutating func number() {
        slots = Column()
        for node in 0..<nodes {
            let parent = parents[node]
            // One that was met before has its component's number already.
            if Int(parent) == node {
                parents[node] = UInt32(count)
                count += 1
            } else {
                parents[node] = parents[Int(parent)]
            }
        }
    }

    /// Calls `body` with the component and the place of every run of rows of one component.
    private func forEachRun(_ scan: RowScan, _ body: (Int, Range<Int>) -> Void) {
        var row = 0
        for half in 0..<2 {
            var end = scan.parts[half].begin
            var (start, component) = (end, -1)
            scan.parts[half].lengths.withElements { lengths in
                for length in lengths {
                    let here = Int(parents[Int(firsts[row])])
                    if here != component || end + Int(length) - start > 0xff_ffff {
                        if end > start { body(component, start..<end) }
                        (start, component) = (end, here)
                    }
                    end += Int(length)
                    row += 1
                }
            }
            if end > start { body(component, start..<end) }
        }
    }

    /// How many runs each component has, and all.
    func runs(_ scan: RowScan) -> (counts: [UInt32], total: Int) {
        var counts = [UInt32](repeating: 0, count: count)
        var total = 0
        counts.withUnsafeMutableBufferPointer { counts in
            forEachRun(scan) { component, _ in
                counts[component] += 1
                total += 1
            }
        }
        return (counts, total)
    }

    func writeRuns(
        _ scan: RowScan, _ counts: [UInt32], _ starts: UnsafeMutableRawPointer,
        _ runs: UnsafeMutableRawPointer
    ) {
        var next = [UInt64](repeating: 0, count: count)
        var sum: UInt64 = 0
        for component in 0..<count {
            next[component] = sum
            starts.storeBytes(of: sum.littleEndian, toByteOffset: component * 8, as: UInt64.self)
            sum += UInt64(counts[component])
        }
        starts.storeBytes(of: sum.littleEndian, toByteOffset: count * 8, as: UInt64.self)
        next.withUnsafeMutableBufferPointer { next in
            forEachRun(scan) { component, range in
                let run = UInt64(range.lowerBound) << 24 | UInt64(range.count)
                runs.storeBytes(of: run.littleEndian, toByteOffset: Int(next[component]) * 8, as: UInt64.self)
                next[component] += 1
            }
        }
    }

    /// Writes the buckets' starts, then the nodes by bucket.
    func writeEntries(_ memory: UnsafeMutableRawPointer, bits: Int, entries: Int) {
        let buckets = 1 << bits
        var next = [UInt32](repeating: 0, count: buckets + 1)
        func bucket(_ value: UInt64) -> Int { bits == 0 ? 0 : Int(value >> (64 - UInt64(bits))) }
        next.withUnsafeMutableBufferPointer { next in
            values.withElements { values in
                for value in values { next[bucket(value) + 1] += 1 }
                for bucket in 0..<buckets { next[bucket + 1] += next[bucket] }
                for bucket in 0...buckets {
                    memory.storeBytes(
                        of: next[bucket].littleEndian, toByteOffset: bucket * 4, as: UInt32.self)
                }
                for (node, value) in values.enumerated() {
                    let place = Int(next[bucket(value)])
                    next[bucket(value)] += 1
                    let entry = UInt64(UInt32(truncatingIfNeeded: value)) | UInt64(parents[node]) << 32
                    memory.storeBytes(
                        of: entry.littleEndian, toByteOffset: entries + place * 8, as: UInt64.self)
                }
            }
        }
    }
}
