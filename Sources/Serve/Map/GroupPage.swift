import MoveGroup
import Records
import Text

/// A group: what is asked of it, its picture, and what there is to say of the box that was chosen.
struct GroupPage {
    let title: String
    private let records: any MapRecords
    private let state: MapState
    private let group: MapGroup
    private let drawing: MapDrawing
    private let picture: MapPicture
    private let find: (expression: MapExpression?, fault: String?)
    private let hide: (expression: MapExpression?, fault: String?)
    private let selected: Int?
    private var graph: DependencyGraph { group.graph }

    init(_ records: any MapRecords, _ program: String, _ state: MapState) throws(MapProblem) {
        self.records = records
        self.state = state
        find = Self.expression(state.find)
        hide = Self.expression(state.hide)
        group = try MapGroup(records, program, state)
        drawing = MapDrawing(group, state, find: find.expression, hide: hide.expression)
        let drawing = drawing
        selected = state.selected.flatMap { key in drawing.boxes.firstIndex { $0.key == key } }
        let report = group.report
        let member = selected.flatMap { box in drawing.boxes[box].nodes.first { report.group.contains($0) } }
        let steps = member.map { report.group.chain(to: $0) } ?? []
        picture = MapPicture(
            drawing, state,
            steps: steps.compactMap { step in
                guard let from = drawing.numbers[step.from], let to = drawing.numbers[step.to] else {
                    return nil
                }
                return (from, to)
            })
        let names = report.start.prefix(2).map {
            PictureText.short(Printable.text(report.group.graph[$0].shownText), 48)
        }
        title = names.joined(separator: ", ") + (report.start.count > 2 ? " and more" : "")
    }

    private static func expression(_ text: String) -> (expression: MapExpression?, fault: String?) {
        do throws(MapExpression.Fault) {
            return (try MapExpression(text), nil)
        } catch {
            return (nil, "\(error.message) (at character \(error.position + 1))")
        }
    }

    func write(to out: inout Markup) {
        out.begin("main", ["class": "group"])
        out.element("h1", [:], title)
        let hosts = Set(group.report.members.map { graph.host($0) }).subtracting([.none])
        out.element(
            "p", ["class": "summary"],
            "\(MapDrawing.contents(group.report.members, graph)) on \(Quantity.counted(hosts.count, "host")) "
                + "move together; \(Quantity.counted(drawing.boundary.endpoints.count, "address", "addresses")) "
                + "must be reconnected.")
        if let problem = records.problem {
            out.element("p", ["class": "problem"], "These are older records: \(problem)")
        }
        forms(&out)
        notes(&out)
        out.begin("div", ["class": "columns"])
        out.begin("div", ["class": "picture", "tabindex": "0", "role": "region", "aria-label": "Picture"])
        picture.write(to: &out)
        out.end()
        panel(&out)
        out.end()
        legend(&out)
        list(&out)
        RecordsState(records, hosts.sorted()).write(to: &out)
        out.end()
    }

    // MARK: What can be asked

    /// What of the state a form does not ask stays as it is.
    private func keep(_ out: inout Markup, except names: Set<String>) {
        for item in state.items
        where !names.contains("\(item.name)") && !["q", "offset"].contains("\(item.name)") {
            out.void("input", ["type": "hidden", "name": "\(item.name)", "value": item.value])
        }
    }

    private func forms(_ out: inout Markup) {
        out.begin("div", ["class": "controls"])
        out.begin("form", ["action": "map", "method": "get"])
        keep(&out, except: ["find", "hide", "files"])
        field("find", "Find", state.find, find.fault, &out)
        field("hide", "Hide", state.hide, hide.fault, &out)
        check("files", "all", "files that are copied", state.allFiles, &out)
        out.element("button", [:], "Show")
        out.begin("details")
        out.element("summary", [:], "How to write it")
        out.begin("p")
        out.literal(
            """
            A name as everywhere (<code>nginx</code>, <code>/var/lib/**</code>, <code>db1:postgres</code>), \
            <code>~text</code> anywhere in a name, <code>kind=program</code> (file, address, channel, entry), \
            <code>host=web*</code>, <code>unit=*.service</code>, <code>is=bound</code> (start, stop, changed), and of \
            dependencies <code>relation=connect</code>, <code>evidence=inferred</code>; joined by <code>and</code>, \
            <code>or</code>, <code>not</code> and parentheses.
            """)
        out.end()
        out.end()
        out.end()
        times(&out)
        out.end()
    }

    private func field(
        _ name: String, _ label: String, _ value: String, _ fault: String?, _ out: inout Markup
    ) {
        out.begin("label")
        out.text(label)
        out.void(
            "input",
            [
                "type": "text", "name": name, "value": value, "maxlength": "\(MapExpression.longest)",
                "spellcheck": "false", "autocomplete": "off", "autocapitalize": "off",
                "aria-invalid": fault == nil ? nil : "true",
                "aria-describedby": fault == nil ? nil : "\(name)-fault",
            ])
        out.end()
        if let fault { out.element("p", ["class": "problem", "id": "\(name)-fault"], "\(label): \(fault)") }
    }

    private func check(
        _ name: String, _ value: String, _ label: String, _ isOn: Bool, _ out: inout Markup
    ) {
        out.begin("label", ["class": "check"])
        out.void(
            "input",
            ["type": "checkbox", "name": name, "value": value, "checked": isOn ? "" : nil])
        out.text(label)
        out.end()
    }

    private func times(_ out: inout Markup) {
        guard let history = group.history else {
            return out.element(
                "p", ["class": "note"], "The records have no times: there is no history to go through.")
        }
        let range = "\(history.lowerBound)"
        let end = "\(history.upperBound)"
        out.begin("form", ["action": "map", "method": "get", "id": "times"])
        keep(&out, except: ["until", "since", "changed"])
        for (name, label, value) in [
            (
                "until", "Known until",
                min(max(state.until ?? history.upperBound, history.lowerBound), history.upperBound)
            ),
            (
                "since", "Changed since",
                min(max(state.since ?? history.lowerBound, history.lowerBound), history.upperBound)
            ),
        ] {
            out.begin("label", ["class": "time"])
            out.text(label)
            out.void(
                "input",
                [
                    "type": "range", "name": name, "min": range, "max": end, "step": "1", "value": "\(value)",
                    "id": name,
                ])
            out.element(
                "output", ["for": name], RecordsState.moment(value * 1_000_000_000))
            out.end()
        }
        check("changed", "1", "only what has changed", state.onlyChanged, &out)
        out.element("button", [:], "Show")
        if state.until != nil || state.since != nil {
            out.element(
                "a",
                [
                    "href": state.with { state in
                        state.until = nil
                        state.since = nil
                        state.onlyChanged = false
                    }.address
                ], "All times")
        }
        out.end()
    }

    /// What is not in the picture, and why.
    private func notes(_ out: inout Markup) {
        var notes: [String] = []
        if find.expression != nil {
            notes.append("\(Quantity.grouped(drawing.found)) found and marked.")
        }
        if drawing.hidden > 0 {
            notes.append("\(Quantity.counted(drawing.hidden, "member")) hidden by “\(state.hide)”.")
        }
        if let since = state.since {
            notes.append(
                "\(Quantity.counted(group.changed.count, "member")) new since "
                    + RecordsState.moment(since * 1_000_000_000) + ".")
        }
        if state.onlyChanged {
            notes.append("\(Quantity.counted(drawing.unchanged, "member")) left out that have not changed.")
        }
        if drawing.undrawnFiles > 0 {
            notes.append(
                "\(Quantity.counted(drawing.undrawnFiles, "file")) only copied: open a program to see those that it uses."
            )
        }
        if group.report.members.count <= group.report.start.count {
            let reasons = RecordsState(records).reasons()
            notes.append(
                "Nothing else moves with it, as far as is known"
                    + (reasons.isEmpty ? "." : ": " + reasons.joined(separator: "; ") + "."))
        }
        guard !notes.isEmpty else { return }
        out.begin("ul", ["class": "notes"])
        for note in notes { out.element("li", [:], note) }
        out.end()
    }

    // MARK: What is said of a box

    private func panel(_ out: inout Markup) {
        out.begin("aside", ["id": "panel", "aria-label": "Chosen"])
        defer { out.end() }
        guard let selected else {
            if let key = state.selected {
                out.element(
                    "p", ["class": "note"],
                    "\(key) is not in the picture: it is hidden, in something that is closed, or does not move with the program."
                )
            }
            return out.element(
                "p", ["class": "note"],
                "Choose a box to see why it moves with the program, and what would break if it moved alone. Drag one to "
                    + "pin it, or onto another host to ask about that.")
        }
        let box = drawing.boxes[selected]
        out.element("h2", [:], box.tip)
        why(box, &out)
        actions(box, selected, &out)
        move(box, &out)
        dependencies(selected, &out)
    }

    private func why(_ box: MapDrawing.Box, _ out: inout Markup) {
        guard let member = box.nodes.first(where: { group.report.group.contains($0) }) else {
            let lines = obstacles(of: box)
            out.element("h3", [:], box.shape == .stays ? "Why it stays" : "Why it must be reconnected")
            out.begin("ul")
            for line in lines { out.element("li", [:], line) }
            return out.end()
        }
        out.element("h3", [:], "Why it moves")
        out.begin("ol", ["class": "why"])
        for line in group.report.reasonChain(of: member) { out.element("li", [:], line) }
        out.end()
        if box.nodes.count > 1 {
            out.element(
                "p", ["class": "note"],
                "The way to the first of \(MapDrawing.contents(box.nodes, graph)); open it for each.")
        }
    }

    private func obstacles(of box: MapDrawing.Box) -> [String] {
        let nodes = Set(box.nodes)
        var lines: [String] = []
        for crossing in drawing.boundary.crossings where nodes.contains(crossing.other) {
            let member = Printable.text(graph[crossing.member].shownText)
            let reason: String
            if let cause = group.report.group.cause(of: crossing.obstacle) {
                reason = "\(cause.text) (\(cause.origin))"
            } else {
                switch crossing.obstacle {
                case .unobserved: reason = "nobody was observed there"
                case .executed: reason = "\(member) only executes the file that it writes"
                case .unknown: reason = "nothing is known of it"
                case .rule, .stopAt, .exclude: reason = "\(crossing.obstacle.word)"
                }
            }
            let relation = crossing.dependency.map { PictureText.label($0, in: graph) } ?? ""
            let line = "\(member) \(relation.isEmpty ? "" : "(\(relation)) ")— \(reason)"
            if !lines.contains(line) { lines.append(line) }
        }
        return Array(lines.prefix(20))
    }

    private func actions(_ box: MapDrawing.Box, _ number: Int, _ out: inout Markup) {
        out.begin("p", ["class": "actions"])
        if box.canOpen {
            let isOpen = state.open.contains(box.key)
            out.element(
                "a", ["href": state.setting(box.key, isOpen: !isOpen).address], isOpen ? "Close" : "Open")
        }
        if let parent = box.parent {
            out.element("a", ["href": state.setting(parent, isOpen: false).address], "Close what it is in")
        }
        if box.shape == .program || box.shape == .entry, !box.isStart {
            var link = MapState()
            link.program = box.key
            out.element("a", ["href": link.address], "Its own group")
        }
        if box.nodes.count == 1, !box.isStart {
            let quoted = "\"" + box.key.replacing("\"", with: "\"\"") + "\""
            let hide = state.hide.isEmpty ? quoted : "(\(state.hide)) or \(quoted)"
            out.element("a", ["href": state.with { $0.hide = hide }.address], "Hide")
        }
        out.element("a", ["href": state.with { $0.selected = nil }.address], "Done")
        out.end()
        let place = picture.place(of: number)
        out.begin("details", ["class": "pin"])
        out.element("summary", [:], "Pin it")
        out.begin("form", ["action": "map", "method": "get"])
        for item in state.with({ $0.pins.removeAll { $0.key == box.key } }).items
        where "\(item.name)" != "q" && "\(item.name)" != "offset" {
            out.void("input", ["type": "hidden", "name": "\(item.name)", "value": item.value])
        }
        out.void(
            "input",
            [
                "type": "text", "name": "pin", "value": "\(place.x),\(place.y),\(box.key)",
                "aria-label": "Pixels from the left, from the top, name", "spellcheck": "false",
            ])
        out.element("button", [:], "Pin")
        if state.pins.contains(where: { $0.key == box.key }) {
            out.element(
                "a", ["href": state.with { $0.pins.removeAll { $0.key == box.key } }.address], "Unpin")
        }
        out.end()
        out.end()
    }

    // MARK: What would break

    private func move(_ box: MapDrawing.Box, _ out: inout Markup) {
        let members = box.nodes.filter { group.report.group.contains($0) && graph.kind($0) == .program }
        guard !members.isEmpty else { return }
        out.element("h3", [:], "What would break if it moved alone?")
        out.begin("form", ["action": "map", "method": "get", "id": "move"])
        keep(&out, except: ["to"])
        out.begin("label")
        out.text("To")
        out.begin("select", ["name": "to"])
        out.element("option", ["value": ""], "choose a host")
        let own = graph.host(members[0])
        let hosts = graph.hosts.dropFirst().filter { !$0.id.isEmpty }.prefix(1000)
        for host in hosts where host.id != graph[own].id {
            out.element(
                "option",
                ["value": host.id, "selected": host.id == state.destination ? "" : nil],
                Printable.text(host.title.utf8))
        }
        out.element(
            "option", ["value": "*", "selected": state.destination == "*" ? "" : nil],
            "a host that nobody observes")
        out.end()
        out.end()
        out.element("button", [:], "Ask")
        out.end()
        guard let destination = state.destination else { return }
        let number = graph.hosts.firstIndex { !$0.id.isEmpty && $0.id == destination }
        guard number != nil || destination == "*" else {
            return out.element("p", ["class": "problem"], "No host has the id \(destination).")
        }
        answer(
            MoveQuestion(
                members, to: HostID(rawValue: UInt32(number ?? graph.hosts.count)), in: group,
                group.report.dependencies + drawing.boundary.crossings.compactMap(\.dependency)), &out)
    }

    private func answer(_ question: MoveQuestion, _ out: inout Markup) {
        func name(_ node: NodeID) -> String {
            let host = Printable.text(group.report.hostLabel(of: node).utf8)
            return Printable.text(graph[node].shownText) + (host.isEmpty ? "" : " (\(host))")
        }
        out.begin("dl", ["class": "answer", "id": "answer"])
        out.element("dt", [:], "Reconnects")
        out.begin("dd")
        out.text(
            question.reconnects.isEmpty
                ? "none"
                : "\(question.reconnects.count), over which \(Quantity.bytes(question.bytes)) went")
        if question.local > 0 { out.text("; \(question.local) more become local") }
        out.begin("ul")
        for connection in question.reconnects.prefix(20) {
            let place = connection.via.map { " at \(Printable.text(graph[$0].shownText))" } ?? ""
            out.element(
                "li", [:],
                "\(name(connection.client)) → \(name(connection.server))\(place): "
                    + (connection.isToMoved ? "needs the new address" : "connects from elsewhere")
                    + ", \(Quantity.bytes(connection.bytes))"
                    + (connection.evidence.map { ", \($0.word)" } ?? ""))
        }
        out.end()
        out.end()
        out.element("dt", [:], "Cannot be parted")
        out.begin("dd")
        if question.torn.isEmpty { out.text("nothing") }
        out.begin("ul")
        for shared in question.torn.prefix(20) {
            let over = shared.over.map { " over \(Printable.text(graph[$0].shownText))" } ?? ""
            out.element("li", [:], "\(name(shared.moved)) and \(name(shared.stays))\(over)")
        }
        out.end()
        if question.torn.count > 20 { out.text("and \(question.torn.count - 20) more") }
        out.end()
        out.element("dt", [:], "Files")
        let last = question.transfer.items.count { $0.phase == .finalCopy }
        let sizes = question.transfer.items.compactMap(\.bytes)
        out.element(
            "dd", [:],
            "\(Quantity.counted(question.transfer.items.count, "file")) of its group to copy"
                + (sizes.isEmpty ? "" : ", \(Quantity.bytes(PictureText.sum(sizes)))")
                + ", \(last) of them while it is stopped")
        out.element("dt", [:], "Stopped")
        out.element(
            "dd", [:],
            question.stopSeconds.map { "about \(Quantity.decimal($0)) s for the final copy at 100 MiB/s" }
                ?? "not known: the records have no sizes of files; retinue transfer measures them on the host"
        )
        out.element("dt", [:], "For nothing to break")
        out.element("dd", [:], "\(Quantity.counted(question.groupSize, "member")) of its group move together")
        out.end()
    }

    /// The arrows at a box, in words.
    private func dependencies(_ number: Int, _ out: inout Markup) {
        let arrows = drawing.arrows.filter { $0.from == number || $0.to == number }
        guard !arrows.isEmpty else { return }
        out.element("h3", [:], Quantity.counted(arrows.count, "arrow"))
        out.begin("ul", ["class": "arrows"])
        for arrow in arrows.prefix(100) {
            out.begin("li")
            let other = drawing.boxes[arrow.from == number ? arrow.to : arrow.from]
            out.text(arrow.from == number ? "→ " : "← ")
            out.element(
                "a",
                [
                    "href": state.with { state in
                        state.selected = other.key
                        state.destination = nil
                    }.address + "#panel"
                ], other.tip)
            let words = arrow.access.map { PictureText.label($0) } ?? arrow.labels.joined(separator: ", ")
            out.text(
                " "
                    + [words, arrow.traffic ?? "", arrow.evidenceText].filter { !$0.isEmpty }
                    .joined(separator: ", "))
            out.end()
        }
        out.end()
    }

    // MARK: Beside the picture

    private func legend(_ out: inout Markup) {
        out.begin("details", ["class": "legend"])
        out.element("summary", [:], "What shapes and lines mean")
        out.begin("ul")
        let shapes = Set(drawing.boxes.map { $0.shape })
        let all: [(MapDrawing.Shape, StaticString, String)] = [
            (.program, "program", "a program"), (.unit, "unit", "a unit with several programs"),
            (.host, "host", "a host that is closed"),
            (.file, "bound", "a file that is written and binds its readers"),
            (.folder, "folder", "a folder with files"),
            (.endpoint, "endpoint", "an address on which a member listens"),
            (.channel, "channel", "a channel"), (.entry, "entry", "a program or file of a list"),
            (.reconnect, "reconnect", "to be reconnected"), (.stays, "stays", "stays behind"),
        ]
        for (shape, style, words) in all where shapes.contains(shape) {
            out.begin("li")
            out.element("span", ["class": "sign \(style)"], "")
            out.text(words)
            out.end()
        }
        for (style, words) in [
            ("exact", "exact: the kernel named the process"), ("snapshot", "snapshot: found in a scan"),
            ("inferred", "inferred: concluded from like connections"), ("writes", "writes a file"),
        ] {
            out.begin("li")
            out.element("span", ["class": "line \(style)"], "")
            out.text(words)
            out.end()
        }
        out.end()
        out.end()
    }

    /// The picture in words: for readers of screens, and where it is too large for one.
    private func list(_ out: inout Markup) {
        out.begin("details", ["class": "list"])
        out.element("summary", [:], "As a list: \(Quantity.counted(drawing.boxes.count, "box", "boxes"))")
        out.begin("ul")
        for box in drawing.boxes.prefix(1000) {
            out.begin("li")
            out.element(
                "a", ["href": state.with { $0.selected = box.key }.address + "#panel"], box.tip)
            let marks = [
                box.isStart ? "start" : "", box.isFound ? "found" : "",
                box.isChanged && state.since != nil ? "new" : "", box.isBound ? "bound" : "",
                box.shape == .stays ? "stays" : "", box.shape == .reconnect ? "to be reconnected" : "",
            ].filter { !$0.isEmpty }
            if !marks.isEmpty { out.text(" (\(marks.joined(separator: ", ")))") }
            out.end()
        }
        out.end()
        out.end()
    }
}
