import CLinux
import Glibc
public import SystemCalls

/// Looks paths up in what the kernel has in memory, and never further (`openat2` with `RESOLVE_CACHED`,
/// Linux 5.12).
///
/// A path may lead anywhere: through a symbolic link that was put there meanwhile, or a mount that is a moment
/// old. A lookup that would have to ask a filesystem is given up instead, so that it waits for nobody.
public enum CachedLookup {
    /// What a lookup came to.
    public enum Answer: ~Copyable {
        /// The file, as an `O_PATH` descriptor: it was not opened for its filesystem.
        case found(FileDescriptor)
        /// There is no such file, or not for us.
        case absent
        /// A filesystem would have to be asked.
        case uncached
    }

    /// Whether the kernel has it; where it has not, every answer is `uncached`.
    public static let isAvailable: Bool = {
        let number = clinux_openat2(
            AT_FDCWD, "/", UInt64(O_PATH | O_CLOEXEC | O_DIRECTORY), clinux_RESOLVE_CACHED)
        if number >= 0 { close(number) }
        return number >= 0 || errno == EAGAIN
    }()

    /// Looks a path up.
    ///
    /// - Parameters:
    ///   - path: bytes, NUL-terminated.
    ///   - flags: further flags of open(2), such as `O_NOFOLLOW` and `O_DIRECTORY`.
    ///   - isRoot: whether the directory is the root of whatever the path leads through (`RESOLVE_IN_ROOT`).
    public static func open(
        _ path: [UInt8], relativeTo directory: Int32 = AT_FDCWD, flags: Int32 = 0, isRoot: Bool = false
    ) -> Answer {
        guard isAvailable, path.last == 0 else { return .uncached }
        let number = path.withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                clinux_openat2(
                    directory, $0.baseAddress!, UInt64(O_PATH | O_CLOEXEC | flags),
                    clinux_RESOLVE_CACHED | (isRoot ? UInt64(RESOLVE_IN_ROOT) : 0))
            }
        }
        if number >= 0 { return .found(FileDescriptor(owning: number)) }
        return errno == EAGAIN || errno == EINTR ? .uncached : .absent
    }

    /// Looks a path up in one mount, given by an open directory of it, and never leaves it: neither by a symbolic
    /// link nor by a mount further down, which would be `ELOOP` and `EXDEV` (`RESOLVE_NO_XDEV`,
    /// `RESOLVE_NO_SYMLINKS`, Linux 5.6). It may ask the mount's filesystem, and that one alone.
    public static func openInside(
        _ directory: borrowing FileDescriptor, _ path: [UInt8], flags: Int32 = 0
    ) throws(SystemError) -> FileDescriptor {
        let start = directory.number
        guard path.last == 0 else { throw SystemError("openat2", code: EINVAL) }
        let number = try systemCall("openat2") {
            path.withUnsafeBufferPointer { bytes in
                bytes.withMemoryRebound(to: CChar.self) {
                    clinux_openat2(
                        start, $0.baseAddress!, UInt64(O_PATH | O_CLOEXEC | flags),
                        UInt64(RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS))
                }
            }
        }
        return FileDescriptor(owning: number)
    }
}

/// Targets of symbolic links, as bytes.
public enum SymbolicLink {
    /// The target of a link, whatever its length; `nil` if it cannot be read.
    /// The corresponding C function is `readlinkat`.
    public static func read(_ path: String, relativeTo directory: Int32 = AT_FDCWD) -> [UInt8]? {
        path.withCString { read($0, relativeTo: directory) }
    }

    /// The same of a path given as NUL-terminated bytes.
    static func read(_ path: [UInt8], relativeTo directory: Int32) -> [UInt8]? {
        path.withUnsafeBytes {
            read($0.baseAddress!.assumingMemoryBound(to: CChar.self), relativeTo: directory)
        }
    }

    private static func read(_ path: UnsafePointer<CChar>, relativeTo directory: Int32) -> [UInt8]? {
        // Most are short: then nothing more is allocated than they have.
        let brief = withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer -> [UInt8]? in
            let room = buffer.baseAddress!.assumingMemoryBound(to: CChar.self)
            let count = readlinkat(directory, path, room, buffer.count)
            if count < 0 { return [] }
            return count < buffer.count ? Array(buffer[..<count]) : nil
        }
        // No link has an empty target.
        if let brief { return brief.isEmpty ? nil : brief }
        var size = 1024
        while size <= 1 << 16 {
            var count = -1
            let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, initialized in
                count = buffer.withMemoryRebound(to: CChar.self) {
                    readlinkat(directory, path, $0.baseAddress!, size)
                }
                initialized = max(count, 0)
            }
            if count < 0 { return nil }
            // A link that fills the buffer may have been cut off.
            if count < size { return bytes }
            size *= 4
        }
        return nil
    }
}

/// What is known of a file without asking whoever serves it (`statx` with `AT_STATX_DONT_SYNC`).
///
/// For a filesystem of this machine that is what stat(2) reports. For one of a FUSE or network server it is what
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
    /// When contents or attributes last changed, as `st_ctim`: nanoseconds since 1970.
    public var changed: UInt64
    /// Bytes, as `st_size`.
    public var size: UInt64
    /// Of a device's file the device, as `st_rdev`.
    public var special: UInt64

    /// Makes a status.
    public init(
        device: UInt64, inode: UInt64, mount: UInt64 = 0, mode: mode_t, links: UInt32 = 1,
        changed: UInt64 = 0, size: UInt64 = 0, special: UInt64 = 0
    ) {
        self.device = device
        self.inode = inode
        self.mount = mount
        self.mode = mode
        self.links = links
        self.changed = changed
        self.size = size
        self.special = special
    }

    /// That of an open file, an `O_PATH` one included; `nil` if it is not known.
    public init?(descriptor: Int32) {
        self.init("", relativeTo: descriptor, flags: AT_EMPTY_PATH)
    }

    /// That of what a NUL-terminated path leads to, on local filesystems alone: it is looked up as any path.
    public init?(_ path: [UInt8]) {
        guard path.last == 0 else { return nil }
        var status = clinux_status()
        let result = path.withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                clinux_status_at(AT_FDCWD, $0.baseAddress!, 0, &status)
            }
        }
        guard result == 0 else { return nil }
        self.init(status)
    }

    /// That of what a path leads to. Looking the path up can take as long as a server on its way likes; through
    /// a link under /proc (`/proc/PID/fd/N`) it cannot.
    init?(_ path: String, relativeTo directory: Int32, flags: Int32 = 0) {
        var status = clinux_status()
        guard path.withCString({ clinux_status_at(directory, $0, flags, &status) }) == 0 else { return nil }
        self.init(status)
    }

    /// The same of a descriptor, by its link in an open /proc/PID/fd.
    init?(_ name: DescriptorName, in folder: borrowing FileDescriptor) {
        var status = clinux_status()
        let folder = folder.number
        guard name.withCString({ clinux_status_at(folder, $0, 0, &status) }) == 0 else { return nil }
        self.init(status)
    }

    private init(_ status: clinux_status) {
        self.init(
            device: status.device, inode: status.inode, mount: status.mount, mode: mode_t(status.mode),
            links: status.links, changed: status.changed, size: status.size, special: status.special)
    }
}
