import Glibc
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

    /// How a name below a folder begins that makes an image one to look at.
    private struct Beginning {
        var bytes: [UInt8]
        /// Whether nothing but a version may follow.
        var isWhole: Bool

        func begins(_ name: UnsafeRawBufferPointer) -> Bool {
            guard name.count >= bytes.count, memcmp(bytes, name.baseAddress!, bytes.count) == 0 else {
                return false
            }
            return !isWhole || name.count == bytes.count || versions.contains(name[bytes.count])
        }
    }

    private static let beginnings =
        ([".."] + long).map { Beginning(bytes: Array($0.utf8), isWhole: false) }
        + short.map { Beginning(bytes: Array($0.utf8), isWhole: true) }
    /// By the first byte of a name, whether it may be one of these: most are not, and this is asked for every program that starts.
    private static let firsts: [Bool] = {
        var firsts = [Bool](repeating: false, count: 256)
        for beginning in beginnings { firsts[Int(beginning.bytes[0])] = true }
        return firsts
    }()

    /// The same as an expression over the field `filename` of `sched:sched_process_exec`.
    static let filter: String = {
        let system = SystemFolder.beginnings.map { "filename ~ \"\($0)*\"" }.joined(separator: " || ")
        let others =
            ["*/..*"] + long.map { "*/\($0)*" } + short.flatMap { ["*/\($0)", "*/\($0)[0-9.-]*"] }
        return "!(\(system)) || " + others.map { "filename ~ \"\($0)\"" }.joined(separator: " || ")
    }()

    /// Whether the image has to be looked at.
    static func isUrgent(_ path: [UInt8]) -> Bool {
        path.withUnsafeBytes { path in
            guard SystemFolder.holds(path) else { return true }
            var rest = path
            while let slash = rest.firstIndex(of: UInt8(ascii: "/")) {
                rest = UnsafeRawBufferPointer(rebasing: rest[(slash + 1)...])
                guard let first = rest.first else { break }
                if firsts[Int(first)], beginnings.contains(where: { $0.begins(rest) }) { return true }
            }
            return false
        }
    }
}
