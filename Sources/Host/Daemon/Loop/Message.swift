import Glibc

/// Sentences to standard error, each a line with the daemon's name before it.
enum Message {
    static func print(_ sentence: String) {
        let line = Array("retinued: \(sentence)\n".utf8)
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
