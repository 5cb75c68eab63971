import CLinux
import Glibc
public import SystemCalls

/// A file that a process names.
public struct NamedFile: Equatable, Sendable {
    /// Its path, symbolic links in its directories resolved; one at the end stays.
    public var path: [UInt8]
    /// What it is; of a symbolic link, what that leads to.
    public var status: FileStatus
}

/// What names mean to a process, which has a root and a working directory of its own.
extension ProcessDirectory {
    /// Looks a path up where the kernel would have to ask a filesystem for it: gives an `O_PATH` descriptor, -1 if
    /// there is no such file, or `nil` if nobody answered.
    ///
    /// The path is NUL-terminated, the flags are further ones of open(2).
    public typealias Lookup = (_ start: borrowing FileDescriptor, _ path: [UInt8], _ flags: Int32) -> Int32?

    /// Looks a path up and waits for it.
    public static func waitingLookup(
        _ start: borrowing FileDescriptor, _ path: [UInt8], _ flags: Int32
    ) -> Int32? {
        path.withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                clinux_openat(start.number, $0.baseAddress!, O_PATH | O_CLOEXEC | flags, 0)
            }
        }
    }

    /// The path that a name has for this process, symbolic links in its directories resolved: the path
    /// under which the kernel reports opens of it. The last component is left as it is, and need not exist.
    ///
    /// Resolved through the process's own root and working directory, so it is right for a process in
    /// a container or chroot as well. `O_PATH` opens are reported to nobody.
    ///
    /// - Parameter uncached: looks up the directory where the kernel would have to ask a filesystem for it; where
    ///   nobody answers, the name is put together as a text. By default it waits as long as it takes.
    public borrowing func resolve(_ name: [UInt8], uncached: Lookup = Self.waitingLookup) -> [UInt8]? {
        guard let way = way(name) else { return nil }
        let above: [UInt8]?
        switch way.folder(uncached) {
        case .found(let folder): above = Self.place(of: folder)
        case .absent: above = nil
        case .uncached: above = Self.place(of: way.start).map { Self.join($0, way.parent) }
        }
        guard let above else { return nil }
        let path = Self.path(above, way.leaf)
        return Self.isOfDescriptor(path) ? openFile(path) : path
    }

    /// The file that a name has for this process at this moment, under the path of `resolve`. `nil` if there is none,
    /// or where nobody answered.
    ///
    /// - Parameter uncached: looks up what the kernel would have to ask a filesystem for.
    public borrowing func file(named name: [UInt8], uncached: Lookup = Self.waitingLookup) -> NamedFile? {
        guard let way = way(name) else { return nil }
        if way.isAtStart {
            // Most arguments are no names of files: then nothing else is asked.
            guard let status = status(of: way.leaf, in: way.start, uncached),
                let above = Self.place(of: way.start)
            else { return nil }
            let path = Self.path(above, way.leaf)
            return Self.isOfDescriptor(path) ? namedOpenFile(path) : NamedFile(path: path, status: status)
        }
        guard case .found(let folder) = way.folder(uncached), let above = Self.place(of: folder) else {
            return nil
        }
        let path = Self.path(above, way.leaf)
        if Self.isOfDescriptor(path) { return namedOpenFile(path) }
        return status(of: way.leaf, in: folder, uncached).map { NamedFile(path: path, status: $0) }
    }

    /// A name, taken apart.
    private struct Way: ~Copyable {
        let parent: [UInt8]
        let leaf: [UInt8]
        /// Where the way begins: the process's root or its working directory.
        let start: FileDescriptor

        /// Whether the name is one of that directory itself.
        var isAtStart: Bool { parent == [UInt8(ascii: ".")] }

        borrowing func folder(_ uncached: Lookup) -> CachedLookup.Answer {
            lookUp(parent + [0], from: start, O_DIRECTORY, uncached)
        }
    }

    private borrowing func way(_ name: [UInt8]) -> Way? {
        guard !name.isEmpty, !name.contains(0) else { return nil }
        let isAbsolute = name[0] == UInt8(ascii: "/")
        let slash = name.lastIndex(of: UInt8(ascii: "/"))
        let leaf = slash.map { Array(name[($0 + 1)...]) } ?? name
        guard !leaf.isEmpty, leaf != Array(".".utf8), leaf != Array("..".utf8) else { return nil }
        var parent = slash.map { Array(name[..<$0]) } ?? []
        if isAbsolute { parent = Array(parent.drop { $0 == UInt8(ascii: "/") }) }
        if parent.isEmpty { parent = [UInt8(ascii: ".")] }
        guard let start = pathDescriptor(isAbsolute ? "root" : "cwd") else { return nil }
        return Way(parent: parent, leaf: leaf, start: start)
    }

    /// In the kernel's memory, else by whoever asks the filesystem: `uncached` is then that nobody answered.
    private static func lookUp(
        _ path: [UInt8], from start: borrowing FileDescriptor, _ flags: Int32, isRoot: Bool = false,
        _ uncached: Lookup
    ) -> CachedLookup.Answer {
        switch CachedLookup.open(path, relativeTo: start.number, flags: flags, isRoot: isRoot) {
        case .found(let file): return .found(file)
        case .absent: return .absent
        case .uncached:
            guard let number = uncached(start, path, flags) else { return .uncached }
            return number >= 0 ? .found(FileDescriptor(owning: number)) : .absent
        }
    }

    /// What a file of a directory is. A symbolic link leads on from that directory, or from the process's root.
    private borrowing func status(
        of leaf: [UInt8], in folder: borrowing FileDescriptor, _ uncached: Lookup
    ) -> FileStatus? {
        guard case .found(let file) = Self.lookUp(leaf + [0], from: folder, O_NOFOLLOW, uncached),
            let status = FileStatus(descriptor: file.number)
        else { return nil }
        guard status.mode & S_IFMT == S_IFLNK else { return status }
        guard let target = SymbolicLink.read([0], relativeTo: file.number), let first = target.first else {
            return nil
        }
        if first != UInt8(ascii: "/") {
            guard case .found(let end) = Self.lookUp(target + [0], from: folder, 0, uncached) else {
                return nil
            }
            return FileStatus(descriptor: end.number)
        }
        let inside = Array(target.drop { $0 == UInt8(ascii: "/") })
        guard let root = pathDescriptor("root"),
            case .found(let end) = Self.lookUp(
                (inside.isEmpty ? [UInt8(ascii: ".")] : inside) + [0], from: root, 0, isRoot: true, uncached)
        else { return nil }
        return FileStatus(descriptor: end.number)
    }

    private static func place(of file: borrowing FileDescriptor) -> [UInt8]? {
        SymbolicLink.read("/proc/self/fd/\(file.number)")
    }

    private static func path(_ above: [UInt8], _ leaf: [UInt8]) -> [UInt8] {
        above + (above.last == UInt8(ascii: "/") ? [] : [UInt8(ascii: "/")]) + leaf
    }

    /// A path from a path and a name below it, `.` and `..` taken out; symbolic links stay.
    static func join(_ base: [UInt8], _ name: [UInt8]) -> [UInt8] {
        let slash = UInt8(ascii: "/")
        var parts = base.split(separator: slash)
        for part in name.split(separator: slash) where !part.elementsEqual(".".utf8) {
            if part.elementsEqual("..".utf8) { _ = parts.popLast() } else { parts.append(part) }
        }
        return parts.isEmpty ? [slash] : parts.flatMap { [slash] + $0 }
    }

    // MARK: - `/dev/fd/63` and the like, which name an open file, not a place

    private static func isOfDescriptor(_ path: [UInt8]) -> Bool { path.starts(with: "/proc/".utf8) }

    /// What a link below /proc leads to.
    private borrowing func openFile(_ path: [UInt8]) -> [UInt8]? {
        let target = own(path).map { link($0) } ?? SymbolicLink.read(path + [0], relativeTo: AT_FDCWD)
        return target.flatMap { $0.first == UInt8(ascii: "/") ? Self.withoutMark($0) : nil }
    }

    /// The file that such a link leads to; `nil` if it has no name any more.
    private borrowing func namedOpenFile(_ path: [UInt8]) -> NamedFile? {
        guard let target = openFile(path), let status = openFileStatus(path), status.links > 0 else {
            return nil
        }
        return NamedFile(path: target, status: status)
    }

    /// What the file behind such a link is. No server is asked.
    private borrowing func openFileStatus(_ path: [UInt8]) -> FileStatus? {
        own(path).flatMap { FileStatus($0, relativeTo: directory.number) }
            ?? FileStatus(String(decoding: path, as: UTF8.self), relativeTo: AT_FDCWD)
    }

    /// `self` and `thread-self` were followed as this process and thread, but the name meant the process's own.
    private borrowing func own(_ path: [UInt8]) -> String? {
        let own = "/proc/\(getpid())/"
        for own in [own + "task/\(gettid())/", own] where path.starts(with: own.utf8) {
            return String(decoding: path.dropFirst(own.utf8.count), as: UTF8.self)
        }
        return nil
    }

    private borrowing func pathDescriptor(_ name: String) -> FileDescriptor? {
        let number = clinux_openat(directory.number, name, O_PATH | O_CLOEXEC, 0)
        return number >= 0 ? FileDescriptor(owning: number) : nil
    }
}
