import ArgumentParser
import FleetStore
import PostgreSQL
import SystemCalls

struct FleetStoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retinue fleet", abstract: "Make and look after a fleet's store.",
        subcommands: [Migrate.self, Allow.self, Expire.self, Simulate.self])

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
            let made = try FleetSchema(try store.connect()).migrate(partitions: partitions)
            print(
                made.isEmpty
                    ? "version \(FleetSchema.version) is there already"
                    : made.map { "version \($0) made" }.joined(separator: "\n"))
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
            let schema = FleetSchema(try store.connect())
            try schema.check()
            if let sender, let host { try schema.allow(sender: sender, host: host) }
            if let reader { try schema.allow(reader: reader) }
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
            let count = try FleetSchema(try store.connect()).expire(before: Clock.wall() - span)
            print("\(count) records removed")
        }
    }
}
