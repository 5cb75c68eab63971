import CLinux
import Glibc
import Observation
import Procfs
import SystemCalls

/// Looks at files of the host by their paths, and waits for nobody's server.
///
/// What the kernel has in memory is looked at directly; so are local filesystems. A path that leads, or may lead, to a
/// filesystem that somebody else answers for is left alone, or asked about on a thread that may be given up.
final class FileAccess: Sendable {
    let roots: MountRoots
    let calls: BlockingCalls
    let namespaces = NamespaceViews()

    init(roots: MountRoots, calls: BlockingCalls) {
        self.roots = roots
        self.calls = calls
    }

    /// The type and permissions of what a path names, symbolic links not followed at its end; `nil` if it is gone
    /// or is not known. The path has no symbolic links but perhaps its last component.
    func mode(ofFile path: [UInt8]) -> mode_t? {
        if PrivateFilesystems.isPrivate(path) { return privately(path).flatMap(Self.mode) }
        let path = path + [0]
        if roots.isAllLocal { return Self.mode(path) }
        switch CachedLookup.open(path, flags: O_NOFOLLOW) {
        case .found(let file): return FileStatus(descriptor: file.number)?.mode
        case .absent: return nil
        case .uncached: break
        }
        let inside = inside(path, flags: O_NOFOLLOW) { FileStatus(descriptor: $0.number)?.mode }
        if case .answer(let mode) = inside { return mode }
        return elsewhere(path) { Self.mode($0) }
    }

    /// What a path leads to, and where that lies: the path without the symbolic links in it. `nil` if it is gone or if
    /// more than a local filesystem would have to be asked.
    func located(_ path: [UInt8]) -> (status: FileStatus, path: [UInt8])? {
        func answer(_ file: borrowing FileDescriptor) -> (status: FileStatus, path: [UInt8])? {
            guard let status = FileStatus(descriptor: file.number),
                let path = SymbolicLink.read("/proc/self/fd/\(file.number)")
            else { return nil }
            return (status, path)
        }
        let path = path + [0]
        switch CachedLookup.open(path) {
        case .found(let file): return answer(file)
        case .absent: return nil
        case .uncached: break
        }
        if roots.isAllLocal {
            guard let file = try? FileDescriptor.open(bytes: path, O_PATH) else { return nil }
            return answer(file)
        }
        guard case .answer(let found) = inside(path, flags: 0, { answer($0) }) else { return nil }
        return found
    }

    /// The way through /proc to a file of a filesystem that this namespace does not show: those that are watched are
    /// local, and so is all that lies on the way.
    private func privately(_ path: [UInt8]) -> [UInt8]? {
        roots.others.filesystems.reach(path).map { $0 + [0] }
    }

    private static func mode(_ path: [UInt8]) -> mode_t? {
        var status = stat()
        let result = path.withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { lstat($0.baseAddress!, &status) }
        }
        return result == 0 ? status.st_mode : nil
    }

    /// The first bytes of a file, at most so many; `nil` if it cannot be read or somebody's server would have to be
    /// asked for them.
    func head(ofFile path: [UInt8], limit: Int) -> [UInt8]? {
        if PrivateFilesystems.isPrivate(path) { return privately(path).flatMap { Self.contents($0, limit) } }
        let path = path + [0]
        if roots.isAllLocal { return Self.contents(path, limit) }
        switch CachedLookup.open(path) {
        case .found(let file):
            // The name is in memory. Who has the contents?
            guard let status = FileStatus(descriptor: file.number), status.mode & S_IFMT == S_IFREG else {
                return nil
            }
            if status.mount == 0 || roots.table.kind(ofMount: status.mount) == .local {
                return Self.contents(of: file, limit)
            }
        case .absent: return nil
        case .uncached: break
        }
        if case .answer(let bytes) = inside(path, flags: 0, { Self.contents(of: $0, limit) }) { return bytes }
        return elsewhere(path) { Self.contents($0, limit) }
    }

    /// The same of a file that a process has or names, by a path through /proc/PID whose status is known: it may lie in a
    /// mount of the process's own.
    func head(of path: [UInt8], _ status: FileStatus, limit: Int) -> [UInt8]? {
        guard status.mode & S_IFMT == S_IFREG else { return nil }
        let path = path + [0]
        switch roots.table.kind(ofMount: status.mount) {
        case .foreign: return nil
        case .local: return Self.contents(path, limit)
        default: return calls.run(status.mount) { Self.contents(path, limit) } ?? nil
        }
    }

    private enum Inside<Answer> {
        case answer(Answer?)
        /// The path leads, or may lead, out of the local mount in which it seemed to lie.
        case leadsElsewhere
    }

    /// Asks a local filesystem, and no other: a path that leaves it by a symbolic link, or by a mount that is
    /// younger than the table, is not followed.
    private func inside<Answer>(
        _ path: [UInt8], flags: Int32, _ body: (borrowing FileDescriptor) -> Answer?
    ) -> Inside<Answer> {
        guard let place = roots.table.place(of: path.dropLast()), place.kind == .local, !place.isForeign
        else {
            return .leadsElsewhere
        }
        var rest = Array(path[place.point...].drop { $0 == UInt8(ascii: "/") })
        if rest == [0] { rest = [UInt8(ascii: "."), 0] }
        guard case .found(let root) = CachedLookup.open(Array(path[..<place.point]) + [0]),
            let status = FileStatus(descriptor: root.number),
            status.mount == 0 || status.mount == UInt64(place.mount)
        else { return .leadsElsewhere }
        do throws(SystemError) {
            let file = try CachedLookup.openInside(root, rest, flags: flags)
            return .answer(body(file))
        } catch {
            return [ELOOP, EXDEV, EAGAIN].contains(error.code) ? .leadsElsewhere : .answer(nil)
        }
    }

    /// Asks on a thread that may be given up; of a foreign filesystem nothing at all.
    private func elsewhere<Answer: Sendable>(
        _ path: [UInt8], _ body: @escaping @Sendable ([UInt8]) -> Answer?
    ) -> Answer? {
        guard let place = roots.table.place(of: path.dropLast()), place.kind != .foreign else { return nil }
        // Before Linux 5.12 nothing is known to be in memory: what the table says has to do.
        if !CachedLookup.isAvailable, !place.isForeign { return body(path) }
        return calls.run(UInt64(place.mount)) { body(path) } ?? nil
    }

    /// Reads the beginning of a file that was found.
    private static func contents(of file: borrowing FileDescriptor, _ limit: Int) -> [UInt8]? {
        contents(Array("/proc/self/fd/\(file.number)".utf8) + [0], limit)
    }

    private static func contents(_ path: [UInt8], _ limit: Int) -> [UInt8]? {
        let flags = O_RDONLY | O_NONBLOCK | O_NOCTTY
        // Reading leaves the time of the last access alone, where that may be asked for: of others' files it needs
        // CAP_FOWNER. The program was executed a moment ago: its file has been read, and that time set, by the
        // kernel itself.
        guard
            let file = (try? FileDescriptor.open(bytes: path, flags | O_NOATIME))
                ?? (try? FileDescriptor.open(bytes: path, flags))
        else { return nil }
        return try? file.readAll(limit: limit)
    }

    /// A directory of a mount for open_by_handle_at(2).
    struct Entrance: ~Copyable {
        /// It, not an `O_PATH` one, which the call does not take.
        let directory: FileDescriptor
        /// What stands before the paths that the kernel then names; empty where they are whole.
        let prefix: [UInt8]
        /// Whether it is a part of its filesystem. The kernel names a directory outside that part by its path in the
        /// filesystem, as if that lay below the mount point: what it says has to be looked up again.
        let isPart: Bool
    }

    /// Enters a local mount so that it can be unmounted all the same: what is entered is a copy of it, mounted
    /// nowhere (`open_tree`, Linux 5.2), and the paths that are found in it lack the mount point.
    func enter(mountAt point: [UInt8]) -> Entrance? {
        guard let number = pathDescriptor(ofMount: point) else { return nil }
        let found = FileDescriptor(owning: number.descriptor)
        guard let directory = try? FileDescriptor.open("/proc/self/fd/\(found.number)", O_RDONLY | O_NONBLOCK)
        else { return nil }
        return Entrance(
            directory: directory, prefix: number.isCopy ? point : [], isPart: roots.isPart(point))
    }

    /// An `O_PATH` descriptor of a copy of a local mount, or of the mount itself where that cannot be copied or is the
    /// root. The mount is let go before this returns: until then it is busy.
    private func pathDescriptor(ofMount point: [UInt8]) -> (descriptor: Int32, isCopy: Bool)? {
        let path = point + [0]
        let root: FileDescriptor
        if case .found(let found) = CachedLookup.open(path) {
            root = found
        } else {
            guard let place = roots.table.place(of: point), place.kind == .local else { return nil }
            guard place.isForeign else {
                guard let opened = try? FileDescriptor.open(bytes: path, O_PATH) else { return nil }
                return (opened.release(), false)
            }
            // A filesystem of this host below one of somebody else's, who is asked for the way.
            guard let number = calls.run(UInt64(place.mount), { LateDescriptor(path) })?.take() else {
                return nil
            }
            root = FileDescriptor(owning: number)
        }
        // What lies there may have changed since: to open a directory, a server would be asked.
        guard let status = FileStatus(descriptor: root.number),
            status.mount == 0 || roots.table.kind(ofMount: status.mount) == .local
        else { return nil }
        if point != [UInt8(ascii: "/")] {
            let flags = UInt32(clinux_OPEN_TREE_CLONE) | UInt32(O_CLOEXEC) | UInt32(AT_EMPTY_PATH)
            let copy = clinux_open_tree(root.number, "", flags)
            if copy >= 0 { return (copy, true) }
        }
        return (root.release(), false)
    }

    /// Whether a path leads to an open directory, as far as the kernel has it in memory: a directory that was found
    /// by its handle is.
    func leads(_ path: [UInt8], to directory: borrowing FileDescriptor) -> Bool {
        if let path = privately(path) {
            guard let there = FileStatus(path), let here = FileStatus(descriptor: directory.number) else {
                return false
            }
            return there.inode == here.inode && there.device == here.device
        }
        guard case .found(let found) = CachedLookup.open(path + [0], flags: O_NOFOLLOW | O_DIRECTORY),
            let there = FileStatus(descriptor: found.number),
            let here = FileStatus(descriptor: directory.number)
        else { return false }
        return there.inode == here.inode && there.device == here.device
    }

    /// Looks up what a process names where a filesystem has to be asked; see `ProcessDirectory.Lookup`.
    func lookUp(_ start: borrowing FileDescriptor, _ path: [UInt8], _ flags: Int32) -> Int32? {
        guard let status = FileStatus(descriptor: start.number) else { return -1 }
        if roots.table.kind(ofMount: status.mount) == .foreign { return nil }
        // The thread may outlive the caller's descriptor.
        let copy = LateDescriptor(owning: clinux_fcntl(start.number, F_DUPFD_CLOEXEC, 0))
        let found = calls.run(status.mount) { () -> LateDescriptor? in
            guard let number = copy.take() else { return nil }
            let start = FileDescriptor(owning: number)
            return LateDescriptor(path, relativeTo: start.number, flags: flags)
        }
        guard let found else { return nil }
        return found?.take() ?? -1
    }
}
