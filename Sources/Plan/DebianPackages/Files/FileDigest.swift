import Glibc
import SystemCalls

/// Digests of files; one buffer serves for all of them.
struct FileDigest: ~Copyable {
    /// Large enough that system calls cost nothing beside the digest, small enough for the cache.
    private static let size = 256 << 10
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.size, alignment: 64)

    deinit { buffer.deallocate() }

    /// Reads a whole file; `nil` where it is no regular file.
    borrowing func of(_ path: [UInt8], in root: FileRoot) throws(SystemError) -> MD5.Digest? {
        // A link in its place is another file.
        guard try root.status(path).st_mode & S_IFMT == S_IFREG else { return nil }
        let file = try root.open(path, O_NOFOLLOW)
        var digest = MD5()
        while let count = try file.read(into: buffer), count > 0 {
            digest.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        return digest.finish()
    }
}
