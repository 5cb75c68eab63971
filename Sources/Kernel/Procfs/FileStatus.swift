import CLinux
import Glibc

/// What is known of a file without asking whoever serves it (`statx` with `AT_STATX_DONT_SYNC`).
///
/// For a filesystem of this machine that is what stat(2) tells. For one of a FUSE or network server it is what
/// the kernel had learnt last: the call comes back at once, whether the server answers or not.
public struct FileStatus: Equatable, Sendable {
    /// As `st_dev`.
    public var device: UInt64
    /// As `st_ino`.
    public var inode: UInt64
    /// Identity of the mount, as the first field of mountinfo; 0 before Linux 5.8.
    public var mount: UInt64
    /// Type and permissions, as `st_mode`.
    public var mode: mode_t
    /// Number of names, as `st_nlink`; 0 for a deleted file that somebody holds.
    public var links: UInt32

    /// Makes a status.
    public init(device: UInt64, inode: UInt64, mount: UInt64 = 0, mode: mode_t, links: UInt32 = 1) {
        self.device = device
        self.inode = inode
        self.mount = mount
        self.mode = mode
        self.links = links
    }

    /// That of an open file, an `O_PATH` one included; `nil` if it is not known.
    public init?(descriptor: Int32) {
        self.init("", relativeTo: descriptor, flags: AT_EMPTY_PATH)
    }

    /// That of what a path leads to. Looking the path up can take as long as a server on its way likes; through
    /// a link under /proc (`/proc/PID/fd/N`) it cannot.
    init?(_ path: String, relativeTo directory: Int32, flags: Int32 = 0) {
        var status = clinux_status()
        guard clinux_status_at(directory, path, flags, &status) == 0 else { return nil }
        self.init(
            device: status.device, inode: status.inode, mount: status.mount, mode: mode_t(status.mode),
            links: status.links)
    }
}
