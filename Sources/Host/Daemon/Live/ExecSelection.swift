import Observation

/// Which new images have to be looked at before they are gone, by the path that was executed.
///
/// What an interpreter runs stands in its arguments, which nobody reports. A program of the system's own folders that is none is
/// known by its file, which fanotify reports, and by where it runs, which `ExecReports` says.
enum ExecSelection {
    /// Names of interpreters that are so short that they are the beginning of many others.
    private static let short = Interpreter.names.filter { $0.utf8.count < 4 }
    /// Beginnings of the other names, and of those of whom the arguments, or the name of a link, say what they run.
    private static let long =
        Interpreter.names.filter { $0.utf8.count >= 4 } + ["busybox", "toybox", "ld-", "ld.so", "ld64.so"]
    /// What may stand between such a name and a version.
    private static let versions = Array("0123456789.-".utf8)

    private static let shortBytes = short.map { Array($0.utf8) }
    private static let longBytes = long.map { Array($0.utf8) }

    /// The same as an expression over the field `filename` of `sched:sched_process_exec`.
    static let filter: String = {
        let system = SystemFolder.beginnings.map { "filename ~ \"\($0)*\"" }.joined(separator: " || ")
        let others =
            ["*/..*"] + long.map { "*/\($0)*" } + short.flatMap { ["*/\($0)", "*/\($0)[0-9.-]*"] }
        return "!(\(system)) || " + others.map { "filename ~ \"\($0)\"" }.joined(separator: " || ")
    }()

    /// Whether the image has to be looked at.
    static func isUrgent(_ path: [UInt8]) -> Bool {
        guard SystemFolder.holds(path) else { return true }
        for slash in path.indices where path[slash] == UInt8(ascii: "/") {
            let rest = path[(slash + 1)...]
            if rest.starts(with: "..".utf8) { return true }
            if longBytes.contains(where: { rest.starts(with: $0) }) { return true }
            let isShort = shortBytes.contains { name in
                guard rest.starts(with: name) else { return false }
                let after = rest.dropFirst(name.count)
                return after.isEmpty || versions.contains(after.first!)
            }
            if isShort { return true }
        }
        return false
    }
}
