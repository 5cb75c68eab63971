import MoveGroup
import Records

/// A drawing of a group as SVG in a page: boxes are links, arrows have their words as titles.
struct MapPicture {
    private let drawing: MapDrawing
    private let state: MapState
    private let selecting: MapState.Selecting
    private let layout: PictureLayout
    private var boxes: [PictureLayout.Rectangle]
    private let isPinned: [Bool]
    private let words: [[String]]
    /// Members on the way to what is selected, and the arrows between them.
    private let chain: Set<Int>
    private let isOnWay: [Bool]

    private static let fontSize = 13.0
    private static let smallSize = 11.0
    private static let lineHeight = 16.0
    private static let margin = 12.0

    /// Lays a drawing out.
    ///
    /// - Parameter steps: from which box to which the chain to the selected one leads.
    init(_ drawing: MapDrawing, _ state: MapState, steps: [(from: Int, to: Int)]) {
        self.drawing = drawing
        self.state = state
        selecting = state.selecting
        chain = Set(steps.flatMap { [$0.from, $0.to] })
        let pairs = Set(steps.flatMap { [[$0.from, $0.to], [$0.to, $0.from]] })
        isOnWay = drawing.arrows.map { pairs.contains([$0.from, $0.to]) }
        let sizes = drawing.boxes.map { box in
            let widths = box.lines.enumerated().map { number, line in
                Self.width(line, number == 0 ? Self.fontSize : Self.smallSize)
            }
            return (
                width: (widths.max() ?? 0) + (box.canOpen || box.parent != nil ? 50 : 26),
                height: Double(box.lines.count) * Self.lineHeight + 12
            )
        }
        words = drawing.arrows.map(Self.words)
        let widths = words.map { $0.map { Self.width($0, Self.smallSize) }.max() ?? 0 }
        let outline = PictureOutline(
            arrows: drawing.arrows.map { ($0.from, $0.to, $0.isDim) }, clusters: drawing.frames.map(\.boxes))
        layout = PictureLayout(
            outline, sizes: sizes, labelWidths: widths,
            starts: drawing.boxes.indices.filter { drawing.boxes[$0].isStart })
        boxes = layout.boxes
        let places = Dictionary(state.pins.map { ($0.key, $0) }) { $1 }
        for (number, box) in drawing.boxes.enumerated() {
            guard let pin = places[box.key] else { continue }
            // Whatever is left of the picture, or above it, could not be reached.
            boxes[number].x = max(Double(pin.x), 0)
            boxes[number].y = max(Double(pin.y), 0)
        }
        isPinned = drawing.boxes.map { places[$0.key] != nil }
    }

    /// Browsers have wider fonts than the one that is measured.
    private static func width(_ text: String, _ size: Double) -> Double {
        TextWidth.of(text, size: size) * 1.08
    }

    /// What stands at an arrow, in two lines at most; what is done with files is said by its look.
    private static func words(_ arrow: MapDrawing.Arrow) -> [String] {
        guard arrow.access == nil, !arrow.isDim, let first = arrow.labels.first else { return [] }
        let more = arrow.labels.count > 1 ? " +\(arrow.labels.count - 1)" : ""
        return [first + more] + (arrow.traffic.map { [$0] } ?? [])
    }

    /// Where a box stands.
    func place(of box: Int) -> (x: Int, y: Int) { (whole(boxes[box].x), whole(boxes[box].y)) }

    func write(to out: inout Markup) {
        let right = boxes.map(\.right).max() ?? 0
        let bottom = boxes.map { $0.y + $0.height }.max() ?? 0
        let width = max(layout.width, right) + 2 * Self.margin
        let height = max(layout.height, bottom) + 2 * Self.margin
        out.begin(
            "svg",
            [
                "id": "picture", "role": "group", "aria-label": "The group as a picture",
                "width": text(width),
                "height": text(height),
                "viewBox": "\(text(-Self.margin)) \(text(-Self.margin)) \(text(width)) \(text(height))",
            ])
        out.literal("<defs>")
        for (name, style) in [("head", "head"), ("head-way", "head way"), ("head-dim", "head dim")] {
            out.begin(
                "marker",
                [
                    "id": name, "viewBox": "0 0 8 8", "refX": "7", "refY": "4", "markerWidth": "9",
                    "markerHeight": "9", "markerUnits": "userSpaceOnUse", "orient": "auto",
                ])
            out.begin("path", ["class": style, "d": "M0 1L8 4L0 7z"])
            out.end()
            out.end()
        }
        out.literal("</defs>")
        for (number, frame) in drawing.frames.enumerated() { write(frame, number, &out) }
        if let outside = layout.outside {
            let inside = drawing.boxes.indices.filter { box in
                !drawing.frames.contains { $0.boxes.contains(box) }
            }
            rectangle("outside", hull(outside, inside), nil, &out)
            title("stays, or must be reconnected", outside, &out)
        }
        for number in drawing.arrows.indices { arrow(number, &out) }
        for number in drawing.boxes.indices { box(number, &out) }
        // Above all lines, so that each word can be read.
        for number in drawing.arrows.indices { label(number, &out) }
        out.end()
    }

    /// A frame, made larger for boxes that were moved out of it.
    private func hull(_ frame: PictureLayout.Rectangle, _ inside: [Int]) -> PictureLayout.Rectangle {
        let moved = inside.filter { isPinned[$0] }
        guard !moved.isEmpty else { return frame }
        let x = min(frame.x, moved.map { boxes[$0].x - 12 }.min() ?? frame.x)
        let y = min(frame.y, moved.map { boxes[$0].y - 26 }.min() ?? frame.y)
        let right = max(frame.right, moved.map { boxes[$0].right + 12 }.max() ?? 0)
        let bottom = max(frame.y + frame.height, moved.map { boxes[$0].y + boxes[$0].height + 12 }.max() ?? 0)
        return PictureLayout.Rectangle(x: x, y: y, width: right - x, height: bottom - y)
    }

    private func write(_ frame: MapDrawing.Frame, _ number: Int, _ out: inout Markup) {
        let place = hull(layout.frames[number], Array(frame.boxes))
        rectangle("frame", place, frame.id, &out)
        let isOpen = !(frame.boxes.count == 1 && drawing.boxes[frame.boxes.lowerBound].shape == .host)
        guard isOpen, drawing.frames.count > 1 else {
            title(PictureText.short(frame.title), place, &out)
            return
        }
        out.begin(
            "a",
            [
                "class": "host", "href": state.setting(frame.key, isOpen: false).address,
                "aria-label": "Close the host \(frame.title)",
            ])
        title("− " + PictureText.short(frame.title), place, &out)
        out.end()
    }

    private func rectangle(
        _ style: String, _ place: PictureLayout.Rectangle, _ host: String?, _ out: inout Markup
    ) {
        out.begin(
            "rect",
            [
                "class": style, "x": text(place.x), "y": text(place.y), "width": text(place.width),
                "height": text(place.height), "rx": "10", "data-host": host,
            ])
        out.end()
    }

    private func title(_ words: String, _ place: PictureLayout.Rectangle, _ out: inout Markup) {
        out.element(
            "text", ["class": "frame-title", "x": text(place.x + 10), "y": text(place.y + 16)], words)
    }

    // MARK: Boxes

    private func box(_ number: Int, _ out: inout Markup) {
        let (box, place) = (drawing.boxes[number], boxes[number])
        let isSelected = state.selected == box.key
        var style = "box \(box.shape)"
        for (word, holds) in [
            ("bound", box.isBound), ("start", box.isStart), ("stop", box.isStop), ("found", box.isFound),
            ("changed", box.isChanged && state.since != nil), ("selected", isSelected),
            ("way", chain.contains(number)),
            ("pinned", isPinned[number]), ("dim", box.isDim),
        ] where holds { style += " " + word }
        out.begin("g", ["class": style, "data-key": box.key])
        out.begin(
            "a",
            [
                "href": selecting.address(box.key) + "#panel", "aria-label": box.tip,
                "aria-current": isSelected ? "true" : nil,
            ])
        out.element("title", [:], box.tip + (box.isChanged && state.since != nil ? " (new)" : ""))
        outline(box.shape, place, &out)
        let hasToggle = box.canOpen || box.parent != nil
        let middle = place.x + place.width / 2 - (hasToggle ? 9 : 0)
        let first = place.middle - Double(box.lines.count) * Self.lineHeight / 2 + 12
        for (line, words) in box.lines.enumerated() {
            out.element(
                "text",
                [
                    "class": line == 0 ? "name" : "more", "x": text(middle),
                    "y": text(first + Double(line) * Self.lineHeight), "text-anchor": "middle",
                ], words)
        }
        out.end()
        if hasToggle { toggle(box, place, &out) }
        out.end()
    }

    /// The sign at the right of a box that opens it, or closes what it was opened from.
    private func toggle(_ box: MapDrawing.Box, _ place: PictureLayout.Rectangle, _ out: inout Markup) {
        let isOpen = state.open.contains(box.key) || !box.canOpen
        let key = isOpen && !state.open.contains(box.key) ? box.parent ?? box.key : box.key
        let (x, y) = (place.right - 16, place.middle)
        out.begin(
            "a",
            [
                "class": "toggle", "href": state.setting(key, isOpen: !isOpen).address,
                "aria-label": isOpen ? "Close what \(box.tip) is in" : "Open \(box.tip)",
            ])
        out.begin("circle", ["cx": text(x), "cy": text(y), "r": "9"])
        out.end()
        out.begin(
            "path",
            ["d": "M\(text(x - 5)) \(text(y))h10" + (isOpen ? "" : "M\(text(x)) \(text(y - 5))v10")])
        out.end()
        out.end()
    }

    private func outline(
        _ shape: MapDrawing.Shape, _ place: PictureLayout.Rectangle, _ out: inout Markup
    ) {
        let (x, y, w, h) = (whole(place.x), whole(place.y), whole(place.width), whole(place.height))
        func path(_ data: String) {
            out.begin("path", ["class": "shape", "d": data + "z"])
            out.end()
        }
        switch shape {
        case .file: path("M\(x) \(y)h\(w - 9)l9 9v\(h - 9)h\(-w)")
        case .folder: path("M\(x) \(y)h\(w - 44)l4 -5h26l4 5h10v\(h)h\(-w)")
        case .endpoint: path("M\(x) \(y)h\(w - 9)l9 \(h / 2)l-9 \(h - h / 2)h\(9 - w)")
        case .channel:
            path("M\(x + 9) \(y)h\(w - 18)l9 \(h / 2)l-9 \(h - h / 2)h\(18 - w)l-9 \(h / 2 - h)")
        case .program, .unit, .host, .entry, .stays, .reconnect:
            if shape == .unit || shape == .host {
                // There is more behind it.
                let behind = PictureLayout.Rectangle(
                    x: place.x + 3, y: place.y + 3, width: place.width, height: place.height)
                rectangle("behind", behind, nil, &out)
            }
            out.begin(
                "rect",
                [
                    "class": "shape", "x": "\(x)", "y": "\(y)", "width": "\(w)", "height": "\(h)",
                    "rx": shape == .stays || shape == .reconnect ? "0" : "8",
                ])
            out.end()
        }
    }

    // MARK: Arrows

    private func arrow(_ number: Int, _ out: inout Markup) {
        let arrow = drawing.arrows[number]
        var style = "arrow \(arrow.strongest.map { "\($0.word)" } ?? "unstated")"
        for (word, holds) in [
            ("writes", arrow.access?.contains(.written) == true), ("dim", arrow.isDim),
            ("found", arrow.isFound),
            ("changed", arrow.isChanged), ("way", isOnWay[number]),
        ] where holds { style += " " + word }
        out.begin("path", ["class": style, "d": path(number)])
        out.element("title", [:], Self.sentence(arrow, drawing.boxes))
        out.end()
    }

    /// What an arrow says, in full.
    static func sentence(_ arrow: MapDrawing.Arrow, _ boxes: [MapDrawing.Box]) -> String {
        let words = arrow.access.map { PictureText.label($0) } ?? arrow.labels.joined(separator: ", ")
        return [
            "\(boxes[arrow.from].tip) → \(boxes[arrow.to].tip)\(words.isEmpty ? "" : ": " + words)",
            arrow.traffic ?? "", arrow.evidenceText,
        ].filter { !$0.isEmpty }.joined(separator: "; ")
    }

    private func path(_ number: Int) -> String {
        let arrow = drawing.arrows[number]
        if isPinned[arrow.from] || isPinned[arrow.to] {
            return directPath(boxes[arrow.from], boxes[arrow.to])
        }
        return layout.routes[number].path
    }

    /// From the side of a box to the side of another, wherever the two stand.
    private func directPath(_ from: PictureLayout.Rectangle, _ to: PictureLayout.Rectangle) -> String {
        let leadsRight = from.x + from.width / 2 <= to.x + to.width / 2
        let (begin, end) = (leadsRight ? from.right : from.x, leadsRight ? to.x : to.right)
        let bend = max(abs(end - begin) / 2, 30) * (leadsRight ? 1 : -1)
        return "M\(text(begin)) \(text(from.middle))C\(text(begin + bend)) \(text(from.middle)) "
            + "\(text(end - bend)) \(text(to.middle)) \(text(end)) \(text(to.middle))"
    }

    private func label(_ number: Int, _ out: inout Markup) {
        let arrow = drawing.arrows[number]
        var place = layout.routes[number].label
        if isPinned[arrow.from] || isPinned[arrow.to], !words[number].isEmpty {
            let (from, to) = (boxes[arrow.from], boxes[arrow.to])
            place = PictureLayout.Point(
                x: (from.x + from.width / 2 + to.x + to.width / 2) / 2 - 30, y: (from.middle + to.middle) / 2)
        }
        guard let place else { return }
        let style = isOnWay[number] ? "label way" : "label"
        for (line, y) in zip(words[number], [place.y - 4, place.y + 10]) {
            out.element("text", ["class": style, "x": text(place.x), "y": text(y)], line)
        }
    }

    private func text(_ place: Double) -> String { "\(whole(place))" }
    /// A place in whole pixels: the same on every machine.
    private func whole(_ place: Double) -> Int { Int(place.rounded()) }
}
