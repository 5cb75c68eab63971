import Glibc
import SystemCalls

/// The files of a host, below the directory where they lie on this one; symbolic links are followed inside of it, as for a
/// process that has it for its root.
struct HostTree {
    private let prefix: [UInt8]
    private static let slash = UInt8(ascii: "/")
    /// Symbolic links that a path may pass, as the kernel has it (`MAXSYMLINKS`).
    private static let mostLinks = 40

    /// - Parameter root: the directory; `/` for this machine.
    init(_ root: String) {
        var bytes = Array(root.utf8)
        while bytes.last == Self.slash { bytes.removeLast() }
        prefix = bytes
    }

    /// The directory, as other readers take it.
    var root: String { prefix.isEmpty ? "/" : String(decoding: prefix, as: UTF8.self) }

    /// The status of what a path names, links not followed at its end; `nil` where there is nothing.
    func status(_ path: [UInt8]) -> stat? {
        var status = stat()
        let found = withName(path) { lstat($0, &status) }
        return found == 0 ? status : nil
    }

    /// The target of a symbolic link; `nil` for anything else.
    func link(_ path: [UInt8]) -> [UInt8]? {
        var target = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = withName(path) { name in
            target.withUnsafeMutableBytes {
                readlink(name, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
            }
        }
        return count > 0 && count < target.count ? Array(target[..<count]) : nil
    }

    /// Names in a folder, bytewise; none where it cannot be read.
    func names(in folder: [UInt8]) -> [[UInt8]] {
        guard let stream = withName(folder, { opendir($0) }) else { return [] }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != [UInt8(ascii: ".")], name != Array("..".utf8) { names.append(name) }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// The contents of a small file; `nil` where there is none, or where it is larger.
    func contents(_ path: [UInt8], limit: Int = 1 << 20) -> [UInt8]? {
        let number = withName(path) { open($0, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) }
        guard number >= 0 else { return nil }
        defer { close(number) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(number, &part, part.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { return bytes }
            bytes += part[..<count]
            if bytes.count > limit { return nil }
        }
    }

    /// Where a path leads, and the links that were followed on the way.
    struct Way {
        /// Without symbolic links; `nil` where it leads nowhere, or round in a circle.
        var end: [UInt8]?
        /// The places of the links, each by a path without links before it.
        var links: [[UInt8]] = []
    }

    /// Follows a path.
    func way(_ path: [UInt8]) -> Way {
        var way = Way()
        var rest = path.split(separator: Self.slash).map(Array.init)[...]
        var place: [UInt8] = []
        while let part = rest.popFirst() {
            if part == [UInt8(ascii: ".")] { continue }
            if part == Array("..".utf8) {
                while let last = place.popLast(), last != Self.slash {}
                continue
            }
            let next = place + [Self.slash] + part
            if let target = link(next) {
                way.links.append(next)
                guard way.links.count <= Self.mostLinks else { return Way(links: way.links) }
                if target.first == Self.slash { place = [] }
                rest = (target.split(separator: Self.slash).map(Array.init) + rest)[...]
                continue
            }
            guard status(next) != nil else { return way }
            place = next
        }
        way.end = place.isEmpty ? [Self.slash] : place
        return way
    }

    /// What this machine calls a path, NUL at its end, the links above it followed; `nil` where a folder above it is missing.
    func name(of path: [UInt8]) -> [UInt8]? {
        guard let folder = way(path.parent).end else { return nil }
        return prefix + (folder.count == 1 ? [] : folder) + [Self.slash] + path.lastName + [0]
    }

    private func withName<Result>(_ path: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
        (prefix + path + [0]).withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { body($0.baseAddress!) }
        }
    }
}

extension [UInt8] {
    /// The folder in which a path lies; `/` for one at the top.
    var parent: [UInt8] {
        guard let slash = lastIndex(of: UInt8(ascii: "/")), slash > 0 else { return [UInt8(ascii: "/")] }
        return Array(self[..<slash])
    }

    /// The last part of a path.
    var lastName: [UInt8] {
        Array(self[(lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0)...])
    }

    /// Whether a path lies in a folder, or is that.
    package func isBelow(_ folder: [UInt8]) -> Bool {
        if folder == [UInt8(ascii: "/")] { return first == UInt8(ascii: "/") }
        return starts(with: folder) && (count == folder.count || self[folder.count] == UInt8(ascii: "/"))
    }

    /// The folders above a path, the nearest first, the root not among them.
    var ancestors: [[UInt8]] {
        var found: [[UInt8]] = []
        var folder = parent
        while folder.count > 1 {
            found.append(folder)
            folder = folder.parent
        }
        return found
    }
}
