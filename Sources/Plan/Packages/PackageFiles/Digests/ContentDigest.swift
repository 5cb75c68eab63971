import Glibc
package import SystemCalls

/// What a package recorded of a file's contents.
public enum ContentDigest: Hashable, Sendable {
    /// As dpkg has it, and rpm of old packages.
    case md5(MD5.Digest)
    /// As rpm has it, and Python's packages.
    case sha256(SHA256.Digest)
}

/// Digests of files; one buffer serves for all of them.
package struct FileDigest: ~Copyable {
    /// Large enough that system calls cost nothing beside the digest, small enough for the cache.
    private static let size = 256 << 10
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.size, alignment: 64)

    /// Makes the buffer.
    package init() {}

    deinit { buffer.deallocate() }

    /// Reads a whole file; whether it has the contents that were recorded. What is no regular file has not: a link in its
    /// place is another file.
    package borrowing func has(
        _ digest: ContentDigest, _ path: [UInt8], in root: FileRoot
    ) throws(SystemError) -> Bool {
        guard try root.status(path).st_mode & S_IFMT == S_IFREG else { return false }
        let file = try root.open(path, O_NOFOLLOW)
        switch digest {
        case .md5(let digest):
            var found = MD5()
            while let count = try file.read(into: buffer), count > 0 {
                found.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
            return found.finish() == digest
        case .sha256(let digest):
            var found = SHA256()
            while let count = try file.read(into: buffer), count > 0 {
                found.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
            return found.finish() == digest
        }
    }
}
