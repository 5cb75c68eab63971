/// Names that programs asked for and that were not there, in what strace(1) wrote of them.
public struct FailedLookups {
    /// Each path with a program that asked for it, by the root's own paths.
    public private(set) var paths: [[UInt8]: [UInt8]] = [:]

    /// Reads a log of `strace -f -y -e trace=%file`.
    ///
    /// - Parameters:
    ///   - log: its lines.
    ///   - root: the directory that the traced programs have for their root, as this machine names it.
    public init(_ log: [UInt8], root: [UInt8]) {
        var programs: [Substring: [UInt8]] = [:]
        for line in log.split(separator: UInt8(ascii: "\n")) {
            let text = String(decoding: line, as: UTF8.self)
            let pid = text.prefix { $0.isNumber }
            let call = text.dropFirst(pid.count).drop { $0 == " " }
            guard let open = call.firstIndex(of: "("), let (name, rest) = Self.string(in: call[open...])
            else { continue }
            if call.hasPrefix("execve("), call.contains(") = 0") { programs[pid] = name }
            guard call.contains("= -1 ENOENT") else { continue }
            // Before its string stands the folder to which it is relative, if any: AT_FDCWD</srv>, 3</etc>.
            let base = Self.folder(in: call[open..<rest])
            let path: [UInt8]
            if name.first == UInt8(ascii: "/") {
                path = name
            } else if let base, base.isBelow(root), !name.isEmpty {
                path = Array(base.dropFirst(root.count)) + [UInt8(ascii: "/")] + name
            } else {
                continue
            }
            if paths[path] == nil { paths[path] = programs[pid] ?? [] }
        }
    }

    /// The folder of a descriptor that stands before the string.
    private static func folder(in text: Substring) -> [UInt8]? {
        guard let start = text.firstIndex(of: "<"), let end = text.lastIndex(of: ">"), start < end else {
            return nil
        }
        return unescaped(text[text.index(after: start)..<end])
    }

    /// The first string of a call, without its quotes, and where it begins. One that was cut short says nothing.
    private static func string(in text: Substring) -> (bytes: [UInt8], start: Substring.Index)? {
        guard let start = text.firstIndex(of: "\"") else { return nil }
        var end = text.index(after: start)
        while end < text.endIndex, text[end] != "\"" {
            if text[end] == "\\" { end = text.index(after: end) }
            guard end < text.endIndex else { return nil }
            end = text.index(after: end)
        }
        guard end < text.endIndex, !text[text.index(after: end)...].hasPrefix("...") else { return nil }
        return unescaped(text[text.index(after: start)..<end]).map { ($0, start) }
    }

    /// C's escapes, as strace writes them.
    private static func unescaped(_ text: Substring) -> [UInt8]? {
        var out: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                out.append(byte)
                continue
            }
            guard let next = rest.popFirst() else { return nil }
            switch next {
            case UInt8(ascii: "n"): out.append(10)
            case UInt8(ascii: "t"): out.append(9)
            case UInt8(ascii: "r"): out.append(13)
            case UInt8(ascii: "v"): out.append(11)
            case UInt8(ascii: "f"): out.append(12)
            case UInt8(ascii: "0")...UInt8(ascii: "7"):
                var digits = [next]
                while digits.count < 3, let digit = rest.first, (48...55).contains(digit) {
                    digits.append(digit)
                    rest = rest.dropFirst()
                }
                guard let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8) else { return nil }
                out.append(value)
            default: out.append(next)
            }
        }
        return out
    }
}

extension HostPlan {
    /// Takes into the plan what programs asked for when it was tried and what the host has; gives what was added.
    ///
    /// - Parameters:
    ///   - root: where the host's files lie.
    ///   - trial: the root in which it was tried: what is there now is no addition, and what lies in a folder that moves whole
    ///     was there, and was removed by the trial itself.
    public mutating func take(_ lookups: FailedLookups, root: String, trial: String) -> [(
        path: [UInt8], program: [UInt8]
    )] {
        let tree = HostTree(root)
        let known = Set(entries.map(\.path))
        let made = HostTree(trial)
        let trees = Set(
            entries.filter { $0.kind == .tree && ($0.treatment == .preCopy || $0.treatment == .finalCopy) }
                .map(\.path))
        var added: [(path: [UInt8], program: [UInt8])] = []
        for (asked, program) in lookups.paths.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            guard StayBehind.rule(for: asked) == nil else { continue }
            let way = tree.way(asked)
            guard let end = way.end else { continue }
            for path in way.links + [end] where !known.contains(path) && StayBehind.rule(for: path) == nil {
                guard made.status(path) == nil, !path.ancestors.contains(where: trees.contains) else {
                    continue
                }
                guard let status = tree.status(path), !added.contains(where: { $0.path == path }) else {
                    continue
                }
                var entry = PlannedEntry.found(path, status)
                entry.reason = "asked for by \(PlanText.text(program)) when the plan was tried"
                entry.target = tree.link(path)
                entries.append(entry)
                added.append((path, program))
            }
        }
        entries.sort { $0.path.lexicographicallyPrecedes($1.path) }
        return added
    }
}
