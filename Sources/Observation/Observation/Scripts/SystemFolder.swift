import Glibc

/// The folders of the system's own programs: an interpreter there is called by a name that is known.
///
/// Elsewhere a program may be an interpreter, or the copy of one, under any name, and only its arguments show it.
public enum SystemFolder {
    /// How the paths of what lies there begin.
    public static let beginnings = ["/usr/bin/", "/usr/sbin/", "/usr/lib", "/bin/", "/sbin/", "/lib"]
    private static let bytes = beginnings.map { Array($0.utf8) }

    /// Whether a path lies in one.
    public static func holds(_ path: [UInt8]) -> Bool { path.withUnsafeBytes { holds($0) } }

    /// The same of bytes that are lent.
    public static func holds(_ path: UnsafeRawBufferPointer) -> Bool {
        // Asked for each program that starts: most paths differ from most beginnings in their second byte.
        bytes.contains { beginning in
            guard path.count >= beginning.count, path[1] == beginning[1] else { return false }
            return beginning.withUnsafeBytes { memcmp($0.baseAddress!, path.baseAddress!, $0.count) == 0 }
        }
    }

    /// Whether a file lies in such a folder, of this root or of another one, under the path by which it was executed there: else
    /// that path is a link's.
    static func holds(_ file: UnsafeRawBufferPointer, executedAs path: [UInt8]) -> Bool {
        if holds(file) { return true }
        guard holds(path) else { return false }
        // Many systems have made one of two folders.
        return [path, merged(path)].contains { file.reversed().starts(with: $0.reversed()) }
    }

    private static func merged(_ path: [UInt8]) -> [UInt8] {
        guard let place = path.indices.first(where: { path[$0...].starts(with: "/sbin/".utf8) }) else {
            return path
        }
        var path = path
        path.remove(at: place + 1)
        return path
    }
}
