import PostgreSQL

/// The tables of the fleet's store, in versions that follow each other.
///
/// What is written here is what PostgreSQL, Citus, YugabyteDB, CockroachDB and Aurora have in common: `bigint`, `bytea`,
/// composite primary keys that begin with the host, `ON CONFLICT`, `unnest` of several arrays, binary COPY, temporary
/// tables, row-level security. Partitions are PostgreSQL's (YugabyteDB's, Aurora's); elsewhere there are 0 of them.
public struct FleetSchema {
    /// The version that this program reads and writes.
    public static let version: Int64 = 2

    /// The tables of which each row is a host's.
    static let ownTables = ["host", "record", "program", "word", "process"]

    private let connection: PostgreSQLConnection

    /// Looks at a server's schema.
    public init(_ connection: PostgreSQLConnection) { self.connection = connection }

    /// The version that the server has; 0 if it has none.
    public func installed() throws(PostgreSQLError) -> Int64 {
        do throws(PostgreSQLError) {
            let rows = try connection.query("SELECT coalesce(max(version), 0)::bigint FROM retinue.migration")
            return try rows.number(0, 0)
        } catch {
            if case .refused(let state, _) = error, state == "3F000" || state == "42P01" { return 0 }
            throw error
        }
    }

    /// Refuses a schema that is not this program's.
    public func check() throws(PostgreSQLError) {
        let installed = try installed()
        guard installed != Self.version else { return }
        throw .unexpected(
            installed == 0
                ? "it has no tables of Retinue's; make them with retinue fleet migrate"
                : "its tables have version \(installed), and this program wants \(Self.version): "
                    + (installed < Self.version ? "run retinue fleet migrate" : "update this program"))
    }

    /// Brings the schema to this program's version, each step in a transaction of its own.
    ///
    /// - Parameter partitions: how many partitions, by a hash of the host, the records are divided into; 0 for none.
    /// - Returns: the versions that were made.
    public func migrate(partitions: Int) throws(PostgreSQLError) -> [Int64] {
        let installed = try installed()
        guard installed <= Self.version else {
            throw .unexpected("its tables have version \(installed), and this program knows \(Self.version)")
        }
        var made: [Int64] = []
        for version in (installed + 1)..<(Self.version + 1) {
            try connection.transaction { () throws(PostgreSQLError) in
                for statement in Self.steps[Int(version - 1)](partitions) {
                    try connection.execute(statement)
                }
                try connection.execute("INSERT INTO retinue.migration (version) VALUES (\(version))")
            }
            made.append(version)
        }
        return made
    }

    private static let steps: [@Sendable (Int) -> [String]] = [
        { first($0) },
        // What was forgotten is known by the tombstones' own names.
        { _ in ["ALTER TABLE retinue.host DROP COLUMN forgotten"] },
    ]

    private static func first(_ partitions: Int) -> [String] {
        let divided = partitions > 0 ? " PARTITION BY HASH (host)" : ""
        var statements = [
            "CREATE SCHEMA IF NOT EXISTS retinue",
            "CREATE TABLE retinue.migration (version bigint PRIMARY KEY, made timestamptz NOT NULL DEFAULT now())",
            """
            CREATE TABLE retinue.host (
              host bigint PRIMARY KEY, id text NOT NULL, header bytea NOT NULL, gaps bytea NOT NULL,
              first_seen bigint NOT NULL, last_seen bigint NOT NULL, started bigint NOT NULL, change bigint NOT NULL,
              forgotten bigint NOT NULL, sender text NOT NULL, batch text NOT NULL)
            """,
            """
            CREATE TABLE retinue.record (
              host bigint NOT NULL, subject bigint NOT NULL, identity bigint NOT NULL, relation smallint NOT NULL,
              access smallint NOT NULL, object bigint NOT NULL, far bigint, first_seen bigint NOT NULL,
              last_seen bigint NOT NULL, change bigint NOT NULL, line bytea NOT NULL,
              PRIMARY KEY (host, subject, identity))\(divided)
            """,
        ]
        for number in 0..<partitions {
            statements.append(
                "CREATE TABLE retinue.record_\(number) PARTITION OF retinue.record "
                    + "FOR VALUES WITH (MODULUS \(partitions), REMAINDER \(number))")
        }
        return statements + [
            "CREATE INDEX record_object ON retinue.record (object, host)",
            "CREATE INDEX record_far ON retinue.record (far, host) WHERE far IS NOT NULL",
            """
            CREATE TABLE retinue.program (
              host bigint NOT NULL, subject bigint NOT NULL, executable bytea NOT NULL, script bytea NOT NULL,
              workload bytea NOT NULL, PRIMARY KEY (host, subject))
            """,
            """
            CREATE TABLE retinue.word (
              host bigint NOT NULL, word bigint NOT NULL, subject bigint NOT NULL, alias bytea,
              PRIMARY KEY (host, word, subject))
            """,
            "CREATE INDEX word_word ON retinue.word (word)",
            """
            CREATE TABLE retinue.process (
              host bigint NOT NULL, subject bigint NOT NULL, line bytea NOT NULL, PRIMARY KEY (host, subject))
            """,
            // Which role may write which host's rows.
            """
            CREATE TABLE retinue.sender (
              role text NOT NULL, host bigint NOT NULL, id text NOT NULL, PRIMARY KEY (role, host))
            """,
        ]
            + ownTables.flatMap { table in
                [
                    "ALTER TABLE retinue.\(table) ENABLE ROW LEVEL SECURITY",
                    """
                    CREATE POLICY own_host ON retinue.\(table)
                      USING (host IN (SELECT s.host FROM retinue.sender s WHERE s.role = current_user))
                      WITH CHECK (host IN (SELECT s.host FROM retinue.sender s WHERE s.role = current_user))
                    """,
                ]
            }
    }

    /// Lets a role write the rows of a host, and of no other.
    public func allow(sender role: String, host id: String) throws(PostgreSQLError) {
        let name = Self.quoted(role)
        try connection.transaction { () throws(PostgreSQLError) in
            try connection.query(
                """
                INSERT INTO retinue.sender (role, host, id) VALUES ($1, $2::bigint, $3) ON CONFLICT DO NOTHING
                """, [role, String(StoreKey.host(id)), id])
            try connection.execute("GRANT USAGE ON SCHEMA retinue TO \(name)")
            try connection.execute("GRANT SELECT ON retinue.migration, retinue.sender TO \(name)")
            try connection.execute(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON retinue.host, retinue.record, retinue.program, "
                    + "retinue.word, retinue.process TO \(name)")
        }
    }

    /// Lets a role read the rows of all hosts.
    public func allow(reader role: String) throws(PostgreSQLError) {
        let name = Self.quoted(role)
        try connection.transaction { () throws(PostgreSQLError) in
            try connection.execute("GRANT USAGE ON SCHEMA retinue TO \(name)")
            try connection.execute("GRANT SELECT ON retinue.migration TO \(name)")
            for table in Self.ownTables + ["sender"] {
                try connection.execute("GRANT SELECT ON retinue.\(table) TO \(name)")
                if table == "sender" { continue }
                let policy = Self.quoted("reader_" + role)
                try connection.execute("DROP POLICY IF EXISTS \(policy) ON retinue.\(table)")
                try connection.execute(
                    "CREATE POLICY \(policy) ON retinue.\(table) FOR SELECT TO \(name) USING (true)")
            }
        }
    }

    /// Removes records that were last seen before a time, and the programs that no record names any more, with their words.
    ///
    /// - Parameter time: nanoseconds since 1970.
    /// - Returns: how many records went.
    public func expire(before time: UInt64) throws(PostgreSQLError) -> Int {
        var count = 0
        try connection.transaction { () throws(PostgreSQLError) in
            count = try connection.query(
                "DELETE FROM retinue.record WHERE last_seen < $1::bigint", [String(Int64(clamping: time))]
            ).changed
            // A program that no record names, and that does not run, is nothing that a name could mean. Of a spawn the child
            // is the object.
            try connection.execute(
                """
                DELETE FROM retinue.program p WHERE NOT EXISTS (
                  SELECT 1 FROM retinue.record r WHERE r.host = p.host AND r.subject = p.subject)
                AND NOT EXISTS (SELECT 1 FROM retinue.record r WHERE r.host = p.host AND r.object = p.subject)
                AND NOT EXISTS (SELECT 1 FROM retinue.record r WHERE r.host = p.host AND r.far = p.subject)
                AND NOT EXISTS (SELECT 1 FROM retinue.process r WHERE r.host = p.host AND r.subject = p.subject);
                DELETE FROM retinue.word w WHERE NOT EXISTS (
                  SELECT 1 FROM retinue.program p WHERE p.host = w.host AND p.subject = w.subject)
                """)
        }
        return count
    }

    static func quoted(_ name: String) -> String {
        "\"" + name.replacing("\"", with: "\"\"") + "\""
    }
}
