import Glibc
import SystemCalls

/// A file that is there whole or not at all.
enum OutputFile {
    /// Lets `body` write; `-` is standard output.
    ///
    /// A regular file is written aside and renamed at the end, so that a failure leaves what was there
    /// before; an interruption removes what was written aside. A device or a pipe is written to directly.
    static func write(to path: String, _ body: (Output) throws -> Void) throws {
        if path == "-" { return try body(.standard) }
        var status = stat()
        let isThere = stat(path, &status) == 0
        if isThere, status.st_mode & S_IFMT != S_IFREG {
            let file = try open(path, O_WRONLY, for: path)
            return try body(Output(number: file.number, name: path))
        }
        let aside = path + ".\(getpid()).part"
        try Interruption.removing(aside) {
            try open(aside, O_WRONLY | O_CREAT | O_EXCL, for: path)
        } _: { file in
            do {
                try body(Output(number: file.number, name: path))
                guard rename(aside, path) == 0 else { throw failure(path, errno) }
            } catch {
                unlink(aside)
                throw error
            }
        }
    }

    private static func open(
        _ path: String, _ flags: Int32, for name: String
    ) throws(Failure) -> FileDescriptor {
        do throws(SystemError) {
            return try FileDescriptor.open(path, flags, mode: 0o600)
        } catch {
            throw failure(name, error.code)
        }
    }

    private static func failure(_ path: String, _ code: Int32) -> Failure {
        Failure("cannot write \(path): \(SystemError.text(of: code))")
    }
}
