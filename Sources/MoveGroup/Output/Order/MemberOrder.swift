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
    /// Each with the text it is known by; the bytes belong to the graph or to `made`.
    let texts: UnsafeMutableBufferPointer<SortedText>
    private(set) var parts: [Part] = []
    /// The texts of endpoints and channels, which the graph keeps in another form.
    private let made: UnsafeMutableRawBufferPointer

    init(_ group: MoveGroup) {
        graph = group.graph
        hosts = HostOrder(group.graph.hosts)
        texts = .allocate(capacity: group.members.count)
        let members = Self.membersByPlace(group)
        var bytes: [UInt8] = []
        for node in members { Self.appendMadeText(graph, node, to: &bytes) }
        made = .allocate(byteCount: bytes.count, alignment: 1)
        made.copyBytes(from: bytes)
        place(members)
        let sorter = TextSorter(capacity: parts.map(\.range.count).max() ?? 0)
        for part in parts {
            sorter.sort(UnsafeMutableBufferPointer(rebasing: texts[part.range]))
            if part.kind == .program { orderNamesakes(part.range) }
        }
    }

    deinit {
        texts.deallocate()
        made.deallocate()
    }

    /// The members in the order in which their texts lie in memory, if they are a good part of the graph: to
    /// read memory from end to end is many times faster than to jump about in it.
    private static func membersByPlace(_ group: MoveGroup) -> [NodeID] {
        guard group.members.count > group.graph.nodeCount / 8 else { return group.members }
        var members: [NodeID] = []
        members.reserveCapacity(group.members.count)
        group.states.withUnsafeBufferPointer { states in
            for node in states.indices where states[node] != 0 {
                members.append(NodeID(rawValue: UInt32(node)))
            }
        }
        return members
    }

    /// Brings the next few texts into the cache, all at once, instead of waiting for each when its turn comes:
    /// in the order of outputs they lie anywhere.
    ///
    /// - Returns: the first position that it did not look at, and what it read, which must be put to some use
    ///   or nothing would be read.
    @inline(__always)
    func touch(from start: Int, to end: Int) -> (next: Int, bits: UInt8) {
        let end = min(start + 24, end)
        var bits: UInt8 = 0
        for position in start..<end where texts[position].count > 0 {
            let text = texts[position]
            bits |= text.base.load(as: UInt8.self)
            bits |= text.base.load(fromByteOffset: Int(text.count) - 1, as: UInt8.self)
        }
        return (end, bits)
    }

    var members: [NodeID] { texts.map { NodeID(rawValue: $0.node) } }

    /// The part for a host and kind in a number that counts up in the order of outputs.
    @inline(__always)
    private func slot(_ tag: UInt32, _ ranks: UnsafeBufferPointer<UInt32>) -> Int {
        Int(ranks[Int(tag >> 3)]) << 3 | Int(tag & 7)
    }

    private func place(_ members: [NodeID]) {
        let graph = graph
        var next = [Int](repeating: 0, count: hosts.ranks.count << 3 + 1)
        hosts.ranks.withUnsafeBufferPointer { ranks in
            next.withUnsafeMutableBufferPointer { next in
                for node in members { next[slot(graph.nodes.tag(node.rawValue), ranks) + 1] += 1 }
                for index in 1..<next.count { next[index] += next[index - 1] }
                var used = 0
                for node in members {
                    let tag = graph.nodes.tag(node.rawValue)
                    let text = text(node, NodeKind(rawValue: UInt8(tag & 7)) ?? .file, &used)
                    let place = slot(tag, ranks)
                    (texts.baseAddress.unsafelyUnwrapped + next[place]).initialize(to: text)
                    next[place] += 1
                }
            }
        }
        var order = [HostID](repeating: .none, count: hosts.ranks.count)
        for (host, rank) in hosts.ranks.enumerated() { order[Int(rank)] = HostID(rawValue: UInt32(host)) }
        // Each place in `next` is now where its part ends.
        var begin = 0
        for index in 0..<next.count - 1 where next[index] > begin {
            guard let kind = NodeKind(rawValue: UInt8(index & 7)) else { continue }
            parts.append(Part(host: order[index >> 3], kind: kind, range: begin..<next[index]))
            begin = next[index]
        }
    }

    /// The text that a node is known by. It stays where it is as long as the graph is there.
    @inline(__always)
    private func text(_ node: NodeID, _ kind: NodeKind, _ used: inout Int) -> SortedText {
        switch kind {
        case .file, .entry:
            return graph.nodes.withText(node.rawValue) { Self.text(node, $0) }
        case .program:
            return graph.nodes.withText(node.rawValue) { Self.text(node, ProgramText($0).path) }
        case .endpoint, .channel:
            var bytes: [UInt8] = []
            Self.appendMadeText(graph, node, to: &bytes)
            let text = UnsafeRawBufferPointer(rebasing: made[used..<used + bytes.count])
            used += bytes.count
            return Self.text(node, text)
        }
    }

    @inline(__always)
    private static func text(_ node: NodeID, _ bytes: UnsafeRawBufferPointer) -> SortedText {
        // An empty text needs some place; it is never read.
        let base = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 1).unsafelyUnwrapped
        return SortedText(base: base, count: Int32(truncatingIfNeeded: bytes.count), node: node.rawValue)
    }

    private static func appendMadeText(_ graph: DependencyGraph, _ node: NodeID, to out: inout [UInt8]) {
        let kind = graph.kind(node)
        guard kind == .endpoint || kind == .channel else { return }
        graph[node].appendShownText(to: &out)
    }

    /// Puts programs of the same path in order: by workload, executable.
    private func orderNamesakes(_ range: Range<Int>) {
        var start = range.lowerBound
        while start < range.upperBound {
            var end = start + 1
            while end < range.upperBound, texts[end].bytes.elementsEqual(texts[start].bytes) { end += 1 }
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
    var shownText: [UInt8] {
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
