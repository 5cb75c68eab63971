import Records

/// A rule that says where a closure stops, or that it does not.
public struct BoundaryRule: Sendable {
    /// What a rule is about.
    public enum Kind: String, Sendable, CaseIterable {
        /// A program that starts others on somebody's behalf: as a parent it does not join; as a child it
        /// joins, and nothing but its own files follows.
        case launcher
        /// A program that many use for unrelated things (`cat`, `grep`): it joins, and nothing but its own
        /// files follows.
        case tool
        /// A program that puts files in place for others: what it writes binds nobody to it.
        case installer
        /// A service that every host has: it stays where it is.
        case system
        /// A path that every host has of its own, or that is no file to be moved.
        case file
        /// An object of inter-process communication that every host has of its own.
        case ipc
        /// An address and port that will be there at the destination as well.
        case endpoint
    }

    /// What it is about.
    public var kind: Kind
    /// Whether what it matches is followed after all.
    public var isFollowed: Bool
    /// The rule as it was written.
    public var text: String
    /// Where it was written: `default policy`, or file and line.
    public var origin: String

    let pattern: Glob
    let workload: Glob?
    let isWithoutWorkload: Bool
    /// Bytes with which everything that matches begins: most paths are told apart by them.
    let prefix: [UInt8]
    /// Of a pattern `**/NAME` the name, which is all that has to be compared: most rules are of this form, and
    /// each is held against every program.
    private let lastPart: [UInt8]?

    /// Reads a rule: `launcher **/sshd`, `launcher **/bash in user.slice/**`, `follow file /var/log/app/**`.
    init?(_ line: String, origin: String) {
        // Byte by byte: to characters, a blank before a combining mark is no blank.
        var words = line.utf8.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 }).map {
            String(Substring($0))
        }
        text = words.joined(separator: " ")
        isFollowed = words.first == "follow"
        if isFollowed { words.removeFirst() }
        guard words.count >= 2, let kind = Kind(rawValue: words[0]) else { return nil }
        self.kind = kind
        self.origin = origin
        pattern = Glob(words[1])
        prefix = Array(words[1].utf8.prefix { $0 != UInt8(ascii: "*") && $0 != UInt8(ascii: "?") })
        let name = words[1].hasPrefix("**/") ? words[1].dropFirst(3) : ""
        lastPart = name.isEmpty || name.contains(where: { "*?/".contains($0) }) ? nil : Array(name.utf8)
        switch words.count {
        case 2:
            workload = nil
            isWithoutWorkload = false
        case 4 where words[2] == "in" && Self.takesWorkload(kind):
            isWithoutWorkload = words[3] == "none"
            workload = isWithoutWorkload ? nil : Glob(words[3])
        default: return nil
        }
    }

    private static func takesWorkload(_ kind: Kind) -> Bool {
        kind == .launcher || kind == .tool || kind == .installer || kind == .system
    }

    func matches(_ text: [UInt8]) -> Bool {
        guard let lastPart else { return text.starts(with: prefix) && pattern.matches(text) }
        let start = text.count - lastPart.count
        guard start >= 0, start == 0 || text[start - 1] == UInt8(ascii: "/") else { return false }
        return text[start...].elementsEqual(lastPart)
    }

    func matches(_ program: ProgramName) -> Bool {
        if isWithoutWorkload, !program.workload.isEmpty { return false }
        if let workload, !workload.matches(program.workload) { return false }
        return matches(program.path)
    }
}
