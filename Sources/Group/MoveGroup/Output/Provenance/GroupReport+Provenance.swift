import Records

extension GroupReport {
    /// Writes the group as PROV-JSON (W3C Member Submission of 24 April 2013): programs are activities,
    /// everything else entities, hosts agents. docs/group-format.md tells which relation becomes which.
    ///
    /// - Parameter sink: takes a piece, which is valid only during the call; its error ends the writing.
    public func writeProvenance<Failure: Error>(
        chunk: Int = 256 << 10, to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let provenance = Provenance(self)
        var out = OutputBuffer(chunk: chunk)
        out.bytes.append(
            "{\"prefix\":{\"retinue\":\"urn:retinue:provenance#\",\"node\":\"urn:retinue:node:\"}")
        for section in provenance.sections where !section.lines.isEmpty {
            out.bytes.append(",\n\"")
            out.bytes.append(section.name)
            out.bytes.append("\":{")
            for (position, line) in section.lines.enumerated() {
                if position > 0 { out.bytes.append(",") }
                try out.endLine(sink)
                out.bytes += line
            }
            out.bytes.append("}")
        }
        out.bytes.append("}")
        try out.endLine(sink)
        try out.flush(sink)
    }
}

/// The statements of a group's provenance.
struct Provenance {
    /// Statements of a kind, each as a member of its object.
    struct Section {
        var name: StaticString
        var lines: [[UInt8]] = []
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

    private func hostName(_ host: HostID) -> [UInt8] {
        Array("\"node:h\(report.order.hosts.ranks[Int(host.rawValue)])\"".utf8)
    }

    private func name(_ node: NodeID) -> [UInt8] {
        Array("\"node:n\(UInt64(ranks[Int(node.rawValue)]) + 1)\"".utf8)
    }

    private mutating func add(_ number: HostID) {
        var line = hostName(number)
        line.append(":{\"prov:type\":{\"$\":\"retinue:Host\",\"type\":\"xsd:QName\"}")
        JSONForm.append("retinue:id", text: graph[number].id, to: &line)
        if !graph[number].name.isEmpty {
            JSONForm.append("retinue:name", text: graph[number].name, to: &line)
        }
        line.append("}")
        agents.lines.append(line)
    }

    private mutating func add(_ node: NodeID, _ span: ClosedRange<UInt64>?) {
        let object = graph[node]
        var line = name(node)
        line.append(":{\"prov:type\":{\"$\":\"retinue:")
        line.append(object.kind.type)
        line.append("\",\"type\":\"xsd:QName\"}")
        JSONForm.key("prov:label", to: &line)
        object.shownText.withUnsafeBytes { _ = JSONText.append($0, to: &line) }
        if graph.host(node) != .none {
            JSONForm.append("retinue:host", text: graph[graph.host(node)].id, to: &line)
        }
        if case .program(let program) = object {
            JSONForm.append("retinue:executable", bytes: program.executable, to: &line)
            if !program.script.isEmpty { JSONForm.append("retinue:script", bytes: program.script, to: &line) }
            if !program.workload.isEmpty {
                JSONForm.append("retinue:workload", bytes: program.workload, to: &line)
            }
            if let span {
                JSONForm.append("prov:startTime", time: span.lowerBound, to: &line)
                JSONForm.append("prov:endTime", time: span.upperBound, to: &line)
            }
            line.append("}")
            activities.lines.append(line)
            associate(node)
            return
        }
        if case .file(let path) = object { JSONForm.append("retinue:path", bytes: path, to: &line) }
        if case .entry(let path) = object { JSONForm.append("retinue:path", bytes: path, to: &line) }
        if case .channel(_, let channel) = object {
            JSONForm.append("retinue:name", bytes: channel, to: &line)
        }
        line.append("}")
        entities.lines.append(line)
    }

    /// A program runs on its host.
    private mutating func associate(_ node: NodeID) {
        guard graph.host(node) != .none else { return }
        var line = Array("\"_:a\(associations.lines.count + 1)\":{\"prov:activity\":".utf8)
        line += name(node)
        line.append(",\"prov:agent\":")
        line += hostName(graph.host(node))
        line.append("}")
        associations.lines.append(line)
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
        _ letter: String, _ firstKey: StaticString, _ first: [UInt8], _ secondKey: StaticString,
        _ second: [UInt8], _ dependency: Dependency, isTimed: Bool
    ) {
        var line = Array("\"_:\(letter)\(lines.count + 1)\":{\"".utf8)
        line.append(firstKey)
        line.append("\":")
        line += first
        JSONForm.key(secondKey, to: &line)
        line += second
        if isTimed, dependency.first != 0 {
            JSONForm.append("prov:time", time: dependency.first, to: &line)
        }
        JSONForm.append("retinue:relation", word: dependency.link.word, to: &line)
        if dependency.link == .file {
            JSONForm.append("retinue:access", word: dependency.access.letters, to: &line)
        }
        if let evidence = dependency.evidence {
            JSONForm.append("retinue:evidence", word: evidence.word, to: &line)
        }
        if dependency.count != 0 {
            // Beyond 2^53 a number would be rounded by most readers.
            JSONForm.append("retinue:count", text: String(dependency.count), to: &line)
        }
        line.append("}")
        lines.append(line)
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
