import Records

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
        out.bytes.append("flowchart LR")
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
            let label = arrow.label.isEmpty ? "" : "|\(MermaidStyle.quoted(lines: [arrow.label]))|"
            out.bytes += Array("    n\(arrow.from + 1) \(body)\(label) n\(arrow.to + 1)".utf8)
            try out.endLine(sink)
        }
        out.bytes += Array(MermaidStyle.classes.utf8)
        try out.endLine(sink)
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
        case .boundFile: "\(id)[(\(label))]:::bound"
        case .endpoint: "\(id)([\(label)]):::address"
        case .channel: "\(id){{\(label)}}:::channel"
        case .outside: "\(id)[\(label)]:::outside"
        }
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
