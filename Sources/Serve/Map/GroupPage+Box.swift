import MoveGroup
import Records
import Text

// What there is to say of the box that was chosen, and what would break if it moved.

extension GroupPage {
    func panel(_ out: inout Markup) {
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
                members,
                to: number.map { HostID(rawValue: UInt32($0)) } ?? MoveQuestion.unobservedHost(in: graph),
                in: group.report,
                group.report.dependencies + drawing.boundary.crossings.compactMap(\.dependency)
            ) { group.size(of: $0) }, &out)
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
        if question.inside > 0 { out.text("; \(question.inside) of what moves become local too") }
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
        let selecting = state.selecting
        out.begin("ul", ["class": "arrows"])
        for arrow in arrows.prefix(100) {
            out.begin("li")
            let other = drawing.boxes[arrow.from == number ? arrow.to : arrow.from]
            out.text(arrow.from == number ? "→ " : "← ")
            out.element(
                "a",
                [
                    "href": selecting.address(other.key) + "#panel"
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
}
