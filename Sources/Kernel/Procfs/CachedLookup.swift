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
    public static func open(_ path: [UInt8], relativeTo directory: Int32 = AT_FDCWD, flags: Int32 = 0)
        -> Answer
    {
        guard isAvailable, path.last == 0 else { return .uncached }
        let number = path.withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                clinux_openat2(
                    directory, $0.baseAddress!, UInt64(O_PATH | O_CLOEXEC | flags), clinux_RESOLVE_CACHED)
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
