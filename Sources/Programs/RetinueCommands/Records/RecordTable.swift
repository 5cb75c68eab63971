import Records

/// Records as a table.
struct RecordTable {
    /// Sorted.
    let rows: [RecordRow]
    /// When the dump was taken, nanoseconds since 1970: times of that day are shown without the date.
    let time: UInt64

    /// Six columns, cut to a width.
    func text(width: Int?) -> String {
        var table = TextTable([
            .init(title: "PROGRAM", cut: .start), .init(title: "RELATION"), .init(title: "HOW"),
            .init(title: "OBJECT", cut: .start), .init(title: "COUNT", isNumber: true), .init(title: "LAST"),
        ])
        for row in rows {
            // Of a path the end says most, of a connection the address that comes first.
            let relation = row.record.key.relation
            let isPath = relation == .file || relation == .spawn
            table.add([
                .init(text: row.program), .init(text: row.relation), .init(text: row.manner),
                .init(text: row.object, cut: isPath ? .start : .end),
                .init(text: String(row.record.count)), .init(text: moment(row.record.last)),
            ])
        }
        return table.text(width: width)
    }

    /// All that is known, uncut.
    var wideText: String {
        var table = TextTable([
            .init(title: "EXECUTABLE"), .init(title: "SCRIPT"), .init(title: "WORKLOAD"),
            .init(title: "RELATION"), .init(title: "HOW"), .init(title: "OBJECT"),
            .init(title: "COUNT", isNumber: true), .init(title: "SENT", isNumber: true),
            .init(title: "RECEIVED", isNumber: true), .init(title: "FIRST"), .init(title: "LAST"),
            .init(title: "EVIDENCE"),
        ])
        for row in rows {
            let record = row.record
            let hasTraffic = record.key.relation == .connect || record.key.relation == .accept
            table.add([
                row.executable, mark(row.script), mark(row.workload), row.relation, mark(row.manner),
                row.object, String(record.count), hasTraffic ? String(row.traffic.sent) : "-",
                hasTraffic ? String(row.traffic.received) : "-", Timestamp.text(record.first),
                Timestamp.text(record.last), record.evidence.word.description,
            ])
        }
        return table.text(width: nil)
    }

    /// An empty cell would shift the columns of whoever splits at spaces.
    private func mark(_ text: String) -> String { text.isEmpty ? "-" : text }

    private func moment(_ time: UInt64) -> String {
        let text = Timestamp.text(time)
        let isToday = text.prefix(10) == Timestamp.text(self.time).prefix(10)
        return String(isToday ? text.dropFirst(11).prefix(8) : text.prefix(10))
    }
}

/// A record as a row of a table: texts fit for a terminal, and what rows are sorted by.
struct RecordRow {
    let executable: String
    let script: String
    let workload: String
    let relation: String
    /// Access of a file, transport of a socket, mechanism of IPC.
    let manner: String
    let object: String
    let record: Record
    let traffic: Traffic
    private let order: Order

    /// The script where there is one, since `python3` says nothing.
    var program: String { script.isEmpty ? executable : script }

    init(_ position: Int, in ledger: borrowing Ledger) {
        let record = ledger.records[position]
        let key = record.key
        traffic = ledger.traffic(of: position)
        let program = ledger[key.program]
        self.record = record
        executable = ledger.printable(program.executable)
        script = ledger.printable(program.script)
        workload = ledger.printable(program.workload)
        relation = key.relation.word.description
        manner = Self.manner(record)
        object = Self.object(record, in: ledger)
        order = Order(
            program: [program.executable, program.script, program.workload].map { ledger.texts.array($0) },
            relation: key.relation.rawValue, detail: key.detail,
            name: key.relation == .file || key.relation == .ipc
                ? ledger.texts.array(TextID(rawValue: key.object)) : [],
            endpoints: Self.endpoints(key).map { ledger.endpoints[Int($0)] }, object: object)
    }

    private static func endpoints(_ key: RecordKey) -> [UInt32] {
        switch key.relation {
        case .connect, .listen: [key.object]
        case .accept: [key.object, key.remote]
        case .file, .spawn, .ipc: []
        }
    }

    private static func manner(_ record: Record) -> String {
        switch record.key.relation {
        case .file: record.access.letters.description
        case .spawn: ""
        case .connect, .accept, .listen: record.key.transport.word.description
        case .ipc: record.key.mechanism.word.description
        }
    }

    private static func object(_ record: Record, in ledger: borrowing Ledger) -> String {
        let key = record.key
        let peer = key.peer == .unknown ? "" : ledger.printable(key.peer)
        switch key.relation {
        case .file:
            let path = ledger.printable(TextID(rawValue: key.object))
            return record.kind == .directory && path != "/" ? path + "/" : path
        case .spawn:
            return ledger.printable(ProgramID(rawValue: key.object))
        case .connect:
            let remote = ledger.endpoints[Int(key.object)].text
            return peer.isEmpty ? remote : "\(remote) (\(peer))"
        case .accept:
            let local = ledger.endpoints[Int(key.object)].text
            let remote = ledger.endpoints[Int(key.remote)].address.description
            return "\(local) from \(remote)" + (peer.isEmpty ? "" : " (\(peer))")
        case .listen:
            return ledger.endpoints[Int(key.object)].text
        case .ipc:
            let name = ledger.printable(TextID(rawValue: key.object))
            if peer.isEmpty { return name }
            return name.isEmpty ? "with \(peer)" : "\(name) with \(peer)"
        }
    }

    /// By program, relation, manner and object: addresses by their numbers, names by their bytes.
    private struct Order: Comparable {
        let program: [[UInt8]]
        let relation: UInt8
        let detail: UInt8
        let name: [UInt8]
        let endpoints: [Endpoint]
        let object: String

        static func == (left: Order, right: Order) -> Bool { !(left < right) && !(right < left) }

        static func < (left: Order, right: Order) -> Bool {
            for (one, other) in zip(left.program, right.program) where one != other {
                return one.lexicographicallyPrecedes(other)
            }
            if left.relation != right.relation { return left.relation < right.relation }
            if left.detail != right.detail { return left.detail < right.detail }
            if left.name != right.name { return left.name.lexicographicallyPrecedes(right.name) }
            for (one, other) in zip(left.endpoints, right.endpoints) where one != other {
                return (one.address.high, one.address.low, one.port)
                    < (other.address.high, other.address.low, other.port)
            }
            return left.object.utf8.lexicographicallyPrecedes(right.object.utf8)
        }
    }

    /// Rows in an order that depends on nothing but what they say.
    static func sorted(_ rows: [RecordRow]) -> [RecordRow] {
        rows.sorted { $0.order < $1.order }
    }
}

extension Ledger {
    fileprivate borrowing func printable(_ text: TextID) -> String {
        texts.withBytes(text) { Printable.text($0) }
    }

    /// A program in few words: its script or its executable.
    fileprivate borrowing func printable(_ number: ProgramID) -> String {
        let program = self[number]
        return printable(texts.isEmpty(program.script) ? program.executable : program.script)
    }
}

extension Endpoint {
    fileprivate var text: String {
        let address = address.isV4 ? address.description : "[\(address.description)]"
        return "\(address):\(port)"
    }
}
