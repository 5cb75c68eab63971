import ArgumentParser
import Control
import Glibc
import Records
import SystemCalls
import Text

/// How often a command asks the daemon that follows what changes.
struct FollowOptions: ParsableArguments {
    @OptionGroup var daemon: DaemonOptions

    @Option(
        name: .customLong("scan-interval"),
        help: ArgumentHelp(
            "Let the daemon scan this often for what no event reports, such as who shares memory; 0 for never.",
            valueName: "seconds"))
    var scanInterval = 30.0

    func validate() throws {
        guard scanInterval == 0 || (scanInterval >= 1 && scanInterval <= 86_400) else {
            throw ValidationError("--scan-interval is 0 or a number of seconds from 1 to 86400")
        }
    }

    /// How often to ask.
    func pace(_ interval: Double) throws(ValidationError) -> AskingPace {
        guard interval >= 0.1, interval <= 86_400 else {
            throw ValidationError("--interval is a number of seconds from 0.1 to 86400")
        }
        return AskingPace(interval: interval, scanInterval: scanInterval)
    }
}

struct WatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Print each record that is new or has changed, as it happens.",
        usage: "retinue watch [--program <program>] [--once] [<options>]",
        discussion: """
            A line of JSON for each, in the form of a dump (retinue/2): a header first, then dependency, tombstone and gap \
            lines. Without --after it begins with what changes from now on. When the daemon goes away and comes back a line of type \
            watch says so, and it goes on where it was: no change comes twice, and what may be missing has a gap line \
            with the source watch and the reason.

            Examples:
              retinue watch                             what changes from now on
              retinue watch --program nginx             of one program
              retinue watch --once > all.ndjson         what there is now
              retinue watch --once --after 5012         what has changed since change number 5012
              retinue watch | jq -r 'select(.relation == "connect") | .remote.address'

            Exit status: 0 the reader has left, or (--once) all was printed; 1 an error; 3 the daemon cannot be reached \
            at the start. A signal ends it between two lines.
            """)

    @Option(
        help: ArgumentHelp("Only what this program depends on; see retinue records.", valueName: "program"),
        completion: RecordCompletion.program)
    var program: String?

    @Option(help: ArgumentHelp("Only this relation; may be given more than once.", valueName: "relation"))
    var relation: [Relation] = []

    @Option(help: ArgumentHelp("Ask the daemon this often.", valueName: "seconds"))
    var interval = 1.0

    @Option(
        help: ArgumentHelp("Begin behind this change number; 0 for all there is.", valueName: "number"))
    var after: UInt32?

    @Flag(help: "Ask once, and end; without --after for all there is.")
    var once = false

    @OptionGroup var follow: FollowOptions

    func validate() throws { _ = try follow.pace(interval) }

    func run() throws {
        var filter = RecordFilter(program: program.map { NamePattern($0) }, relations: Set(relation))
        filter.takesNames = true
        var stream = ChangeStream(filter)
        if once {
            var follower = ChangeFollower(follow.daemon, from: .after(after ?? 0))
            try Output.standard.write(try stream.lines(follower.poll(looks: true), now: Clock.wall()))
            return
        }
        var pace = try follow.pace(interval)
        let signals = try SignalDescriptor(HeldSignals.ending)
        let thread = try FollowingThread(follow.daemon, from: after.map { .after($0) } ?? .now)
        var isAsking = false
        while true {
            let now = Clock.monotonic()
            if !isAsking, pace.left(now: now) == 0 {
                thread.ask(looks: pace.begin(now: now))
                isAsking = true
            }
            let ready = Readiness.wait(
                reading: [signals.number, thread.number], ends: [Output.standard.number],
                milliseconds: isAsking ? -1 : pace.left(now: now))
            if let signal = try signals.next() { HeldSignals.Interrupted(signal: signal).die() }
            if ready.contains(Output.standard.number) { throw ReaderGone() }
            for answer in thread.take() {
                try Output.standard.write(try stream.lines(answer, now: Clock.wall()))
                isAsking = false
                pace.end(now: Clock.monotonic())
            }
        }
    }
}

/// Answers as lines of a stream.
struct ChangeStream {
    private let filter: RecordFilter
    /// When the daemon started whose header was written last.
    private var started: UInt64?

    init(_ filter: RecordFilter) { self.filter = filter }

    /// The lines of an answer; none where nothing has happened.
    ///
    /// - Throws: what keeps anything from being followed.
    mutating func lines(_ answer: ChangeAnswer, now: UInt64) throws -> [UInt8] {
        if let failure = answer.failure { throw failure }
        var out: [UInt8] = []
        for note in answer.notes { Self.append(note, now, to: &out) }
        try answer.withChanges { dump, positions in
            if started != dump.header.started {
                var header = dump.header
                // As many as that are in no answer, but in the whole stream.
                header.contents = nil
                out += header.line + [0x0a]
                started = dump.header.started
            }
            // What is gone went before what came again since.
            for line in answer.tombstones where try isMeant(line, dump.header) { out += line + [0x0a] }
            let meant = Set(filter.positions(in: dump.ledger))
            dump.ledger.writeLines(of: positions.filter { meant.contains($0) }, host: dump.header.hostID) {
                out += $0
            }
        }
        for gap in answer.gaps { Self.append(gap, to: &out) }
        return out
    }

    private func isMeant(_ tombstone: [UInt8], _ header: DumpHeader) throws -> Bool {
        let dump = try Tombstones.asDump([tombstone], header)
        return !filter.positions(in: dump.ledger).isEmpty
    }

    private static func append(_ gap: Gap, to out: inout [UInt8]) {
        gap.appendLine(to: &out)
        out.append(0x0a)
    }

    private static func append(_ note: ChangeAnswer.Note, _ now: UInt64, to out: inout [UInt8]) {
        var line = JSONWriter()
        switch note {
        case .missed(let cause, let from, let to):
            return append(
                Gap(source: "watch", cause: cause, from: from, to: max(from, to), lost: nil), to: &out)
        case .away(_, isFirst: false): return
        case .away(let reason, _):
            line.object { line in
                line.member("type", text: "watch")
                line.member("event", text: "away")
                line.member("time", time: now)
                line.member("reason", text: reason)
            }
        case .back:
            line.object { line in
                line.member("type", text: "watch")
                line.member("event", text: "back")
                line.member("time", time: now)
            }
        }
        out += line.bytes + [0x0a]
    }
}
