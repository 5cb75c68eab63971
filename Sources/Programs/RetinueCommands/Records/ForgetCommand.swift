import ArgumentParser
import Control
import Text

struct ForgetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Remove records for good: of a service that was renamed, of a first run on the whole host.",
        usage: "retinue forget [<program>] [<options>]",
        discussion: """
            PROGRAM and --path name records as they do for retinue records. Everything that is named has to apply; \
            at least one thing must be named. What is forgotten is gone from the daemon, from its store \
            and from later dumps, which have a tombstone for it, and comes back only if it is seen again, as if for \
            the first time. Records in which others depend on a program are theirs and stay. For root.

            Examples:
              retinue forget --older-than 90d --dry-run  how many?
              retinue forget --older-than 90d
              retinue forget /usr/bin/make --older-than 7d
              retinue forget --path '/tmp/**'
              retinue forget --workload old.service

            Exit status: 0 records were forgotten, or would be; 1 none matched, or an error; 3 the daemon \
            cannot be reached.
            """)

    @Argument(
        help: ArgumentHelp("Only what this program depends on.", valueName: "program"),
        completion: RecordCompletion.program)
    var program: String?

    @Option(
        help: ArgumentHelp(
            "Only files, started programs and IPC objects with such a path.", valueName: "glob"))
    var path: String?

    @Option(
        help: ArgumentHelp(
            "Only of programs in such a workload: with a slash its whole path, without one its last part.",
            valueName: "glob"))
    var workload: String?

    @Option(
        help: ArgumentHelp("Only last seen so long ago or longer: 90s, 15m, 12h, 30d.", valueName: "time"))
    var olderThan: String?

    @Flag(help: "Say how many would be forgotten, and forget none.")
    var dryRun = false

    enum Format: String, OutputFormat {
        case text, json
        static let standard = text
    }

    @OptionGroup var format: FormatOptions<Format>

    @OptionGroup var daemon: DaemonOptions

    func validate() throws {
        if let olderThan, Self.nanoseconds(olderThan) == nil {
            throw ValidationError(
                "--older-than is a whole number with s, m, h or d behind it, such as 30d; at most 10000d")
        }
        for (name, text) in [("the program", program), ("--path", path), ("--workload", workload)] {
            guard let text else { continue }
            guard !text.isEmpty, text.utf8.count < 4096, !text.utf8.contains(0) else {
                throw ValidationError("\(name) is 1 to 4095 bytes long")
            }
        }
        guard !filter.isEmpty else {
            throw ValidationError(
                "name a program, --path, --workload or --older-than: all is never forgotten")
        }
    }

    private var filter: ForgetFilter {
        ForgetFilter(
            program: program, path: path, workload: workload, age: olderThan.flatMap(Self.nanoseconds))
    }

    func run() throws {
        guard case .forgotten(let counts) = try daemon.ask(.forget(filter, isDryRun: dryRun)) else {
            preconditionFailure("a client gives what was asked for")
        }
        let (total, overflow) = counts.reduce((UInt64(0), false)) { sum, count in
            let (total, overflow) = sum.0.addingReportingOverflow(count.records)
            return (total, sum.1 || overflow)
        }
        guard !overflow else { throw Failure("the daemon says that it has forgotten more than there can be") }
        switch format.choice {
        case .text: try Output.standard.write(Self.text(counts, total, isDryRun: dryRun))
        case .json: try Output.standard.write(Self.json(counts, total, isDryRun: dryRun))
        }
        if total == 0 { throw ExitCode(ExitStatus.negative) }
    }

    /// `{"records":24,"dry_run":false,"relations":{"file":23,"spawn":1}}`
    static func json(_ counts: [ForgottenCount], _ total: UInt64, isDryRun: Bool) -> [UInt8] {
        var out = JSONWriter()
        out.object { out in
            out.member("records", number: total)
            out.member("dry_run", flag: isDryRun)
            out.object("relations") { out in
                for count in counts where count.records != 0 {
                    out.member(text: count.relation, number: count.records)
                }
            }
        }
        out.endDocument()
        return out.bytes
    }

    /// A line with the sum, then one for each relation of which there were any.
    static func text(_ counts: [ForgottenCount], _ total: UInt64, isDryRun: Bool) -> String {
        var text =
            "\(total) \(total == 1 ? "record" : "records") \(isDryRun ? "would be forgotten" : "forgotten")\n"
        for count in counts where count.records != 0 {
            // Its word comes from whoever answers.
            text += "  \(count.relation.printable) \(count.records)\n"
        }
        return text
    }

    /// A whole number with a unit, as nanoseconds; at most ten thousand days.
    static func nanoseconds(_ text: String) -> UInt64? {
        let units: [Character: UInt64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let unit = text.last.flatMap({ units[$0] }),
            text.dropLast().allSatisfy({ $0.isASCII && $0.isNumber }),
            let number = UInt64(text.dropLast()), number <= 864_000_000 / unit
        else { return nil }
        return number * unit * 1_000_000_000
    }
}
