import Procfs
import SystemCalls

/// Where paths lead in the daemon's mount namespace, with all links followed, as found a moment ago.
///
/// A program is executed by the same few paths again and again, many of which are links. What is kept is used to tell whether
/// the file that fanotify reports is the one of the path, and so may be old: what does not fit is looked at more closely.
struct LeadsOfPaths {
    private var known: [[UInt8]: (file: [UInt8]?, time: UInt64)] = [:]

    /// Paths that are kept; beyond that all are looked up again.
    private static let most = 1024
    /// How long one is believed, nanoseconds.
    private static let age: UInt64 = 1_000_000_000

    /// The file's path; `nil` where it is not known, or a filesystem would have to be asked for it.
    mutating func file(of path: [UInt8]) -> [UInt8]? {
        guard path.first == UInt8(ascii: "/") else { return nil }
        let now = Clock.monotonic()
        if let known = known[path], now < known.time + Self.age { return known.file }
        let file = Self.look(path)
        if known.count >= Self.most { known.removeAll() }
        known[path] = (file, now)
        return file
    }

    private static func look(_ path: [UInt8]) -> [UInt8]? {
        guard case .found(let file) = CachedLookup.open(path + [0]) else { return nil }
        return SymbolicLink.read("/proc/self/fd/\(file.number)")
    }
}
