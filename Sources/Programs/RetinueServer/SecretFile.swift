import Glibc
import SystemCalls

/// A file that only some may read: a token, a private key.
enum SecretFile {
    /// Why a file is not used.
    struct Unusable: Error, CustomStringConvertible {
        let description: String
    }

    /// Its bytes; refused if it is no file, or everybody may read it or write to it.
    static func read(_ file: String, limit: Int) throws -> [UInt8] {
        let descriptor = try open(file)
        var status = stat()
        guard fstat(descriptor.number, &status) == 0, status.st_mode & 0o007 == 0 else {
            throw Unusable(description: "\(file) can be read by everybody: chmod o= \(file)")
        }
        return try descriptor.readAll(limit: limit)
    }

    /// The bytes of a file that is no secret.
    static func readPublic(_ file: String, limit: Int) throws -> [UInt8] {
        try open(file).readAll(limit: limit)
    }

    private static func open(_ file: String) throws -> FileDescriptor {
        let descriptor: FileDescriptor
        do throws(SystemError) {
            descriptor = try .open(file, O_RDONLY | O_NONBLOCK)
        } catch {
            throw Unusable(description: "cannot open \(file): \(SystemError.text(of: error.code))")
        }
        var status = stat()
        guard fstat(descriptor.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw Unusable(description: "\(file) is no file")
        }
        return descriptor
    }
}
