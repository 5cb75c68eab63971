import Records

/// A status as people read it.
struct StatusText {
    let report: StatusReport
    /// An earlier status of the same daemon; rates are those since then, or else since the start.
    let earlier: StatusReport?
    let width: Int

    var text: String {
        var text = ""
        for (name, value) in facts where !value.isEmpty { append(name, value, to: &text) }
        for sentence in report.degraded { append("degraded", sentence.printable, to: &text) }
        if !report.sources.isEmpty { text += "\n" + sources }
        return text
    }

    private var facts: [(String, String)] {
        [
            ("state", state), ("version", line("version")), ("pid", number("pid")), ("uptime", uptime),
            ("state dir", line("state_dir")), ("netns", scope("netns")),
            ("cgroup", scope("cgroup")), ("records", records), ("memory", memory), ("store", store),
            ("store error", (report.json["store"]?["error"]?.string ?? "").printable),
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

    private func scope(_ key: String) -> String { (report.json["scope"]?[key]?.string ?? "").printable }

    private func line(_ key: String) -> String { (report.text(key) ?? "").printable }

    private func number(_ key: String) -> String { report.count(key).map { String($0) } ?? "" }

    private func append(_ name: String, _ value: String, to text: inout String) {
        let indent = 13
        let lines = Paragraph.text(value, indent: indent, width: width)
        text += name + String(repeating: " ", count: indent - name.count) + lines.dropFirst(indent)
    }

    private var sources: String {
        var table = TextTable([
            .init(title: "SOURCE"), .init(title: "MODE", cut: .end), .init(title: "RECEIVED", isNumber: true),
            .init(title: "LOST", isNumber: true), .init(title: "EVENTS/S", isNumber: true),
        ])
        for source in report.sources {
            table.add([
                source.name.printable, source.mode.printable, Quantity.grouped(source.received),
                Quantity.grouped(source.lost), rate(of: source),
            ])
        }
        var text = table.text(width: width)
        for source in report.sources {
            // What never happened says nothing.
            let counters = source.counters.filter { $0.value > 0 }
            if counters.isEmpty { continue }
            let list = counters.map { "\($0.name.printable) \(Quantity.grouped($0.value))" }
            let sentence = "\(source.name.printable): \(list.joined(separator: ", "))"
            text += Paragraph.text(sentence, indent: 2, width: width)
        }
        return text
    }

    /// Events a second; `-` where the times are not known, or the daemon was started anew in between.
    private func rate(of source: StatusReport.Source) -> String {
        let before = earlier?.sources.first { $0.name == source.name }
        let start = earlier == nil ? report.started : earlier?.time
        let received = earlier == nil ? 0 : before?.received
        guard let start, let received, let end = report.time, end > start, source.received >= received,
            earlier == nil || earlier?.started == report.started
        else { return "-" }
        return Quantity.decimal(Double(source.received - received) * 1e9 / Double(end - start))
    }
}
