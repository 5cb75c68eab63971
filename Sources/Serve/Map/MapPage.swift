import MoveGroup
import Records
import Text

/// An answer to a request for a page of the map, of whatever speaks HTTP.
package struct MapAnswer: Equatable, Sendable {
    /// The HTTP status code.
    package var status: Int
    /// The media type.
    package var type: String
    /// Further fields of the head.
    package var fields: [String: String]
    /// The content.
    package var body: [UInt8]
}

/// The map: pages about groups, which need no script, and what they load.
package enum MapPage {
    /// Nothing is run or loaded but what this server has under an address of its own, and nothing that stands in a page.
    package static let policy =
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
        + "base-uri 'none'; frame-ancestors 'none'"

    /// Answers a request.
    ///
    /// - Parameters:
    ///   - path: what follows `/map`.
    ///   - query: names and values, percent-decoded.
    ///   - records: gives the records, or says why there are none.
    package static func answer(
        _ path: String, _ query: [(name: [UInt8], value: [UInt8])],
        _ records: () throws(MapProblem) -> any MapRecords
    ) -> MapAnswer {
        if let asset = MapAssets.all[path] {
            return MapAnswer(
                status: 200, type: asset.type, fields: ["Cache-Control": "private, max-age=86400"],
                body: Array("\(asset.text)".utf8))
        }
        var state = MapState()
        do throws(MapProblem) {
            guard path.isEmpty || path == "/" else {
                throw MapProblem(404, "there is nothing here: the map begins at /map")
            }
            // Addresses in pages are relative to /map.
            guard path.isEmpty else {
                return MapAnswer(
                    status: 303, type: "text/plain; charset=utf-8", fields: ["Location": "../map"], body: [])
            }
            state = try MapState(query)
            let records = try records()
            guard let program = state.program else {
                return page(200, title: "Map", state) { SearchPage(records, state).write(to: &$0) }
            }
            let group = try GroupPage(records, program, state)
            return page(200, title: group.title, state) { group.write(to: &$0) }
        } catch {
            let problem = error
            return page(problem.status, title: "Map", path.isEmpty ? state : nil) { out in
                out.begin("main")
                out.element("h1", [:], heading(problem.status))
                out.element("p", ["class": "problem"], problem.message)
                guard !problem.choices.isEmpty else { return out.end() }
                out.element("p", [:], "Was one of these meant?")
                out.begin("ul", ["class": "results"])
                for choice in problem.choices {
                    out.begin("li")
                    out.element(
                        "a", ["href": state.with { $0.program = choice }.address], choice)
                    out.end()
                }
                out.end()
                out.end()
            }
        }
    }

    private static func heading(_ status: Int) -> String {
        switch status {
        case 404: "Not found"
        case 409: "Several are called that"
        case 503: "No records"
        default: "This address means nothing"
        }
    }

    private static func page(
        _ status: Int, title: String, _ state: MapState?, _ content: (inout Markup) -> Void
    ) -> MapAnswer {
        var out = Markup()
        // Of what lies below /map addresses begin beside it.
        let base = state == nil ? "" : "map/"
        out.literal("<!DOCTYPE html>\n")
        out.begin("html", ["lang": "en"])
        out.begin("head")
        out.void("meta", ["charset": "utf-8"])
        out.void("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"])
        out.void("meta", ["name": "color-scheme", "content": "light dark"])
        out.element("title", [:], "\(title) · retinue")
        out.void("link", ["rel": "icon", "type": "image/svg+xml", "href": base + "icon.svg"])
        out.void(
            "link", ["rel": "stylesheet", "href": "\(base)map.css?v=\(MapAssets.version)"])
        out.element("script", ["src": "\(base)map.js?v=\(MapAssets.version)", "defer": ""], "")
        out.end()
        out.begin("body")
        out.begin("header")
        out.element("a", ["class": "brand", "href": base.isEmpty ? "../map" : "map"], "retinue map")
        if let state {
            out.begin("form", ["action": "map", "method": "get", "role": "search"])
            out.void(
                "input",
                [
                    "type": "search", "name": "q", "value": state.search, "id": "search",
                    "placeholder": "program, unit or host", "aria-label": "Search programs",
                    "maxlength": "1000", "autocomplete": "off", "spellcheck": "false",
                ])
            out.element("button", [:], "Search")
            out.end()
        }
        out.end()
        content(&out)
        out.end()
        out.end()
        return MapAnswer(
            status: status, type: "text/html; charset=utf-8",
            fields: ["Content-Security-Policy": policy], body: out.bytes)
    }
}

/// What is said of records as a whole: how old they are, and what was lost.
struct RecordsState {
    private let records: any MapRecords
    private let hosts: [HostID]

    init(_ records: any MapRecords, _ hosts: [HostID]? = nil) {
        self.records = records
        self.hosts =
            hosts ?? (1..<max(records.graph.hosts.count, 1)).map { HostID(rawValue: UInt32($0)) }
    }

    static func moment(_ nanoseconds: UInt64) -> String {
        String(Timestamp.text(nanoseconds).prefix(19).replacing("T", with: " "))
    }

    func write(to out: inout Markup) {
        if let problem = records.problem {
            out.element("p", ["class": "problem"], "These are older records: \(problem)")
        }
        out.begin("details", ["class": "records"])
        let lost = hosts.count { !records.graph[$0].gaps.isEmpty }
        out.element(
            "summary", [:],
            "Observed on \(Quantity.counted(hosts.count, "host"))"
                + (lost == 0 ? "; nothing lost" : "; events lost on \(lost)"))
        out.begin("table")
        out.literal(
            "<thead><tr><th>host</th><th>from</th><th>to</th><th>age</th><th>lost</th></tr></thead><tbody>")
        for number in hosts.prefix(100) {
            let host = records.graph[number]
            let (from, to) = (host.observed.lowerBound, host.observed.upperBound)
            out.begin("tr")
            out.element("td", [:], Printable.text(host.title.utf8))
            out.element("td", [:], to == 0 ? "not known" : Self.moment(from))
            out.element("td", [:], to == 0 ? "not known" : Self.moment(to))
            out.element("td", [:], to == 0 ? "not known" : age(to))
            out.element("td", [:], Self.loss(host.gaps))
            out.end()
        }
        out.literal("</tbody>")
        out.end()
        if hosts.count > 100 { out.element("p", [:], "and \(hosts.count - 100) more") }
        out.end()
    }

    private func age(_ time: UInt64) -> String {
        records.time > time ? Quantity.duration(seconds: (records.time - time) / 1_000_000_000) : "0 s"
    }

    private static func loss(_ gaps: [Gap]) -> String {
        guard let last = gaps.map(\.to).max() else { return "nothing" }
        let events = PictureText.sum(gaps.compactMap(\.lost))
        return
            "\(Quantity.grouped(events)) events in \(Quantity.counted(gaps.count, "span")), the last until "
            + moment(last)
    }

    /// Why an answer may have less in it than there is, most likely first.
    func reasons() -> [String] {
        var reasons: [String] = []
        let graph = records.graph
        if let problem = records.problem {
            reasons.append("the records could not be read anew: \(problem)")
        }
        if graph.nodeCount == 0 { reasons.append("no records have been read") }
        let silent = hosts.filter { graph[$0].observed.upperBound == 0 }
        if !silent.isEmpty, !graph.hasEntries {
            reasons.append(
                "\(Quantity.counted(silent.count, "host")) known only from others was not observed")
        }
        if let last = hosts.map({ graph[$0].observed.upperBound }).max(), last != 0 {
            reasons.append("nothing after \(Self.moment(last)) is in the records, which are \(age(last)) old")
        }
        let gaps = hosts.flatMap { graph[$0].gaps }
        if !gaps.isEmpty { reasons.append("events were lost: \(Self.loss(gaps))") }
        let skipped = graph.sources.reduce(0) { $0 + $1.skipped }
        if skipped > 0 {
            reasons.append(
                "\(Quantity.counted(skipped, "line")) of the inputs could not be read and were skipped")
        }
        return reasons
    }
}

/// A list of programs that match words.
struct SearchPage {
    /// Results of a page.
    static let limit = 50

    private let records: any MapRecords
    private let state: MapState

    init(_ records: any MapRecords, _ state: MapState) {
        self.records = records
        self.state = state
    }

    func write(to out: inout Markup) {
        out.begin("main")
        let isAsked = !state.search.split(separator: " ").isEmpty
        let all = records.search("", offset: 0, limit: 0).total
        guard isAsked else {
            out.element("h1", [:], "Which program?")
            out.element(
                "p", [:],
                "\(Quantity.counted(all, "program")) on \(Quantity.counted(max(records.graph.hosts.count - 1, 0), "host")). "
                    + "Search for words of a path, a unit or a host; the map then shows what moves with a program."
            )
            if all == 0 { empty(&out) }
            RecordsState(records).write(to: &out)
            return out.end()
        }
        let (found, total) = records.search(state.search, offset: state.offset, limit: Self.limit)
        out.element("h1", [:], "\(Quantity.counted(total, "program"))")
        if found.isEmpty {
            out.element(
                "p", [:],
                total == 0
                    ? "None of \(Quantity.counted(all, "program")) has all of these words in its path, unit or host."
                    : "There are no more.")
            empty(&out)
        }
        out.begin("ol", ["class": "results", "start": "\(state.offset + 1)"])
        for node in found {
            out.begin("li")
            var link = MapState()
            link.program = records.name(node)
            out.begin("a", ["href": link.address])
            let host = Printable.text(records.graph[records.graph.host(node)].title.utf8)
            out.element("strong", [:], Printable.text(records.graph[node].shownText))
            var place = host
            if case .program(let name) = records.graph[node], !name.workload.isEmpty {
                place += " · " + Printable.text(name.workload)
            }
            out.element("span", [:], place)
            out.end()
            out.end()
        }
        out.end()
        out.begin("nav", ["aria-label": "Pages"])
        if state.offset > 0 {
            let offset = max(state.offset - Self.limit, 0)
            out.element("a", ["rel": "prev", "href": state.with { $0.offset = offset }.address], "Before")
        }
        if state.offset + found.count < total {
            let offset = state.offset + Self.limit
            out.element("a", ["rel": "next", "href": state.with { $0.offset = offset }.address], "More")
        }
        out.end()
        RecordsState(records).write(to: &out)
        out.end()
    }

    private func empty(_ out: inout Markup) {
        let reasons = RecordsState(records).reasons()
        guard !reasons.isEmpty else { return }
        out.element("p", [:], "What is known of why there may be more:")
        out.begin("ul", ["class": "reasons"])
        for reason in reasons { out.element("li", [:], reason) }
        out.end()
    }
}
