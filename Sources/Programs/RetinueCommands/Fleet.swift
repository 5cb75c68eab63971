import ArgumentParser
import MoveGroup

/// How the commands read a fleet's store, if they can: only retinue-fleet has the client library, so that whoever reads
/// files starts no slower and needs no such library.
package enum FleetAccess {
    /// Makes the graph of all that the group of a program can reach.
    package typealias Reading = (
        _ location: String, _ program: String, ClosureOptions, SocketPairing, _ window: ClosedRange<UInt64>?,
        _ choose: (DependencyGraph) throws -> [NodeID]
    ) throws -> DependencyGraph

    /// Set once, before any command runs.
    package nonisolated(unsafe) static var read: Reading?

    /// Whether an input is a fleet's store.
    package static func isLocation(_ text: String) -> Bool {
        text.hasPrefix("postgresql://") || text.hasPrefix("postgres://")
    }

    /// Becomes the program that can read a fleet's store, where one is an input.
    static func runElsewhere(_ arguments: [String]) throws(Failure) {
        guard read == nil else { return }
        let isMeant = arguments.contains { word in
            isLocation(word) || (word.hasPrefix("--from=") && isLocation(String(word.dropFirst(7))))
        }
        // These go there by their own commands.
        guard isMeant, let command = arguments.first, command != "ship", command != "fleet" else { return }
        try OtherProgram.fleet.run(arguments, for: "--from postgresql://")
    }
}

/// `retinue ship`, which another program does.
struct ShipCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ship",
        abstract: "Send this host's changed records to a fleet's store.",
        usage: "retinue ship --to <postgresql://...> [<file> ...] [<options>]",
        discussion: """
            Runs retinue-fleet, of the package of that name; retinue ship --help has its options.

            Examples:
              retinue ship --to 'postgresql://ship_web1@db/fleet?sslmode=verify-full'
              retinue ship --to postgresql:///fleet --once *.ndjson
            """)

    @Argument(parsing: .captureForPassthrough, help: "What retinue-fleet ship takes.")
    var words: [String] = []

    func run() throws { try OtherProgram.fleet.run(["ship"] + words, for: "retinue ship") }
}

/// `retinue fleet`, which the same program does.
struct FleetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fleet",
        abstract: "Make and look after a fleet's store.",
        usage: "retinue fleet <migrate|allow|expire> --to <postgresql://...>",
        discussion: """
            Runs retinue-fleet, of the package of that name; retinue fleet --help has its commands.

            Examples:
              retinue fleet migrate --to postgresql:///fleet
              retinue fleet allow --to postgresql:///fleet --sender ship_web1 --host MACHINE-ID
            """)

    @Argument(parsing: .captureForPassthrough, help: "What retinue-fleet fleet takes.")
    var words: [String] = []

    func run() throws { try OtherProgram.fleet.run(["fleet"] + words, for: "retinue fleet") }
}
