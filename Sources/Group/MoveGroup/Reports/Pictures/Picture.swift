import Records

/// A group as boxes and arrows: what SVG, DOT and Mermaid draw.
struct Picture {
    /// What a box looks like.
    enum Shape {
        case program, file, boundFile, files, boundFiles, endpoint, channel, entry, outside
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
        /// Whether it stays behind, or is where the group ends.
        var isDim = false
    }

    /// An arrow, from the one that depends.
    struct Arrow: Hashable {
        var from: Int
        var to: Int
        /// What it means; empty where nobody said.
        var label: String
        /// The bytes that went over it, in words.
        var traffic: String?
        /// What is done with a file.
        var access: Access?
        /// Whether it is no more than inferred.
        var isInferred = false
        /// Whether it leads to what stays behind.
        var isDim = false
        /// All that it says.
        var words: String { [label, traffic ?? ""].filter { !$0.isEmpty }.joined(separator: ", ") }
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
    /// What it shows, and until when that was observed.
    private(set) var title: [String] = []

    private let report: GroupReport
    private let options: PictureOptions
    private var numbers: [NodeID: Int] = [:]
    /// What is drawn of which nothing moves.
    private var outside: [NodeID: Int] = [:]
    private var drawn = Drawn()
    private var ranks: [UInt32]
    private var graph: DependencyGraph { report.graph }

    /// Boxes that the copied files of a host may take, and those that are bound.
    static let fileRows = 8
    /// Arrows that lead to a file.
    static let mostUsers = 12
    /// Programs outside that are drawn each.
    static let mostOutside = 24

    init(_ report: GroupReport, _ options: PictureOptions) {
        self.report = report
        self.options = options
        ranks = report.ranks()
        let boundary = Boundary(report)
        title = report.pictureTitle
        placeMembers()
        if options.only != .files { placeOutside(boundary) }
        connectMembers()
        if options.only != .files { connectOutside(boundary) }
        arrows = drawn.arrows
        countUsers()
    }

    /// Says in words how many use a file, where arrows would say no more: of a folder that everything uses nobody can
    /// follow them.
    private mutating func countUsers() {
        var users = [Set<Int>](repeating: [], count: boxes.count)
        for arrow in arrows where arrow.access != nil { users[arrow.to].insert(arrow.from) }
        for box in boxes.indices where users[box].count > Self.mostUsers {
            let text = "used by \(Quantity.counted(users[box].count, "program"))"
            boxes[box].lines.append(text)
            boxes[box].tip += ", " + text
        }
        arrows.removeAll { $0.access != nil && users[$0.to].count > Self.mostUsers }
    }

    private mutating func placeMembers() {
        let start = Set(report.start)
        var host: HostID?
        var first = 0
        for part in report.order.parts where isShown(part.kind) {
            if host != part.host {
                closeCluster(host, from: first)
                (host, first) = (part.host, boxes.count)
            }
            let nodes = part.range.map { NodeID(rawValue: report.order.nodes[$0]) }.filter { !isHidden($0) }
            guard part.kind == .file, !options.showsEachFile else {
                for node in nodes { place(node, isStart: start.contains(node)) }
                continue
            }
            for node in nodes where start.contains(node) { place(node, isStart: true) }
            for isBound in [true, false] {
                placeFolded(nodes.filter { !start.contains($0) && report.group.isBound($0) == isBound })
            }
        }
        closeCluster(host, from: first)
    }

    /// Places files as the folders that hold the most of them.
    private mutating func placeFolded(_ files: [NodeID]) {
        let paths = files.map { node in graph.withText(node) { Array($0) } }
        for row in FolderFold(paths, limit: Self.fileRows).rows {
            if row.files.count == 1 {
                place(files[row.files.lowerBound], isStart: false)
                continue
            }
            for file in files[row.files] { numbers[file] = boxes.count }
            boxes.append(
                Self.box(
                    of: row.files.count, below: row.path,
                    isBound: report.group.isBound(files[row.files.lowerBound])))
        }
    }

    private mutating func closeCluster(_ host: HostID?, from first: Int) {
        guard let host, host != .none, first < boxes.count else { return }
        clusters.append(
            Cluster(title: report.order.hosts.labels[Int(host.rawValue)], boxes: first..<boxes.count))
    }

    private func isShown(_ kind: NodeKind) -> Bool {
        switch options.only {
        case nil: true
        case .programs: kind != .file
        case .files: kind == .file || kind == .program || kind == .entry
        }
    }

    /// Pipes and the like, which have no name: the programs at both ends are joined by an arrow.
    private func isHidden(_ node: NodeID) -> Bool {
        if case .channel(_, let name) = graph[node] { return name.isEmpty }
        return false
    }

    private mutating func place(_ node: NodeID, isStart: Bool) {
        numbers[node] = boxes.count
        var box = Self.box(of: graph[node], isBound: report.group.isBound(node))
        box.isStart = isStart
        box.isStop = report.group.isStop(node)
        box.isDim = box.isStop
        boxes.append(box)
    }

    /// Places addresses that were not observed, and programs that a rule or an option leaves behind.
    private mutating func placeOutside(_ boundary: Boundary) {
        var programs = 0
        for crossing in boundary.crossings
        where outside[crossing.other] == nil && numbers[crossing.other] == nil {
            let isProgram = graph.kind(crossing.other) == .program
            guard isProgram || crossing.obstacle == .unobserved else { continue }
            if isProgram {
                programs += 1
                guard programs <= Self.mostOutside else { continue }
            }
            outside[crossing.other] = boxes.count
            let text = Printable.text(graph[crossing.other].shownText)
            var box = Box(lines: [PictureText.short(text)], tip: text, shape: .outside)
            if isProgram {
                box.isDim = true
                let host = Printable.text(report.hostLabel(of: crossing.other).utf8)
                box.lines.append("stays on \(host)")
                box.tip += " (\(host))"
            }
            boxes.append(box)
        }
        let hidden = programs - Self.mostOutside
        guard hidden > 0 else { return }
        let text = "\(Quantity.grouped(hidden)) more \(hidden == 1 ? "program stays" : "programs stay")"
        boxes.append(Box(lines: [text], tip: text, shape: .outside, isDim: true))
    }

    private mutating func connectMembers() {
        let merger = DependencyMerger(graph, NodeOrder(graph, report.order.hosts))
        for node in report.members where numbers[node] != nil {
            for dependency in merger.dependencies(of: node, ranks: ranks) {
                guard let from = numbers[node], let to = numbers[dependency.to], isShown(dependency) else {
                    continue
                }
                drawn.add(dependency, from, to, isDim: false, in: graph)
            }
        }
    }

    private mutating func connectOutside(_ boundary: Boundary) {
        for crossing in boundary.crossings {
            guard let dependency = crossing.dependency, let member = numbers[crossing.member],
                let other = outside[crossing.other]
            else { continue }
            let isOwn = dependency.from == crossing.member
            drawn.add(
                dependency, isOwn ? member : other, isOwn ? other : member,
                isDim: crossing.obstacle != .unobserved, in: graph)
        }
    }

    /// Whether a dependency says more than others that are shown.
    private func isShown(_ dependency: Dependency) -> Bool {
        // Both share the channel that is shown between them.
        guard dependency.link == .ipc, let via = dependency.via else { return true }
        return numbers[via] == nil
    }

    /// Arrows in the making: what two boxes have with each other is one, with the bytes that went over it.
    private struct Drawn {
        private var order: [Arrow] = []
        /// Bytes by where they went, of each side what it has counted: both may have counted the same.
        private var traffic: [Arrow: [NodeID?: (sent: UInt64, received: UInt64)]] = [:]
        /// What is done with files, by the boxes between which it is.
        private var uses: [Arrow: Access] = [:]

        mutating func add(
            _ dependency: Dependency, _ from: Int, _ to: Int, isDim: Bool, in graph: DependencyGraph
        ) {
            // A connection taken leads from where it was made, as the one that made it would say.
            let isTaken = dependency.link == .accept
            let isFile = dependency.link == .file
            let arrow = Arrow(
                from: isTaken ? to : from, to: isTaken ? from : to,
                label: isFile ? "" : PictureText.label(dependency, in: graph),
                isInferred: dependency.evidence == .inferred, isDim: isDim)
            if isFile {
                if uses[arrow] == nil, traffic[arrow] == nil { order.append(arrow) }
                uses[arrow, default: []].formUnion(dependency.access)
                return
            }
            if traffic[arrow] == nil { order.append(arrow) }
            let known = traffic[arrow]?[dependency.via] ?? (0, 0)
            traffic[arrow, default: [:]][dependency.via] = (
                max(known.sent, isTaken ? dependency.received : dependency.sent),
                max(known.received, isTaken ? dependency.sent : dependency.received)
            )
        }

        var arrows: [Arrow] {
            order.map { arrow in
                var arrow = arrow
                if let access = uses[arrow] {
                    arrow.label = PictureText.label(access)
                    arrow.access = access
                    return arrow
                }
                let all = traffic[arrow].map { Array($0.values) } ?? []
                let (sent, received) = (
                    PictureText.sum(all.map(\.sent)), PictureText.sum(all.map(\.received))
                )
                if sent > 0 || received > 0 {
                    arrow.traffic = "\(Quantity.bytes(sent)) out, \(Quantity.bytes(received)) in"
                }
                return arrow
            }
        }
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
    /// What else is left out.
    public enum Only: String, Sendable, CaseIterable {
        /// Files are left out.
        case programs
        /// Addresses, channels and what stays behind are left out: files, and the programs that use them.
        case files
    }

    /// Draw each file, in place of the folders that hold the most of them.
    public var showsEachFile = false
    /// `nil`: all of it.
    public var only: Only?

    /// Files by folder, and all the rest.
    public init() {}
}

extension GroupReport {
    /// What a picture shows, and the end of what was observed: not the time at which it was drawn, so that the same
    /// inputs give the same picture.
    var pictureTitle: [String] {
        let names = start.prefix(3).map { Printable.text(graph[$0].shownText) }
        let more = start.count > 3 ? " and \(Quantity.grouped(start.count - 3)) more" : ""
        let end = shownHosts.map { graph[$0].observed.upperBound }.max() ?? 0
        let date = end == 0 ? [] : ["as observed until " + Timestamp.text(end).prefix(10)]
        return ["Move group of " + names.map { PictureText.short($0, 60) }.joined(separator: ", ") + more]
            + date
    }
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
package enum PictureText {
    /// The text in at most 36 characters, with an ellipsis in the middle: both ends of a path identify it.
    package static func short(_ text: String, _ most: Int = 36) -> String {
        guard text.count > most else { return text }
        let tail = most * 2 / 3
        return text.prefix(most - 1 - tail) + "…" + text.suffix(tail)
    }

    /// What is done with a file.
    package static func label(_ access: Access) -> String {
        var uses: [String] = []
        if access.contains(.executed) { uses.append("executes") }
        if access.contains(.written) { uses.append("writes") }
        return uses.isEmpty ? "reads" : uses.joined(separator: ", ")
    }

    /// The sum, or the largest number there is.
    package static func sum(_ numbers: [UInt64]) -> UInt64 {
        numbers.reduce(0) { sum, number in
            let (sum, overflow) = sum.addingReportingOverflow(number)
            return overflow ? .max : sum
        }
    }

    /// What an arrow says.
    package static func label(_ dependency: Dependency, in graph: DependencyGraph) -> String {
        let words: String
        switch dependency.link {
        case .listed: return ""
        case .file: words = label(dependency.access)
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

    /// The box for the files below a folder.
    static func box(of count: Int, below folder: [UInt8], isBound: Bool) -> Box {
        let text = Printable.text(folder)
        let number = Quantity.counted(count, "file")
        return Box(
            lines: [PictureText.short(text), number], tip: "\(text): \(number)",
            shape: isBound ? .boundFiles : .files)
    }
}
