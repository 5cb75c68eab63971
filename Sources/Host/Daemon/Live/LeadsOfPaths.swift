import Glibc
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

    /// Whether a path led to a file at a moment already: no link on the way was made or moved since.
    ///
    /// Folders are not asked: they change whenever something is put in. A link is switched in place of a program's version, a folder is not.
    ///
    /// - Parameter moment: nanoseconds since 1970.
    static func led(_ path: [UInt8], to file: [UInt8], at moment: UInt64) -> Bool {
        if path == file { return true }
        // What is kept may be older than the switch.
        guard look(path) == file, let newest = newestLink(on: path) else { return false }
        return newest + tick < moment
    }

    /// How far behind a change's time may be, nanoseconds: it is the time of the last tick (`CONFIG_HZ`, 100 at least).
    private static let tick: UInt64 = 10_000_000
    /// Parts of a path that are followed, those of its links among them.
    private static let mostSteps = 128

    /// When the youngest link on the way was made or moved, nanoseconds since 1970, 0 without one; `nil` if that is not known.
    private static func newestLink(on path: [UInt8]) -> UInt64? {
        let slash = UInt8(ascii: "/")
        var left = Array(path.split(separator: slash).reversed())
        var folder: [UInt8] = []
        var newest: UInt64 = 0
        for _ in 0..<mostSteps {
            guard let name = left.popLast() else { return newest }
            if name.elementsEqual(".".utf8) { continue }
            if name.elementsEqual("..".utf8) {
                folder.removeSubrange((folder.lastIndex(of: slash) ?? 0)...)
                continue
            }
            let next = folder + [slash] + name
            guard case .found(let file) = CachedLookup.open(next + [0], flags: O_NOFOLLOW),
                let status = FileStatus(descriptor: file.number)
            else { return nil }
            guard status.mode & S_IFMT == S_IFLNK else {
                folder = next
                continue
            }
            newest = max(newest, status.changed)
            guard let target = SymbolicLink.read("", relativeTo: file.number) else { return nil }
            if target.first == slash { folder = [] }
            left += target.split(separator: slash).reversed()
        }
        return nil
    }

    private static func look(_ path: [UInt8]) -> [UInt8]? {
        guard case .found(let file) = CachedLookup.open(path + [0]) else { return nil }
        return SymbolicLink.read("/proc/self/fd/\(file.number)")
    }
}
