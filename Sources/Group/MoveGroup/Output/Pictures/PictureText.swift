import Records

/// Texts in pictures.
enum PictureText {
    /// The text in at most 36 characters, with an ellipsis in the middle: both ends of a path tell it.
    static func short(_ text: String, _ most: Int = 36) -> String {
        guard text.count > most else { return text }
        let tail = most * 2 / 3
        return text.prefix(most - 1 - tail) + "…" + text.suffix(tail)
    }

    /// What an arrow says.
    static func label(_ dependency: Dependency, in graph: DependencyGraph) -> String {
        let words: String
        switch dependency.link {
        case .listed: return ""
        case .file:
            var uses: [String] = []
            if dependency.access.contains(.executed) { uses.append("executes") }
            if dependency.access.contains(.written) { uses.append("writes") }
            words = uses.isEmpty ? "reads" : uses.joined(separator: ", ")
        case .spawn: words = "starts"
        case .connect, .accept:
            if let via = dependency.via, case .endpoint(let transport, let endpoint) = graph[via] {
                words = "connects to \(transport.word):\(endpoint.port)"
            } else {
                words = "connects"
            }
        case .listen: words = "listens"
        case .ipc:
            if let via = dependency.via, case .channel(let mechanism, _) = graph[via] {
                words = "talks by \(mechanism.word)"
            } else {
                words = "shares"
            }
        }
        return words
    }
}

extension Picture {
    /// The box for a node.
    static func box(of node: Node, isBound: Bool) -> Box {
        let text = Printable.text(node.shownText)
        switch node {
        case .program(let name):
            let parts = name.path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: true)
            let title = name.isUnknown ? "unknown program" : Printable.text(parts.last ?? [])
            var lines = [PictureText.short(title)]
            var tip = text
            if name.path.contains(UInt8(ascii: "/")) { lines.append(PictureText.short(text)) }
            if !name.script.isEmpty { tip += " (" + Printable.text(name.executable) + ")" }
            if !name.workload.isEmpty {
                lines.append(PictureText.short(Printable.text(name.workload)))
                tip += " in " + Printable.text(name.workload)
            }
            return Box(lines: lines, tip: tip, shape: .program)
        case .file:
            return Box(lines: [PictureText.short(text)], tip: text, shape: isBound ? .boundFile : .file)
        case .endpoint: return Box(lines: [PictureText.short(text)], tip: text, shape: .endpoint)
        case .channel: return Box(lines: [PictureText.short(text)], tip: text, shape: .channel)
        case .entry: return Box(lines: [PictureText.short(text)], tip: text, shape: .entry)
        }
    }

    /// The box for several files: how many, and the folders that hold most of them.
    static func box(of files: [NodeID], in graph: DependencyGraph) -> Box {
        var folders: [[UInt8]: Int] = [:]
        for file in files {
            guard case .file(let path) = graph[file] else { continue }
            let slash = path.lastIndex(of: UInt8(ascii: "/")) ?? 0
            folders[Array(path[..<slash]), default: 0] += 1
        }
        let sorted = folders.sorted { left, right in
            left.value == right.value
                ? left.key.lexicographicallyPrecedes(right.key) : left.value > right.value
        }
        var lines = ["\(Quantity.grouped(files.count)) files"]
        for (folder, count) in sorted.prefix(3) {
            lines.append(
                "\(Quantity.grouped(count)) in \(PictureText.short(Printable.text(folder) + "/", 30))")
        }
        if sorted.count > 3 {
            let more = sorted.count - 3
            lines.append("and \(Quantity.grouped(more)) more \(more == 1 ? "folder" : "folders")")
        }
        return Box(lines: lines, tip: lines.joined(separator: ", "), shape: .files)
    }
}
