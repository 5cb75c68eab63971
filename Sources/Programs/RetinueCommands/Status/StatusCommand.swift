import ArgumentParser
import Control
import Glibc
import Records

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Say whether the daemon is ready, and how its sources fare.",
        usage: "retinue status [<options>]",
        discussion: """
            RECEIVED and LOST count from the daemon's start. Lost events are never silent: each leaves a \
            gap in the dump and is followed by a fresh look at the system. EVENTS/S is the average since \
            the start, or over --interval.

            Examples:
              retinue status                       once
              retinue status --interval 10         rates of the next ten seconds
              retinue status --format json         the daemon's own words, for scripts
              until retinue status > /dev/null 2>&1; do sleep 1; done

            Exit status: 0 the daemon is ready; 1 it is not, or answers with an error; 3 it cannot be \
            reached.
            """)

    enum Format: String, CaseIterable, ExpressibleByArgument { case table, json }

    @OptionGroup var daemon: DaemonOptions

    @Option(help: "How to print it.")
    var format = Format.table

    @Option(
        help: ArgumentHelp("Ask twice, this far apart, and show the rates between.", valueName: "seconds"))
    var interval: Double?

    func validate() throws {
        guard let interval else { return }
        guard interval > 0, interval <= 86_400 else {
            throw ValidationError("--interval is a number of seconds, more than 0 and at most 86400")
        }
        guard format == .table else {
            throw ValidationError("--interval is for --format table; JSON has the counters themselves")
        }
    }

    func run() throws {
        var earlier: StatusReport?
        if let interval {
            earlier = try StatusReport(ask())
            wait(interval)
        }
        let text = try ask()
        let report = try StatusReport(text)
        switch format {
        case .table:
            let width = Terminal.width
            try Output.standard.write(StatusText(report: report, earlier: earlier, width: width).text)
        case .json:
            try Output.standard.write(text.last == UInt8(ascii: "\n") ? text : text + [UInt8(ascii: "\n")])
        }
        if !report.isReady { throw ExitCode(ExitStatus.negative) }
    }

    private func ask() throws(Failure) -> [UInt8] {
        switch try daemon.ask(.status) {
        case .status(let text): return text
        default: preconditionFailure("a client gives what was asked for")
        }
    }

    private func wait(_ seconds: Double) {
        var left = timespec()
        left.tv_sec = Int(seconds)
        left.tv_nsec = Int((seconds - seconds.rounded(.down)) * 1e9)
        var rest = timespec()
        while nanosleep(&left, &rest) == -1, errno == EINTR { left = rest }
    }
}
