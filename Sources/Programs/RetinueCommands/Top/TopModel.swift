import Records
import Text

/// What a daemon's records say of each program, kept up to date by the changes alone.
struct TopModel: ~Copyable {
    /// A program, by its number in the ledger, and what is counted of it.
    struct Row {
        let program: ProgramID
        /// The script where there is one, else the executable; fit for a terminal.
        let name: String
        let workload: String
        /// Observations of files.
        var opens: UInt64 = 0
        /// Connections made and taken.
        var connections: UInt64 = 0
        /// Dependencies.
        var records = 0
        /// Dependencies that came within the window.
        var new = 0
        /// Dependencies of which something was lost: bytes that were not all counted, paths that are not kept one by one.
        var lost = 0
    }

    /// How long a dependency is new, nanoseconds.
    let window: UInt64
    private(set) var ledger = Ledger()
    private(set) var header = DumpHeader()
    /// Spans of loss that are known.
    private(set) var gapCount = 0
    /// Why the daemon does not answer; `nil` as long as it does.
    private(set) var absence: String?
    /// What may have been missed, the last of it.
    private(set) var missed: String?
    /// By program number.
    private var rows: [UInt32: Row] = [:]
    /// Records that were forgotten: a ledger gives up no number without others changing.
    private var gone: Set<Int> = []
    /// Positions of new records with the moment from which they are new no more, in the order in which they came.
    private var recent: [(end: UInt64, position: Int)] = []
    private var recentStart = 0
    private var isRecent: Set<Int> = []

    init(window: UInt64) { self.window = window }

    /// Takes in an answer.
    mutating func take(_ answer: ChangeAnswer) throws {
        if let failure = answer.failure { throw failure }
        for note in answer.notes {
            switch note {
            case .away(let reason, _): absence = reason
            case .back: absence = nil
            case .missed(let cause, _, _): missed = cause
            }
        }
        if answer.isAnew { forgetAll() }
        try answer.withChanges { dump, positions in
            header = dump.header
            // An answer that has gaps has all of them.
            if !dump.ledger.gaps.isEmpty { gapCount = dump.ledger.gaps.count }
            for line in answer.tombstones { try remove(line) }
            for position in positions { put(position, of: dump.ledger) }
            age(to: dump.header.time)
        }
    }

    private mutating func forgetAll() {
        ledger = Ledger()
        (rows, gone, recent, recentStart, isRecent) = ([:], [], [], 0, [])
    }

    private mutating func put(_ position: Int, of other: borrowing Ledger) {
        var record = other.records[position]
        record.key = other.translate(record.key, into: &ledger)
        let put = ledger.replace(record, traffic: other.traffic(of: position), fold: other.fold(of: position))
        if let before = put.before, gone.remove(put.position) == nil { count(before, -1) }
        count(ledger.records[put.position], 1)
        let end = record.first &+ window
        if end > header.time, !isRecent.contains(put.position) {
            isRecent.insert(put.position)
            recent.append((end, put.position))
            rows[record.key.program.rawValue]?.new += 1
        }
    }

    private mutating func remove(_ tombstone: [UInt8]) throws {
        let dump = try Tombstones.asDump([tombstone], header)
        for record in dump.ledger.records {
            let key = dump.ledger.translate(record.key, into: &ledger)
            guard let position = ledger.position(of: key), gone.insert(position).inserted else { continue }
            count(ledger.records[position], -1)
            if isRecent.remove(position) != nil { rows[key.program.rawValue]?.new -= 1 }
            if rows[key.program.rawValue]?.records == 0 { rows[key.program.rawValue] = nil }
        }
    }

    private mutating func count(_ record: Record, _ sign: Int) {
        let program = record.key.program
        if rows[program.rawValue] == nil { rows[program.rawValue] = row(program) }
        func add(_ value: UInt64, to sum: inout UInt64) {
            let (more, isTooMuch) = sum.addingReportingOverflow(value)
            sum = sign < 0 ? sum - min(sum, value) : isTooMuch ? .max : more
        }
        rows[program.rawValue]?.records += sign
        if record.isLowerBound || record.isFolded { rows[program.rawValue]?.lost += sign }
        switch record.key.relation {
        case .file: add(record.count, to: &rows[program.rawValue]!.opens)
        case .connect, .accept: add(record.count, to: &rows[program.rawValue]!.connections)
        case .spawn, .listen, .ipc: break
        }
    }

    private func row(_ number: ProgramID) -> Row {
        let program = ledger[number]
        func text(_ text: TextID) -> String { ledger.texts.withBytes(text) { Printable.text($0) } }
        let name = text(ledger.texts.isEmpty(program.script) ? program.executable : program.script)
        return Row(program: number, name: name, workload: text(program.workload))
    }

    /// Lets what is new no more be so, at a moment, nanoseconds since 1970.
    mutating func age(to now: UInt64) {
        // Nearly in the order of their ends: one that was seen long before it was reported waits for those before it.
        while recentStart < recent.count, recent[recentStart].end <= now {
            let position = recent[recentStart].position
            recentStart += 1
            if isRecent.remove(position) != nil {
                rows[ledger.records[position].key.program.rawValue]?.new -= 1
            }
        }
        if recentStart > 4096, recentStart > recent.count / 2 {
            recent.removeFirst(recentStart)
            recentStart = 0
        }
    }

    /// Whether the daemon has answered yet.
    var isFilled: Bool { header.time != 0 }

    /// Every program that has records, in no order.
    var programs: [Row] { Array(rows.values) }

    /// A program's row, if it has records.
    func row(of program: ProgramID) -> Row? { rows[program.rawValue] }

    /// A program's dependencies, those first that came last.
    func dependencies(of program: ProgramID) -> [Int] {
        ledger.records.indices.filter { ledger.records[$0].key.program == program && !gone.contains($0) }
            .sorted { left, right in
                let (one, other) = (ledger.records[left].first, ledger.records[right].first)
                return one == other ? left > right : one > other
            }
    }

    /// Whether a dependency came within the window.
    func isNew(_ position: Int) -> Bool { isRecent.contains(position) }

    /// Records that are there.
    var recordCount: Int { ledger.records.count - gone.count }

    /// The sources that lost something, and how much; in the daemon's order.
    var losses: [(source: String, lost: UInt64)] {
        header.sources.filter { $0.lost > 0 }.map { ($0.name.printable, $0.lost) }
    }
}

/// By what programs are sorted. Numbers fall, names rise.
enum TopOrder: String, CaseIterable {
    case program, workload, opens, connections, records, new, lost

    /// Rows in an order that depends on nothing but what they say.
    func sorted(_ rows: [TopModel.Row]) -> [TopModel.Row] {
        func names(_ row: TopModel.Row) -> [String] {
            self == .workload ? [row.workload, row.name] : [row.name, row.workload]
        }
        func numbers(_ row: TopModel.Row) -> [UInt64] {
            switch self {
            case .program, .workload: []
            case .opens: [row.opens]
            case .connections: [row.connections, row.opens]
            case .records: [UInt64(max(row.records, 0)), row.opens]
            case .new: [UInt64(max(row.new, 0)), row.opens]
            case .lost: [UInt64(max(row.lost, 0)), row.opens]
            }
        }
        return rows.map { (row: $0, numbers: numbers($0), names: names($0)) }
            .sorted { left, right in
                for (one, other) in zip(left.numbers, right.numbers) where one != other { return one > other }
                for (one, other) in zip(left.names, right.names) where one != other {
                    return one.utf8.lexicographicallyPrecedes(other.utf8)
                }
                return left.row.program.rawValue < right.row.program.rawValue
            }.map(\.row)
    }
}
