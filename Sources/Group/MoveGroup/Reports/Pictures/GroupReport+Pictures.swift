import Records

extension GroupReport {
    /// Writes the group as a graph in the DOT language of Graphviz: a cluster for each host, an arrow from
    /// what depends to what it depends on.
    ///
    /// - Parameter sink: takes a piece, which is valid only during the call; its error ends the writing.
    public func writeDot<Failure: Error>(
        _ options: PictureOptions = PictureOptions(), chunk: Int = 256 << 10,
        to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let picture = Picture(self, options)
        var out = OutputBuffer(chunk: chunk)
        out.bytes += Array(DotStyle.head.utf8)
        try out.endLine(sink)
        out.bytes += Array("  label=\(DotStyle.quoted(lines: picture.title)); labelloc=t; fontsize=14;".utf8)
        try out.endLine(sink)
        var next = 0
        for (number, cluster) in picture.clusters.enumerated() {
            for box in next..<cluster.boxes.lowerBound { try line(box, "  ") }
            let title = DotStyle.quoted(Printable.text(cluster.title.utf8))
            out.bytes += Array("  subgraph cluster_\(number + 1) {\n    label=\(title);\n".utf8)
            out.bytes += Array("    \(DotStyle.cluster)".utf8)
            try out.endLine(sink)
            for box in cluster.boxes { try line(box, "    ") }
            out.bytes += Array("  }".utf8)
            try out.endLine(sink)
            next = cluster.boxes.upperBound
        }
        for box in next..<picture.boxes.count { try line(box, "  ") }
        for arrow in picture.arrows {
            let style =
                (arrow.isInferred ? " style=dashed" : "") + (arrow.isDim ? " \(DotStyle.dimArrow)" : "")
            let label = arrow.words.isEmpty ? "" : "label=\(DotStyle.quoted(arrow.words))"
            let attributes = label + style
            out.bytes += Array("  n\(arrow.from + 1) -> n\(arrow.to + 1)".utf8)
            if !attributes.isEmpty { out.bytes += Array(" [\(attributes)]".utf8) }
            out.bytes.append(";")
            try out.endLine(sink)
        }
        out.bytes += Array(DotStyle.legend(picture).utf8)
        out.bytes.append("}")
        try out.endLine(sink)
        try out.flush(sink)

        func line(_ number: Int, _ indent: String) throws(Failure) {
            out.bytes += Array(
                "\(indent)n\(number + 1) [\(DotStyle.attributes(picture.boxes[number]))];".utf8)
            try out.endLine(sink)
        }
    }
}

/// How DOT draws a group. Colours are those of Okabe and Ito, made light: they can be distinguished whatever
/// one's colour vision, and shapes say the same.
enum DotStyle {
    static let head = """
        digraph group {
          rankdir=LR;
          bgcolor="white";
          fontname="Helvetica,Arial,sans-serif";
          nodesep=0.22;
          ranksep=1.0;
          node [fontname="Helvetica,Arial,sans-serif" fontsize=10 style=filled color="#4d4d4d" margin="0.12,0.06"];
          edge [fontname="Helvetica,Arial,sans-serif" fontsize=8 color="#666666" fontcolor="#444444" arrowsize=0.6];
        """

    static let cluster =
        "labeljust=l; fontsize=12; style=\"rounded,filled\"; color=\"#bbbbbb\"; fillcolor=\"#f7f7f7\"; margin=14;"

    static func attributes(_ box: Picture.Box) -> String {
        let label = quoted(lines: box.lines)
        var text = "label=\(label) tooltip=\(quoted(box.tip)) \(look(box.shape))"
        if box.isStart { text += " penwidth=3 color=\"#000000\"" }
        if box.isStop { text += " peripheries=2" }
        if box.isDim { text += " fontcolor=\"#8a8a8a\" color=\"#b5b5b5\"" }
        return text
    }

    static let dimArrow = "color=\"#c4c4c4\" fontcolor=\"#9a9a9a\""

    /// A box for each kind of box that there is, and what the lines mean.
    static func legend(_ picture: Picture) -> String {
        var lines = picture.legend.enumerated().map { number, entry in
            "    l\(number + 1) [label=\(quoted(entry.words)) \(look(entry.shape)) fontsize=8];\n"
        }
        if picture.boxes.contains(where: \.isDim) {
            lines.append(
                "    l\(lines.count + 1) [label=\"stays, or ends the group\" shape=box style=\"filled\" "
                    + "fillcolor=\"#ffffff\" fontcolor=\"#8a8a8a\" color=\"#b5b5b5\" fontsize=8];\n")
        }
        return
            "  subgraph cluster_legend {\n    label=\"dashed arrows: inferred\"; fontsize=8; color=\"#dddddd\";\n"
            + lines.joined() + "  }\n"
    }

    private static func look(_ shape: Picture.Shape) -> String {
        switch shape {
        case .program: "shape=box style=\"rounded,filled\" fillcolor=\"#bfe0f5\""
        case .entry: "shape=box style=\"rounded,filled\" fillcolor=\"#e5e5e5\""
        case .file: "shape=note fillcolor=\"#ffffff\""
        case .files: "shape=folder fillcolor=\"#ffffff\""
        case .boundFiles: "shape=folder fillcolor=\"#fbe3a6\" penwidth=1.5"
        case .boundFile: "shape=note fillcolor=\"#fbe3a6\" penwidth=1.5"
        case .endpoint: "shape=cds fillcolor=\"#c4e8d8\""
        case .channel: "shape=hexagon fillcolor=\"#f3d3e3\""
        case .outside: "shape=box style=\"dashed,filled\" color=\"#b34700\" fillcolor=\"#ffffff\""
        }
    }

    /// A string of DOT that shows a text as it is: a backslash would begin an escape, and an ampersand a
    /// character of HTML.
    static func quoted(_ text: String) -> String { "\"\(escaped(text))\"" }

    static func quoted(lines: [String]) -> String { "\"\(lines.map(escaped).joined(separator: "\\n"))\"" }

    private static func escaped(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": out += "\\\\"
            case "\"": out += "\\\""
            case "&": out += "&amp;"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}

extension GroupReport {
    /// Writes the group as a flowchart of Mermaid: a subgraph for each host, an arrow from what depends to
    /// what it depends on.
    ///
    /// - Parameter sink: takes a piece, which is valid only during the call; its error ends the writing.
    public func writeMermaid<Failure: Error>(
        _ options: PictureOptions = PictureOptions(), chunk: Int = 256 << 10,
        to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let picture = Picture(self, options)
        var out = OutputBuffer(chunk: chunk)
        // A string of YAML in quotes has the escapes of JSON; what is in it is fit to be shown.
        out.bytes += Array("---\ntitle: ".utf8)
        out.bytes += MermaidStyle.titled(picture.title)
        out.bytes += Array("\n---\nflowchart LR".utf8)
        try out.endLine(sink)
        var next = 0
        for (number, cluster) in picture.clusters.enumerated() {
            for box in next..<cluster.boxes.lowerBound { try line(box, "    ") }
            let title = MermaidStyle.quoted(lines: [Printable.text(cluster.title.utf8)])
            out.bytes += Array("    subgraph h\(number + 1)[\(title)]".utf8)
            try out.endLine(sink)
            for box in cluster.boxes { try line(box, "        ") }
            out.bytes += Array("    end".utf8)
            try out.endLine(sink)
            next = cluster.boxes.upperBound
        }
        for box in next..<picture.boxes.count { try line(box, "    ") }
        for arrow in picture.arrows {
            let body = arrow.isInferred ? "-.->" : "-->"
            let label = arrow.words.isEmpty ? "" : "|\(MermaidStyle.quoted(lines: [arrow.words]))|"
            out.bytes += Array("    n\(arrow.from + 1) \(body)\(label) n\(arrow.to + 1)".utf8)
            try out.endLine(sink)
        }
        out.bytes += Array(MermaidStyle.classes.utf8)
        try out.endLine(sink)
        for number in picture.boxes.indices where picture.boxes[number].isDim {
            out.bytes += Array("    style n\(number + 1) stroke:#b5b5b5,color:#8a8a8a".utf8)
            try out.endLine(sink)
        }
        out.bytes += Array(MermaidStyle.legend(picture).utf8)
        let starts = picture.boxes.indices.filter { picture.boxes[$0].isStart }
        for number in starts {
            out.bytes += Array("    style n\(number + 1) stroke:#000000,stroke-width:3px".utf8)
            try out.endLine(sink)
        }
        try out.flush(sink)

        func line(_ number: Int, _ indent: String) throws(Failure) {
            out.bytes += Array((indent + MermaidStyle.box(picture.boxes[number], "n\(number + 1)")).utf8)
            try out.endLine(sink)
        }
    }
}

/// How Mermaid draws a group; the colours are those of `DotStyle`.
enum MermaidStyle {
    static let classes = """
            classDef program fill:#bfe0f5,stroke:#4d4d4d,color:#000000
            classDef entry fill:#e5e5e5,stroke:#4d4d4d,color:#000000
            classDef copied fill:#ffffff,stroke:#4d4d4d,color:#000000
            classDef bound fill:#fbe3a6,stroke:#4d4d4d,color:#000000
            classDef address fill:#c4e8d8,stroke:#4d4d4d,color:#000000
            classDef channel fill:#f3d3e3,stroke:#4d4d4d,color:#000000
            classDef outside fill:#ffffff,stroke:#b34700,color:#000000,stroke-dasharray:4
        """

    static func box(_ box: Picture.Box, _ id: String) -> String {
        let label = quoted(lines: box.lines)
        return switch box.shape {
        case .program: "\(id)(\(label)):::program"
        case .entry: "\(id)(\(label)):::entry"
        case .file: "\(id)[\(label)]:::copied"
        case .files: "\(id)[[\(label)]]:::copied"
        case .boundFiles: "\(id)[[\(label)]]:::bound"
        case .boundFile: "\(id)[(\(label))]:::bound"
        case .endpoint: "\(id)([\(label)]):::address"
        case .channel: "\(id){{\(label)}}:::channel"
        case .outside: "\(id)[\(label)]:::outside"
        }
    }

    /// A box for each kind of box that there is.
    static func legend(_ picture: Picture) -> String {
        let boxes = picture.legend.enumerated().map { number, entry in
            "        " + box(Picture.Box(lines: [entry.words], tip: "", shape: entry.shape), "l\(number + 1)")
                + "\n"
        }
        return "    subgraph legend[\"dotted arrows: inferred\"]\n" + boxes.joined() + "    end\n"
    }

    /// A title as a string of YAML.
    static func titled(_ lines: [String]) -> [UInt8] {
        var out = JSONWriter()
        out.value(text: lines.joined(separator: ", "))
        return out.bytes
    }

    /// A quoted label in which nothing but letters, digits and plain marks stands for itself: Mermaid reads
    /// HTML, Markdown and escapes of its own in it.
    static func quoted(lines: [String]) -> String {
        "\"" + lines.map(escaped).joined(separator: "<br/>") + "\""
    }

    private static func escaped(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "#quot;"
            case "0"..."9", "A"..."Z", "a"..."z", " ", "/", ".", "-", ",", ":", "(", ")", "@", "+":
                out.unicodeScalars.append(scalar)
            case _ where scalar.value >= 0x80: out.unicodeScalars.append(scalar)
            default: out += "#\(scalar.value);"
            }
        }
        return out
    }
}

extension Picture {
    /// The kinds of boxes that there are, in words.
    var legend: [(shape: Shape, words: String)] {
        let shapes = Set(boxes.map(\.shape))
        let all: [(shape: Shape, words: String)] = [
            (.program, "program"), (.boundFile, "file that is written, binds its readers"),
            (.file, "file that is copied"),
            (.boundFiles, "folder of files that bind"), (.files, "folder of files that are copied"),
            (.endpoint, "address on which a member listens"), (.channel, "channel"),
            (.entry, "program or file of a list"),
            (.outside, "to be reconnected"),
        ]
        return all.filter { shapes.contains($0.shape) }
    }
}
