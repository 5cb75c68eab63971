import ArgumentParser
import Control
import Glibc
import MoveGroup
import Records
import SystemCalls

struct RecordsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "records",
        abstract: "Show which programs depend on which files, programs and sockets.",
        usage: "retinue records [<program>] [<options>]",
        discussion: """
            Asks the daemon, or reads a dump (--from). PROGRAM stands for an executable or a script: with \
            a slash for its path, without one for its name, or one under which it is executed. In PROGRAM and GLOB * is any text without a \
            slash, ? one character, ** any text; quote them against the shell.

            HOW has what was seen of a file (r opened, w opened for writing, x executed), the transport \
            of a connection or the mechanism of IPC. LAST is UTC. On a terminal the table is cut to \
            its width; --wide shows all that is known. Names are shown with everything \
            escaped that could steer a terminal.

            Examples:
              retinue records nginx                          what nginx depends on
              retinue records /opt/app/report.py             a script, by its path
              retinue records 'python3*' --relation connect  who Python programs talk to
              retinue records --path '/etc/ssl/**'           who uses these files
              retinue records nginx --since -2h              of the last two hours
              retinue records --from host.ndjson --wide      from a dump

            Exit status: 0 something matches; 1 nothing does, or an error; 3 the daemon cannot be reached.
            """)

    enum Format: String, OutputFormat {
        case table, ndjson, json, csv
        static let standard = table
    }

    @Argument(
        help: ArgumentHelp("Only what this program depends on.", valueName: "program"),
        completion: RecordCompletion.program)
    var program: String?

    @Option(help: ArgumentHelp("Only this relation; may be given more than once.", valueName: "relation"))
    var relation: [Relation] = []

    @Option(
        help: ArgumentHelp(
            "Only files, started programs and IPC objects with such a path.", valueName: "glob"))
    var path: String?

    @Option(
        help: ArgumentHelp(
            "Read this dump instead of asking the daemon; - is standard input.", valueName: "file"),
        completion: .file())
    var from: String?

    @OptionGroup var form: FormatOptions<Format>
    private var format: Format { form.choice }

    @Flag(help: "Show every column, uncut.")
    var wide = false

    @Option(help: ArgumentHelp("Show at most so many rows of a table.", valueName: "count"))
    var limit = 1000

    @Flag(help: "Show all rows of a table.")
    var all = false

    @OptionGroup var window: TimeWindow

    @OptionGroup var daemon: DaemonOptions

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit is a number of rows, at least 1") }
        guard from == nil || (daemon.socket == nil && daemon.stateFolder == nil) else {
            throw ValidationError("--from reads a dump and asks no daemon: give no --socket or --state-dir")
        }
        guard !wide || format == .table else { throw ValidationError("--wide is for --format table") }
    }

    func run() throws {
        let dump = try read()
        var filter = RecordFilter(
            program: program.map { NamePattern($0) }, relations: Set(relation),
            path: path.map { Glob($0) })
        filter.takesNames = true
        filter.seen = window.span
        let positions = filter.positions(in: dump.ledger)
        guard !positions.isEmpty else { throw nothing(in: dump.ledger) }
        let output = Output.standard
        switch format {
        case .table:
            try printTable(dump, positions)
        case .ndjson:
            let ledger = dump.ledger.selection(positions)
            var header = dump.header
            // Of some records nobody can follow the changes.
            header.changes = nil
            try ledger.writeNDJSON(header: header) { try output.write($0) }
        case .json:
            let ledger = dump.ledger.selection(positions)
            var header = dump.header
            header.changes = nil
            var lines = JSONLines(to: output)
            try ledger.writeNDJSON(header: header) { try lines.write($0) }
            try lines.finish()
        case .csv:
            let ledger = dump.ledger.selection(positions)
            try ledger.writeCSV(host: dump.header.hostID) { try output.write($0) }
        }
    }

    private func read() throws -> DumpContents {
        if let from { return try DumpContents(reading: InputFile(path: from)) }
        return try DumpContents(reading: daemon.askForDump())
    }

    private func printTable(_ dump: borrowing DumpContents, _ positions: [Int]) throws {
        var rows: [RecordRow] = []
        for position in positions { rows.append(RecordRow(position, in: dump.ledger)) }
        rows = RecordRow.sorted(rows)
        let shown = all ? rows : Array(rows.prefix(limit))
        let table = RecordTable(rows: shown, time: dump.header.time)
        try Output.standard.write(wide ? table.wideText : table.text(width: Output.standard.width()))
        if shown.count < rows.count {
            Diagnostics.say("\(Quantity.grouped(rows.count - shown.count)) more rows; --all shows them")
        }
    }

    private func nothing(in ledger: borrowing Ledger) -> Failure {
        let conditions = [
            program.map { "program \"\($0)\"" }, path.map { "path \"\($0)\"" },
            window.span.map { _ in window.text },
            relation.isEmpty
                ? nil : "relation " + relation.map { $0.word.description }.joined(separator: " or "),
        ].compactMap { $0 }
        if conditions.isEmpty { return Failure("there are no records yet") }
        let sentence = "no record matches \(conditions.joined(separator: ", "))"
        let nearest = program.map { Self.nearest(to: $0, in: ledger) } ?? []
        return nearest.isEmpty
            ? Failure(sentence) : Failure(sentence + "; the nearest programs are:", details: nearest)
    }

    /// What can be typed for the programs whose names differ least from one that no record has.
    private static func nearest(to name: String, in ledger: borrowing Ledger) -> [String] {
        let isWhole = name.utf8.contains(UInt8(ascii: "/"))
        var known: Set<[UInt8]> = []
        for record in ledger.records {
            let program = ledger[record.key.program]
            for path in [program.executable, program.script] where !ledger.texts.isEmpty(path) {
                let path = ledger.texts.array(path)
                known.insert(isWhole ? path : Array(path[((path.lastIndex(of: 0x2f) ?? -1) + 1)...]))
            }
            for other in ledger.names(of: record.key.program) where !isWhole { known.insert(other) }
        }
        var names = NearNames<[UInt8]>(Array(name.utf8))
        // In an order of their own, so that equals do not depend on that of the records.
        for other in known.sorted(by: { $0.lexicographicallyPrecedes($1) }) { names.offer(other, other) }
        // One that is near because it is the same has records, but none that match.
        return names.values.filter { $0 != Array(name.utf8) }.map { ShellWord.quoted(Printable.text($0)) }
    }
}

extension Relation: ExpressibleByArgument {
    /// The relation that a word of a dump stands for.
    public init?(argument: String) { self.init(word: argument) }
    /// The words, for help and completion.
    public static var allValueStrings: [String] { allCases.map { $0.word.description } }
}

struct DumpCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dump",
        abstract: "Print everything that the daemon knows.",
        usage: "retinue dump [<options>]",
        discussion: """
            The dump holds all that any program had completed before the daemon was asked. NDJSON \
            (retinue/2) comes as the daemon wrote it; JSON has its lines as one array; CSV has the dependencies in nine columns and no \
            gaps. A file named with --output is readable by its owner alone, and an existing one is \
            replaced only once the dump is complete.

            Examples:
              retinue dump > host.ndjson
              retinue dump --format csv --output host.csv
              retinue dump | grep -c '"relation":"connect"'

            Exit status: 0 success; 1 an error, or the daemon answers with one; 3 it cannot be reached.
            """)

    enum Format: String, OutputFormat {
        case ndjson, json, csv
        static let standard = ndjson
    }

    @OptionGroup var daemon: DaemonOptions

    @OptionGroup var format: FormatOptions<Format>

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Write to this file; - is standard output.", valueName: "file"),
        completion: .file())
    var output = "-"

    func run() throws {
        let file = try daemon.askForDump()
        try OutputFile.write(to: output) { output in
            switch format.choice {
            case .ndjson:
                try file.forEachPiece { try output.write($0) }
            case .json:
                var lines = JSONLines(to: output)
                try file.forEachPiece { try lines.write($0) }
                try lines.finish()
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

extension Ledger {
    /// A ledger of some of this one's records, of what their programs run with, and of all its gaps.
    borrowing func selection(_ positions: [Int]) -> Ledger {
        var selection = Ledger()
        for position in positions {
            var record = records[position]
            record.key = translate(record.key, into: &selection)
            selection.restore(record, traffic: traffic(of: position), fold: fold(of: position))
        }
        var described: Set<[[UInt8]]> = []
        for number in Set(positions.map { records[$0].key.program }) {
            let program = self[number]
            described.insert([program.executable, program.script, program.workload].map { texts.array($0) })
        }
        selection.processes = processes.filter {
            described.contains([$0.executable, $0.script, $0.workload])
        }
        selection.gaps = gaps
        return selection
    }

    /// The same dependency in another ledger's numbers.
    borrowing func translate(_ key: RecordKey, into other: inout Ledger) -> RecordKey {
        let program = translate(key.program, into: &other)
        let peer = translate(key.peer, into: &other)
        switch key.relation {
        case .file:
            return .file(program, path: translate(TextID(rawValue: key.object), into: &other))
        case .spawn:
            return .spawn(program, child: translate(ProgramID(rawValue: key.object), into: &other))
        case .connect:
            return .connect(
                program, key.transport, remote: other.intern(endpoints[Int(key.object)]), peer: peer)
        case .accept:
            return .accept(
                program, key.transport, local: other.intern(endpoints[Int(key.object)]),
                remote: other.intern(endpoints[Int(key.remote)]), peer: peer)
        case .listen:
            return .listen(program, key.transport, local: other.intern(endpoints[Int(key.object)]))
        case .ipc:
            let name = translate(TextID(rawValue: key.object), into: &other)
            return .ipc(program, key.mechanism, name: name, peer: peer)
        }
    }

    borrowing func translate(_ number: ProgramID, into other: inout Ledger) -> ProgramID {
        if number == .unknown { return .unknown }
        let program = self[number]
        return other.intern(
            Program(
                executable: translate(program.executable, into: &other),
                script: translate(program.script, into: &other),
                workload: translate(program.workload, into: &other)))
    }

    private borrowing func translate(_ text: TextID, into other: inout Ledger) -> TextID {
        if text == .none { return .none }
        return texts.withBytes(text) { other.texts.intern($0) }
    }
}

extension RecordKey {
    /// connect, accept, listen: the transport.
    var transport: Transport { Transport(rawValue: detail) ?? .tcp }
    /// ipc: the mechanism.
    var mechanism: Mechanism { Mechanism(rawValue: detail) ?? .unix }
}
