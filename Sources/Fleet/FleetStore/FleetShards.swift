import PostgreSQL

/// A fleet's store that is divided among several servers: each has the rows of the hosts whose digest lies in its range, in
/// tables of its own, and a host's rows are written to it and nowhere else. A database that all of them are read through has
/// each of the tables as partitions, which are foreign tables (`postgres_fdw`) of the servers.
public struct FleetShards: Sendable {
    /// The most servers.
    public static let limit = 1024

    private let count: Int

    /// So many servers, from 1.
    public init(count: Int) {
        precondition((1...Self.limit).contains(count))
        self.count = count
    }

    /// The number of the server that has a host's rows.
    public func number(ofHost id: String) -> Int {
        let host = StoreKey.host(id)
        return (1..<count).last { host >= begin($0) } ?? 0
    }

    /// Where a server's range of hosts begins, for the second and those after it.
    private func begin(_ number: Int) -> Int64 {
        // As a number without sign a digest lies evenly from 0 to 2^64, which stands for its order when the highest bit changes.
        let first = UInt64(count).dividingFullWidth((high: UInt64(number), low: 0)).quotient
        return Int64(bitPattern: first ^ (1 << 63))
    }

    /// Has a server take the rows of its own hosts only: what is sent to the wrong one is refused.
    public func bind(_ connection: PostgreSQLConnection, number: Int) throws(PostgreSQLError) {
        var conditions: [String] = []
        if number > 0 { conditions.append("host >= \(begin(number))") }
        if number + 1 < count { conditions.append("host < \(begin(number + 1))") }
        guard !conditions.isEmpty else { return }
        try connection.execute(
            """
            ALTER TABLE retinue.host DROP CONSTRAINT IF EXISTS host_is_of_this_server;
            ALTER TABLE retinue.host ADD CONSTRAINT host_is_of_this_server CHECK (\(conditions.joined(separator: " AND ")))
            """)
    }

    /// Makes the tables of a database that the servers are read through; it has none of Retinue's yet.
    ///
    /// - Parameters:
    ///   - servers: how each server is reached and as whom, in order; a role that reads there.
    ///   - readers: the roles that may read here, whose rights at the servers are those of that role.
    public func join(
        _ connection: PostgreSQLConnection, servers: [String], readers: [String]
    ) throws(PostgreSQLError) {
        precondition(servers.count == count)
        try connection.transaction { () throws(PostgreSQLError) in
            try connection.execute(
                """
                CREATE EXTENSION IF NOT EXISTS postgres_fdw;
                CREATE SCHEMA retinue;
                CREATE TABLE retinue.migration (version bigint PRIMARY KEY, made timestamptz NOT NULL DEFAULT now());
                INSERT INTO retinue.migration (version) VALUES (\(FleetSchema.version))
                """)
            for (number, server) in servers.enumerated() {
                try reach(server, number, for: readers, connection)
            }
            for table in FleetSchema.ownTables {
                // The servers say which columns there are.
                try connection.execute(
                    "CREATE TABLE retinue.\(table) (LIKE retinue_0.\(table)) PARTITION BY RANGE (host)")
                for number in 0..<count {
                    let from = number == 0 ? "MINVALUE" : String(begin(number))
                    let to = number + 1 == count ? "MAXVALUE" : String(begin(number + 1))
                    try connection.execute(
                        "ALTER TABLE retinue.\(table) ATTACH PARTITION retinue_\(number).\(table) "
                            + "FOR VALUES FROM (\(from)) TO (\(to))")
                }
            }
            for role in readers.map({ FleetSchema.quoted($0) }) {
                try connection.execute("GRANT USAGE ON SCHEMA retinue TO \(role)")
                for table in FleetSchema.ownTables + ["migration"] {
                    try connection.execute("GRANT SELECT ON retinue.\(table) TO \(role)")
                }
            }
        }
    }

    private func reach(
        _ server: String, _ number: Int, for readers: [String], _ connection: PostgreSQLConnection
    ) throws(PostgreSQLError) {
        var (own, role): ([String], [String]) = ([], [])
        // Whoever may use the mapping has no password of the role's.
        role.append("password_required 'false'")
        // Many rows a round trip, and all servers at a time.
        own += ["fetch_size '10000'", "async_capable 'true'"]
        // A look-up is always cheaper by an index, whatever a server believes of tables that grow.
        var settings = "-c enable_seqscan=off -c jit=off"
        for (name, value) in try PostgreSQLConnection.options(of: server) {
            let option = "\(FleetSchema.quoted(name)) '" + value.replacing("'", with: "''") + "'"
            switch name {
            case "user", "password", "sslcert", "sslkey", "sslpassword": role.append(option)
            case "options": settings += " " + value
            default: own.append(option)
            }
        }
        own.append("options '" + settings.replacing("'", with: "''") + "'")
        try connection.execute(
            "CREATE SERVER retinue_\(number) FOREIGN DATA WRAPPER postgres_fdw OPTIONS (\(own.joined(separator: ", ")))"
        )
        for reader in ["CURRENT_USER"] + readers.map({ FleetSchema.quoted($0) }) {
            try connection.execute(
                "CREATE USER MAPPING IF NOT EXISTS FOR \(reader) SERVER retinue_\(number) "
                    + "OPTIONS (\(role.joined(separator: ", ")))")
        }
        try connection.execute(
            """
            CREATE SCHEMA retinue_\(number);
            IMPORT FOREIGN SCHEMA retinue LIMIT TO (\(FleetSchema.ownTables.joined(separator: ", ")))
              FROM SERVER retinue_\(number) INTO retinue_\(number)
            """)
    }
}
