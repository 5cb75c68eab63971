import Glibc
import Records

/// The members of a group in the order of outputs: by host, kind, path, workload. It depends on what the
/// members are, and not on the order in which they were met.
final class MemberOrder {
    /// Members of one host and kind, one behind another.
    struct Part {
        var host: HostID
        var kind: NodeKind
        var range: Range<Int>
    }

    let graph: DependencyGraph
    let hosts: HostOrder
    /// The members by number, in order.
    let nodes: UnsafeMutableBufferPointer<UInt32>
    private(set) var parts: [Part] = []
    /// The texts of endpoints and channels, which the graph keeps in another form.
    private var made: [UInt32: UnsafeRawBufferPointer] = [:]

    /// From so many members on two threads put them in order and write them: it is not worth starting one for less.
    static let many = 50_000

    /// Puts the members of a group in order.
    ///
    /// - Parameter many: the members from which on two threads do so.
    init(_ group: MoveGroup, many: Int = MemberOrder.many) {
        graph = group.graph
        hosts = HostOrder(group.graph.hosts)
        let count = group.members.count
        nodes = UnsafeMutableBufferPointer(
            start: LargeMemory.resize(nil, from: 0, to: count * 4, isFinal: true).bindMemory(
                to: UInt32.self, capacity: count), count: count)
        let isMany = count >= many
        parts = place(group, isMany: isMany)
        if isMany, ThreadPair.isWorthwhile, sortOnTwoThreads() { return }
        var sorter = TextSorter()
        sort(Array(parts.indices), SortRoom(parts.map(\.range.count).max() ?? 0), &sorter)
    }

    deinit {
        free(nodes.baseAddress)
        for text in made.values { text.deallocate() }
    }

    /// Sorts some of the parts.
    ///
    /// - Parameter room: for the largest of them.
    func sort(_ numbers: [Int], _ room: borrowing SortRoom, _ sorter: inout TextSorter) {
        for number in numbers {
            let part = parts[number]
            let texts = room.texts(part.range.count)
            for (index, position) in part.range.enumerated() {
                (texts.baseAddress.unsafelyUnwrapped + index).initialize(
                    to: loadedText(nodes[position], part.kind))
            }
            sort(texts, part.kind, &sorter)
            for (index, position) in part.range.enumerated() { nodes[position] = texts[index].node }
        }
    }

    /// Sorts texts of members of one host and kind.
    func sort(
        _ texts: UnsafeMutableBufferPointer<SortedText>, _ kind: NodeKind, _ sorter: inout TextSorter
    ) {
        sorter.sort(texts)
        if kind == .program { orderNamesakes(texts) }
    }

    /// Brings the next few texts into the cache, all at once, instead of waiting for each when its turn comes:
    /// in the order of outputs they lie anywhere.
    ///
    /// - Returns: the first position that it did not look at, and what it read, which must be put to some use
    ///   or nothing would be read.
    @inline(__always)
    func touch(from start: Int, to end: Int) -> (next: Int, bits: UInt8) {
        let end = min(start + 24, end)
        var bits: UInt32 = 0
        for position in start..<end { bits |= graph.nodes.tag(nodes[position]) }
        return (end, UInt8(truncatingIfNeeded: bits))
    }

    var members: [NodeID] { nodes.map { NodeID(rawValue: $0) } }

    /// The part that has a position, or would have the one behind the last.
    func part(at position: Int) -> Int {
        var (first, end) = (0, parts.count)
        while first < end {
            let middle = (first + end) / 2
            if parts[middle].range.upperBound <= position { first = middle + 1 } else { end = middle }
        }
        return first
    }

    /// Lends the text by which the member at a position is known.
    @inline(__always)
    func withText<Result, Failure: Error>(
        at position: Int, _ kind: NodeKind, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let text = text(nodes[position], kind)
        return try body(text.bytes)
    }

    /// The text that a node is known by. It stays where it is as long as this and the graph are there.
    @inline(__always)
    private func text(_ node: UInt32, _ kind: NodeKind) -> SortedText {
        switch kind {
        case .file, .entry: graph.nodes.withText(node) { Self.text(node, $0) }
        case .program: graph.nodes.withText(node) { Self.text(node, ProgramText($0).path) }
        case .endpoint, .channel:
            Self.text(node, made[node] ?? UnsafeRawBufferPointer(start: nil, count: 0))
        }
    }

    /// The same for sorting, with its key: while it is at hand, which of many none is later.
    @inline(__always)
    func loadedText(_ node: UInt32, _ kind: NodeKind) -> SortedText {
        var text = text(node, kind)
        text.load(0)
        return text
    }

    @inline(__always)
    private static func text(_ node: UInt32, _ bytes: UnsafeRawBufferPointer) -> SortedText {
        // An empty text needs some place; it is never read.
        let base = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 1).unsafelyUnwrapped
        return SortedText(base: base, count: Int32(truncatingIfNeeded: bytes.count), node: node)
    }

    /// Makes the text of a node that the graph keeps in another form.
    func makeText(of node: UInt32) {
        var bytes: [UInt8] = []
        graph[NodeID(rawValue: node)].appendShownText(to: &bytes)
        let text = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
        _ = text.initialize(from: bytes)
        made[node] = UnsafeRawBufferPointer(text)
    }

    /// Puts programs of the same path in order: by workload, executable.
    private func orderNamesakes(_ texts: UnsafeMutableBufferPointer<SortedText>) {
        var start = 0
        while start < texts.count {
            var end = start + 1
            while end < texts.count, texts[end].bytes.elementsEqual(texts[start].bytes) { end += 1 }
            if end - start > 1 {
                let graph = graph
                let keys = texts[start..<end].map { text -> (key: [[UInt8]], text: SortedText) in
                    guard case .program(let name) = graph[NodeID(rawValue: text.node)] else {
                        return ([], text)
                    }
                    return ([name.workload, name.executable, name.script], text)
                }
                let sorted = keys.sorted { $0.key.precedes($1.key) }
                for (offset, key) in sorted.enumerated() { texts[start + offset] = key.text }
            }
            start = end
        }
    }
}

/// The parts of a program's text in a graph; see `Node.appendText`.
struct ProgramText {
    let executable: UnsafeRawBufferPointer
    let script: UnsafeRawBufferPointer
    let workload: UnsafeRawBufferPointer

    @inline(__always)
    init(_ text: UnsafeRawBufferPointer) {
        let first = 8 + Int(text.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
        let second = first + Int(text.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        executable = UnsafeRawBufferPointer(rebasing: text[8..<first])
        script = UnsafeRawBufferPointer(rebasing: text[first..<second])
        workload = UnsafeRawBufferPointer(rebasing: text[second...])
    }

    @inline(__always)
    var path: UnsafeRawBufferPointer { script.isEmpty ? executable : script }

    /// Whether it may be meant by a path, found without a copy of it: most are not.
    @inline(__always)
    func mayBe(_ path: UnsafeRawBufferPointer) -> Bool {
        !workload.isEmpty || executable.isEqual(to: path) || script.isEqual(to: path)
    }
}

extension UnsafeRawBufferPointer {
    @inline(__always)
    fileprivate func isEqual(to bytes: UnsafeRawBufferPointer) -> Bool {
        guard count == bytes.count, let start = baseAddress, let other = bytes.baseAddress else {
            return isEmpty && bytes.isEmpty
        }
        return memcmp(start, other, count) == 0
    }
}

extension [[UInt8]] {
    /// Whether this comes first, compared one by one.
    func precedes(_ other: [[UInt8]]) -> Bool {
        for (one, two) in zip(self, other) where one != two { return one.lexicographicallyPrecedes(two) }
        return count < other.count
    }
}

extension Node {
    /// Appends what a node is called: a path, `tcp:10.0.0.9:5432`, `unix:/run/app.sock`.
    func appendShownText(to out: inout [UInt8]) {
        switch self {
        case .program(let name): out += name.path
        case .file(let path), .entry(let path): out += path
        case .endpoint(let transport, let endpoint):
            out += Array(EndpointText.text(transport, endpoint).utf8)
        case .channel(let mechanism, let name):
            out.append(mechanism.word)
            out.append(":")
            out += name
        }
    }

    /// What a node is called.
    package var shownText: [UInt8] {
        var text: [UInt8] = []
        appendShownText(to: &text)
        return text
    }
}

extension NodeKind {
    /// The word in outputs.
    public var word: StaticString {
        switch self {
        case .program: "program"
        case .file: "file"
        case .endpoint: "endpoint"
        case .channel: "channel"
        case .entry: "entry"
        }
    }
}

/// The order of outputs for two nodes at a time; that of many is `MemberOrder`.
struct NodeOrder {
    private let graph: DependencyGraph
    private let hosts: HostOrder

    init(_ graph: DependencyGraph, _ hosts: HostOrder) {
        self.graph = graph
        self.hosts = hosts
    }

    /// Negative if `left` comes first, positive if `right` does, 0 if they are the same.
    func compare(_ left: NodeID, _ right: NodeID) -> Int {
        if left == right { return 0 }
        let leftRank = hosts.ranks[Int(graph.host(left).rawValue)]
        let rightRank = hosts.ranks[Int(graph.host(right).rawValue)]
        if leftRank != rightRank { return leftRank < rightRank ? -1 : 1 }
        let (kind, other) = (graph.kind(left), graph.kind(right))
        if kind != other { return kind.rawValue < other.rawValue ? -1 : 1 }
        return graph.withText(left) { left in
            graph.withText(right) { right in Self.compare(kind, left, right) }
        }
    }

    private static func compare(
        _ kind: NodeKind, _ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer
    ) -> Int {
        switch kind {
        case .file, .entry: return compare(left, right)
        case .program:
            let (one, two) = (ProgramText(left), ProgramText(right))
            for order in [
                compare(one.path, two.path), compare(one.workload, two.workload),
                compare(one.executable, two.executable),
            ] where order != 0 { return order }
            return compare(one.script, two.script)
        case .endpoint, .channel:
            return Node(kind: kind, text: left).shownText.withUnsafeBytes { left in
                Node(kind: kind, text: right).shownText.withUnsafeBytes { right in compare(left, right) }
            }
        }
    }

    private static func compare(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int {
        let common = min(left.count, right.count)
        if common > 0, let one = left.baseAddress, let two = right.baseAddress {
            let order = Int(memcmp(one, two, common))
            if order != 0 { return order }
        }
        return left.count - right.count
    }
}

/// The hosts of a graph in the order of outputs, which is that of their titles, and what outputs call them.
struct HostOrder {
    /// Position in the order, by the number of the host.
    let ranks: [UInt32]
    /// What to call it, by the number of the host: its title, its id where another host has that title.
    let labels: [String]

    init(_ hosts: [GraphHost]) {
        let titles = hosts.map { Array($0.title.utf8) }
        let ids = hosts.map { Array($0.id.utf8) }
        let order = hosts.indices.sorted { left, right in
            titles[left] == titles[right]
                ? ids[left].lexicographicallyPrecedes(ids[right])
                : titles[left].lexicographicallyPrecedes(titles[right])
        }
        var ranks = [UInt32](repeating: 0, count: hosts.count)
        for (rank, host) in order.enumerated() { ranks[host] = UInt32(rank) }
        self.ranks = ranks
        var uses: [[UInt8]: Int] = [:]
        for host in hosts.indices {
            uses[titles[host], default: 0] += 1
            if ids[host] != titles[host] { uses[ids[host], default: 0] += 1 }
        }
        labels = hosts.indices.map { uses[titles[$0]] == 1 ? hosts[$0].title : hosts[$0].id }
    }
}
