import Records

/// The tables of a store, read into a ledger and checked row by row.
enum StoredLedger {
    /// Reads everything; the numbers in the ledger are those of the tables.
    ///
    /// Of an earlier version those of texts are not: what was one text may be several nodes.
    static func load(
        from connection: borrowing Connection, _ version: Int32 = Schema.version, into ledger: inout Ledger
    ) throws(StoreError) {
        var texts = StoredTexts(isWhole: version == 1)
        if texts.isWhole {
            try texts.loadWhole(connection, &ledger)
        } else {
            try texts.loadNodes(connection, &ledger)
        }
        try loadNames(connection, texts, &ledger)
        try loadRecords(connection, version, texts, &ledger)
        try loadGaps(connection, &ledger)
        if version > 2 { try loadChanges(connection, texts, &ledger) }
    }

    private static func loadNames(
        _ connection: borrowing Connection, _ texts: StoredTexts, _ ledger: inout Ledger
    ) throws(StoreError) {
        var programs = try Rows(
            connection, "program", "SELECT id, executable, script, workload FROM program ORDER BY id")
        while try programs.next() {
            let program = Program(
                executable: texts[try programs.number(1, max: texts.count)],
                script: texts[try programs.number(2, max: texts.count)],
                workload: texts[try programs.number(3, max: texts.count)])
            guard Int64(ledger.intern(program).rawValue) == programs.number else { throw programs.damage }
        }
        var endpoints = try Rows(
            connection, "endpoint", "SELECT id, high, low, port FROM endpoint ORDER BY id")
        while try endpoints.next() {
            let address = NetworkAddress(high: try endpoints.bits(1), low: try endpoints.bits(2))
            let port = UInt16(try endpoints.number(3, max: Int(UInt16.max)))
            let number = ledger.intern(Endpoint(address, port: port)).rawValue
            guard Int64(number) == endpoints.number else { throw endpoints.damage }
        }
    }

    private static func loadRecords(
        _ connection: borrowing Connection, _ version: Int32, _ texts: StoredTexts, _ ledger: inout Ledger
    ) throws(StoreError) {
        var rows = try Rows(
            connection, "dependency",
            "SELECT id, program, relation, detail, object, remote, peer, access, kind, evidence, count, "
                + "first, last, sent, received"
                + (version > 1 ? ", change, folded" : "") + (version > 2 ? ", names" : "")
                + (version > 3 ? ", lower_bound" : "")
                + " FROM dependency ORDER BY id")
        while try rows.next() {
            var record = try record(rows, texts, ledger)
            let traffic = Traffic(sent: try rows.bits(13), received: try rows.bits(14))
            var fold: Fold?
            if version > 1 {
                record.change = try rows.number(15, max: Int(UInt32.max))
                if !rows.statement.isNull(16) { fold = Fold(paths: try rows.bits(16)) }
            }
            if version > 2, let names = rows.statement.withStoredBytes(17, { Array($0) }) {
                for name in names.split(separator: 0) { fold?.add(Array(name)) }
            }
            if version > 3 { record.isLowerBound = !rows.statement.isNull(18) }
            ledger.restore(record, traffic: traffic, fold: fold)
            // A key that comes twice would have joined an earlier record.
            guard Int64(ledger.records.count) == rows.number else { throw rows.damage }
        }
    }

    private static func record(
        _ row: borrowing Rows, _ texts: StoredTexts, _ ledger: borrowing Ledger
    ) throws(StoreError) -> Record {
        let small = Int(UInt8.max)
        guard let kind = FileKind(rawValue: UInt8(try row.number(8, max: small))),
            let evidence = Evidence(rawValue: UInt8(try row.number(9, max: small)))
        else { throw row.damage }
        let key = try key(row, texts, ledger)
        var record = Record(key, evidence: evidence, time: try row.bits(11))
        record.access = Access(rawValue: UInt8(try row.number(7, max: 7)))
        record.kind = kind
        record.count = try row.bits(10)
        guard record.count > 0 else { throw row.damage }
        record.last = try row.bits(12)
        return record
    }

    /// What stands in columns 1 to 6.
    private static func key(
        _ row: borrowing Rows, _ texts: StoredTexts, _ ledger: borrowing Ledger
    ) throws(StoreError) -> RecordKey {
        let lastProgram = ledger.programs.count - 1
        let lastEndpoint = ledger.endpoints.count - 1
        let small = Int(UInt8.max)
        guard let relation = Relation(rawValue: UInt8(try row.number(2, max: small))) else {
            throw row.damage
        }
        let detail = UInt8(try row.number(3, max: small))
        let (lastObject, isDetailKnown): (Int, Bool) =
            switch relation {
            case .file: (texts.count, detail == 0)
            case .spawn: (lastProgram, detail == 0)
            case .connect, .accept, .listen: (lastEndpoint, Transport(rawValue: detail) != nil)
            case .ipc: (texts.count, Mechanism(rawValue: detail) != nil)
            }
        guard isDetailKnown else { throw row.damage }
        let object = try row.number(4, max: lastObject)
        let isText = relation == .file || relation == .ipc
        return RecordKey(
            ProgramID(rawValue: try row.number(1, max: lastProgram)), relation, detail: detail,
            object: isText ? texts[object].rawValue : object,
            remote: try row.number(5, max: relation == .accept ? lastEndpoint : 0),
            peer: ProgramID(rawValue: try row.number(6, max: lastProgram)))
    }

    private static func loadChanges(
        _ connection: borrowing Connection, _ texts: StoredTexts, _ ledger: inout Ledger
    ) throws(StoreError) {
        var rows = try Rows(
            connection, "tombstone",
            "SELECT id, program, relation, detail, object, remote, peer, change FROM tombstone ORDER BY id")
        var tombstones: [Tombstone] = []
        while try rows.next() {
            let change = try rows.number(7, max: Int(UInt32.max))
            guard change >= tombstones.last?.change ?? 0 else { throw rows.damage }
            tombstones.append(Tombstone(key: try key(rows, texts, ledger), change: change))
        }
        ledger.restore(
            tombstones, after: try number(connection, "tombstones_after"),
            change: try number(connection, "change"))
        ledger.restore(numbering: try number(connection, "numbering"))
    }

    /// A number of `meta`; 0 where nothing was ever written.
    private static func number(_ connection: borrowing Connection, _ name: String) throws(StoreError)
        -> UInt32
    {
        let query = try Statement(connection, "SELECT value FROM meta WHERE name = ?1")
        try query.bind(1, text: name)
        guard try query.step() else { return 0 }
        guard let value = query.storedInteger(0), let number = UInt32(exactly: value) else {
            throw .corrupt("the number \(name) makes no sense")
        }
        query.reset()
        return number
    }

    private static func loadGaps(
        _ connection: borrowing Connection, _ ledger: inout Ledger
    ) throws(StoreError) {
        var rows = try Rows(
            connection, "gap",
            "SELECT id, source, cause, start, stop, lost, resynchronised FROM gap ORDER BY id")
        while try rows.next() {
            ledger.gaps.append(
                Gap(
                    source: rows.statement.text(1), cause: rows.statement.text(2), from: try rows.bits(3),
                    to: try rows.bits(4), lost: try rows.bits(5), resynchronised: try rows.bits(6)))
        }
    }
}

/// The numbers that stored texts have in the ledger.
private struct StoredTexts {
    /// Whether each row holds a whole text (version 1), and so the numbers are others.
    let isWhole: Bool
    private(set) var count = 0
    private var numbers: [TextID] = [.none]

    init(isWhole: Bool) { self.isWhole = isWhole }

    subscript(stored: UInt32) -> TextID {
        isWhole ? numbers[Int(stored)] : TextID(rawValue: stored)
    }

    mutating func loadNodes(_ connection: borrowing Connection, _ ledger: inout Ledger) throws(StoreError) {
        var rows = try Rows(connection, "text", "SELECT id, parent, name FROM text ORDER BY id")
        while try rows.next() {
            let parent = try rows.number(1, max: count)
            // What is there already would have another number.
            let text = rows.statement.withStoredBytes(2) { ledger.texts.append(name: $0, below: parent) }
            guard let text, text != nil else { throw rows.damage }
            count += 1
        }
    }

    mutating func loadWhole(_ connection: borrowing Connection, _ ledger: inout Ledger) throws(StoreError) {
        var rows = try Rows(connection, "text", "SELECT id, bytes FROM text ORDER BY id")
        var met: Set<TextID> = []
        while try rows.next() {
            let text = rows.statement.withStoredBytes(1) { ledger.texts.intern($0) }
            guard let text, text != .none, met.insert(text).inserted else { throw rows.damage }
            numbers.append(text)
            count += 1
        }
    }
}

/// The rows of a table in the order of their numbers, which must leave none out.
private struct Rows: ~Copyable {
    let statement: Statement
    private let table: String
    /// The number that the row has.
    private(set) var number: Int64 = 0

    init(_ connection: borrowing Connection, _ table: String, _ sql: String) throws(StoreError) {
        statement = try Statement(connection, sql)
        self.table = table
    }

    /// Goes to the next row.
    mutating func next() throws(StoreError) -> Bool {
        guard try statement.step() else { return false }
        number += 1
        guard statement.storedInteger(0) == number else { throw damage }
        return true
    }

    /// A column that refers to something, or counts to no more than `max`.
    func number(_ column: Int32, max: Int) throws(StoreError) -> UInt32 {
        guard let value = statement.storedInteger(column), value >= 0, value <= Int64(max) else {
            throw damage
        }
        return UInt32(value)
    }

    /// A column that holds any 64 bits.
    func bits(_ column: Int32) throws(StoreError) -> UInt64 {
        guard let value = statement.storedInteger(column) else { throw damage }
        return UInt64(bitPattern: value)
    }

    /// Says which row makes no sense.
    var damage: StoreError { .corrupt("row \(number) of table \(table) makes no sense") }
}
