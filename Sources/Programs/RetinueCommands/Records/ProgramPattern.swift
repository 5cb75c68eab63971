import MoveGroup

/// Which programs are meant: those whose executable or script has this path, or this name.
struct ProgramPattern: Sendable {
    private let text: [UInt8]
    private let glob: Glob
    private let isPath: Bool

    /// Makes a pattern: with a slash it stands for whole paths, without one for the last part.
    init(_ pattern: String) {
        text = Array(pattern.utf8)
        glob = Glob(pattern)
        isPath = text.contains(UInt8(ascii: "/"))
    }

    /// Whether a path is meant. A path that is spelled like the pattern always is.
    func matches(_ path: [UInt8]) -> Bool {
        if path.isEmpty { return false }
        if path == text { return true }
        if isPath { return glob.matches(path) }
        let name = path.suffix(from: path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0)
        return glob.matches(name)
    }
}
