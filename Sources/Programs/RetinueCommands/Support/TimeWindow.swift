import ArgumentParser
import Records
import SystemCalls

/// A moment as it is typed: `2026-11-21T02:00:00Z` (RFC 3339 in UTC, up to nine digits of a second's fraction), a day
/// (`2026-11-21`, at its first moment in UTC), or how long ago: `90s`, `15m`, `2h`, `30d`, with or without `-` before it.
struct Moment: ExpressibleByArgument, Equatable {
    /// Nanoseconds since 1970.
    let time: UInt64

    init?(argument: String) { self.init(argument, now: Clock.wall()) }

    init?(_ text: String, now: UInt64) {
        let bytes = Array(text.utf8)
        if let time = Timestamp.parse(bytes) ?? Timestamp.parse(bytes + Array("T00:00:00Z".utf8)) {
            self.time = time
        } else if let age = ForgetCommand.nanoseconds(text.hasPrefix("-") ? String(text.dropFirst()) : text),
            age <= now
        {
            time = now - age
        } else {
            return nil
        }
    }
}

/// When something was to be seen.
struct TimeWindow: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Only what was seen at this time or later: 2026-11-21T02:00:00Z, 2026-11-21 (UTC) or -2h, 30d ago.",
            valueName: "time"))
    var since: Moment?

    @Option(help: ArgumentHelp("Only what was seen at this time or before.", valueName: "time"))
    var until: Moment?

    @Option(
        name: .customLong("as-of"),
        help: ArgumentHelp(
            "Only what was there at this time: seen before it or then, and then or after it.",
            valueName: "time"))
    var asOf: Moment?

    func validate() throws {
        if asOf != nil, since != nil || until != nil {
            throw ValidationError("--as-of is a time of its own: give no --since or --until")
        }
        if let since, let until, since.time > until.time {
            throw ValidationError("--since is later than --until")
        }
    }

    /// The span, its ends included; `nil` if none was given.
    var span: ClosedRange<UInt64>? {
        if let asOf { return asOf.time...asOf.time }
        if since == nil, until == nil { return nil }
        return (since?.time ?? 0)...(until?.time ?? .max)
    }

    /// A command line in which the times stand in one word with their option: alone, `-2h` looks like options of one
    /// letter, the second of which asks for help.
    static func joined(_ arguments: [String]) -> [String] {
        var words: [String] = []
        var isEnded = false
        for word in arguments {
            if let last = words.last, !isEnded, ["--since", "--until", "--as-of"].contains(last) {
                words[words.count - 1] = last + "=" + word
            } else {
                words.append(word)
            }
            if word == "--" { isEnded = true }
        }
        return words
    }

    /// `since 2026-11-21T02:00:00.000Z until …`
    var text: String {
        [
            asOf.map { "as of \(Timestamp.text($0.time))" }, since.map { "since \(Timestamp.text($0.time))" },
            until.map { "until \(Timestamp.text($0.time))" },
        ]
        .compactMap { $0 }.joined(separator: " ")
    }
}
