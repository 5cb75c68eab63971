import CLinux
import Glibc
import SystemCalls

/// Where a socket lies that others find by its name: its folder, held open, and its name in there.
///
/// The folder is held so that what is compared and removed later is in the folder of the beginning,
/// whatever was renamed meanwhile.
package struct SocketPlace: ~Copyable {
    package let path: String
    private let folder: FileDescriptor
    private let name: String

    /// What has the name at this moment.
    package struct Occupant: Equatable, Sendable {
        let device: dev_t
        let inode: ino_t
        package let isSocket: Bool
    }

    package init(_ path: String) throws(ControlError) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard let name = parts.last, !name.isEmpty, name != ".", name != "..", name.utf8.count <= 80,
            !path.utf8.contains(0)
        else { throw .unusablePath(path) }
        let parent = parts.dropLast().joined(separator: "/")
        let folder = try Self.open(parts.count == 1 ? "." : parent.isEmpty ? "/" : parent, for: path)
        self.path = path
        self.name = String(name)
        self.folder = folder
    }

    private static func open(_ folder: String, for path: String) throws(ControlError) -> FileDescriptor {
        do throws(SystemError) {
            return try FileDescriptor.open(folder, O_PATH | O_DIRECTORY)
        } catch {
            throw ControlError(error, path: path)
        }
    }

    /// Lends the address. A path that is longer than an address holds (107 bytes) is said by way of the
    /// open folder.
    package borrowing func withAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result)
        -> Result
    {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: address.sun_path) - 1
        let spelling = path.utf8.count <= room ? path : "/proc/self/fd/\(folder.number)/\(name)"
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: spelling.utf8) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, size) }
        }
    }

    /// What has the name now; `nil` when nothing has.
    package borrowing func occupant() -> Occupant? {
        var status = stat()
        guard fstatat(folder.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
        return Occupant(
            device: status.st_dev, inode: status.st_ino, isSocket: status.st_mode & S_IFMT == S_IFSOCK)
    }

    /// Removes the name if it still belongs to `expected`.
    package borrowing func remove(_ expected: Occupant) {
        if occupant() == expected { _ = unlinkat(folder.number, name, 0) }
    }

    /// Lets a group connect to what was bound, if the name still belongs to it; the folder decides who else could
    /// have put something there.
    ///
    /// - Returns: why it may not: whoever is not of the group needs CAP_CHOWN to give a file to it (chown(2)).
    borrowing func give(_ expected: Occupant, to group: UInt32) -> SystemError? {
        guard occupant() == expected else { return SystemError("fstatat", code: ESTALE) }
        do throws(SystemError) {
            let file = try folder.openRelative(name, O_PATH | O_NOFOLLOW)
            let number = file.number
            var status = stat()
            _ = try systemCall("fstat") { fstat(number, &status) }
            guard status.st_ino == expected.inode, status.st_dev == expected.device else {
                return SystemError("fstat", code: ESTALE)
            }
            // Where it is the daemon's own group it is the socket's as well, and the unit lets it change owners of nothing.
            if status.st_gid != group {
                _ = try systemCall("fchownat") { fchownat(number, "", uid_t.max, group, AT_EMPTY_PATH) }
            }
            // fchmod refuses a descriptor of this kind; its name under /proc is the same file.
            _ = try systemCall("chmod") { chmod("/proc/self/fd/\(number)", 0o660) }
            _ = consume file
            return nil
        } catch { return error }
    }

    /// Keeps other daemons from taking this place while its owner checks whether it is free.
    ///
    /// Between bind and listen a socket looks as dead as a forgotten one; two daemons that start at the
    /// same moment could each remove the other's. Who holds the lock for long is no such daemon, so
    /// the wait is short and then goes on without.
    package borrowing func lock() -> PlaceLock? {
        guard let own = try? folder.openRelative(".", O_RDONLY | O_DIRECTORY) else { return nil }
        for _ in 0..<20 {
            if flock(own.number, LOCK_EX | LOCK_NB) == 0 { return PlaceLock(folder: own) }
            usleep(1000)
        }
        return nil
    }
}

/// A lock (`flock`) on a folder, given back with its descriptor.
package struct PlaceLock: ~Copyable {
    let folder: FileDescriptor

    /// Ends the lock here and not where the compiler sees the last use.
    package consuming func end() {}
}

extension ControlError {
    /// What a failed call on the way to a socket means.
    package init(_ error: SystemError, path: String) {
        switch error.code {
        case ENOENT, ENOTDIR, ECONNREFUSED: self = .notRunning(path: path)
        case EACCES, EPERM: self = .noPermission(path: path)
        default: self = .system(error, path: path)
        }
    }
}

/// Opens a socket for control messages.
func controlSocket(_ flags: Int32, path: String) throws(ControlError) -> FileDescriptor {
    do throws(SystemError) {
        let number = try systemCall("socket") {
            socket(AF_UNIX, clinux_SOCK_SEQPACKET | clinux_SOCK_CLOEXEC | flags, 0)
        }
        return FileDescriptor(owning: number)
    } catch {
        throw .system(error, path: path)
    }
}
