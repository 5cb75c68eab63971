import ArgumentParser
import Control
import Glibc
import Records
import SystemCalls

struct DumpCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dump",
        abstract: "Print everything that the daemon knows.",
        usage: "retinue dump [<options>]",
        discussion: """
            The dump holds all that any program had completed before the daemon was asked. NDJSON \
            (retinue/1) comes as the daemon wrote it; CSV has the dependencies in nine columns and no \
            gaps. A file named with --output is readable by its owner alone, and an existing one is \
            replaced only once the dump is complete.

            Examples:
              retinue dump > host.ndjson
              retinue dump --format csv --output host.csv
              retinue dump | grep -c '"relation":"connect"'

            Exit status: 0 success; 1 an error, or the daemon answers with one; 3 it cannot be reached.
            """)

    enum Format: String, CaseIterable, ExpressibleByArgument { case ndjson, csv }

    @OptionGroup var daemon: DaemonOptions

    @Option(help: "How to print it.")
    var format = Format.ndjson

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Write to this file; - is standard output.", valueName: "file"),
        completion: .file())
    var output = "-"

    func run() throws {
        let file = try daemon.askForDump()
        try OutputFile.write(to: output) { output in
            switch format {
            case .ndjson:
                try file.forEachPiece { try output.write($0) }
            case .csv:
                let dump = try DumpContents(reading: file)
                try dump.ledger.writeCSV(host: dump.header.hostID) { try output.write($0) }
            }
        }
    }
}

extension DaemonOptions {
    /// A dump of this moment, open at its start.
    func askForDump() throws(Failure) -> InputFile {
        switch try ask(.dump) {
        case .dump(let descriptor): return InputFile(descriptor, name: "the daemon's dump")
        default: preconditionFailure("a client gives what was asked for")
        }
    }
}
