import MoveGroup
import Records
import Text

/// A group as boxes and arrows, some of which stand for many: what is drawn, and what is said of it in words.
struct MapDrawing {
    /// What a box stands for.
    enum Shape { case program, unit, host, file, folder, endpoint, channel, entry, stays, reconnect }

    /// A box.
    struct Box {
        /// What it goes by in the address.
        var key: String
        /// Lines of text that is fit to be shown.
        var lines: [String]
        /// All of it, where lines were shortened.
        var tip: String
        var shape: Shape
        /// The members that it stands for, in the order of outputs; of what is outside the node there.
        var nodes: [NodeID]
        /// Whether it stands for many, and is opened by its key.
        var canOpen = false
        /// The key of what was opened for it to be seen.
        var parent: String?
        var isBound = false
        var isStart = false
        var isStop = false
        var isFound = false
        var isChanged = false
        /// Whether it stays behind, or is where the group ends.
        var isDim = false
    }

    /// An arrow, from what depends.
    struct Arrow {
        var from: Int
        var to: Int
        /// What it says of relations, each once.
        var labels: [String] = []
        /// How many dependencies it stands for, by the strongest evidence of each; of `nil` none is stated.
        var evidence: [Evidence?: Int] = [:]
        var sent: UInt64 = 0
        var received: UInt64 = 0
        /// What is done with files; `nil` where there are none.
        var access: Access?
        /// Whether it leads to what stays behind.
        var isDim = false
        var isFound = false
        var isChanged = false

        /// The strongest evidence that any of it has.
        var strongest: Evidence? { evidence.keys.compactMap { $0 }.max() }
        var count: Int { evidence.values.reduce(0, +) }

        /// The bytes that went over it, in words.
        var traffic: String? {
            sent > 0 || received > 0 ? "\(Quantity.bytes(sent)) out, \(Quantity.bytes(received)) in" : nil
        }

        /// `2 exact, 1 inferred`
        var evidenceText: String {
            let kinds: [Evidence?] = [.exact, .snapshot, .inferred, nil]
            return kinds.compactMap { kind in
                evidence[kind].map { count in
                    let word = kind.map { "\($0.word)" } ?? "of evidence that no input states"
                    return self.count == 1 ? word : "\(Quantity.grouped(count)) \(word)"
                }
            }.joined(separator: ", ")
        }
    }

    /// A host whose boxes are shown.
    struct Frame {
        var key: String
        var title: String
        var id: String
        var boxes: Range<Int>
    }

    private(set) var boxes: [Box] = []
    private(set) var arrows: [Arrow] = []
    private(set) var frames: [Frame] = []
    /// Members that an expression hides.
    private(set) var hidden = 0
    /// Members that are left out since they have not changed.
    private(set) var unchanged = 0
    /// Files that are copied and not drawn.
    private(set) var undrawnFiles = 0
    /// Members and dependencies that are to be found.
    private(set) var found = 0
    /// What must be reconnected, and what leads out of the group.
    let boundary: Boundary

    private let group: MapGroup
    private let state: MapState
    private let find: MapExpression?
    private let hide: MapExpression?
    private let starts: Set<NodeID>
    private let dependencies: [Dependency]
    /// The box of a member, or of a node outside.
    private(set) var numbers: [NodeID: Int] = [:]
    private var amounts: [Way: (sent: UInt64, received: UInt64)] = [:]
    private var graph: DependencyGraph { group.graph }
    private var report: GroupReport { group.report }

    /// Programs up to which every unit is open.
    static let openPrograms = 40
    /// Hosts up to which every one is open.
    static let openHosts = 12
    /// Boxes that the files of a host take as long as no folder is opened, and an opened folder.
    static let fileRows = 8
    static let openRows = 24
    /// Boxes outside that are drawn each.
    static let mostOutside = 40

    init(_ group: MapGroup, _ state: MapState, find: MapExpression?, hide: MapExpression?) {
        self.group = group
        self.state = state
        self.find = find
        self.hide = hide
        starts = Set(group.report.start)
        boundary = Boundary(group.report)
        dependencies = group.report.dependencies
        placeMembers(visibleMembers())
        placeOutside()
        connect()
        sumTraffic()
    }

    func subject(_ node: NodeID) -> MapExpression.Subject {
        MapExpression.Subject(
            node: graph[node], host: graph[graph.host(node)], isStart: starts.contains(node),
            isStop: report.group.contains(node) && report.group.isStop(node),
            isBound: report.group.isBound(node),
            isChanged: group.changed.contains(node))
    }

    // MARK: Boxes

    private mutating func visibleMembers() -> [NodeID] {
        var members = report.members.filter { node in
            if case .channel(_, let name) = graph[node] { return !name.isEmpty }
            return true
        }
        if state.onlyChanged {
            var shown = group.changed.union(starts)
            for dependency in dependencies where group.isChanged(dependency) {
                shown.formUnion([dependency.from, dependency.to])
            }
            let all = members.count
            members.removeAll { !shown.contains($0) }
            unchanged = all - members.count
        }
        if let hide {
            let all = members.count
            members.removeAll { !starts.contains($0) && hide.matches(subject($0)) }
            hidden = all - members.count
        }
        return members
    }

    /// Whether what goes by a key is open.
    private func isOpen(_ key: String, otherwise: Bool) -> Bool {
        state.open.contains(key) || (otherwise && !state.closed.contains(key))
    }

    private mutating func placeMembers(_ members: [NodeID]) {
        let programs = members.count { graph.kind($0) == .program }
        let hosts = Set(members.map { graph.host($0) })
        let startHosts = Set(starts.map { graph.host($0) })
        var rest = members[...]
        while let first = rest.first {
            let host = graph.host(first)
            let part = rest.prefix { graph.host($0) == host }
            rest = rest.dropFirst(part.count)
            let key = "host=" + Printable.text(graph[host].id.utf8)
            let title = Printable.text(report.hostLabel(of: first).utf8)
            let isOpen =
                host == .none
                || isOpen(key, otherwise: hosts.count <= Self.openHosts || startHosts.contains(host))
            let begin = boxes.count
            if isOpen {
                placeHost(Array(part), key, opensUnits: programs <= Self.openPrograms)
            } else {
                let box = Box(
                    key: key, lines: [PictureText.short(title), Self.contents(Array(part), graph)],
                    tip: "host \(title): \(Self.contents(Array(part), graph))", shape: .host,
                    nodes: Array(part), canOpen: true)
                place(box)
            }
            if host != .none, begin < boxes.count {
                frames.append(
                    Frame(key: key, title: title, id: graph[host].id, boxes: begin..<boxes.count))
            }
        }
    }

    private mutating func placeHost(_ members: [NodeID], _ hostKey: String, opensUnits: Bool) {
        var units: [[UInt8]] = []
        var programs: [[UInt8]: [NodeID]] = [:]
        var files: [NodeID] = []
        for node in members {
            switch graph[node] {
            case .program(let name):
                if programs[name.workload] == nil { units.append(name.workload) }
                programs[name.workload, default: []].append(node)
            case .file: files.append(node)
            case .endpoint, .channel, .entry: place(node, parent: nil)
            }
        }
        for unit in units { placeUnit(unit, programs[unit] ?? [], hostKey, opens: opensUnits) }
        // What programs of this host use that are open.
        let openPrograms = Set(
            programs.values.joined().filter { state.open.contains(group.name($0)) })
        var used: Set<NodeID> = []
        for dependency in dependencies
        where dependency.link == .file && openPrograms.contains(dependency.from) {
            used.insert(dependency.to)
        }
        for node in files where starts.contains(node) { place(node, parent: nil) }
        let others = files.filter { !starts.contains($0) }
        place(others.filter { report.group.isBound($0) }, hostKey, isBound: true, rows: Self.fileRows, nil)
        let copied = others.filter { node in
            !report.group.isBound(node)
                && (state.allFiles || used.contains(node)
                    || group.changed.contains(node) && state.onlyChanged)
        }
        undrawnFiles += others.count { !report.group.isBound($0) } - copied.count
        place(copied, hostKey, isBound: false, rows: Self.fileRows, nil)
    }

    private mutating func placeUnit(_ unit: [UInt8], _ programs: [NodeID], _ host: String, opens: Bool) {
        let key = "unit=\(host.dropFirst(5)) \(Printable.text(unit))"
        let alone = programs.count == 1
        if alone || isOpen(key, otherwise: opens) {
            for node in programs { place(node, parent: alone ? nil : key) }
            return
        }
        // Where the group begins is seen always.
        for node in programs where starts.contains(node) { place(node, parent: key) }
        let others = programs.filter { !starts.contains($0) }
        guard !others.isEmpty else { return }
        let name = unit.isEmpty ? "programs of no unit" : Printable.text(unit)
        let counted = Quantity.counted(others.count, "program")
        let last = name.split(separator: "/").last.map(String.init) ?? name
        place(
            Box(
                key: key, lines: [PictureText.short(last), counted], tip: "unit \(name): \(counted)",
                shape: .unit, nodes: others, canOpen: true))
    }

    /// Places files as the folders that hold the most of them, and opened folders as what they hold.
    private mutating func place(
        _ files: [NodeID], _ host: String, isBound: Bool, rows: Int, _ parent: String?
    ) {
        let paths = files.map { node in graph.withText(node) { Array($0) } }
        let folded = FolderFold(paths, limit: rows).rows
        for row in folded {
            let part = Array(files[row.files])
            if part.count == 1 {
                place(part[0], parent: parent)
                continue
            }
            let text = Printable.text(row.path)
            let key = "\(isBound ? "bound" : "folder")=\(host.dropFirst(5)) \(text)"
            if isOpen(key, otherwise: false) {
                // One that cannot be taken apart any further shows its files.
                if folded.count == 1, parent != nil, parent == key {
                    for node in part { place(node, parent: key) }
                } else {
                    place(part, host, isBound: isBound, rows: Self.openRows, key)
                }
                continue
            }
            let counted = Quantity.counted(part.count, "file")
            place(
                Box(
                    key: key, lines: [PictureText.short(text), counted], tip: "\(text): \(counted)",
                    shape: .folder, nodes: part, canOpen: true, parent: parent, isBound: isBound))
        }
    }

    private mutating func place(_ node: NodeID, parent: String?) {
        let object = graph[node]
        let text = Printable.text(object.shownText)
        var box = Box(
            key: group.name(node), lines: [PictureText.short(text)], tip: text, shape: .file, nodes: [node],
            parent: parent)
        switch object {
        case .program(let name):
            box.shape = .program
            let last = name.path.split(separator: UInt8(ascii: "/")).last ?? []
            box.lines = [PictureText.short(name.isUnknown ? "unknown program" : Printable.text(last))]
            if !name.script.isEmpty { box.tip += " (\(Printable.text(name.executable)))" }
            if !name.workload.isEmpty {
                let unit = name.workload.split(separator: UInt8(ascii: "/")).last ?? []
                box.lines.append(PictureText.short(Printable.text(unit)))
                box.tip += " in " + Printable.text(name.workload)
            }
            box.canOpen = usesCopiedFiles(node) && !state.allFiles
        case .file: box.isBound = report.group.isBound(node)
        case .endpoint: box.shape = .endpoint
        case .channel: box.shape = .channel
        case .entry: box.shape = .entry
        }
        box.isStart = starts.contains(node)
        box.isStop = report.group.isStop(node)
        place(box)
    }

    private func usesCopiedFiles(_ program: NodeID) -> Bool {
        var uses = false
        graph.forEachEdge(at: program) { edge in
            if !edge.isIncoming, edge.mark.link == .file, report.group.contains(edge.other),
                !report.group.isBound(edge.other)
            {
                uses = true
            }
        }
        return uses
    }

    private mutating func place(_ box: Box) {
        var box = box
        box.isChanged = box.nodes.contains { group.changed.contains($0) }
        if let find, !find.isOfDependencies {
            let count = box.nodes.count { find.matches(subject($0)) }
            box.isFound = count > 0
            found += count
        }
        for node in box.nodes { numbers[node] = boxes.count }
        boxes.append(box)
    }

    /// Places what must be reconnected, and programs that stay.
    private mutating func placeOutside() {
        var stays: [NodeID] = []
        for crossing in boundary.crossings where numbers[crossing.other] == nil {
            guard hide?.matches(subject(crossing.other)) != true, numbers[crossing.member] != nil else {
                continue
            }
            let isProgram = graph.kind(crossing.other) == .program
            guard isProgram || crossing.obstacle == .unobserved else { continue }
            if isProgram, crossing.obstacle != .unobserved, !reconnects.contains(crossing.other) {
                if !stays.contains(crossing.other) { stays.append(crossing.other) }
                continue
            }
            placeOutside(crossing.other, .reconnect, isProgram ? "reconnect" : nil)
        }
        for node in stays.prefix(Self.mostOutside) { placeOutside(node, .stays, "stays") }
        let rest = stays.dropFirst(Self.mostOutside)
        guard !rest.isEmpty else { return }
        let text =
            "\(Quantity.grouped(rest.count)) more \(rest.count == 1 ? "program stays" : "programs stay")"
        place(
            Box(key: "stays", lines: [text], tip: text, shape: .stays, nodes: Array(rest), isDim: true))
    }

    private var reconnects: Set<NodeID> { Set(boundary.endpoints.map(\.node)) }

    private mutating func placeOutside(_ node: NodeID, _ shape: Shape, _ word: String?) {
        let text = Printable.text(graph[node].shownText)
        var box = Box(
            key: group.name(node), lines: [PictureText.short(text)], tip: text, shape: shape, nodes: [node],
            isDim: shape == .stays)
        if let word {
            let host = Printable.text(report.hostLabel(of: node).utf8)
            box.lines.append("\(word == "stays" ? "stays on" : "on") \(PictureText.short(host))")
            box.tip += " on \(host)"
        }
        place(box)
    }

    /// `3 programs, 41 files`
    static func contents(_ nodes: [NodeID], _ graph: DependencyGraph) -> String {
        let kinds: [(NodeKind, String, String)] = [
            (.program, "program", "programs"), (.file, "file", "files"), (.endpoint, "address", "addresses"),
            (.channel, "channel", "channels"), (.entry, "entry", "entries"),
        ]
        return kinds.compactMap { kind, one, many in
            let count = nodes.count { graph.kind($0) == kind }
            return count == 0 ? nil : Quantity.counted(count, one, many)
        }.joined(separator: ", ")
    }

    // MARK: Arrows

    private struct Ends: Hashable {
        var from: Int
        var to: Int
        var isFile: Bool
        var isDim: Bool
    }

    private mutating func connect() {
        var known: [Ends: Int] = [:]
        for dependency in dependencies { add(dependency, isDim: false, &known) }
        for crossing in boundary.crossings {
            guard let dependency = crossing.dependency, crossing.other != crossing.member,
                let other = numbers[crossing.other], !report.group.contains(crossing.other)
            else { continue }
            add(dependency, isDim: boxes[other].shape == .stays, &known)
        }
    }

    private mutating func add(_ dependency: Dependency, isDim: Bool, _ known: inout [Ends: Int]) {
        guard var from = numbers[dependency.from], var to = numbers[dependency.to] else { return }
        // Both share the channel that is shown between them.
        if dependency.link == .ipc, let via = dependency.via, numbers[via] != nil { return }
        if from == to, boxes[from].nodes.count > 1 { return }
        let (one, other) = (subject(dependency.from), subject(dependency.to))
        if hide?.matches(one, other, dependency.link, dependency.evidence) == true { return }
        // A connection taken leads from where it was made, as the one that made it would say.
        let isTaken = dependency.link == .accept
        if isTaken { swap(&from, &to) }
        let isFile = dependency.link == .file
        let ends = Ends(from: from, to: to, isFile: isFile, isDim: isDim)
        let number = known[ends] ?? arrows.count
        if number == arrows.count {
            known[ends] = number
            arrows.append(Arrow(from: from, to: to, isDim: isDim))
        }
        let isFound = find?.matches(one, other, dependency.link, dependency.evidence) == true
        if isFound { found += 1 }
        arrows[number].take(dependency, PictureText.label(dependency, in: graph))
        if isFound { arrows[number].isFound = true }
        if group.isChanged(dependency) { arrows[number].isChanged = true }
        // Both ends of a connection count the same bytes: of what the two say the most stands.
        let pair = isTaken ? (dependency.to, dependency.from) : (dependency.from, dependency.to)
        let key = Way(arrow: number, from: pair.0, to: pair.1, via: dependency.via)
        let old = amounts[key] ?? (0, 0)
        amounts[key] = (
            max(old.sent, isTaken ? dependency.received : dependency.sent),
            max(old.received, isTaken ? dependency.sent : dependency.received)
        )
    }

    /// Between which two, and over which address, bytes went.
    private struct Way: Hashable {
        var arrow: Int
        var from: NodeID
        var to: NodeID
        var via: NodeID?
    }

    private mutating func sumTraffic() {
        for (way, amount) in amounts {
            arrows[way.arrow].sent = PictureText.sum([arrows[way.arrow].sent, amount.sent])
            arrows[way.arrow].received = PictureText.sum([arrows[way.arrow].received, amount.received])
        }
    }
}

extension MapDrawing.Arrow {
    fileprivate mutating func take(_ dependency: Dependency, _ label: String) {
        if !label.isEmpty, !labels.contains(label) { labels.append(label) }
        evidence[dependency.evidence, default: 0] += 1
        if dependency.link == .file { access = (access ?? []).union(dependency.access) }
    }
}
