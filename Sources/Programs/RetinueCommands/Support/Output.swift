import Glibc
import SystemCalls

/// Where data goes: stdout, or a file.
struct Output {
    let number: Int32
    /// For messages.
    let name: String

    static let standard = Output(number: 1, name: "standard output")

    /// Writes all of it.
    ///
    /// - Throws: `ReaderGone` or `Failure`.
    func write(_ bytes: UnsafeRawBufferPointer) throws {
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
