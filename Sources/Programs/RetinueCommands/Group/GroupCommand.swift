import ArgumentParser
import MoveGroup
import Records
import SystemCalls
import Text

struct GroupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "group",
        abstract: "Show everything that has to move with a program, on every host, and why.",
        usage: "retinue group <program> [--from <file> ...] [<options>]",
        discussion: """
            Joins the records of any number of hosts and follows what depends on what from PROGRAM: the \
            files that it uses, the programs that share files which are written, those that it starts and \
            those that start it, those that it talks to on whichever host. It stops at the boundary, and \
            says where and by which rule (retinue policy prints the rules).

            PROGRAM and PATTERN are [HOST:]PATH[@WORKLOAD]: a path or the last part of one, of a program \
            or script; * is any text without a slash, ? one character, ** any text; HOST is an id, a name \
            or an address (IPv6 in brackets). PATH@ is a program without a workload, 'EXECUTABLE SCRIPT' a \
            script in one of several interpreters. The name of a workload stands for all of its programs. A \
            name that means several programs is answered by the choices, each of which can be typed to mean \
            just that. PATTERN may also be an address or an IPC object: tcp:10.0.0.9:5432, \
            db1:unix:/run/app.sock. A backslash makes the character behind it mean itself; \\n, \\xff and \
            \\u{202e} are as tables show them.

            Examples:
              retinue group nginx                               on this host, by its daemon
              retinue group web1:/usr/sbin/nginx --from *.ndjson
              retinue group shop.service --from *.ndjson --explain
              retinue group nginx --from *.ndjson --stop-at '**/postgres'
              retinue group nginx --from *.ndjson --format svg -o nginx.svg
              retinue group 10.0.0.1:/opt/ap --from list.csv --symmetric --format csv

            Exit status: 0 success; 1 the output cannot be written, or a wrong command line; 2 an input file, \
            the policy or a name is not what it should be; 3 the daemon cannot be reached.
            """)

    enum Format: String, OutputFormat {
        case table, json, csv, list, records, dot, mermaid, svg, prov
        static let standard = table
    }

    @Argument(help: "What is to be moved.", completion: RecordCompletion.program)
    var program: String

    @OptionGroup var options: GroupOptions

    @OptionGroup var form: FormatOptions<Format>
    private var format: Format { form.choice }

    @Flag(help: "Give the reason of every member (table, csv).")
    var explain = false

    @Flag(help: "Name every member (table), draw every file (dot, mermaid, svg).")
    var all = false

    @Flag(help: "Cut no name of a table, however wide it becomes; so it is where no terminal shows it.")
    var wide = false

    @OptionGroup var colour: ColourOptions

    @Option(help: "Draw no more than these (dot, mermaid, svg).")
    var only: PictureOptions.Only?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Write to this file; - is standard output.", valueName: "file"),
        completion: .file())
    var output = "-"

    @Flag(
        name: .customLong("no-index"),
        help: "Do not use the index that a list may have beside it (retinue index).")
    var noIndex = false

    @Flag(help: "Say on standard error how long each phase took, and how large the graph is.")
    var stats = false

    func validate() throws {
        guard !explain || format == .table || format == .csv else {
            throw ValidationError("--explain is for --format table and csv; json has every reason")
        }
        guard only == nil || [.dot, .mermaid, .svg].contains(format) else {
            throw ValidationError("--only is for pictures: --format dot, mermaid and svg")
        }
    }

    func run() throws {
        var times = PhaseTimes()
        let graph = try options.graph(around: program, usesIndex: !noIndex)
        times.end("read and join")
        let closure = try options.closure(hasReasons: explain || hasReasons)
        let start = try NodeChoice(graph).start(for: program)
        times.end("find the program")
        let group = graph.moveGroup(of: start, closure)
        times.end("closure")
        let report = GroupReport(group)
        try OutputFile.write(to: output) { output in
            switch format {
            case .table: try GroupTable(report, self).write(to: output)
            case .json: try report.writeJSON { try output.write($0) }
            case .csv: try report.writeCSV(explain: explain) { try output.write($0) }
            case .list: try report.writeList { try output.write($0) }
            case .records: try report.writeRecords { try output.write($0) }
            case .dot: try report.writeDot(picture) { try output.write($0) }
            case .mermaid: try report.writeMermaid(picture) { try output.write($0) }
            case .svg: try draw(report, to: output)
            case .prov: try report.writeProvenance { try output.write($0) }
            }
        }
        times.end("write")
        if stats { say(times, group) }
        // A table has them itself.
        if format != .table { for warning in report.warnings { Diagnostics.say(warning) } }
    }

    /// Draws it, if somebody can look at that.
    private func draw(_ report: GroupReport, to output: Output) throws {
        let size = report.pictureSize(picture)
        guard size.boxes <= Self.mostBoxes, size.arrows <= Self.mostArrows else {
            throw Failure(
                "too large to be looked at: \(Quantity.counted(size.boxes, "box", "boxes")) and "
                    + "\(Quantity.counted(size.arrows, "arrow")), of at most \(Quantity.grouped(Self.mostBoxes)) "
                    + "and \(Quantity.grouped(Self.mostArrows)); make the group smaller (--stop-at, --exclude), leave "
                    + "out files (--only programs), or give --format dot to a program for large graphs")
        }
        try report.writeSVG(picture) { try output.write($0) }
    }

    /// What is drawn in a second or two.
    private static let mostBoxes = 5_000
    private static let mostArrows = 20_000

    private func say(_ times: PhaseTimes, _ group: MoveGroup) {
        let graph = group.graph
        Diagnostics.say(
            "\(Quantity.grouped(graph.edgeCount)) dependencies of \(Quantity.grouped(graph.nodeCount)) nodes, "
                + "\(Quantity.bytes(graph.footprint)), \(Quantity.grouped(group.members.count)) members: \(times.text)"
        )
    }

    private var hasReasons: Bool {
        switch format {
        case .table, .json, .dot, .mermaid, .svg, .prov: true
        case .csv, .list, .records: false
        }
    }

    private var picture: PictureOptions {
        var options = PictureOptions()
        options.showsEachFile = all
        options.only = only
        return options
    }
}

/// How long each phase of a command took.
struct PhaseTimes {
    private var last = Clock.monotonic()
    private var phases: [(name: String, nanoseconds: UInt64)] = []

    /// Ends a phase.
    mutating func end(_ name: String) {
        let now = Clock.monotonic()
        phases.append((name, now - last))
        last = now
    }

    /// `read 24.1 ms, closure 3.9 ms`.
    var text: String {
        phases.map { "\($0.name) \(Quantity.decimal(Double($0.nanoseconds) / 1e6)) ms" }.joined(
            separator: ", ")
    }
}

/// A move group for people.
struct GroupTable {
    private let report: GroupReport
    private let explain: Bool
    private let all: Bool
    private let isWide: Bool
    private let window: TimeWindow
    private let colour: ColourOptions

    init(_ report: GroupReport, _ command: GroupCommand) {
        self.report = report
        explain = command.explain
        all = command.all
        isWide = command.wide
        window = command.options.window
        colour = command.colour
    }

    func write(to output: Output) throws {
        // Only files of this machine can be looked at without being given where they are.
        let sizes = try FileSizeReader(report.group.graph)
        let summary = report.summary(rowLimit: all ? nil : 50) { sizes.size(of: $0) }
        let width = output.width(isWide: isWide)
        let palette = colour.palette(for: output)
        func prose(_ text: String, _ meaning: Palette.Meaning?) -> String {
            Paragraph.text(text, indent: 0, width: width ?? .max).split(separator: "\n")
                .map { palette.paint(String($0), meaning) + "\n" }.joined()
        }
        var page = prose(summary.heading, .title)
        if window.span != nil { page += "only what was seen \(window.text)\n" }
        for line in summary.observations { page += prose(line, line.hasSuffix("nothing lost") ? nil : .care) }
        if explain {
            page += "\n" + report.reasonLines(of: report.members).map { $0 + "\n" }.joined()
        } else {
            for host in summary.hosts { page += text(host, width, palette) }
        }
        if let boundary = summary.boundary { page += text(boundary, width, palette) }
        if let endpoints = summary.endpoints { page += text(endpoints, width, palette) }
        if !summary.warnings.isEmpty { page += "\n" }
        for warning in summary.warnings { page += prose("note: \(warning)", .care) }
        try output.write(painted: page)
    }

    private func text(_ section: GroupSummary.Section, _ width: Int?, _ palette: Palette) -> String {
        var table = TextTable(
            section.columns.map { column in
                TextTable.Column(
                    title: column.title, isNumber: column.isNumber, cut: column.mayBeCut ? .end : nil)
            }, palette)
        for row in section.rows {
            let meaning = Self.meaning(ofKind: section.columns.first?.title == "KIND" ? row[0] : "")
            table.add(
                row.enumerated().map { TextTable.Cell(text: $1, meaning: $0 < 2 ? meaning : nil) })
        }
        return "\n\(palette.paint(section.title, .title))\n" + table.text(width: width)
    }

    /// Programs are what a group is about; bound files are what binds others.
    private static func meaning(ofKind kind: String) -> Palette.Meaning? {
        switch kind {
        case "program": .main
        case "bound file": .care
        default: nil
        }
    }
}

extension PictureOptions.Only: ExpressibleByArgument {}

struct PolicyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Print the rules that say where a move group ends.",
        discussion: """
            The default rules in the form of a policy file: a start for one of your own, to be named by \
            --policy or put at /etc/retinue/boundary.policy. The default rules follow behind it unless it has a \
            line "no default".

            Examples:
              retinue policy | less
              echo 'system **/node_exporter' > mine.policy
              retinue group nginx --policy mine.policy
            """)

    enum Format: String, OutputFormat {
        case text, json
        static let standard = text
    }

    @OptionGroup var format: FormatOptions<Format>

    func run() throws {
        switch format.choice {
        case .text: try Output.standard.write(BoundaryPolicy.standardText)
        case .json: try Output.standard.write(Self.json)
        }
    }

    /// The default rules in their order: of those that match the first decides.
    private static var json: [UInt8] {
        var out = JSONWriter()
        out.object { out in
            out.array("rules", BoundaryPolicy.standard.rules) { out, rule in
                out.member("kind", text: rule.kind.rawValue)
                out.member("follow", flag: rule.isFollowed)
                out.member("rule", text: rule.text)
            }
        }
        out.endDocument()
        return out.bytes
    }
}
