import ArgumentParser
import Glibc
import MoveGroup
import MovePlan
import Records
import SystemCalls
import Text

struct TransferCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transfer",
        abstract: "Show in which order to copy the files of a move group: pre-copy and final copy.",
        usage: """
            retinue transfer <program> [--from <file> ...] [<options>]
            retinue transfer --plan <file> [<options>]
            """,
        discussion: """
            The pre-copy runs while the programs do, the final copy after they have stopped. Files that are \
            only read or were long not written come first, the large before the small; those still being \
            written come last, in the final copy. Of a file that was written before, but not lately, the rate of \
            its writes shows how likely it is written again before the pre-copy ends.

            Sizes are looked up in the files themselves: those of this host, and of others whose files are \
            mounted somewhere (--root).

            What was only looked at (symbolic links on the way to a file, empty folders) is in no record of an \
            open and so not in this list: retinue plan completes it, and --plan reads that. paths0 ends each path with a NUL. It has the \
            files of one host, since paths do not say whose they are: --host says which, \
            where there are several.

            Examples:
              retinue transfer nginx --from *.ndjson
              retinue transfer nginx --from *.ndjson --root db1=/mnt/db1 --bandwidth 40
              retinue transfer nginx --phase pre-copy --format paths0 > files
              rsync -aHAXS --numeric-ids --modify-window=-1 \\
                --from0 --files-from=files / new:/srv/root
              retinue transfer nginx --from *.ndjson --host db1 --format paths0

            Exit status: as for retinue group.
            """)

    enum Format: String, OutputFormat {
        case table, json, csv, paths0
        static let standard = table
    }

    @Argument(help: "What is to be moved.", completion: RecordCompletion.program)
    var program: String?

    @OptionGroup var plan: PlanInput

    @OptionGroup var options: GroupOptions

    @OptionGroup var roots: RootOptions

    @Option(help: ArgumentHelp("What the copy makes.", valueName: "MiB/s"))
    var bandwidth = 100.0

    @Option(
        help: ArgumentHelp(
            "A file last written less than this before the end of the records is still being written.",
            valueName: "seconds"))
    var quiet = 600.0

    @Option(help: "Only this phase.")
    var phase: TransferPlan.Phase?

    @Option(
        help: ArgumentHelp("Only the files of this host: its id, name or an address.", valueName: "host"),
        completion: RecordCompletion.host)
    var host: String?

    @OptionGroup var form: FormatOptions<Format>
    private var format: Format { form.choice }

    @Flag(help: "Cut no name of a table, however wide it becomes; so it is where no terminal shows it.")
    var wide = false

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Write to this file; - is standard output.", valueName: "file"),
        completion: .file())
    var output = "-"

    func validate() throws {
        try plan.check(program: program, from: options.from)
        guard bandwidth > 0, bandwidth.isFinite else { throw ValidationError("--bandwidth is more than 0") }
        guard quiet >= 0, quiet < 1e9 else { throw ValidationError("--quiet is a number of seconds") }
    }

    func run() throws {
        if let file = plan.file { return try transfer(PlanFile.read(at: file)) }
        guard let program else { return }
        let graph = try options.graph(of: program)
        let group = try options.group(of: program, in: graph, hasReasons: false)
        let sizes = try FileSizeReader(graph, roots.roots)
        var planning = TransferPlan.Options()
        planning.bandwidth = bandwidth * 1024 * 1024
        planning.quiet = UInt64(quiet * 1e9)
        let plan = TransferPlan(group, planning) { sizes.size(of: $0) }
        let text = try TransferText(plan, graph, phase, hosts: host.map { try graph.hosts(named: $0) })
        try write(text)
        for remark in sizes.remarks(on: plan) + text.remarks(on: group) { Diagnostics.say(remark) }
    }

    private func transfer(_ plan: Plan) throws {
        let roots = HostRoots(given: roots.roots, machineID: MachineID.read())
        try roots.check(against: plan.hosts)
        let hosts = try host == nil ? plan.hosts : [plan.hosts[plan.position(ofHost: host)]]
        let text = PlannedTransfer(hosts, roots, only: phase, bandwidth: bandwidth * 1024 * 1024)
        try write(text)
        for remark in text.remarks { Diagnostics.say(remark) }
    }

    private func write(_ text: some TransferAnswer) throws {
        if format == .paths0 { try text.checkPaths() }
        try OutputFile.write(to: output) { output in
            switch format {
            case .table: try output.write(text.table(width: output.width(isWide: wide)))
            case .json: try output.write(text.json)
            case .csv: try output.write(text.csv)
            case .paths0: try output.write(text.paths)
            }
        }
    }
}

extension TransferPlan.Phase: ExpressibleByArgument {}

/// A transfer plan as text.
struct TransferText: TransferAnswer {
    private let plan: TransferPlan
    private let graph: DependencyGraph
    private let items: [TransferPlan.Item]

    /// - Parameters:
    ///   - phase: only this one.
    ///   - hosts: only files of these, by their numbers.
    init(_ plan: TransferPlan, _ graph: DependencyGraph, _ phase: TransferPlan.Phase?, hosts: [Int]? = nil) {
        self.plan = plan
        self.graph = graph
        items = plan.items.filter { item in
            (phase == nil || item.phase == phase)
                && hosts?.contains(Int(graph.host(item.node).rawValue)) != false
        }
    }

    /// A path that means something else to what copies: the kernel reports none, so a dump that has one was damaged or
    /// made to mislead. Absolute paths begin neither with `-` nor with the `#` and `;` of rsync's comments.
    func checkPaths() throws(Failure) {
        try Self.checkOneHost(Set(items.map { graph[graph.host($0.node)].title }))
        let wrong = items.map { path($0.node) }.filter { !Self.isPlain($0) }
        guard let first = wrong.first else { return }
        throw Failure(
            "\(Quantity.counted(wrong.count, "path")) that no kernel reports (not absolute, with a NUL or with . or .. "
                + "in it), of which a copy would take something else; nothing was written. The first: "
                + Printable.text(first), status: ExitStatus.badInput)
    }

    private static func isPlain(_ path: [UInt8]) -> Bool {
        path.first == UInt8(ascii: "/") && !path.contains(0)
            && path.split(separator: UInt8(ascii: "/")).allSatisfy { $0 != [0x2e] && $0 != [0x2e, 0x2e] }
    }

    /// What is a member and may be a file, but is not in the plan.
    func remarks(on group: MoveGroup) -> [String] {
        let entries = group.members.count { graph.kind($0) == .entry }
        return entries == 0
            ? []
            : [
                "not in the plan, since lists do not distinguish programs from files: "
                    + Quantity.counted(entries, "member")
            ]
    }

    /// For people.
    func table(width: Int?) -> String {
        var table = TextTable([
            .init(title: "PHASE"), .init(title: "SIZE", isNumber: true), .init(title: "LAST WRITE"),
            .init(title: "AGAIN", isNumber: true), .init(title: "HOST"), .init(title: "FILE", cut: .start),
        ])
        for item in items {
            table.add([
                item.phase.rawValue, item.bytes.map { Quantity.bytes($0) } ?? "?",
                item.lastWrite == 0 ? "-" : String(Timestamp.text(item.lastWrite).prefix(19)),
                item.rewrite < 0.005 ? "-" : "\(Int((item.rewrite * 100).rounded())) %",
                graph[graph.host(item.node)].title.printable, Printable.text(path(item.node)),
            ])
        }
        let pre = plan.items.filter { $0.phase == .preCopy }.count
        let seconds = Quantity.decimal(plan.preCopySeconds)
        return table.text(width: width) + """

            pre-copy: \(Quantity.counted(pre, "file")), \(Quantity.bytes(plan.bytes(.preCopy))), \(seconds) s
            final copy: \(Quantity.counted(plan.items.count - pre, "file")), \
            \(Quantity.bytes(plan.bytes(.finalCopy))); expected with what is written again: \
            \(Quantity.bytes(plan.expectedFinalBytes))

            """
    }

    /// `retinue-transfer/1`, docs/move-group.md.
    var json: [UInt8] {
        var out = JSONWriter()
        out.object { out in
            out.member("schema", word: "retinue-transfer/1")
            out.array("files", items) { out, item in
                out.member("phase", text: item.phase.rawValue)
                out.member("host", text: graph[graph.host(item.node)].id)
                out.member("path", bytes: path(item.node))
                if let bytes = item.bytes { out.member("bytes", number: bytes) }
                out.member("written", flag: item.isWritten)
                if item.lastWrite != 0 { out.member("last_write", time: item.lastWrite) }
                // Thousandths, so that no reader meets a number that another one would round.
                out.member("rewrite_permille", number: Int((item.rewrite * 1000).rounded()))
            }
            out.beginLine()
            out.object("totals") { out in
                for (key, phase) in [("pre_copy", TransferPlan.Phase.preCopy), ("final_copy", .finalCopy)] {
                    out.object(text: key) { out in
                        out.member("files", number: plan.items.count { $0.phase == phase })
                        out.member("bytes", number: plan.bytes(phase))
                    }
                }
                out.member(
                    "pre_copy_milliseconds", number: Int((min(plan.preCopySeconds, 1e12) * 1000).rounded()))
                out.member("expected_final_bytes", number: plan.expectedFinalBytes)
            }
        }
        out.endDocument()
        return out.bytes
    }

    /// For programs.
    var csv: [UInt8] {
        var out = Array("phase,host,path,bytes,last write,rewrite\n".utf8)
        for item in items {
            out += Array("\(item.phase.rawValue),".utf8)
            Array(graph[graph.host(item.node)].id.utf8).withUnsafeBytes { SheetCell.append($0, to: &out) }
            out.append(UInt8(ascii: ","))
            graph.withText(item.node) { SheetCell.append($0, to: &out) }
            let bytes = item.bytes.map(String.init) ?? ""
            let time = item.lastWrite == 0 ? "" : Timestamp.text(item.lastWrite)
            out += Array(",\(bytes),\(time),\(Int((item.rewrite * 1000).rounded()))e-3\n".utf8)
        }
        return out
    }

    /// For `rsync --from0 --files-from`, `tar --null -T`, `xargs -0`.
    var paths: [UInt8] {
        var out: [UInt8] = []
        for item in items { out += path(item.node) + [0] }
        return out
    }

    private func path(_ node: NodeID) -> [UInt8] { graph.withText(node) { Array($0) } }
}
