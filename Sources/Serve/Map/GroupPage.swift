import MoveGroup
import Records
import Text

/// A group: what is asked of it, its picture, and what there is to say of the box that was chosen.
struct GroupPage {
    let title: String
    let records: any MapRecords
    let state: MapState
    let group: MapGroup
    let drawing: MapDrawing
    let picture: MapPicture
    private let find: (expression: MapExpression?, fault: String?)
    private let hide: (expression: MapExpression?, fault: String?)
    let selected: Int?
    var graph: DependencyGraph { group.graph }

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
    func keep(_ out: inout Markup, except names: Set<String>) {
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
        let selecting = state.selecting
        for box in drawing.boxes.prefix(1000) {
            out.begin("li")
            out.element("a", ["href": selecting.address(box.key) + "#panel"], box.tip)
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
