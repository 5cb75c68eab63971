import Glibc

/// The folders of the system's own programs: an interpreter there is called by a name that is known.
///
/// Elsewhere a program may be an interpreter, or the copy of one, under any name, and only its arguments show it.
public enum SystemFolder {
    /// How the paths of what lies there begin.
    public static let beginnings = ["/usr/", "/"].flatMap { root in
        ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "libexec"].map { root + $0 + "/" }
    }
    private static let bytes = beginnings.map { Array($0.utf8) }

    /// Whether a path lies in one.
    public static func holds(_ path: [UInt8]) -> Bool { path.withUnsafeBytes { holds($0) } }

    /// The same of bytes that are lent.
    public static func holds(_ path: UnsafeRawBufferPointer) -> Bool {
        // Asked for each program that starts: most beginnings differ from a path in these two bytes.
        bytes.contains { beginning in
            guard path.count >= beginning.count, path[1] == beginning[1], path[2] == beginning[2] else {
                return false
            }
            return beginning.withUnsafeBytes { memcmp($0.baseAddress!, path.baseAddress!, $0.count) == 0 }
        }
    }

    /// Whether a file lies in such a folder, of this root or of another one, under the path by which it was executed there: else
    /// that path is a link's.
    static func holds(_ file: UnsafeRawBufferPointer, executedAs path: [UInt8]) -> Bool {
        if holds(file) { return true }
        return holds(path) && isNamed(file, as: path)
    }

    /// Whether a file is the one of a path, of this root or of another one that lies in it, unless the path is a link's.
    static func isNamed(_ file: UnsafeRawBufferPointer, as path: [UInt8]) -> Bool {
        guard path.first == UInt8(ascii: "/") else { return false }
        if ends(file, with: path) { return true }
        // Many systems have made one of two folders.
        let merged = merged(path)
        return merged.count != path.count && ends(file, with: merged)
    }

    private static func ends(_ file: UnsafeRawBufferPointer, with path: [UInt8]) -> Bool {
        guard file.count >= path.count, let start = file.baseAddress else { return false }
        return memcmp(start + (file.count - path.count), path, path.count) == 0
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
