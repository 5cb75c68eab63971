import Glibc
import SystemCalls

/// The root directory under which a system lies: `/`, or where another one is mounted or unpacked.
///
/// Symbolic links in the middle of a path are followed as the kernel does for this process: in a foreign root
/// a link with an absolute target leads out of it. Paths of the database were freed of the links that matter,
/// see `TopLevelLinks`.
struct FileRoot: Sendable {
    /// Without a slash at the end; empty for `/`.
    let prefix: [UInt8]

    init(_ path: String) {
        var bytes = Array(path.utf8)
        while bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
        prefix = bytes
    }

    /// `path` as this process has to name it, NUL at its end; `nil` where it holds a NUL itself.
    func name(_ path: some Collection<UInt8>) -> [UInt8]? {
        guard !path.contains(0) else { return nil }
        var bytes = prefix
        bytes.reserveCapacity(prefix.count + path.count + 2)
        if path.first != UInt8(ascii: "/") { bytes.append(UInt8(ascii: "/")) }
        bytes.append(contentsOf: path)
        bytes.append(0)
        return bytes
    }

    /// The corresponding C function is `lstat`.
    func status(_ path: some Collection<UInt8>) throws(SystemError) -> stat {
        guard let name = name(path) else { throw SystemError("lstat", code: ENOENT) }
        var status = stat()
        _ = try systemCall("lstat") {
            name.withUnsafeBufferPointer { name in
                name.withMemoryRebound(to: CChar.self) { lstat($0.baseAddress!, &status) }
            }
        }
        return status
    }

    /// Opens for reading; never waits for a writer where a pipe lies in place of a file.
    func open(_ path: some Collection<UInt8>, _ flags: Int32 = 0) throws(SystemError) -> FileDescriptor {
        guard let name = name(path) else { throw SystemError("open", code: ENOENT) }
        return try FileDescriptor.open(bytes: name, O_RDONLY | O_NONBLOCK | O_NOCTTY | flags)
    }

    /// Target of a symbolic link; `nil` where there is none.
    func link(_ path: [UInt8]) -> [UInt8]? {
        guard let name = name(path) else { return nil }
        var target = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = name.withUnsafeBufferPointer { name in
            name.withMemoryRebound(to: CChar.self) { name in
                target.withUnsafeMutableBytes {
                    readlink(name.baseAddress!, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
                }
            }
        }
        return count > 0 && count < target.count ? Array(target[..<count]) : nil
    }

    /// Names in a directory, without `.` and `..`, in the order in which the filesystem gives them.
    func names(in directory: [UInt8]) throws(SystemError) -> [[UInt8]] {
        let stream = try DirectoryStream(try open(directory, O_DIRECTORY))
        var names: [[UInt8]] = []
        while let name = stream.next() { names.append(name) }
        return names
    }

    /// Whether an error says that there is nothing under a name.
    static func isMissing(_ error: SystemError) -> Bool { error.code == ENOENT || error.code == ENOTDIR }
}
