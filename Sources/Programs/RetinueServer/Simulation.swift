import MoveGroup
import Records
import RetinueCommands
import Text

/// What would break if a program, or its group, ran on another host: `retinue-simulation/1` (docs/serve.md). Nothing is moved.
struct Simulation {
    /// What moves.
    enum Scope: String, CaseIterable {
        /// The program alone.
        case program
        /// All programs of its group.
        case group
    }

    /// Of each list, unless more is asked for, and at most.
    static let some = 200
    static let most = 5000

    private let snapshot: Snapshot
    private let program: String
    private let scope: Scope
    private let destination: HostID
    private let question: MoveQuestion
    private var graph: DependencyGraph { snapshot.graph.graph }

    /// Asks.
    ///
    /// - Parameter to: id, name or address of a host, or `*`.
    init(
        _ snapshot: Snapshot, _ program: String, to host: String, _ scope: Scope,
        _ variation: ServedGraph.Variation
    ) throws(AnswerError) {
        (self.snapshot, self.program, self.scope) = (snapshot, program, scope)
        destination = try snapshot.graph.host(named: host)
        let report = try snapshot.graph.group(of: program, variation)
        let graph = snapshot.graph.graph
        let nodes = (scope == .group ? report.members : report.start).filter { graph.kind($0) == .program }
        guard !nodes.isEmpty else {
            throw AnswerError(
                .nothingToPlan,
                scope == .group
                    ? "there is no program in the group of \"\(program)\""
                    : "\"\(program)\" is no program: ask for its group")
        }
        question = MoveQuestion(
            nodes, to: destination, in: report, report.dependenciesOfMembers
        ) { snapshot.graph.size(of: $0) }
    }

    /// Writes the members of the answer.
    func write(limit: Int, to out: inout JSONWriter) {
        out.member("schema", word: "retinue-simulation/1")
        out.member("program", text: program)
        out.member("scope", text: scope.rawValue)
        if Int(destination.rawValue) < graph.hosts.count {
            out.object("to") { out in
                out.member("id", text: graph[destination].id)
                if !graph[destination].name.isEmpty { out.member("name", text: graph[destination].name) }
            }
        } else {
            out.member("to", textOrNull: nil)
        }
        out.beginLine()
        out.object("moved") { out in
            out.member("total", number: question.moved.count)
            out.array("programs", texts: question.moved.prefix(limit).map(snapshot.graph.name))
        }
        writeConnections(limit, &out)
        out.member("become_local", number: question.local)
        out.member("inside", number: question.inside)
        writeShared(limit, &out)
        writeCopy(&out)
        out.member("needed", number: question.groupSize)
        let ends = question.reconnects.flatMap { [$0.client, $0.server] }
        let shared = question.torn.map(\.stays)
        out.beginLine()
        snapshot.writeHosts(of: question.moved + ends + shared, to: &out)
    }

    private func writeConnections(_ limit: Int, _ out: inout JSONWriter) {
        out.beginLine()
        out.object("reconnects") { out in
            out.member("total", number: question.reconnects.count)
            out.member("bytes", number: question.bytes)
            out.array("connections", Array(question.reconnects.prefix(limit))) { out, connection in
                out.member("client", text: snapshot.graph.name(connection.client))
                out.member("server", text: snapshot.graph.name(connection.server))
                if let via = connection.via { out.member("at", text: snapshot.graph.name(via)) }
                out.member("moves", word: connection.isToMoved ? "server" : "client")
                out.member("bytes", number: connection.bytes)
                if let evidence = connection.evidence { out.member("evidence", word: evidence.word) }
                write(connection.records, &out)
            }
        }
    }

    private func writeShared(_ limit: Int, _ out: inout JSONWriter) {
        out.beginLine()
        out.object("torn") { out in
            out.member("total", number: question.torn.count)
            out.array("shared", Array(question.torn.prefix(limit))) { out, shared in
                out.member("moved", text: snapshot.graph.name(shared.moved))
                out.member("stays", text: snapshot.graph.name(shared.stays))
                if let over = shared.over { out.member("over", text: snapshot.graph.name(over)) }
                out.member("relation", word: shared.link.word)
                write(shared.records, &out)
            }
        }
    }

    private func writeCopy(_ out: inout JSONWriter) {
        let items = question.transfer.items
        out.beginLine()
        out.object("copy") { out in
            out.member("files", number: items.count)
            out.member("final_copy", number: items.count { $0.phase == .finalCopy })
            out.member("bytes", number: PictureText.sum(items.compactMap(\.bytes)))
            out.member("unmeasured", number: items.count { $0.bytes == nil })
        }
        if let seconds = question.stopSeconds {
            out.member("downtime_ms", number: Int((min(seconds, 1e12) * 1000).rounded()))
        } else {
            out.member("downtime_ms", textOrNull: nil)
        }
    }

    private func write(_ records: [RecordReference], _ out: inout JSONWriter) {
        out.array("records", records) { out, record in snapshot.write(record, to: &out) }
    }
}

extension Snapshot {
    /// Gaps of a host that an answer names, the latest.
    private static let mostGaps = 50

    /// Writes the members of a record's place: whose it is, and its change number where an input states it.
    func write(_ record: RecordReference, to out: inout JSONWriter) {
        out.member("host", text: graph.graph[record.host].id)
        if record.change != 0 { out.member("change", number: record.change) }
    }

    /// Writes what is known not to have been seen on the hosts of some nodes, under `hosts`.
    func writeHosts(of nodes: [NodeID], to out: inout JSONWriter) {
        let graph = graph.graph
        let hosts = Set(nodes.map { graph.host($0) }).filter { $0 != .none }.sorted()
        out.array("hosts", hosts) { out, number in
            let host = graph[number]
            out.member("host", text: host.title)
            if host.observed.upperBound != 0 {
                out.member("from", time: host.observed.lowerBound)
                out.member("to", time: host.observed.upperBound)
            }
            out.member("gap_count", number: host.gaps.count)
            let gaps = host.gaps.sorted { ($0.to, $0.from) > ($1.to, $1.from) }.prefix(Self.mostGaps)
            out.array("gaps", Array(gaps)) { out, gap in
                out.member("source", text: gap.source)
                out.member("cause", text: gap.cause)
                out.member("from", time: gap.from)
                out.member("to", time: gap.to)
                if let lost = gap.lost { out.member("lost", number: lost) }
            }
        }
    }
}
