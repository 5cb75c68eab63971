import ArgumentParser
import FleetStore
import Glibc
import MoveGroup
import PostgreSQL
import RetinueCommands
import SystemCalls

/// Runs `retinue ship`, `retinue fleet`, or any other command of retinue with a fleet's store as its input, with the words
/// of a command line, without the program's name; its exit status.
public func runFleet(_ arguments: [String]) -> Int32 {
    signal(SIGPIPE, SIG_IGN)
    switch arguments.first {
    case "ship": return run(ShipRecordsCommand.self, arguments.dropFirst())
    case "fleet": return run(FleetStoreCommand.self, arguments.dropFirst())
    default:
        FleetAccess.read = { location, program, options, pairing, window, choose in
            let begin = Clock.monotonic()
            let reader = try FleetReader(try PostgreSQLConnection(location))
            let graph = try reader.graph(around: program, options, pairing, window: window, choose: choose)
            if arguments.contains("--stats") {
                say(
                    "\(reader.records) records looked up in \(reader.steps) queries, "
                        + "\((Clock.monotonic() - begin) / 1_000_000) ms")
            }
            return graph
        }
        return runRetinue(arguments)
    }
}

private func run<Command: ParsableCommand>(_ type: Command.Type, _ words: ArraySlice<String>) -> Int32 {
    do {
        var command = try Command.parseAsRoot(Array(words))
        try command.run()
        return 0
    } catch let error as PostgreSQLError {
        say("retinue: \(error)")
        return 1
    } catch let error as ShipmentError {
        say("retinue ship: \(error)")
        return 1
    } catch let error as ShipFailure {
        say("retinue ship: \(error.message)")
        return 1
    } catch {
        return report(error, of: Command.self)
    }
}

/// Which server, or which servers.
struct StoreOptions: ParsableArguments {
    @Option(
        name: .customLong("to"),
        help: ArgumentHelp(
            "The store, as libpq takes it; TLS with sslmode=verify-full, sslrootcert, sslcert and sslkey. "
                + "Given several times, in one order everywhere: each server has a part of the hosts.",
            valueName: "postgresql://..."))
    var locations: [String] = []

    func validate() throws {
        guard (1...FleetShards.limit).contains(locations.count) else {
            throw ValidationError("--to is given once, or for each of at most \(FleetShards.limit) servers")
        }
    }

    var shards: FleetShards { FleetShards(count: locations.count) }

    /// Each of the servers.
    func connections() throws(PostgreSQLError) -> [PostgreSQLConnection] {
        var connections: [PostgreSQLConnection] = []
        for location in locations { connections.append(try PostgreSQLConnection(location)) }
        return connections
    }

    /// The server that has a host's rows.
    func connect(host: String) throws(PostgreSQLError) -> PostgreSQLConnection {
        try PostgreSQLConnection(locations[shards.number(ofHost: host)])
    }
}
