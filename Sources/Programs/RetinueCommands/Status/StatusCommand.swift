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
            gap in the dump and is followed by a fresh scan of the system. EVENTS/S is the average since \
            the start, or over --interval.

            Examples:
              retinue status                       once
              retinue status --interval 10         rates of the next ten seconds
              retinue status --json                the daemon's own words, for scripts
              until retinue status > /dev/null 2>&1; do sleep 1; done

            Exit status: 0 the daemon is ready; 1 it is not, or answers with an error; 3 it cannot be \
            reached.
            """)

    enum Format: String, OutputFormat {
        case table, json
        static let standard = table
    }

    @OptionGroup var daemon: DaemonOptions

    @OptionGroup var format: FormatOptions<Format>

    @OptionGroup var colour: ColourOptions

    @Option(
        help: ArgumentHelp("Ask twice, this far apart, and show the rates between.", valueName: "seconds"))
    var interval: Double?

    func validate() throws {
        guard let interval else { return }
        guard interval > 0, interval <= 86_400 else {
            throw ValidationError("--interval is a number of seconds, more than 0 and at most 86400")
        }
        guard format.choice == .table else {
            throw ValidationError("--interval is for --format table; JSON has the counters themselves")
        }
    }

    func run() throws {
        var earlier: DaemonStatus?
        if let interval {
            earlier = try DaemonStatus(ask())
            wait(interval)
        }
        let text = try ask()
        let report = try DaemonStatus(text)
        switch format.choice {
        case .table:
            let width = Output.standard.width()
            let page = StatusText(
                report: report, earlier: earlier, width: width, palette: colour.palette())
            try Output.standard.write(painted: page.text)
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

/// The daemon's answer to `status`, as far as it is understood: a daemon of another version may say
/// more or less.
struct DaemonStatus {
    struct Source {
        var name: String
        var mode: String
        var received: UInt64
        var lost: UInt64
        /// Further counters, in the daemon's order.
        var counters: [(name: String, value: UInt64)]
    }

    let json: JSONValue

    init(_ text: [UInt8]) throws(Failure) {
        do throws(JSONError) {
            json = try JSONValue(parsing: text)
        } catch {
            throw Failure("the daemon's status is not the JSON that it should be: \(error)")
        }
        guard json.members != nil, json["ready"] != nil else {
            throw Failure("the daemon's status says nothing about being ready")
        }
    }

    var isReady: Bool { json["ready"] == .boolean(true) }

    /// Nanoseconds since 1970 at which the status was taken.
    var time: UInt64? { json["time"]?.string.flatMap { Timestamp.parse(Array($0.utf8)) } }

    /// Nanoseconds since 1970 at which the daemon started.
    var started: UInt64? { json["started"]?.string.flatMap { Timestamp.parse(Array($0.utf8)) } }

    var sources: [Source] {
        (json["sources"]?.members ?? []).map { member in
            let counters: [(name: String, value: UInt64)] = (member.value.members ?? []).compactMap {
                guard $0.key != "received", $0.key != "lost", let value = $0.value.integer else { return nil }
                return ($0.key, UInt64(clamping: value))
            }
            return Source(
                name: member.key, mode: member.value["mode"]?.string ?? "?",
                received: member.value.count("received") ?? 0, lost: member.value.count("lost") ?? 0,
                counters: counters)
        }
    }

    /// What the daemon has to do without.
    var degraded: [String] { (json["degraded"]?.array ?? []).compactMap(\.string) }

    func text(_ key: String) -> String? { json[key]?.string }

    func count(_ key: String) -> UInt64? { json.count(key) }
}

extension JSONValue {
    /// A number that is not negative, under a key.
    func count(_ key: String) -> UInt64? { self[key]?.integer.map { UInt64(clamping: $0) } }
}

/// A status as people read it.
struct StatusText {
    let report: DaemonStatus
    /// An earlier status of the same daemon; rates are those since then, or else since the start.
    let earlier: DaemonStatus?
    /// Columns that tables keep within; `nil` where none shows them. Prose is broken all the same.
    let width: Int?
    var palette = Palette.none

    var text: String {
        var text = ""
        for (name, value) in facts where !value.isEmpty {
            append(name, value, meaning(of: name), to: &text)
        }
        for sentence in report.degraded { append("degraded", sentence.printable, .care, to: &text) }
        if !report.sources.isEmpty { text += "\n" + sources }
        return text
    }

    private func meaning(of fact: String) -> Palette.Meaning? {
        switch fact {
        case "state": report.isReady ? .good : .bad
        case "store error": .bad
        case "slow calls": .care
        default: nil
        }
    }

    private var facts: [(String, String)] {
        [
            ("state", state), ("version", line("version")), ("pid", number("pid")), ("uptime", uptime),
            ("state dir", line("state_dir")), ("netns", scope("netns")),
            ("cgroup", scope("cgroup")), ("records", records), ("memory", memory), ("store", store),
            ("store error", (report.json["store"]?["error"]?.string ?? "").printable),
            ("slow calls", slowCalls),
        ]
    }

    private var state: String {
        let state = (report.text("state") ?? "").printable
        if report.isReady { return state.isEmpty || state == "ready" ? "ready" : "ready (\(state))" }
        return state.isEmpty ? "NOT READY" : "NOT READY: \(state)"
    }

    private var uptime: String {
        guard let time = report.time, let started = report.started, time >= started else { return "" }
        let since = (report.text("started") ?? "").printable
        return "\(Quantity.duration(seconds: (time - started) / 1_000_000_000)), since \(since)"
    }

    private var records: String {
        guard let records = report.count("records") else { return "" }
        let others = ["programs", "paths", "gaps"].compactMap { key in
            report.count(key).map { "\(Quantity.grouped($0)) \(key)" }
        }
        let detail = others.isEmpty ? "" : " (\(others.joined(separator: ", ")))"
        return Quantity.grouped(records) + detail
    }

    private var memory: String {
        let memory = report.json["memory"]
        return [
            memory?.count("resident").map { "\(Quantity.bytes($0)) resident" },
            memory?.count("ledger").map { "\(Quantity.bytes($0)) in the ledger" },
        ].compactMap { $0 }.joined(separator: ", ")
    }

    private var store: String {
        guard let store = report.json["store"], store.members != nil else { return "" }
        let written =
            store["last_written"]?.string.map { "last written \($0.printable)" } ?? "not yet written"
        let pending = store.count("pending").map { "\(Quantity.grouped($0)) pending, " } ?? ""
        return pending + written
    }

    /// Calls into filesystems whose server did not answer in time; nothing where there were none.
    private var slowCalls: String {
        guard let calls = report.json["blocking_calls"] else { return "" }
        let counts = [
            ("expired", "given up"), ("refused", "not made"), ("outstanding", "outstanding"),
            ("delayed", "filesystems left alone"),
        ].map { key, words in (calls.count(key) ?? 0, words) }
        guard counts.contains(where: { $0.0 > 0 }) else { return "" }
        return counts.map { "\(Quantity.grouped($0.0)) \($0.1)" }.joined(separator: ", ")
    }

    private func scope(_ key: String) -> String { (report.json["scope"]?[key]?.string ?? "").printable }

    private func line(_ key: String) -> String { (report.text(key) ?? "").printable }

    private func number(_ key: String) -> String { report.count(key).map { String($0) } ?? "" }

    private func append(
        _ name: String, _ value: String, _ meaning: Palette.Meaning?, to text: inout String
    ) {
        let indent = 13
        let lines = Paragraph.text(value, indent: indent, width: width ?? Terminal.defaultWidth)
        text += name + String(repeating: " ", count: indent - name.count)
        text += palette.paint(String(lines.dropFirst(indent).dropLast()), meaning) + "\n"
    }

    private var sources: String {
        var table = TextTable(
            [
                .init(title: "SOURCE"), .init(title: "MODE", cut: .end),
                .init(title: "RECEIVED", isNumber: true),
                .init(title: "LOST", isNumber: true), .init(title: "EVENTS/S", isNumber: true),
            ], palette)
        for source in report.sources {
            table.add([
                .init(text: source.name.printable), .init(text: source.mode.printable),
                .init(text: Quantity.grouped(source.received)),
                .init(text: Quantity.grouped(source.lost), meaning: source.lost > 0 ? .bad : nil),
                .init(text: rate(of: source)),
            ])
        }
        var text = table.text(width: width)
        for source in report.sources {
            // What never happened says nothing.
            let counters = source.counters.filter { $0.value > 0 }
            if counters.isEmpty { continue }
            let list = counters.map { "\($0.name.printable) \(Quantity.grouped($0.value))" }
            let sentence = "\(source.name.printable): \(list.joined(separator: ", "))"
            text += Paragraph.text(sentence, indent: 2, width: width ?? Terminal.defaultWidth)
        }
        return text
    }

    /// Events a second; `-` where the times are not known, or the daemon was started anew in between.
    private func rate(of source: DaemonStatus.Source) -> String {
        let before = earlier?.sources.first { $0.name == source.name }
        let start = earlier == nil ? report.started : earlier?.time
        let received = earlier == nil ? 0 : before?.received
        guard let start, let received, let end = report.time, end > start, source.received >= received,
            earlier == nil || earlier?.started == report.started
        else { return "-" }
        return Quantity.decimal(Double(source.received - received) * 1e9 / Double(end - start))
    }
}
