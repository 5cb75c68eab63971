import Glibc
import PackageFiles
import SystemCalls

/// Files and folders, as the readers of records need them.
enum PathWalk {
    static let slash = UInt8(ascii: "/")

    /// The contents of a file of at most so many bytes; `nil` where there is none.
    static func contents(_ path: [UInt8], _ root: FileRoot, limit: Int = 64 << 20) -> [UInt8]? {
        guard let status = try? root.status(path), status.st_mode & S_IFMT == S_IFREG, status.st_size <= limit
        else {
            return nil
        }
        guard let bytes = try? root.open(path).readAll(limit: limit) else { return nil }
        return bytes
    }

    static func isThere(_ path: [UInt8], _ root: FileRoot) -> Bool { (try? root.status(path)) != nil }

    static func isFile(_ path: [UInt8], _ root: FileRoot) -> Bool {
        (try? root.status(path)).map { $0.st_mode & S_IFMT == S_IFREG } ?? false
    }

    /// Names in a folder, bytewise; none where it cannot be read.
    static func names(_ folder: [UInt8], _ root: FileRoot) -> [[UInt8]] {
        ((try? root.names(in: folder)) ?? []).sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// What lies below a folder and is none; the path itself if it is no folder.
    static func files(below path: [UInt8], _ root: FileRoot, most: Int = 1_000_000) -> [[UInt8]] {
        var found: [[UInt8]] = []
        var waiting = [path]
        while let next = waiting.popLast(), found.count < most {
            guard let status = try? root.status(next) else { continue }
            guard status.st_mode & S_IFMT == S_IFDIR else {
                found.append(next)
                continue
            }
            waiting += names(next, root).map { next + [slash] + $0 }
        }
        return found
    }

    /// `path` below `folder`, without `.` and `..`; an absolute one as it is.
    static func join(_ folder: [UInt8], _ path: some Collection<UInt8>) -> [UInt8] {
        var parts = path.first == slash ? [] : folder.split(separator: slash).map(Array.init)
        for part in path.split(separator: slash) {
            if part.elementsEqual(".".utf8) { continue }
            if part.elementsEqual("..".utf8) { _ = parts.popLast() } else { parts.append(Array(part)) }
        }
        return parts.flatMap { [slash] + $0 }
    }

    /// A path as its parts.
    static func parts(_ path: [UInt8]) -> [ArraySlice<UInt8>] { path.split(separator: slash) }

    /// The first so many parts of a path.
    static func prefix(_ parts: some Sequence<ArraySlice<UInt8>>) -> [UInt8] {
        parts.flatMap { [slash] + $0 }
    }
}
