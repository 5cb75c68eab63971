import Records

/// A group as boxes and arrows: what DOT and Mermaid draw.
struct Picture {
    /// What a box looks like.
    enum Shape {
        case program, file, boundFile, files, endpoint, channel, entry, outside
    }

    /// A box.
    struct Box {
        /// Lines of text that is fit to be shown.
        var lines: [String]
        /// All of it, where lines were shortened.
        var tip: String
        var shape: Shape
        var isStart = false
        /// Whether nothing was followed beyond it.
        var isStop = false
    }

    /// An arrow, from the one that depends.
    struct Arrow: Hashable {
        var from: Int
        var to: Int
        var label: String
        /// Whether it is no more than inferred.
        var isInferred = false
    }

    /// A host and the numbers of its boxes.
    struct Cluster {
        var title: String
        var boxes: Range<Int>
    }

    private(set) var boxes: [Box] = []
    private(set) var arrows: [Arrow] = []
    /// The hosts; boxes in none of them lie outside.
    private(set) var clusters: [Cluster] = []

    private let report: GroupReport
    private let options: PictureOptions
    private var numbers: [NodeID: Int] = [:]
    private var collapsed: [FileSet: Int] = [:]
    private var ranks: [UInt32]
    private var graph: DependencyGraph { report.graph }

    /// Copied files on a host that the same programs use.
    private struct FileSet: Hashable {
        var host: HostID
        var users: [UInt32]
    }

    init(_ report: GroupReport, _ options: PictureOptions) {
        self.report = report
        self.options = options
        ranks = report.ranks()
        let boundary = Boundary(report)
        placeMembers()
        placeOutside(boundary)
        connectMembers()
        connectOutside(boundary)
    }

    private mutating func placeMembers() {
        let start = Set(report.start)
        var files = 0
        for node in report.members where isPlainFile(node, start) { files += 1 }
        let collapses = options.fileLimit.map { files > $0 } ?? false
        var host: HostID?
        var first = 0
        for part in report.order.parts {
            if host != part.host {
                closeCluster(host, from: first)
                (host, first) = (part.host, boxes.count)
            }
            var sets: [(set: FileSet, files: [NodeID])] = []
            var known: [FileSet: Int] = [:]
            for position in part.range {
                let node = NodeID(rawValue: report.order.nodes[position])
                if collapses, isPlainFile(node, start) {
                    let set = FileSet(host: part.host, users: users(of: node))
                    let number = known[set] ?? sets.count
                    if number == sets.count {
                        known[set] = number
                        sets.append((set, []))
                    }
                    sets[number].files.append(node)
                } else if !isHidden(node) {
                    place(node, isStart: start.contains(node))
                }
            }
            for (set, files) in sets {
                if files.count == 1 {
                    place(files[0], isStart: false)
                } else {
                    collapsed[set] = boxes.count
                    boxes.append(Self.box(of: files, in: graph))
                    for file in files { numbers[file] = boxes.count - 1 }
                }
            }
        }
        closeCluster(host, from: first)
    }

    private mutating func closeCluster(_ host: HostID?, from first: Int) {
        guard let host, host != .none, first < boxes.count else { return }
        clusters.append(
            Cluster(title: report.order.hosts.labels[Int(host.rawValue)], boxes: first..<boxes.count))
    }

    /// Whether it is a file that is only copied along.
    private func isPlainFile(_ node: NodeID, _ start: Set<NodeID>) -> Bool {
        graph.kind(node) == .file && !report.group.isBound(node) && !start.contains(node)
    }

    /// Pipes and the like, which have no name: the programs at both ends are joined by an arrow.
    private func isHidden(_ node: NodeID) -> Bool {
        if case .channel(_, let name) = graph[node] { return name.isEmpty }
        return false
    }

    /// The ranks of the members that use a file.
    private func users(of file: NodeID) -> [UInt32] {
        var users: [UInt32] = []
        graph.forEachEdge(at: file) { edge in
            let rank = ranks[Int(edge.other.rawValue)]
            if edge.isIncoming, rank != .max { users.append(rank) }
        }
        users.sort()
        var different: [UInt32] = []
        for rank in users where different.last != rank { different.append(rank) }
        return different
    }

    private mutating func place(_ node: NodeID, isStart: Bool) {
        numbers[node] = boxes.count
        var box = Self.box(of: graph[node], isBound: report.group.isBound(node))
        box.isStart = isStart
        box.isStop = report.group.isStop(node)
        boxes.append(box)
    }

    private var outside: [NodeID: Int] = [:]

    private mutating func placeOutside(_ boundary: Boundary) {
        for endpoint in boundary.endpoints
        where endpoint.obstacle == .unobserved && outside[endpoint.node] == nil {
            outside[endpoint.node] = boxes.count
            let text = Printable.text(graph[endpoint.node].shownText)
            boxes.append(Box(lines: [PictureText.short(text)], tip: text, shape: .outside))
        }
    }

    private mutating func connectMembers() {
        let merger = DependencyMerger(graph, NodeOrder(graph, report.order.hosts))
        var seen: Set<Arrow> = []
        for node in report.members where numbers[node] != nil {
            for dependency in merger.dependencies(of: node, ranks: ranks) {
                guard let from = numbers[node], let to = numbers[dependency.to], isShown(dependency) else {
                    continue
                }
                add(dependency, from, to, &seen)
            }
        }
    }

    private mutating func connectOutside(_ boundary: Boundary) {
        var seen: Set<Arrow> = []
        for crossing in boundary.crossings where crossing.obstacle == .unobserved {
            guard let dependency = crossing.dependency, let from = numbers[crossing.member],
                let to = outside[crossing.other]
            else { continue }
            add(dependency, from, to, &seen)
        }
    }

    private mutating func add(_ dependency: Dependency, _ from: Int, _ to: Int, _ seen: inout Set<Arrow>) {
        // A connection taken leads from where it was made, as the one that made it would say.
        let isTaken = dependency.link == .accept
        let arrow = Arrow(
            from: isTaken ? to : from, to: isTaken ? from : to,
            label: PictureText.label(dependency, in: graph), isInferred: dependency.evidence == .inferred)
        if seen.insert(arrow).inserted { arrows.append(arrow) }
    }

    /// Whether a dependency says more than others that are shown.
    private func isShown(_ dependency: Dependency) -> Bool {
        // Both share the channel that is shown between them.
        guard dependency.link == .ipc, let via = dependency.via else { return true }
        return numbers[via] == nil
    }
}

extension GroupReport {
    /// How large a picture would be: boxes and arrows.
    public func pictureSize(_ options: PictureOptions = PictureOptions()) -> (boxes: Int, arrows: Int) {
        let picture = Picture(self, options)
        return (picture.boxes.count, picture.arrows.count)
    }
}

/// How much of a group a picture shows.
public struct PictureOptions: Sendable {
    /// Show each copied file if there are no more than this; beyond, one box for all that the same programs
    /// use. `nil`: show each.
    public var fileLimit: Int? = 40

    /// At most 40 copied files one by one.
    public init() {}
}

extension GroupReport {
    /// Position of each member in the order of outputs, by the number of the node; the largest for others.
    func ranks() -> [UInt32] {
        var ranks = [UInt32](repeating: .max, count: graph.nodeCount)
        for (rank, node) in order.nodes.enumerated() { ranks[Int(node)] = UInt32(rank) }
        return ranks
    }
}

/// Texts in pictures.
enum PictureText {
    /// The text in at most 36 characters, with an ellipsis in the middle: both ends of a path identify it.
    static func short(_ text: String, _ most: Int = 36) -> String {
        guard text.count > most else { return text }
        let tail = most * 2 / 3
        return text.prefix(most - 1 - tail) + "…" + text.suffix(tail)
    }

    /// What an arrow says.
    static func label(_ dependency: Dependency, in graph: DependencyGraph) -> String {
        let words: String
        switch dependency.link {
        case .listed: return ""
        case .file:
            var uses: [String] = []
            if dependency.access.contains(.executed) { uses.append("executes") }
            if dependency.access.contains(.written) { uses.append("writes") }
            words = uses.isEmpty ? "reads" : uses.joined(separator: ", ")
        case .spawn: words = "starts"
        case .connect, .accept:
            if let via = dependency.via, case .endpoint(let transport, let endpoint) = graph[via] {
                words = "connects to \(transport.word):\(endpoint.port)"
            } else {
                words = "connects"
            }
        case .listen: words = "listens"
        case .ipc:
            if let via = dependency.via, case .channel(let mechanism, _) = graph[via] {
                words = "talks by \(mechanism.word)"
            } else {
                words = "shares"
            }
        }
        return words
    }
}

extension Picture {
    /// The box for a node.
    static func box(of node: Node, isBound: Bool) -> Box {
        let text = Printable.text(node.shownText)
        switch node {
        case .program(let name):
            let parts = name.path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: true)
            let title = name.isUnknown ? "unknown program" : Printable.text(parts.last ?? [])
            var lines = [PictureText.short(title)]
            var tip = text
            if name.path.contains(UInt8(ascii: "/")) { lines.append(PictureText.short(text)) }
            if !name.script.isEmpty { tip += " (" + Printable.text(name.executable) + ")" }
            if !name.workload.isEmpty {
                lines.append(PictureText.short(Printable.text(name.workload)))
                tip += " in " + Printable.text(name.workload)
            }
            return Box(lines: lines, tip: tip, shape: .program)
        case .file:
            return Box(lines: [PictureText.short(text)], tip: text, shape: isBound ? .boundFile : .file)
        case .endpoint: return Box(lines: [PictureText.short(text)], tip: text, shape: .endpoint)
        case .channel: return Box(lines: [PictureText.short(text)], tip: text, shape: .channel)
        case .entry: return Box(lines: [PictureText.short(text)], tip: text, shape: .entry)
        }
    }

    /// The box for several files: how many, and the folders that hold most of them.
    static func box(of files: [NodeID], in graph: DependencyGraph) -> Box {
        var folders: [[UInt8]: Int] = [:]
        for file in files {
            guard case .file(let path) = graph[file] else { continue }
            let slash = path.lastIndex(of: UInt8(ascii: "/")) ?? 0
            folders[Array(path[..<slash]), default: 0] += 1
        }
        let sorted = folders.sorted { left, right in
            left.value == right.value
                ? left.key.lexicographicallyPrecedes(right.key) : left.value > right.value
        }
        var lines = ["\(Quantity.grouped(files.count)) files"]
        for (folder, count) in sorted.prefix(3) {
            lines.append(
                "\(Quantity.grouped(count)) in \(PictureText.short(Printable.text(folder) + "/", 30))")
        }
        if sorted.count > 3 {
            let more = sorted.count - 3
            lines.append("and \(Quantity.grouped(more)) more \(more == 1 ? "folder" : "folders")")
        }
        return Box(lines: lines, tip: lines.joined(separator: ", "), shape: .files)
    }
}
