import ArgumentParser
import Control

struct ForgetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget",
        abstract: "Remove records for good: of a service that was renamed, of a first run on the whole host.",
        usage: "retinue forget [<program>] [<options>]",
        discussion: """
            Everything that is named has to apply to a record; at least one thing must be named. What is forgotten is \
            gone from the store and from later dumps, and comes back only if it happens again.

            Examples:
              retinue forget --older-than 90d
              retinue forget /usr/bin/make --older-than 7d
              retinue forget --path '/tmp/**'
              retinue forget --workload old.service

            Exit status: 0 records were forgotten; 1 none matched, or the daemon answers with an error; 3 it \
            cannot be reached.
            """)

    @Argument(help: "Of this executable or script: an absolute path or a pattern.")
    var program: String?

    @Option(help: "About files whose path is this or matches this pattern.")
    var path: String?

    @Option(help: "Of programs in this workload (a control group), or one that matches this pattern.")
    var workload: String?

    @Option(
        help: ArgumentHelp("Last seen this long ago or longer: 90s, 15m, 12h, 30d.", valueName: "time"))
    var olderThan: String?

    @OptionGroup var daemon: DaemonOptions

    func validate() throws {
        if let olderThan, Self.nanoseconds(olderThan) == nil {
            throw ValidationError("--older-than is a whole number with s, m, h or d behind it, such as 30d")
        }
        for (name, text) in [("the program", program), ("--path", path), ("--workload", workload)] {
            guard let text else { continue }
            guard !text.isEmpty, text.utf8.count < 4096, !text.utf8.contains(0) else {
                throw ValidationError("\(name) is 1 to 4095 bytes long")
            }
        }
        guard !filter.isEmpty else {
            throw ValidationError("name a program, --path, --workload or --older-than")
        }
    }

    private var filter: ForgetFilter {
        ForgetFilter(
            program: program, path: path, workload: workload, age: olderThan.flatMap(Self.nanoseconds))
    }

    func run() throws {
        guard case .forgotten(let records) = try daemon.ask(.forget(filter)) else {
            preconditionFailure("a client gives what was asked for")
        }
        try Output.standard.write(Array("\(records) \(records == 1 ? "record" : "records") forgotten\n".utf8))
        if records == 0 { throw ExitCode(ExitStatus.negative) }
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
