import Glibc
public import SystemCalls

/// How full the filesystem is that a directory lies on. The corresponding C function is `statvfs`.
///
/// This is no measure of a system: it has all files of that filesystem and its own structures, deleted files
/// that are still open too, and nothing of other filesystems. It costs one call, where a walk costs minutes.
public struct FilesystemUsage: Equatable, Sendable {
    /// Bytes in use: (`f_blocks` - `f_bfree`) times `f_frsize`.
    public var used: UInt64
    /// Bytes of the whole filesystem.
    public var size: UInt64

    /// Asks the filesystem of `directory`.
    public init(of directory: String = "/") throws(SystemError) {
        var answer = statvfs()
        _ = try systemCall("statvfs") { statvfs(directory, &answer) }
        let unit = UInt64(answer.f_frsize)
        let blocks = UInt64(answer.f_blocks)
        used = (blocks - min(blocks, UInt64(answer.f_bfree))) &* unit
        size = blocks &* unit
    }
}
