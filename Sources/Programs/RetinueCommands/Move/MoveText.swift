import Records
import Text

/// What agents have answered, as text or JSON.
enum MoveAnswers {
    static func write(_ answers: [JSONValue], _ options: AgentOptions) throws {
        guard options.isJSON else {
            return try Output.standard.write(answers.map(MoveText.answer).joined())
        }
        try write(
            json: answers.count == 1
                ? answers[0]
                : .object([.init("schema", .string("retinue-moves/1")), .init("moves", .array(answers))]))
    }

    static func write(json value: JSONValue) throws {
        var out = JSONWriter()
        out.value(value)
        out.endDocument()
        try Output.standard.write(out.bytes)
    }
}

/// What a move reports, as text.
enum MoveText {
    static func report(_ report: JSONValue) -> String? {
        func number(_ key: String) -> UInt64? { report[key]?.integer.flatMap { UInt64(exactly: $0) } }
        func seconds(_ nanoseconds: UInt64) -> String {
            let hundredths = nanoseconds / 10_000_000
            return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) s"
        }
        if let round = number("round"), let sent = number("sent"), let offered = number("offered") {
            return "round \(round): \(Quantity.bytes(sent)) sent, of \(offered) entries"
        }
        if report["phase"] == nil, let all = number("memory"), let sent = number("sent") {
            return "memory, as it is used: \(Quantity.bytes(sent)) sent, of \(Quantity.bytes(all))"
        }
        if let parts = report["parts"]?.array {
            let words = parts.compactMap { part -> String? in
                guard let name = part["part"]?.string,
                    let time = part["ns"]?.integer.flatMap({ UInt64(exactly: $0) })
                else { return nil }
                let bytes = part["bytes"]?.integer.flatMap { UInt64(exactly: $0) }
                let tenths = time / 100_000
                return "\(name.printable) \(tenths / 10).\(tenths % 10) ms"
                    + (bytes.map { " (\(Quantity.bytes($0)))" } ?? "")
            }
            return "in parts: \(words.joined(separator: ", "))"
        }
        if let why = report["memory_why"]?.string {
            return "memory comes when the programs are stopped: \(why.printable)"
        }
        if let expected = number("expected_ns") {
            return "the last copy is expected to take no more than \(seconds(expected))"
        }
        if let recipe = report["recipe"]?.string {
            let status = number("status") ?? 0
            let words = report["output"]?.string.map { ": " + $0.printable } ?? ""
            return status == 0
                ? "\(recipe.printable): done" : "\(recipe.printable): exit status \(status)\(words)"
        }
        if let phase = report["phase"]?.string {
            if let pause = number("pause_ns") { return "\(phase); clients were held for \(seconds(pause))" }
            let more =
                number("sent").map { ", \(Quantity.bytes($0)) sent" }
                ?? number("differs").map {
                    ", \(Quantity.bytes($0)) of \(Quantity.bytes(number("memory") ?? 0)) differ"
                } ?? ""
            return number("after_ns").map { "\(phase) after \(seconds($0))\(more)" } ?? phase
        }
        if let numbers = report["numbers"]?.array {
            let words = numbers.compactMap { $0.string.map { $0.printable.replacing(" ", with: " is now ") } }
            return "program and version: \(words.joined(separator: ", "))"
        }
        if let count = number("removed") { return "\(count) files and folders were removed" }
        return nil
    }

    static func answer(_ answer: JSONValue) -> String {
        if let problems = answer["problems"]?.array {
            let notes = (answer["notes"]?.array ?? []).compactMap {
                $0.string.map { "  \($0.printableOnce)\n" }
            }
            let said = problems.compactMap { $0.string.map { "  stands in the way: \($0.printableOnce)\n" } }
            let done = answer["spread"] == nil ? "moved" : "spread"
            return (problems.isEmpty ? "it can be \(done)\n" : "it cannot be \(done)\n")
                + (said + notes + (answer["programs"]?.array ?? []).map(verdict)).joined()
        }
        if answer["departures"] != nil {
            var text = ""
            for move in answer["departures"]?.array ?? [] { text += line(move, "to") }
            for move in answer["arrivals"]?.array ?? [] { text += line(move, "from") }
            for one in answer["spreads"]?.array ?? [] where one["state"]?.string != "open" {
                text += spread(one)
            }
            return text.isEmpty ? "no move has begun or ended at this host\n" : text
        }
        if answer["members"] != nil { return spread(answer) }
        return line(answer, "to")
    }

    /// How lively a program can move, and a line for each thing that rules out more.
    private static func verdict(_ program: JSONValue) -> String {
        func word(_ value: JSONValue, _ key: String) -> String { (value[key]?.string ?? "").printableOnce }
        func number(_ value: JSONValue, _ key: String) -> Int128 { value[key]?.integer ?? 0 }
        let script = word(program, "script")
        var text =
            "  \(word(program, "executable"))\(script.isEmpty ? "" : " \(script)"): \(word(program, "verdict"))"
        let processes = number(program, "processes")
        text += processes == 0 ? ", it does not run\n" : processes == 1 ? "\n" : ", \(processes) processes\n"
        for reason in program["reasons"]?.array ?? [] {
            let place =
                reason["descriptor"]?.integer.map { "descriptor \($0)" }
                ?? (word(reason, "place") == "memory" ? "memory" : "")
            let effect = word(reason, "effect") == "lost" ? " (would be lost)" : ""
            let peer = word(reason, "peer")
            let count = number(reason, "count")
            text += "    not \(word(reason, "rules_out")): process \(number(reason, "pid"))"
            text += "\(place.isEmpty ? "" : ", \(place)"): \(word(reason, "what"))\(effect)"
            text += peer.isEmpty ? "" : "; at its other end \(peer)"
            text += "; \(word(reason, "cure"))\(count > 1 ? "; \(count) times" : "")\n"
        }
        let omitted = number(program, "omitted")
        return omitted == 0 ? text : text + "    and \(omitted) more\n"
    }

    /// A line for each process that could be moved; of all, the others with a line for each reason.
    static func movable(_ answer: JSONValue, all: Bool) -> String {
        var text = ""
        for process in answer["processes"]?.array ?? [] {
            let isRestored = process["restored"] == .boolean(true)
            let reasons = process["reasons"]?.array ?? []
            let isMovable = process["movable"] == .boolean(true)
            guard all || isMovable || isRestored && reasons.isEmpty else { continue }
            let words = (process["arguments"]?.array ?? []).compactMap { $0.string?.printableOnce }
            let can = isMovable ? "move, save" : reasons.isEmpty ? "save" : "no"
            text += "\(process["pid"]?.integer ?? 0)\t\(can)\t\(words.joined(separator: " ").prefix(120))\n"
            for reason in reasons where all {
                text +=
                    "\t\t\(reason["what"]?.string?.printableOnce ?? ""); \(reason["cure"]?.string?.printableOnce ?? "")\n"
            }
        }
        return text.isEmpty ? "no process of this host could be moved alive\n" : text
    }

    /// What is spread, and how its members are.
    private static func spread(_ spread: JSONValue) -> String {
        func word(_ value: JSONValue, _ key: String) -> String { (value[key]?.string ?? "").printable }
        let state = word(spread, "state")
        let members = (spread["members"]?.array ?? []).map {
            let own = word($0, "state")
            return word($0, "name") + (own == state ? "" : " (\(own))")
        }
        let activity = word(spread, "activity")
        let isOver = state == "open"
        return "\(word(spread, "name")): \(isOver ? "at the source alone" : state)"
            + (isOver ? "" : " over \(members.joined(separator: ", "))")
            + (activity.isEmpty ? "\n" : ", \(activity)\n")
    }

    private static func line(_ move: JSONValue, _ direction: String) -> String {
        func word(_ key: String) -> String { (move[key]?.string ?? "").printable }
        var text = "\(word("name")) \(direction) \(word(direction)): \(word("state"))"
        if !word("activity").isEmpty { text += ", \(word("activity"))" }
        if let sent = move["sent"]?.integer, sent > 0 {
            text += ", \(Quantity.bytes(UInt64(clamping: sent))) sent"
        }
        if move["paused"] == .boolean(true) { text += ", paused" }
        if move["home"] == .boolean(true) { text += ", lives here" }
        let missing = move["missing"]?.integer ?? move["fetch"]?["missing"]?.integer ?? 0
        if missing > 0, move["fetch"]?["state"]?.string != "done" {
            text += ", \(Quantity.bytes(UInt64(clamping: missing))) to be fetched"
        }
        if let reason = move["fetch"]?["error"]?.string { text += " (\(reason.printable))" }
        return text + "\n"
    }
}
