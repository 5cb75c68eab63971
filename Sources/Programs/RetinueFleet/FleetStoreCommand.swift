import ArgumentParser
import FleetStore
import PostgreSQL
import SystemCalls

struct FleetStoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retinue fleet", abstract: "Make and look after a fleet's store.",
        subcommands: [Migrate.self, Allow.self, Join.self, Expire.self, Simulate.self])

    struct Migrate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make the tables, or bring them to this program's version; as their owner.")

        @OptionGroup var store: StoreOptions

        @Option(help: "Partitions, by a hash of the host; 0 for servers that divide tables themselves.")
        var partitions = 8

        func validate() throws {
            guard (0...1024).contains(partitions) else {
                throw ValidationError("--partitions is from 0 to 1024")
            }
        }

        func run() throws {
            for (number, connection) in try store.connections().enumerated() {
                let made = try FleetSchema(connection).migrate(partitions: partitions)
                if store.locations.count > 1 { try store.shards.bind(connection, number: number) }
                print(
                    made.isEmpty
                        ? "version \(FleetSchema.version) is there already"
                        : made.map { "version \($0) made" }.joined(separator: "\n"))
            }
        }
    }

    struct Allow: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let a role write the records of one host, or read those of all.")

        @OptionGroup var store: StoreOptions

        @Option(help: ArgumentHelp("Let this role write the records of --host.", valueName: "role"))
        var sender: String?

        @Option(help: ArgumentHelp("The host's id (/etc/machine-id).", valueName: "id"))
        var host: String?

        @Option(help: ArgumentHelp("Let this role read all records.", valueName: "role"))
        var reader: String?

        func validate() throws {
            guard (sender == nil) == (host == nil), sender != nil || reader != nil else {
                throw ValidationError("give --sender ROLE with --host ID, or --reader ROLE")
            }
        }

        func run() throws {
            if let sender, let host {
                try checked(try store.connect(host: host)).allow(sender: sender, host: host)
            }
            guard let reader else { return }
            for connection in try store.connections() { try checked(connection).allow(reader: reader) }
        }

        private func checked(_ connection: PostgreSQLConnection) throws(PostgreSQLError) -> FleetSchema {
            let schema = FleetSchema(connection)
            try schema.check()
            return schema
        }
    }

    struct Join: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Have a database read the tables of several servers; as its superuser.",
            discussion: """
                The database has no tables of Retinue's, and is given some of which each server's are partitions, as foreign \
                tables (postgres_fdw). Commands read it as they read a single store; each host writes to its own server.
                """)

        @OptionGroup var store: StoreOptions

        @Option(
            help: ArgumentHelp(
                "A server, as the database reaches it, and a role that reads there; for each, in the order of the others' --to.",
                valueName: "postgresql://..."))
        var server: [String]

        @Option(help: ArgumentHelp("Let this role read through the database.", valueName: "role"))
        var reader: [String] = []

        func validate() throws {
            guard store.locations.count == 1, (1...FleetShards.limit).contains(server.count) else {
                throw ValidationError(
                    "--to is given once, --server for each of at most \(FleetShards.limit) servers")
            }
        }

        func run() throws {
            for location in server { try FleetSchema(try PostgreSQLConnection(location)).check() }
            try FleetShards(count: server.count).join(
                try PostgreSQLConnection(store.locations[0]), servers: server, readers: reader)
        }
    }

    struct Expire: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove records that were not seen for long; as the tables' owner.")

        @OptionGroup var store: StoreOptions

        @Option(
            name: .customLong("older-than"), help: ArgumentHelp("Not seen for this long.", valueName: "days"))
        var days: Int

        func validate() throws {
            guard (1...36_500).contains(days) else {
                throw ValidationError("--older-than is from 1 to 36500 days")
            }
        }

        func run() throws {
            let span = UInt64(days) * 86_400_000_000_000
            var count = 0
            for connection in try store.connections() {
                count += try FleetSchema(connection).expire(before: Clock.wall() - span)
            }
            print("\(count) records removed")
        }
    }
}
