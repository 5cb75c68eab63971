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

    /// How far a file is the one of a path, which may be relative: what follows its dots is the end of the file's.
    static func fit(of file: UnsafeRawBufferPointer, to path: [UInt8]) -> PathFit {
        guard path.first == UInt8(ascii: "/") else { return isEnd(path, of: file) ? .end : .none }
        guard isNamed(file, as: path) else { return .none }
        // A folder that is another one's link makes a path shorter, and not longer than the file's.
        let isWhole = file.count == path.count || file.count + 1 == path.count
        return isWhole ? .whole : .end
    }

    private static func isEnd(_ path: [UInt8], of file: UnsafeRawBufferPointer) -> Bool {
        let slash = UInt8(ascii: "/")
        var rest = path[...]
        while let place = rest.firstIndex(of: slash), rest[..<place].allSatisfy({ $0 == UInt8(ascii: ".") }) {
            rest = rest[(place + 1)...]
        }
        guard !rest.isEmpty, file.count > rest.count else { return false }
        let start = file.count - rest.count
        return file[start - 1] == slash && file[start...].elementsEqual(rest)
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

/// How far a file is the one of a path under which something was executed.
enum PathFit: Comparable {
    /// It is another one, or the path is a link's.
    case none
    /// Its path ends with it: it lies in another root, or somebody has laid a system's folders out there.
    case end
    /// Its path is this one.
    case whole
}
