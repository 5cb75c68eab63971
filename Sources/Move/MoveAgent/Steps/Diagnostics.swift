import Glibc
import Text

/// What the agent says of itself on standard error.
enum Diagnostics {
    static func say(_ sentence: String) {
        let line = Array("retinue-agent: \(Printable.text(Array(sentence.utf8)))\n".utf8)
        _ = line.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
    }
}
