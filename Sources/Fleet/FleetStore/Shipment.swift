import MoveGroup
import PostgreSQL
import Records

/// Who sends a host's records, so that of two hosts with one machine id neither writes over the other.
public struct Sender: Equatable, Sendable {
    /// Made once, at random, for each place where `retinue ship` keeps its state.
    public var id: String
    /// The batch that the server had last, or, behind a blank each, those that it may have had since.
    public var batch: String
    /// The batch that was on its way last; whether it arrived, the server knows.
    public var pending: String

    /// Puts one together.
    public init(id: String, batch: String, pending: String) {
        (self.id, self.batch, self.pending) = (id, batch, pending)
    }
}

/// Why a host's records are not sent.
public enum ShipmentError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The server's error.
    case server(PostgreSQLError)
    /// Somebody else sends records under the same host id.
    case otherSender(host: String)
    /// The server has a later state of the host.
    case older(host: String)
    /// What changed is not enough for the server to have everything: a whole dump is to be sent.
    case needsWhole(host: String)

    /// A sentence for a person, without a full stop.
    public var description: String {
        switch self {
        case .server(let error): error.description
        case .otherSender(let host):
            "somebody else sends records of host \(host): two hosts have one machine id (give one of them another with "
                + "systemd-machine-id-setup), or this host's state of retinue ship was lost or copied: then send once with "
                + "--take-over"
        case .older(let host):
            "the fleet's store has records of host \(host) of a later time; they are left as they are"
        case .needsWhole(let host):
            "the fleet's store lacks more of host \(host) than what has changed; it takes a whole dump"
        }
    }
}

/// Sends a dump's changed records to the fleet's store: all of them or none, in one transaction, which also notes how far
/// the server has them. Sent again they change nothing.
public struct Shipment {
    private let connection: PostgreSQLConnection
    private let sender: Sender
    private let takesOver: Bool

    /// What was sent.
    public struct Outcome: Equatable, Sendable {
        /// Records that were sent.
        public var records = 0
        /// Records that were removed, since they were forgotten.
        public var removed = 0
        /// Whether all records were sent, and not only the changed ones.
        public var isWhole = false
        /// How much later the dump is than the server's clock, seconds; negative if it is earlier.
        public var ahead = 0.0
        /// The earliest time of a record that lies behind the dump's own.
        public var future: UInt64?

        /// Nothing was sent.
        public init(records: Int = 0, isWhole: Bool = false) {
            (self.records, self.isWhole) = (records, isWhole)
        }
    }

    /// Prepares one.
    ///
    /// - Parameter takesOver: whether another sender's records of the host are written over.
    public init(_ connection: PostgreSQLConnection, _ sender: Sender, takesOver: Bool = false) {
        (self.connection, self.sender, self.takesOver) = (connection, sender, takesOver)
    }

    /// Sends a dump.
    ///
    /// - Parameters:
    ///   - tombstones: the lines of the dump's tombstones.
    ///   - partialAfter: the change number after which the dump has everything, and before which nothing; `nil` of a whole
    ///     one. A part has no processes, and its gaps only if they changed.
    ///   - now: the time, to be compared with the server's; nanoseconds since 1970.
    public func send(
        _ dump: borrowing DumpContents, tombstones: [[UInt8]], partialAfter: UInt32? = nil, now: UInt64
    ) throws(ShipmentError) -> Outcome {
        do throws(PostgreSQLError) {
            try connection.execute(Self.staging)
            try connection.execute("BEGIN")
        } catch { throw .server(error) }
        let outcome: Outcome
        do throws(ShipmentError) {
            outcome = try sendInTransaction(dump, tombstones, partialAfter, now)
        } catch {
            try? connection.execute("ROLLBACK")
            throw error
        }
        do throws(PostgreSQLError) { try connection.execute("COMMIT") } catch { throw .server(error) }
        return outcome
    }

    /// Deleted rows would stay in the tables of a connection that is kept: no autovacuum reaches temporary ones, and each
    /// batch would read past all former ones.
    private static let staging = """
        CREATE TEMPORARY TABLE IF NOT EXISTS retinue_staging (
          subject bigint NOT NULL, identity bigint NOT NULL, relation smallint NOT NULL, access smallint NOT NULL,
          object bigint NOT NULL, far bigint, first_seen bigint NOT NULL, last_seen bigint NOT NULL,
          change bigint NOT NULL, line bytea NOT NULL);
        CREATE TEMPORARY TABLE IF NOT EXISTS retinue_present (subject bigint NOT NULL, identity bigint NOT NULL);
        TRUNCATE retinue_staging, retinue_present
        """

    /// What the server has of the host.
    private struct Known {
        var change: Int64
        var started: Int64
        var time: Int64
    }

    private func sendInTransaction(
        _ dump: borrowing DumpContents, _ tombstones: [[UInt8]], _ partialAfter: UInt32?, _ now: UInt64
    ) throws(ShipmentError) -> Outcome {
        let header = dump.header
        let host = String(StoreKey.host(header.hostID))
        let known = try known(host, header.hostID)
        if let known, known.time > Int64(clamping: header.time) { throw .older(host: header.hostID) }
        var outcome = Outcome()
        var cursor: UInt32?
        // A daemon that started anew may have lost its store: its numbers may mean something else now.
        if let known, let changes = header.changes, known.started == Int64(clamping: header.started),
            known.change > 0, changes.current >= UInt64(known.change)
        {
            cursor = UInt32(clamping: known.change)
        }
        // Of some that went there is no tombstone any more.
        let lacksTombstones =
            known.map { known in
                let seen = UInt64(max(known.change, 0))
                return header.changes.map { $0.tombstonesAfter > seen && $0.current >= seen } ?? false
            } ?? false
        if lacksTombstones { cursor = nil }
        if let partialAfter {
            guard let cursor, partialAfter <= cursor else { throw .needsWhole(host: header.hostID) }
        }
        // Before what came again since is written.
        let gone = known == nil ? Gone() : try Gone(tombstones, header, after: cursor)
        let folds: Set<[UInt8]>
        do throws(PostgreSQLError) {
            let clock = try connection.query("SELECT (extract(epoch FROM now()) * 1000)::bigint")
            outcome.ahead = Double(Int64(clamping: now / 1_000_000) - (try clock.number(0, 0))) / 1000
            (outcome.removed, folds) = try remove(gone, host)
        } catch { throw .server(error) }
        let rows: FleetRows
        if partialAfter != nil {
            rows = FleetRows(
                dump, changedAfter: cursor, folds: try knownFolds(dump.ledger, without: folds, header, host))
        } else {
            rows = FleetRows(dump, changedAfter: cursor, goneFolds: folds)
        }
        outcome.isWhole = cursor == nil
        outcome.records = rows.rows.count
        outcome.future = dump.ledger.records.lazy.map(\.last).filter { $0 > header.time &+ 60_000_000_000 }
            .min()
        do throws(PostgreSQLError) {
            try write(rows, host)
            if partialAfter == nil { try writeProcesses(rows, host) }
            if lacksTombstones {
                outcome.removed += try removeMissing(dump, host)
            } else if known != nil, header.changes != nil, outcome.isWhole {
                try keepFormer(host)
            }
            try writeHost(rows, host, keepsGaps: partialAfter != nil && rows.gaps.isEmpty)
        } catch { throw .server(error) }
        return outcome
    }

    /// Those folders around the files of a part that the server has folded records of.
    ///
    /// By the innermost such folder a file is found. So where one comes or goes, all that lies below it is to be sent, which
    /// only a whole dump has.
    private func knownFolds(
        _ ledger: borrowing Ledger, without gone: Set<[UInt8]>, _ header: DumpHeader, _ host: String
    ) throws(ShipmentError) -> Set<[UInt8]> {
        let folders = FleetRows.folders(of: ledger)
        let expected = folders.folded.union(gone)
        var names: [Int64: [UInt8]] = [:]
        for folder in expected.union(folders.above) { names[StoreKey.fold(folder)] = folder }
        guard !names.isEmpty else { return [] }
        var known: Set<[UInt8]> = []
        do throws(PostgreSQLError) {
            let rows = try connection.query(
                """
                SELECT DISTINCT r.object FROM unnest($2::bigint[]) AS k(key)
                JOIN retinue.record r ON r.host = $1::bigint AND r.object = k.key
                """, [host, ArrayText.numbers(names.keys)])
            for row in 0..<rows.count {
                if let folder = names[try rows.number(row, 0)] { known.insert(folder) }
            }
        } catch { throw .server(error) }
        guard expected.isSubset(of: known) else { throw .needsWhole(host: header.hostID) }
        return known
    }

    /// What tombstones name.
    private struct Gone {
        var rows: [FleetRow] = []
        /// Its paths, by the key of a folded record of each.
        var folders: [Int64: [UInt8]] = [:]

        init() {}

        init(_ tombstones: [[UInt8]], _ header: DumpHeader, after change: UInt32?) throws(ShipmentError) {
            guard !tombstones.isEmpty else { return }
            do throws(DumpError) {
                let dump = try Tombstones.asDump(tombstones, header)
                rows = FleetRows(dump, changedAfter: change).rows
                for path in FleetRows.paths(of: dump.ledger) { folders[StoreKey.fold(path)] = path }
            } catch { throw .server(.unexpected("a tombstone of the dump: \(error)")) }
        }
    }

    /// Removes what was forgotten, or folded into another record.
    ///
    /// - Returns: how many, and of which folders folded records are among them.
    private func remove(
        _ gone: Gone, _ host: String
    ) throws(PostgreSQLError) -> (count: Int, folds: Set<[UInt8]>) {
        guard !gone.rows.isEmpty else { return (0, []) }
        let removed = try connection.query(
            """
            DELETE FROM retinue.record r USING unnest($2::bigint[], $3::bigint[]) AS k(subject, identity)
            WHERE r.host = $1::bigint AND r.subject = k.subject AND r.identity = k.identity RETURNING r.object
            """,
            [
                host, ArrayText.numbers(gone.rows.map(\.subject)),
                ArrayText.numbers(gone.rows.map(\.identity)),
            ])
        var folds: Set<[UInt8]> = []
        for row in 0..<removed.count {
            if let folder = gone.folders[try removed.number(row, 0)] { folds.insert(folder) }
        }
        return (removed.count, folds)
    }

    /// Marks what the daemon does not have and does not say to have forgotten: it lost its store. That is history, and no later
    /// dump removes it.
    private func keepFormer(_ host: String) throws(PostgreSQLError) {
        try connection.execute("ANALYZE retinue_staging")
        try connection.query(
            """
            UPDATE retinue.record r SET change = 0 WHERE r.host = $1::bigint AND r.change <> 0 AND NOT EXISTS (
              SELECT 1 FROM retinue_staging s WHERE s.subject = r.subject AND s.identity = r.identity)
            """, [host])
    }

    private func known(_ host: String, _ id: String) throws(ShipmentError) -> Known? {
        do throws(PostgreSQLError) {
            let rows = try connection.query(
                """
                SELECT change, started, last_seen, sender, batch, id FROM retinue.host
                WHERE host = $1::bigint FOR UPDATE
                """, [host])
            guard rows.count == 1 else { return nil }
            guard rows.text(0, 5) == id else { throw .unexpected("two hosts share the number \(host)") }
            let (other, batch) = (rows.text(0, 3), rows.text(0, 4))
            let isOurs =
                other == sender.id
                && (batch == sender.pending || sender.batch.split(separator: " ").contains { $0 == batch })
            if !isOurs, !takesOver { throw .refused(state: Self.foreign, message: "") }
            return Known(
                // What another sender had counts for nothing.
                change: isOurs ? try rows.number(0, 0) : 0, started: try rows.number(0, 1),
                time: isOurs ? try rows.number(0, 2) : 0)
        } catch {
            if case .refused(Self.foreign, _) = error { throw .otherSender(host: id) }
            throw .server(error)
        }
    }

    /// No state of a server's.
    private static let foreign = "other sender"

    private func write(_ rows: FleetRows, _ host: String) throws(PostgreSQLError) {
        try connection.copy("COPY retinue_staging FROM STDIN (FORMAT binary)") {
            copy throws(PostgreSQLError) in
            for row in rows.rows {
                try copy.row(columns: 10)
                copy.column(row.subject)
                copy.column(row.identity)
                copy.column(small: row.relation)
                copy.column(small: row.access)
                copy.column(row.object)
                copy.column(row.far)
                copy.column(row.first)
                copy.column(row.last)
                copy.column(row.change)
                copy.column(bytes: row.line)
            }
        }
        try connection.query(
            """
            INSERT INTO retinue.record
              (host, subject, identity, relation, access, object, far, first_seen, last_seen, change, line)
            SELECT $1::bigint, subject, identity, relation, access, object, far, first_seen, last_seen, change, line
            FROM retinue_staging
            ON CONFLICT (host, subject, identity) DO UPDATE SET relation = excluded.relation,
              access = excluded.access, object = excluded.object, far = excluded.far,
              first_seen = excluded.first_seen, last_seen = excluded.last_seen, change = excluded.change,
              line = excluded.line
            """, [host])
        try writePrograms(rows, host)
    }

    private func writePrograms(_ rows: FleetRows, _ host: String) throws(PostgreSQLError) {
        // In one order, so that no two senders wait for each other.
        let programs = rows.programs.sorted { $0.key < $1.key }
        guard !programs.isEmpty else { return }
        let written = try connection.query(
            """
            INSERT INTO retinue.program (host, subject, executable, script, workload)
            SELECT $1::bigint, k.subject, k.executable, k.script, k.workload
            FROM unnest($2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[])
              AS k(subject, executable, script, workload) ON CONFLICT DO NOTHING RETURNING subject
            """,
            [
                host, ArrayText.numbers(programs.map(\.key)),
                ArrayText.bytes(programs.map(\.value.name.executable)),
                ArrayText.bytes(programs.map(\.value.name.script)),
                ArrayText.bytes(programs.map(\.value.name.workload)),
            ])
        var isNew: Set<Int64> = []
        for row in 0..<written.count { isNew.insert(try written.number(row, 0)) }
        var words: [(word: Int64, program: Int64, alias: [UInt8]?)] = []
        // A program's words were written with it, and never change; what it is called may be known since.
        for (key, program) in programs where isNew.contains(key) || !program.aliases.isEmpty {
            for word in program.name.words(called: program.aliases) {
                words.append((StoreKey.word(word), key, program.aliases.contains(word) ? word : nil))
            }
        }
        guard !words.isEmpty else { return }
        words.sort { ($0.word, $0.program) < ($1.word, $1.program) }
        try connection.query(
            """
            INSERT INTO retinue.word (host, word, subject, alias)
            SELECT $1::bigint, k.word, k.subject, k.alias
            FROM unnest($2::bigint[], $3::bigint[], $4::bytea[]) AS k(word, subject, alias)
            ON CONFLICT (host, word, subject) DO UPDATE SET alias = excluded.alias
              WHERE excluded.alias IS NOT NULL AND retinue.word.alias IS NULL
            """,
            [
                host, ArrayText.numbers(words.map(\.word)), ArrayText.numbers(words.map(\.program)),
                ArrayText.bytes(words.map(\.alias)),
            ])
    }

    /// What programs run with now, and nothing of those that do not run.
    private func writeProcesses(_ rows: FleetRows, _ host: String) throws(PostgreSQLError) {
        var lines: [Int64: ArraySlice<UInt8>] = [:]
        for process in rows.processes { lines[process.program] = process.line }
        let processes = lines.sorted { $0.key < $1.key }
        let keys = ArrayText.numbers(processes.map(\.key))
        try connection.query(
            "DELETE FROM retinue.process WHERE host = $1::bigint AND NOT subject = ANY($2::bigint[])",
            [host, keys])
        try connection.query(
            """
            INSERT INTO retinue.process (host, subject, line)
            SELECT $1::bigint, k.subject, k.line FROM unnest($2::bigint[], $3::bytea[]) AS k(subject, line)
            ON CONFLICT (host, subject) DO UPDATE SET line = excluded.line
              WHERE retinue.process.line <> excluded.line
            """, [host, keys, ArrayText.bytes(processes.map { Array($0.value) })])
    }

    /// Removes what the daemon does not have any more, but for what it had before it lost its store.
    private func removeMissing(_ dump: borrowing DumpContents, _ host: String) throws(PostgreSQLError) -> Int
    {
        let all = FleetRows(dump, changedAfter: nil)
        try connection.copy("COPY retinue_present FROM STDIN (FORMAT binary)") {
            copy throws(PostgreSQLError) in
            for row in all.rows {
                try copy.row(columns: 2)
                copy.column(row.subject)
                copy.column(row.identity)
            }
        }
        try connection.execute("ANALYZE retinue_present")
        return try connection.query(
            """
            DELETE FROM retinue.record r WHERE r.host = $1::bigint AND r.change <> 0 AND NOT EXISTS (
              SELECT 1 FROM retinue_present p WHERE p.subject = r.subject AND p.identity = r.identity)
            """, [host]
        ).changed
    }

    private func writeHost(
        _ rows: FleetRows, _ host: String, keepsGaps: Bool
    ) throws(PostgreSQLError) {
        var header = rows.header
        // Neither is true of the records that a reader looks up.
        header.changes = nil
        header.contents = nil
        try connection.query(
            """
            INSERT INTO retinue.host (host, id, header, gaps, first_seen, last_seen, started, change, sender, batch)
            VALUES ($1::bigint, $2, $3::bytea, $4::bytea, $5::bigint, $6::bigint, $7::bigint, $8::bigint, $9, $10)
            ON CONFLICT (host) DO UPDATE SET header = excluded.header,
              gaps = CASE WHEN $11::boolean THEN retinue.host.gaps ELSE excluded.gaps END,
              first_seen = least(retinue.host.first_seen, excluded.first_seen), last_seen = excluded.last_seen,
              started = excluded.started, change = excluded.change, sender = excluded.sender, batch = excluded.batch
            """,
            [
                host, header.hostID, ArrayText.hexadecimal(header.line), ArrayText.hexadecimal(rows.gaps),
                String(Int64(clamping: rows.first)), String(Int64(clamping: header.time)),
                String(Int64(clamping: header.started)),
                String(Int64(clamping: rows.header.changes?.current ?? 0)), sender.id, sender.pending,
                String(keepsGaps),
            ])
    }
}

/// Arrays as a server reads them from text.
enum ArrayText {
    static func numbers(_ numbers: some Sequence<Int64>) -> String {
        "{" + numbers.map { String($0) }.joined(separator: ",") + "}"
    }

    static func bytes(_ values: some Sequence<[UInt8]?>) -> String {
        "{" + values.map { $0.map { "\"\\" + hexadecimal($0) + "\"" } ?? "NULL" }.joined(separator: ",") + "}"
    }

    /// A `bytea`.
    static func hexadecimal(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text = Array("\\x".utf8)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
