import CLinux
import Glibc
import Observation
import Procfs
import SystemCalls

/// Finds out where a directory lies by its handle, with the identities of those that it lies in.
///
/// The directory is opened by its handle without any right but to be named (`O_PATH`); the kernel reports its path, and
/// `..` leads to those above. Needs CAP_DAC_READ_SEARCH. Nothing stays open: a descriptor would keep a filesystem from
/// being unmounted, and while it is open it is that of a copy of the mount.
struct DirectoryResolver {
    let roots: MountRoots
    let files: FileAccess

    /// - Parameters:
    ///   - identity: the filesystem's `fsid`, then a `struct file_handle`.
    ///   - points: where the filesystem is mounted, the best first.
    ///   - isKnown: whether nothing need be reported of what lies above a directory.
    /// - Returns: `nil` if the directory is no longer there, or on none of the mounts.
    func resolve(
        _ identity: [UInt8], mountedAt points: [[UInt8]], isKnown: (UnsafeRawBufferPointer) -> Bool
    ) -> DirectoryAnswer? {
        guard identity.count > 16 else { return nil }
        for point in points {
            guard let entrance = files.enter(mountAt: point) else { continue }
            if let answer = resolve(identity, entrance, isKnown) { return answer }
        }
        if let path = roots.point(ofTop: identity) { return DirectoryAnswer(path: path) }
        return resolvePrivately(identity, isKnown)
    }

    /// On a filesystem that this mount namespace does not show.
    private func resolvePrivately(
        _ identity: [UInt8], _ isKnown: (UnsafeRawBufferPointer) -> Bool
    ) -> DirectoryAnswer? {
        let filesystems = roots.others.filesystems
        let fsid = identity.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
        roots.others.refresh(fsid)
        if let path = filesystems.path(ofTop: identity) { return DirectoryAnswer(path: path) }
        guard let entrance = filesystems.enter(fsid, files.calls) else { return nil }
        return resolve(identity, entrance, isKnown)
    }

    private func resolve(
        _ identity: [UInt8], _ entrance: borrowing FileAccess.Entrance,
        _ isKnown: (UnsafeRawBufferPointer) -> Bool
    ) -> DirectoryAnswer? {
        // open_by_handle_at(2) wants the structure aligned as an array of its own.
        var handle = Array(identity[8...])
        let number = handle.withUnsafeMutableBytes {
            clinux_open_by_handle_at(entrance.directory.number, $0.baseAddress!, O_PATH | O_CLOEXEC)
        }
        guard number >= 0 else { return nil }
        let directory = FileDescriptor(owning: number)
        // Whoever moves one of the directories meanwhile makes two halves of two truths: once more, then.
        for _ in 0..<3 {
            guard var answer = Self.climb(from: directory, Array(identity[..<8]), isKnown) else { break }
            // Relative to an ancestor that is known.
            guard answer.path.first == UInt8(ascii: "/") else { return answer }
            // Of a path that is too long nothing is known, but by climbing once more.
            if case .known(let path) = Self.path(of: directory), path != answer.path { continue }
            if !entrance.prefix.isEmpty {
                answer.path =
                    answer.path == [UInt8(ascii: "/")] ? entrance.prefix : entrance.prefix + answer.path
            }
            if entrance.isPart, !files.leads(answer.path, to: directory) { break }
            return answer
        }
        return nil
    }

    /// No directory lies deeper.
    private static let deepest = 1 << 16

    private enum Path: Equatable {
        case known([UInt8])
        /// Longer than the kernel reports (a page).
        case tooLong
        /// Not to be reached from the root.
        case none
    }

    private static func climb(
        from directory: borrowing FileDescriptor, _ fsid: [UInt8], _ isKnown: (UnsafeRawBufferPointer) -> Bool
    ) -> DirectoryAnswer? {
        var answer = DirectoryAnswer(path: [])
        var head = path(of: directory)
        // The names below the directory whose path is `head`, the lowest first.
        var names: [[UInt8]] = []
        var place = self.handle(of: directory)
        var fsid = fsid
        var current = dup(directory)
        climbing: for level in 0..<deepest {
            if case .none = head { return nil }
            if case .known(let path) = head, level == names.count + depth(path) { break }
            guard let below = current.take(), let above = try? below.openRelative("..", O_PATH | O_DIRECTORY)
            else { break }
            if head == .tooLong {
                guard let name = name(of: below, in: above) else { return nil }
                names.append(name)
                head = path(of: above)
            }
            let mount = place?.mount
            place = self.handle(of: above)
            if let handle = place, mount != nil, answer.ancestors.count == level {
                if handle.mount != mount {
                    guard let other = self.fsid(of: above) else { break }
                    fsid = other
                }
                let identity = fsid + handle.bytes
                answer.ancestors.append(identity)
                if identity.withUnsafeBytes(isKnown) { break climbing }
            } else if case .known = head {
                break
            }
            current = consume above
        }
        switch head {
        case .known(let path): answer.path = path
        // Relative to the one that is known.
        case .tooLong: if answer.ancestors.count != names.count { return nil }
        case .none: return nil
        }
        for (index, name) in names.reversed().enumerated() {
            if index > 0 || (!answer.path.isEmpty && answer.path != [UInt8(ascii: "/")]) {
                answer.path.append(UInt8(ascii: "/"))
            }
            answer.path += name
        }
        return answer
    }

    private static func depth(_ path: [UInt8]) -> Int { path.split(separator: UInt8(ascii: "/")).count }

    private static func dup(_ directory: borrowing FileDescriptor) -> FileDescriptor? {
        let number = fcntl(directory.number, F_DUPFD_CLOEXEC, 0)
        return number < 0 ? nil : FileDescriptor(owning: number)
    }

    private static func path(of directory: borrowing FileDescriptor) -> Path {
        errno = 0
        guard let path = SymbolicLink.read("/proc/self/fd/\(directory.number)") else {
            return errno == ENAMETOOLONG ? .tooLong : .none
        }
        guard path.first == UInt8(ascii: "/") else { return .none }
        let mark = Array(" (deleted)".utf8)
        guard path.suffix(mark.count) == mark[...] else { return .known(path) }
        // Its name may end so, or it is gone and somebody still holds it.
        var status = stat()
        guard fstat(directory.number, &status) == 0, status.st_nlink == 0 else { return .known(path) }
        return .known(Array(path.dropLast(mark.count)))
    }

    /// A directory's `struct file_handle`, and the id of the mount through which it was reached.
    static func handle(of directory: borrowing FileDescriptor) -> (bytes: [UInt8], mount: Int32)? {
        // MAX_HANDLE_SZ is 128; eight bytes stand before the handle itself.
        var words = [UInt64](repeating: 0, count: 17)
        var mount: Int32 = 0
        let number = directory.number
        return words.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: 128, as: UInt32.self)
            guard
                clinux_name_to_handle_at(number, "", bytes.baseAddress!, &mount, AT_EMPTY_PATH) == 0
            else { return nil }
            let count = Int(bytes.load(as: UInt32.self))
            guard count <= 128 else { return nil }
            return (Array(bytes[..<(8 + count)]), mount)
        }
    }

    private static func fsid(of directory: borrowing FileDescriptor) -> [UInt8]? {
        var status = statfs()
        guard fstatfs(directory.number, &status) == 0 else { return nil }
        return withUnsafeBytes(of: &status.f_fsid) { Array($0) }
    }

    /// The name that a directory has in the one above, found by looking at all that lie there.
    private static func name(
        of directory: borrowing FileDescriptor, in above: borrowing FileDescriptor
    ) -> [UInt8]? {
        var wanted = stat()
        guard fstat(directory.number, &wanted) == 0,
            let list = try? above.openRelative(".", O_RDONLY | O_DIRECTORY | O_NONBLOCK),
            let stream = fdopendir(list.release())
        else { return nil }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            guard entry.pointee.d_ino == wanted.st_ino else { continue }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != [0x2e], name != [0x2e, 0x2e] { return name }
        }
        return nil
    }
}
