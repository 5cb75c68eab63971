import Glibc
import SystemCalls

/// An open directory that is read name by name. The corresponding C function is `fdopendir`.
struct DirectoryStream: ~Copyable {
    private let stream: OpaquePointer
    /// The directory's descriptor, for calls relative to it.
    let descriptor: Int32

    /// Takes over the descriptor of a directory.
    init(_ directory: consuming FileDescriptor) throws(SystemError) {
        let number = directory.release()
        guard let stream = fdopendir(number) else {
            let code = errno
            close(number)
            throw SystemError("fdopendir", code: code)
        }
        self.stream = stream
        descriptor = number
    }

    deinit { closedir(stream) }

    /// The next name but `.` and `..`; `nil` at the end.
    borrowing func next() -> [UInt8]? {
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != [UInt8(ascii: ".")] && name != Array("..".utf8) { return name }
        }
        return nil
    }

    /// The status of an entry; links are not followed. The corresponding C function is `fstatat`.
    borrowing func status(_ name: [UInt8]) throws(SystemError) -> stat {
        var status = stat()
        let number = descriptor
        _ = try systemCall("fstatat") {
            (name + [0]).withUnsafeBufferPointer { name in
                name.withMemoryRebound(to: CChar.self) {
                    fstatat(number, $0.baseAddress!, &status, AT_SYMLINK_NOFOLLOW)
                }
            }
        }
        return status
    }
}
