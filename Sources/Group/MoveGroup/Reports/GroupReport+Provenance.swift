import Records

extension GroupReport {
    /// Writes the group as PROV-JSON (W3C Member Submission of 24 April 2013): programs are activities,
    /// everything else entities, hosts agents. docs/group-format.md has which relation becomes which.
    ///
    /// - Parameter sink: takes a piece, which is valid only during the call; its error ends the writing.
    public func writeProvenance<Failure: Error>(
        chunk: Int = 256 << 10, to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let provenance = Provenance(self)
        var out = JSONWriter(capacity: chunk)
        out.beginObject()
        out.object("prefix") { out in
            out.member("retinue", word: "urn:retinue:provenance#")
            out.member("node", word: "urn:retinue:node:")
        }
        for section in provenance.sections where section.count > 0 {
            out.beginLine()
            out.key(section.name)
            out.value(of: section.whole)
            try out.handOver(chunk: chunk, to: sink)
        }
        out.endObject()
        out.endDocument()
        try out.handOver(to: sink)
    }
}

/// The statements of a group's provenance.
struct Provenance {
    /// Statements of a kind, the members of one object.
    struct Section {
        let name: StaticString
        private(set) var count: UInt64 = 0
        fileprivate var out = JSONWriter()

        init(name: StaticString) {
            self.name = name
            out.beginObject()
        }

        /// The object.
        var whole: JSONWriter {
            var whole = out
            whole.endObject()
            return whole
        }

        /// Begins a statement; its members follow in `out`, and `endObject`.
        fileprivate mutating func begin(_ name: Name) {
            count += 1
            out.beginLine()
            out.key(plain: name.append)
            out.beginObject()
        }

        /// Begins a statement that has no name of its own.
        fileprivate mutating func begin(_ letter: StaticString) { begin(.blank(letter, count + 1)) }
    }

    /// What a statement is about: by its number in the order of the output, so that equal groups are equal texts.
    fileprivate enum Name {
        case host(UInt32)
        case node(UInt32)
        case blank(StaticString, UInt64)

        func append(to out: inout [UInt8]) {
            switch self {
            case .host(let rank):
                out.append("node:h")
                out.append(decimal: UInt64(rank))
            case .node(let rank):
                out.append("node:n")
                out.append(decimal: UInt64(rank) + 1)
            case .blank(let letter, let number):
                out.append("_:")
                out.append(letter)
                out.append(decimal: number)
            }
        }
    }

    private var entities = Section(name: "entity")
    private var activities = Section(name: "activity")
    private var agents = Section(name: "agent")
    private var uses = Section(name: "used")
    private var generations = Section(name: "wasGeneratedBy")
    private var communications = Section(name: "wasInformedBy")
    private var starts = Section(name: "wasStartedBy")
    private var associations = Section(name: "wasAssociatedWith")
    private var influences = Section(name: "wasInfluencedBy")

    var sections: [Section] {
        [
            entities, activities, agents, uses, generations, communications, starts, associations, influences,
        ]
    }

    private let report: GroupReport
    private let ranks: [UInt32]
    private var graph: DependencyGraph { report.graph }

    init(_ report: GroupReport) {
        self.report = report
        ranks = report.ranks()
        let merger = DependencyMerger(report.graph, NodeOrder(report.graph, report.order.hosts))
        for host in report.shownHosts { add(host) }
        var spans: [NodeID: ClosedRange<UInt64>] = [:]
        for node in report.members {
            for dependency in merger.dependencies(of: node, ranks: ranks) {
                add(dependency)
                guard dependency.first != 0 else { continue }
                for end in [dependency.from, dependency.to] {
                    let known = spans[end]
                    let first = min(known?.lowerBound ?? dependency.first, dependency.first)
                    spans[end] = first...max(known?.upperBound ?? dependency.last, dependency.last, first)
                }
            }
        }
        for node in report.members { add(node, spans[node]) }
    }

    private func name(_ host: HostID) -> Name { .host(UInt32(report.order.hosts.ranks[Int(host.rawValue)])) }
    private func name(_ node: NodeID) -> Name { .node(ranks[Int(node.rawValue)]) }

    private mutating func add(_ number: HostID) {
        let host = graph[number]
        agents.begin(name(number))
        agents.out.type("Host")
        agents.out.member("retinue:id", text: host.id)
        if !host.name.isEmpty { agents.out.member("retinue:name", text: host.name) }
        agents.out.endObject()
    }

    private mutating func add(_ node: NodeID, _ span: ClosedRange<UInt64>?) {
        let object = graph[node]
        let host = graph.host(node)
        let hostID = host == .none ? nil : graph[host].id
        guard object.kind == .program else {
            entities.begin(name(node))
            entities.out.members(of: object, host: hostID, nil)
            entities.out.endObject()
            return
        }
        activities.begin(name(node))
        activities.out.members(of: object, host: hostID, span)
        activities.out.endObject()
        // A program runs on its host.
        guard host != .none else { return }
        associations.begin("a")
        associations.out.member("prov:activity", name(node))
        associations.out.member("prov:agent", name(host))
        associations.out.endObject()
    }

    private mutating func add(_ dependency: Dependency) {
        let isBetweenPrograms =
            graph.kind(dependency.from) == .program && graph.kind(dependency.to) == .program
        switch dependency.link {
        case .file, .listen, .connect, .accept, .ipc:
            if isBetweenPrograms {
                // What is asked informs what answers. Of a connection taken the other end is the one that asks.
                let isTaken = dependency.link == .accept
                let (asks, answers) =
                    isTaken ? (dependency.to, dependency.from) : (dependency.from, dependency.to)
                communications.add(
                    "i", "prov:informed", name(answers), "prov:informant", name(asks), dependency,
                    isTimed: false)
            } else if graph.kind(dependency.from) == .program {
                addUse(dependency)
            } else {
                addInfluence(dependency)
            }
        case .spawn:
            starts.add(
                "s", "prov:activity", name(dependency.to), "prov:starter", name(dependency.from), dependency,
                isTimed: true)
            // The common reader makes no edge of a start; of this it does.
            communications.add(
                "i", "prov:informed", name(dependency.to), "prov:informant", name(dependency.from),
                dependency,
                isTimed: false)
        case .listed: addInfluence(dependency)
        }
    }

    private mutating func addUse(_ dependency: Dependency) {
        let (program, object) = (name(dependency.from), name(dependency.to))
        let isFile = dependency.link == .file
        // Every opened file has `r`, so a use of a file that is also written may have been none.
        if !isFile || dependency.access != .written {
            uses.add("u", "prov:activity", program, "prov:entity", object, dependency, isTimed: true)
        }
        if isFile, dependency.access.contains(.written) {
            generations.add("g", "prov:entity", object, "prov:activity", program, dependency, isTimed: true)
        }
    }

    private mutating func addInfluence(_ dependency: Dependency) {
        influences.add(
            "f", "prov:influencee", name(dependency.from), "prov:influencer", name(dependency.to), dependency,
            isTimed: false)
    }
}

extension Provenance.Section {
    /// Adds a statement about two nodes, with what is known of the dependency as attributes.
    fileprivate mutating func add(
        _ letter: StaticString, _ firstKey: StaticString, _ first: Provenance.Name, _ secondKey: StaticString,
        _ second: Provenance.Name, _ dependency: Dependency, isTimed: Bool
    ) {
        begin(letter)
        out.member(firstKey, first)
        out.member(secondKey, second)
        if isTimed, dependency.first != 0 { out.member("prov:time", time: dependency.first) }
        out.member("retinue:relation", word: dependency.link.word)
        if dependency.link == .file { out.member("retinue:access", word: dependency.access.letters) }
        if let evidence = dependency.evidence { out.member("retinue:evidence", word: evidence.word) }
        // Beyond 2^53 a number would be rounded by most readers.
        if dependency.count != 0 { out.member("retinue:count", text: String(dependency.count)) }
        out.endObject()
    }
}

extension JSONWriter {
    fileprivate mutating func member(_ key: StaticString, _ name: Provenance.Name) {
        self.key(key)
        value(plain: name.append)
    }

    fileprivate mutating func type(_ type: StaticString) {
        object("prov:type") { out in
            out.key("$")
            out.value(plain: { text in
                text.append("retinue:")
                text.append(type)
            })
            out.member("type", word: "xsd:QName")
        }
    }

    fileprivate mutating func members(of object: Node, host: String?, _ span: ClosedRange<UInt64>?) {
        type(object.kind.type)
        key("prov:label")
        value(bytes: object.shownText)
        if let host { member("retinue:host", text: host) }
        switch object {
        case .program(let program):
            member("retinue:executable", bytes: program.executable)
            if !program.script.isEmpty { member("retinue:script", bytes: program.script) }
            if !program.workload.isEmpty { member("retinue:workload", bytes: program.workload) }
            if let span {
                member("prov:startTime", time: span.lowerBound)
                member("prov:endTime", time: span.upperBound)
            }
        case .file(let path), .entry(let path): member("retinue:path", bytes: path)
        case .channel(_, let channel): member("retinue:name", bytes: channel)
        case .endpoint: break
        }
    }
}

extension NodeKind {
    /// The type of an entity or activity.
    fileprivate var type: StaticString {
        switch self {
        case .program: "Program"
        case .file: "File"
        case .endpoint: "Endpoint"
        case .channel: "Channel"
        case .entry: "Entry"
        }
    }
}
