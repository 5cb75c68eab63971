import Records

extension GroupReport {
    /// Writes the group as a picture in SVG 1.1: programs in layers from left to right, a frame for each host.
    ///
    /// - Parameter sink: takes a piece, which is valid only during the call; its error ends the writing.
    public func writeSVG<Failure: Error>(
        _ options: PictureOptions = PictureOptions(), chunk: Int = 256 << 10,
        to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var out = OutputBuffer(chunk: chunk)
        for line in SVGPicture(Picture(self, options)).lines {
            out.bytes += Array(line.utf8)
            try out.endLine(sink)
        }
        try out.flush(sink)
    }
}

/// A picture in SVG; the colours are those of `DotStyle`.
struct SVGPicture {
    private(set) var lines: [String] = []
    private let picture: Picture
    private let layout: PictureLayout
    private let texts: [[String]]

    private static let margin = 16.0
    private static let titleHeight = 20.0
    private static let lineHeight = 13.0
    private static let fontSize = 11.0
    private static let smallSize = 9.0

    private static let styles = """
        text { font-family: Helvetica, Arial, sans-serif; font-size: 11px; fill: #000 }
        .title { font-size: 15px } .frame { fill: #f7f7f7; stroke: #bbb } .out { fill: none; stroke: #ccc; \
        stroke-dasharray: 6 4 }
        .host { font-size: 13px } .note, .label { font-size: 9px; fill: #444 } .dim text { fill: #8a8a8a }
        .box { stroke: #4d4d4d } .dim .box { stroke: #b5b5b5 } .start .box { stroke: #000; stroke-width: 3 }
        .program { fill: #bfe0f5 } .entry { fill: #e5e5e5 } .copied { fill: #fff }
        .bound { fill: #fbe3a6; stroke-width: 1.5 } .address { fill: #c4e8d8 } .channel { fill: #f3d3e3 }
        .outside { fill: #fff; stroke: #b34700; stroke-dasharray: 4 3 }
        .inner { fill: none; stroke: #4d4d4d } .dim .inner { stroke: #b5b5b5 }
        .arrow { fill: none; stroke: #777; marker-end: url(#head) }
        .write { stroke: #a06a00; stroke-width: 1.6; marker-end: url(#written) }
        .inferred { stroke-dasharray: 5 3 } .faint { stroke: #c4c4c4; marker-end: url(#faint) }
        .halo { stroke: #fff; stroke-width: 3; stroke-linejoin: round; opacity: 0.85 }
        """

    init(_ picture: Picture) {
        self.picture = picture
        let sizes = picture.boxes.map { box in
            let text = box.lines.map { TextWidth.of($0, size: Self.fontSize) }.max() ?? 0
            return (width: text + 22, height: Double(box.lines.count) * Self.lineHeight + 10)
        }
        texts = picture.arrows.map(Self.words)
        let widths = texts.map { $0.map { TextWidth.of($0, size: Self.smallSize) }.max() ?? 0 }
        layout = PictureLayout(
            PictureOutline(picture), sizes: sizes, labelWidths: widths,
            starts: picture.boxes.indices.filter { picture.boxes[$0].isStart })
        write()
    }

    /// What stands at an arrow, in two lines at most: the words about files stand in the legend alone, and of what
    /// stays in none.
    private static func words(_ arrow: Picture.Arrow) -> [String] {
        if arrow.access != nil || arrow.isDim || arrow.label.isEmpty { return [] }
        return [arrow.label] + (arrow.traffic.map { [$0] } ?? [])
    }

    private mutating func write() {
        let top = Self.margin + Double(picture.title.count) * Self.titleHeight + Self.margin
        let legend = legendRows()
        let width = max(layout.width, 900) + 2 * Self.margin
        let bottom = top + layout.height + 2 * Self.margin
        let height = bottom + Double(legend.count) * 34 + Self.margin
        lines.append(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(whole(width))\" height=\"\(whole(height))\" "
                + "viewBox=\"0 0 \(whole(width)) \(whole(height))\">")
        lines.append("<title>\(Self.escaped(picture.title.joined(separator: ", ")))</title>")
        lines.append("<style>\n\(Self.styles)\n</style>\n<defs>")
        for (name, colour) in [("head", "#777"), ("written", "#a06a00"), ("faint", "#c4c4c4")] {
            lines.append(
                "<marker id=\"\(name)\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" "
                    + "markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 1L8 4L0 7z\" fill=\"\(colour)\"/></marker>"
            )
        }
        lines.append("</defs>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>")
        for (number, line) in picture.title.enumerated() {
            text(line, Self.margin, Self.margin + Double(number) * Self.titleHeight + 14, "title")
        }
        lines.append("<g transform=\"translate(\(whole(Self.margin)) \(whole(top)))\">")
        for (cluster, frame) in zip(picture.clusters, layout.frames) {
            self.frame(frame, Printable.text(cluster.title.utf8), "frame", "host")
        }
        if let outside = layout.outside { frame(outside, "outside the group", "out", "note") }
        for number in picture.arrows.indices { arrow(number) }
        for (box, place) in zip(picture.boxes, layout.boxes) { self.box(box, place) }
        // Above all lines, so that each word can be read.
        for number in picture.arrows.indices { words(number) }
        lines.append("</g>\n<g transform=\"translate(\(whole(Self.margin)) \(whole(bottom)))\">")
        for (number, row) in legend.enumerated() { write(row, y: Double(number) * 34) }
        lines.append("</g>\n</svg>")
    }

    private mutating func frame(
        _ place: PictureLayout.Rectangle, _ title: String, _ style: String, _ textStyle: String
    ) {
        lines.append(
            "<rect class=\"\(style)\" x=\"\(whole(place.x))\" y=\"\(whole(place.y))\" width=\"\(whole(place.width))\" "
                + "height=\"\(whole(place.height))\" rx=\"8\"/>")
        text(title, place.x + 8, place.y + 15, textStyle)
    }

    private mutating func arrow(_ number: Int) {
        let arrow = picture.arrows[number]
        var style = "arrow"
        if arrow.access?.contains(.written) == true { style += " write" }
        if arrow.isInferred { style += " inferred" }
        if arrow.isDim { style += " faint" }
        let ends = "\(picture.boxes[arrow.from].tip) → \(picture.boxes[arrow.to].tip)"
        let tip = arrow.words.isEmpty ? ends : "\(ends): \(arrow.words)"
        lines.append(
            "<path class=\"\(style)\" d=\"\(layout.routes[number].path)\"><title>\(Self.escaped(tip))</title></path>"
        )
    }

    private mutating func words(_ number: Int) {
        guard let place = layout.routes[number].label else { return }
        for (line, y) in zip(texts[number], [place.y - 3, place.y + 9]) {
            text(line, place.x, y, "label halo")
            text(line, place.x, y, "label")
        }
    }

    private mutating func box(_ box: Picture.Box, _ place: PictureLayout.Rectangle) {
        let style = (box.isStart ? "start" : "") + (box.isDim ? "dim" : "")
        lines.append(
            "<g\(style.isEmpty ? "" : " class=\"\(style)\"")><title>\(Self.escaped(box.tip))</title>"
                + Self.shape(box.shape, place))
        if box.isStop {
            lines.append(
                "<rect class=\"inner\" x=\"\(whole(place.x) + 3)\" y=\"\(whole(place.y) + 3)\" "
                    + "width=\"\(whole(place.width) - 6)\" height=\"\(whole(place.height) - 6)\" rx=\"5\"/>")
        }
        let first = place.middle - Double(box.lines.count) * Self.lineHeight / 2 + 10
        for (number, line) in box.lines.enumerated() {
            text(
                line, place.x + place.width / 2, first + Double(number) * Self.lineHeight, nil,
                isCentred: true)
        }
        lines.append("</g>")
    }

    private static func shape(_ shape: Picture.Shape, _ place: PictureLayout.Rectangle) -> String {
        let (x, y, w, h) = (whole(place.x), whole(place.y), whole(place.width), whole(place.height))
        func rectangle(_ style: String, _ radius: Int) -> String {
            "<rect class=\"box \(style)\" x=\"\(x)\" y=\"\(y)\" width=\"\(w)\" height=\"\(h)\" rx=\"\(radius)\"/>"
        }
        func path(_ style: String, _ path: String) -> String {
            "<path class=\"box \(style)\" d=\"\(path)z\"/>"
        }
        let note = "M\(x) \(y)h\(w - 8)l8 8v\(h - 8)h\(-w)zM\(x + w - 8) \(y)v8h8"
        let folder = "M\(x) \(y)h\(w - 40)l4 -4h24l4 4h8v\(h)h\(-w)"
        return switch shape {
        case .program: rectangle("program", 8)
        case .entry: rectangle("entry", 8)
        case .file: path("copied", note)
        case .boundFile: path("bound", note)
        case .files: path("copied", folder)
        case .boundFiles: path("bound", folder)
        case .endpoint: path("address", "M\(x) \(y)h\(w - 8)l8 \(h / 2)l-8 \(h - h / 2)h\(8 - w)")
        case .channel:
            path("channel", "M\(x + 8) \(y)h\(w - 16)l8 \(h / 2)l-8 \(h - h / 2)h\(16 - w)l-8 \(h / 2 - h)")
        case .outside: rectangle("outside", 0)
        }
    }

    /// What the legend says: boxes, then lines.
    private enum Sign {
        case box(Picture.Shape, String, isDim: Bool)
        case line(String, String)

        var width: Double {
            switch self {
            case .box(_, let words, _): TextWidth.of(words, size: SVGPicture.fontSize) + 40
            case .line(_, let words): TextWidth.of(words, size: SVGPicture.fontSize) + 66
            }
        }
    }

    private func legendRows() -> [[Sign]] {
        var signs = picture.legend.map { Sign.box($0.shape, $0.words, isDim: false) }
        if picture.boxes.contains(where: \.isDim) {
            signs.append(.box(.program, "stays, or ends the group", isDim: true))
        }
        if picture.arrows.contains(where: { $0.access?.contains(.written) == true }) {
            signs.append(.line("arrow write", "writes"))
        }
        if picture.arrows.contains(where: { $0.access?.contains(.written) == false }) {
            signs.append(.line("arrow", "reads, executes"))
        }
        if picture.arrows.contains(where: \.isInferred) { signs.append(.line("arrow inferred", "inferred")) }
        var rows: [[Sign]] = []
        var width = 0.0
        for sign in signs {
            if rows.isEmpty || width + sign.width > max(layout.width, 900) {
                rows.append([])
                width = 0
            }
            rows[rows.count - 1].append(sign)
            width += sign.width
        }
        return rows
    }

    private mutating func write(_ row: [Sign], y: Double) {
        var x = 0.0
        for sign in row {
            switch sign {
            case .box(let shape, let words, let isDim):
                let place = PictureLayout.Rectangle(x: x, y: y, width: sign.width - 18, height: 22)
                lines.append("<g\(isDim ? " class=\"dim\"" : "")>" + Self.shape(isDim ? .file : shape, place))
                text(words, place.x + place.width / 2, y + 15, nil, isCentred: true)
                lines.append("</g>")
            case .line(let style, let words):
                lines.append(
                    "<path class=\"\(style)\" d=\"M\(whole(x)) \(whole(y) + 11)h36\"/>")
                text(words, x + 42, y + 15, nil)
            }
            x += sign.width
        }
    }

    private mutating func text(
        _ text: String, _ x: Double, _ y: Double, _ style: String?, isCentred: Bool = false
    ) {
        lines.append(
            "<text\(style.map { " class=\"\($0)\"" } ?? "") x=\"\(whole(x))\" y=\"\(whole(y))\""
                + (isCentred ? " text-anchor=\"middle\"" : "") + ">\(Self.escaped(text))</text>")
    }

    /// A text of XML. What XML cannot have is not in it: it is fit to be shown.
    private static func escaped(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}

/// A place in whole pixels: the same on every machine.
private func whole(_ place: Double) -> Int { Int(place.rounded()) }

/// How wide a text becomes in Helvetica or Arial, about: a picture that is laid out here is shown with the fonts of another
/// machine.
package enum TextWidth {
    /// Pixels, of a font of so many.
    package static func of(_ text: String, size: Double) -> Double {
        text.unicodeScalars.reduce(0) { $0 + share($1) } * size
    }

    /// In parts of the size of the font.
    private static func share(_ scalar: Unicode.Scalar) -> Double {
        switch scalar {
        case "i", "j", "l", "'", "|": 0.23
        case " ", "!", ",", ".", "/", ":", ";", "I", "f", "t", "[", "]", "\\": 0.28
        case "(", ")", "-", "`", "r", "{", "}", "*": 0.36
        case "c", "k", "s", "v", "x", "y", "z", "J": 0.5
        case "m", "w", "M", "W", "@", "%", "—", "…", "→": 1
        case "A"..."Z", "&", "+", "<", "=", ">", "~": 0.7
        case _ where scalar.value < 0x300: 0.56
        default: 1
        }
    }
}
