import CLinux
import Glibc
import SystemCalls
import Text

/// Where data goes: stdout, or a file.
struct Output {
    let number: Int32
    /// For messages.
    let name: String

    static let standard = Output(number: 1, name: "standard output")

    /// Columns that a table may have here: those of the terminal. Where none shows it, whoever reads it wants whole names.
    ///
    /// - Parameter isWide: whether whole names were asked for.
    func width(isWide: Bool = false) -> Int? {
        isWide || number != 1 || !Terminal.isStandardOutput ? nil : Terminal.width
    }

    /// Writes all of it.
    ///
    /// - Throws: `ReaderGone` or `Failure`.
    func write(_ bytes: UnsafeRawBufferPointer) throws {
        if number == 1, Terminal.isStandardOutput, let shown = Terminal.shown(bytes) {
            try shown.withUnsafeBytes { try writeAll($0) }
        } else {
            try writeAll(bytes)
        }
    }

    private func writeAll(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(number, rest.baseAddress, rest.count)
            if count >= 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                continue
            }
            switch errno {
            case EINTR: continue
            case EPIPE: throw ReaderGone()
            case EAGAIN:
                // Somebody who shares the terminal or pipe made it non-blocking.
                var entry = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
                _ = poll(&entry, 1, -1)
            default: throw Failure("cannot write to \(name): \(SystemError.text(of: errno))")
            }
        }
    }

    /// Writes bytes that are fit for wherever they go.
    func writePlain(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try writeAll($0) } }

    func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

    func write(_ text: String) throws { try write(Array(text.utf8)) }
}

/// What is said to the person in front of it: stderr, never mixed with data.
enum Diagnostics {
    /// Says a sentence; whatever it quotes cannot steer the terminal.
    static func say(_ sentence: String) { write("retinue: \(sentence.printable)\n") }

    static func write(_ text: String) {
        // Nothing is left to do if even this fails.
        try? Output(number: 2, name: "standard error").write(text)
    }
}

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

/// The terminal behind stdout, if there is one.
enum Terminal {
    /// Columns where output is not a terminal, or does not know its own.
    static let defaultWidth = 80

    /// Whether standard output is a terminal.
    static let isStandardOutput = isatty(1) == 1

    /// Bytes as they may go to a terminal: with what could steer it escaped as in tables, except for the ends of lines.
    ///
    /// CSV, lists and paths hold names as they are, for programs; like ls(1), a person who looks at them on a terminal
    /// gets them escaped. `nil` if there is nothing to escape.
    static func shown(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
        if bytes.allSatisfy({ $0 == 0x0a || (0x20..<0x7f).contains($0) }) { return nil }
        var out: [UInt8] = []
        for (number, line) in bytes.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated() {
            if number > 0 { out.append(0x0a) }
            // A backslash is plain here: most of what is shown are tables, which have escaped theirs.
            let parts = line.split(separator: UInt8(ascii: "\\"), omittingEmptySubsequences: false)
            out += parts.map { Array(Printable.text($0).utf8) }.joined(separator: [UInt8(ascii: "\\")])
        }
        return out
    }

    /// Columns of stdout's terminal.
    static var width: Int {
        var size = winsize()
        guard isatty(1) == 1, clinux_ioctl_pointer(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 20 else {
            return defaultWidth
        }
        return Int(size.ws_col)
    }
}
