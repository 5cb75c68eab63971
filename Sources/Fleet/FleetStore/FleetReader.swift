import MoveGroup
import PostgreSQL
import Records

/// Computes what a move group needs from the fleet's store: looks up what stands at the program, closes over it, looks up
/// what stands at the new members, one query a step for all hosts, until nothing new is asked for. So the cost grows with the
/// group, and the answer is that of all records.
public final class FleetReader {
    private let connection: PostgreSQLConnection
    private var hosts: [Int64: Host] = [:]
    private var numbers: [String: Int64] = [:]
    private var owners: [NetworkAddress: [Int64]] = [:]
    private var programs: [Int64: [Int64: (name: ProgramName, aliases: Set<[UInt8]>)]] = [:]
    private var asked: Set<Question> = []
    /// Programs whose processes are to be read, at the end, since no group depends on them.
    private var subjects: [(host: Int64, key: Int64)] = []
    /// Hosts that have lines which are not in the graph yet.
    private var fresh: Set<Int64> = []
    /// Hosts of which sockets or folders may lead on that did not.
    private var touched: Set<Int64> = []
    /// How many records were looked up, and in how many queries.
    public private(set) var records = 0
    /// Queries for records.
    public private(set) var steps = 0

    private struct Host {
        var header: DumpHeader
        var line: [UInt8]
        var gaps: [UInt8]
        var first: UInt64
        /// What was looked up and is not in the graph yet.
        var lines: [[UInt8]] = []
        var known: Set<RowName> = []
        /// Its number among the graph's inputs.
        var source: UInt16?
        var uses: [ProgramName: Uses] = [:]
        /// Folders that programs have folded records of, as long as what lies below them was not asked for.
        var folds: [[UInt8]: Set<ProgramName>] = [:]
    }

    /// Of one program what may lead to others by sockets.
    private struct Uses {
        /// The most that it was as a member.
        var role = Role.none
        /// Those of which the other end was not asked for.
        var sockets: [SocketUse] = []
    }

    private enum Role: Int, Comparable {
        case none, stop, member
        static func < (left: Role, right: Role) -> Bool { left.rawValue < right.rawValue }
    }

    private struct SocketUse {
        var relation: Relation
        var transport: UInt8
        /// Its own port, or, of a connection that it made, where that leads.
        var end: Endpoint
        /// Of a connection that it took, where from.
        var remote: NetworkAddress
    }

    private struct RowName: Hashable {
        var subject: Int64
        var identity: Int64
    }

    /// A column and a key to look up in it.
    private struct Question: Hashable {
        enum Column: Int, CaseIterable, Hashable {
            case subject, executed, object, writers, far, anyObject, anyFar

            var name: String {
                switch self {
                case .subject, .executed: "subject"
                case .object, .writers, .anyObject: "object"
                case .far, .anyFar: "far"
                }
            }

            var isOfAnyHost: Bool { self == .anyObject || self == .anyFar }

            var restriction: String {
                switch self {
                case .executed:
                    " AND r.relation = \(Relation.file.rawValue) AND r.access & \(Access.executed.rawValue) <> 0"
                case .writers: " AND r.access & \(Access.written.rawValue) <> 0"
                case .subject, .object, .far, .anyObject, .anyFar: ""
                }
            }
        }
        var column: Column
        /// 0: any host.
        var host: Int64
        var key: Int64
    }

    /// Whether the tables are those of several servers (`FleetShards`).
    private let isDivided: Bool

    /// Reads what hosts there are.
    public init(_ connection: PostgreSQLConnection) throws(PostgreSQLError) {
        self.connection = connection
        try FleetSchema(connection).check()
        // A look-up is always cheaper by an index than by reading a table; a server that has not these settings decides alone.
        for setting in ["enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"] {
            try? connection.execute("SET \(setting) = off")
        }
        // Nor is it ever worth the milliseconds that other processes of the server take to begin.
        try? connection.execute("SET max_parallel_workers_per_gather = 0")
        // Whatever is looked up, there is one good plan.
        try? connection.execute("SET plan_cache_mode = force_generic_plan")
        // Where not even that is known, nothing is divided in this way.
        let foreign = try? connection.query(
            """
            SELECT count(*)::bigint FROM pg_catalog.pg_class c JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid
            WHERE i.inhparent = 'retinue.record'::regclass AND c.relkind = 'f'
            """
        ).number(0, 0)
        isDivided = (foreign ?? 0) > 0
        // A join of two tables is done where both are.
        if isDivided { try connection.execute("SET enable_partitionwise_join = on") }
        // All look-ups see one moment.
        try connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        let rows = try connection.query("SELECT host, header, gaps, first_seen FROM retinue.host ORDER BY id")
        for row in 0..<rows.count {
            let (line, gaps) = (rows.bytes(row, 1), rows.bytes(row, 2))
            let header: DumpHeader
            do { header = try DumpContents(ndjson: line + [0x0a] + gaps).header } catch {
                throw .unexpected("the header of a host: \(error)")
            }
            let host = try rows.number(row, 0)
            hosts[host] = Host(
                header: header, line: line, gaps: gaps, first: UInt64(clamping: try rows.number(row, 3)))
            numbers[header.hostID] = host
            for address in header.addresses { owners[address, default: []].append(host) }
        }
    }

    /// The graph of all that a group can reach.
    ///
    /// - Parameters:
    ///   - name: of the program, as it was typed.
    ///   - window: as in `GraphBuilder`.
    ///   - choose: finds the program in a graph that has all programs that may be meant.
    public func graph(
        around name: String, _ options: ClosureOptions, _ pairing: SocketPairing,
        window: ClosedRange<UInt64>?,
        choose: (DependencyGraph) throws -> [NodeID]
    ) throws -> DependencyGraph {
        try findCandidates(NodePattern(name))
        var builder = GraphBuilder()
        builder.window = window
        try begin(&builder)
        var memo = LookUpMemo()
        while true {
            let graph = builder.graph(pairing)
            var questions: Set<Question> = []
            for lookUp in graph.moveGroup(of: try choose(graph), options).lookUps(beyond: &memo) {
                questions.formUnion(self.questions(for: lookUp))
            }
            addOtherEnds(to: &questions)
            questions.subtract(asked)
            // What a folded record stands for may be folded itself.
            if try ask(questions) == 0 { break }
            try addFresh(to: &builder)
        }
        try readProcesses()
        try addFresh(to: &builder)
        return builder.finish(pairing)
    }

    /// Learns of the programs that a name may mean, or, where it means none, looks up the file of that path.
    private func findCandidates(_ pattern: NodePattern) throws(PostgreSQLError) {
        let columns = """
            SELECT p.host, p.subject, p.executable, p.script, p.workload, w.alias FROM retinue.word w
            JOIN retinue.program p ON p.host = w.host AND p.subject = w.subject
            """
        guard let words = pattern.exactWords else {
            return try learn(try connection.query(columns), pattern)
        }
        try learn(
            try connection.query(
                columns + " WHERE w.word = ANY($1::bigint[])",
                [ArrayText.numbers(words.map { StoreKey.word($0) })]), pattern)
        guard programs.isEmpty else { return }
        _ = try ask(
            Set(words.map { Question(column: .anyObject, host: 0, key: StoreKey.file($0)) }))
    }

    private func learn(_ rows: borrowing PostgreSQLRows, _ pattern: NodePattern) throws(PostgreSQLError) {
        for row in 0..<rows.count {
            let name = ProgramName(
                executable: rows.bytes(row, 2), script: rows.bytes(row, 3), workload: rows.bytes(row, 4))
            let (host, subject) = (try rows.number(row, 0), try rows.number(row, 1))
            var program = programs[host]?[subject] ?? (name, [])
            if !rows.isNull(row, 5) { program.aliases.insert(rows.bytes(row, 5)) }
            programs[host, default: [:]][subject] = program
        }
    }

    /// Begins the graph with the hosts, and what was looked up of the program.
    private func begin(_ builder: inout GraphBuilder) throws {
        for (number, host) in hosts.sorted(by: { $0.value.header.hostID < $1.value.header.hostID }) {
            let gaps =
                host.gaps.isEmpty ? [] : try DumpContents(ndjson: host.line + [0x0a] + host.gaps).ledger.gaps
            builder.add(host.header, observedFrom: host.first, gaps: gaps)
            for program in (programs[number] ?? [:]).values {
                builder.add(
                    program.name, called: program.aliases.sorted { $0.lexicographicallyPrecedes($1) },
                    onHost: host.header.hostID)
            }
        }
        try addFresh(to: &builder)
    }

    /// Adds to the graph what was looked up since, each line once.
    private func addFresh(to builder: inout GraphBuilder) throws {
        for number in fresh.sorted() {
            guard var host = hosts.removeValue(forKey: number) else { continue }
            var reader = DumpReader()
            try reader.feed(host.line + [0x0a])
            for line in host.lines { try reader.feed(line + [0x0a]) }
            host.lines = []
            let contents = try reader.finish()
            let source = host.source ?? builder.begin("the fleet's store")
            host.source = source
            builder.add(contents, of: source)
            Self.note(contents.ledger, in: &host)
            hosts[number] = host
        }
        touched.formUnion(fresh)
        fresh = []
    }

    /// Notes what may lead on from the programs of new records.
    private static func note(_ ledger: borrowing Ledger, in host: inout Host) {
        let names = ledger.programs.map { program in
            ProgramName(
                executable: ledger.texts.array(program.executable),
                script: ledger.texts.array(program.script), workload: ledger.texts.array(program.workload))
        }
        for record in ledger.records {
            let (key, name) = (record.key, names[Int(record.key.program.rawValue)])
            func endpoint(_ place: UInt32) -> Endpoint { ledger.endpoints[Int(place)] }
            switch key.relation {
            case .file where record.isFolded:
                let folder = FoldedFolder.trimmed(ledger.texts.array(TextID(rawValue: key.object)))
                host.folds[folder, default: []].insert(name)
            case .connect, .accept, .listen:
                guard key.peer == .unknown else { continue }
                host.uses[name, default: Uses()].sockets.append(
                    SocketUse(
                        relation: key.relation, transport: key.detail, end: endpoint(key.object),
                        remote: key.relation == .accept
                            ? endpoint(key.remote).address : NetworkAddress(high: 0, low: 0)))
            case .file, .spawn, .ipc: break
            }
        }
    }

    private func questions(for lookUp: LookUp) -> [Question] {
        switch lookUp {
        case .program(let id, let name):
            guard let host = numbers[id] else { return [] }
            note(name, host, .member)
            let key = StoreKey.program(name)
            return [Question.Column.subject, .object, .far].map { Question(column: $0, host: host, key: key) }
        case .executed(let id, let name):
            guard let host = numbers[id] else { return [] }
            note(name, host, .stop)
            return [Question(column: .executed, host: host, key: StoreKey.program(name))]
        case .writers(let id, let path): return questions(onFile: path, .writers, id)
        case .users(let id, let path): return questions(onFile: path, .object, id)
        case .sharers(let id, let mechanism, let name):
            guard let host = numbers[id] else { return [] }
            return [
                Question(column: .object, host: host, key: StoreKey.channel(mechanism.rawValue, name))
            ]
        }
    }

    /// A file is used by name, and by whoever has a folded record of a folder above it.
    private func questions(onFile path: [UInt8], _ column: Question.Column, _ id: String) -> [Question] {
        guard let host = numbers[id] else { return [] }
        let trimmed = FoldedFolder.trimmed(path)
        var questions = [Question(column: column, host: host, key: StoreKey.file(path))]
        for folder in FoldedFolder.folders(above: trimmed) + [trimmed] {
            questions.append(Question(column: .object, host: host, key: StoreKey.fold(folder)))
        }
        return questions
    }

    private func note(_ program: ProgramName, _ host: Int64, _ role: Role) {
        if hosts[host]?.uses[program]?.role ?? .none >= role { return }
        hosts[host]?.uses[program, default: Uses()].role = role
        touched.insert(host)
    }

    /// Adds what may be at the other end of the members' sockets, and below the folders that they have folded records of.
    private func addOtherEnds(to questions: inout Set<Question>) {
        var again: Set<Int64> = []
        for number in touched.sorted() {
            guard var host = hosts.removeValue(forKey: number) else { continue }
            for (name, uses) in host.uses where uses.role == .member && !uses.sockets.isEmpty {
                for use in uses.sockets { add(use, number, host.header.addresses, to: &questions) }
                host.uses[name]?.sockets = []
            }
            // What lies below a folder is found by the innermost that was folded.
            for (folder, programs) in host.folds
            where programs.contains(where: { host.uses[$0]?.role ?? .none > .none })
                || isBelowAsked(folder, number)
            {
                questions.insert(Question(column: .far, host: number, key: StoreKey.below(folder)))
                host.folds[folder] = nil
                // One that lies below this one is known to when this was asked.
                again.insert(number)
            }
            hosts[number] = host
        }
        touched = again
    }

    private func isBelowAsked(_ folder: [UInt8], _ host: Int64) -> Bool {
        FoldedFolder.folders(above: folder).contains {
            asked.contains(Question(column: .far, host: host, key: StoreKey.below($0)))
        }
    }

    private func add(
        _ use: SocketUse, _ number: Int64, _ addresses: [NetworkAddress], to questions: inout Set<Question>
    ) {
        switch use.relation {
        case .connect:
            let service = StoreKey.service(use.transport, use.end.port)
            for other in hosts(of: use.end.address, seenFrom: number) {
                questions.insert(Question(column: .object, host: other, key: service))
            }
        case .accept, .listen:
            let destination = StoreKey.destination(use.transport, use.end.port)
            questions.insert(
                Question(
                    column: .object, host: number, key: StoreKey.service(use.transport, use.end.port)))
            questions.insert(Question(column: .object, host: number, key: destination))
            if use.relation == .accept {
                for other in hosts(of: use.remote, seenFrom: number) {
                    questions.insert(Question(column: .object, host: other, key: destination))
                }
            }
            for address in addresses {
                let target = Endpoint(address, port: use.end.port)
                questions.insert(
                    Question(column: .anyFar, host: 0, key: StoreKey.target(use.transport, target)))
            }
        case .file, .spawn, .ipc: break
        }
    }

    /// The hosts that an address may mean, the one that uses it among them.
    private func hosts(of address: NetworkAddress, seenFrom host: Int64) -> Set<Int64> {
        Set(owners[address] ?? []).union([host])
    }

    /// Looks up, in one query.
    ///
    /// - Returns: how many questions there were.
    private func ask(_ questions: Set<Question>) throws(PostgreSQLError) -> Int {
        guard !questions.isEmpty else { return 0 }
        steps += 1
        asked.formUnion(questions)
        subjects += questions.filter { $0.column == .subject }.map { ($0.host, $0.key) }
        let rows: PostgreSQLRows
        if isDivided { rows = try lookUpThere(questions) } else { rows = try lookUp(questions) }
        for row in 0..<rows.count {
            let host = try rows.number(row, 0)
            let name = RowName(subject: try rows.number(row, 1), identity: try rows.number(row, 2))
            guard hosts[host]?.known.insert(name).inserted == true else { continue }
            hosts[host]?.lines.append(rows.bytes(row, 3))
            fresh.insert(host)
            records += 1
        }
        return questions.count
    }

    private func lookUp(_ questions: Set<Question>) throws(PostgreSQLError) -> PostgreSQLRows {
        var parts: [String] = []
        var parameters: [String] = []
        for column in Question.Column.allCases {
            let here = questions.filter { $0.column == column }
            if here.isEmpty { continue }
            let place = parameters.count
            parameters.append(ArrayText.numbers(here.map(\.host)))
            parameters.append(ArrayText.numbers(here.map(\.key)))
            parts.append(
                """
                SELECT r.host, r.subject, r.identity, r.line
                FROM unnest($\(place + 1)::bigint[], $\(place + 2)::bigint[]) AS k(host, key)
                JOIN retinue.record r ON r.\(column.name) = k.key\(column.restriction)
                """ + (column.isOfAnyHost ? "" : " AND r.host = k.host"))
        }
        return try connection.queryAgain(parts.joined(separator: " UNION ALL "), parameters)
    }

    /// Looks up in foreign tables. A join with what is asked for would take a round trip for each key, or fetch all rows;
    /// conditions on columns are sent along, all in one scan of each server, which finds its rows by its indexes.
    private func lookUpThere(_ questions: Set<Question>) throws(PostgreSQLError) -> PostgreSQLRows {
        var conditions: [String] = []
        for column in Question.Column.allCases {
            let here = questions.filter { $0.column == column }.map { ($0.host, $0.key) }
            conditions += Self.conditions("r", column, here)
        }
        return try connection.query(
            "SELECT r.host, r.subject, r.identity, r.line FROM retinue.record r WHERE "
                + conditions.joined(separator: " OR "))
    }

    /// Conditions one of which each row meets that is asked for; one for each host, by which only its server is asked.
    private static func conditions(
        _ table: String, _ column: Question.Column, _ asked: [(host: Int64, key: Int64)]
    ) -> [String] {
        Dictionary(grouping: asked, by: \.host).map { host, asked in
            let keys = "\(table).\(column.name) = ANY('\(ArrayText.numbers(asked.map(\.key)))'::bigint[])"
            let place = column.isOfAnyHost ? "" : "\(table).host = \(host) AND "
            return "(\(place)\(keys)\(column.restriction))"
        }
    }

    private func readProcesses() throws(PostgreSQLError) {
        guard !subjects.isEmpty else { return }
        let rows: PostgreSQLRows
        if isDivided {
            rows = try connection.query(
                "SELECT p.host, p.line FROM retinue.process p WHERE "
                    + Self.conditions("p", .subject, subjects).joined(separator: " OR "))
        } else {
            rows = try connection.query(
                """
                SELECT p.host, p.line FROM unnest($1::bigint[], $2::bigint[]) AS k(host, key)
                JOIN retinue.process p ON p.host = k.host AND p.subject = k.key
                """, [ArrayText.numbers(subjects.map(\.host)), ArrayText.numbers(subjects.map(\.key))])
        }
        for row in 0..<rows.count {
            let host = try rows.number(row, 0)
            hosts[host]?.lines.append(rows.bytes(row, 1))
            fresh.insert(host)
        }
    }
}
