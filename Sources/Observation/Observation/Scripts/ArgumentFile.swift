/// Files that hold arguments, as the launcher of Java reads them (java(1), `@argfiles`).
enum ArgumentFile {
    /// Its arguments: separated by white space, perhaps in quotes, with comments from `#` to the end of the line.
    static func arguments(of bytes: [UInt8]) -> [[UInt8]] {
        var result: [[UInt8]] = []
        var word: [UInt8] = []
        // An empty one may stand in quotes.
        var isWord = false
        var quote: UInt8?
        var rest = bytes[...]
        func finish() {
            if isWord { result.append(word) }
            word.removeAll()
            isWord = false
        }
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), quote != nil, let next = rest.popFirst() {
                // At the end of a line it goes on in the next one.
                if next == UInt8(ascii: "\n") {
                    rest = rest.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
                } else {
                    word.append(next)
                }
            } else if let open = quote {
                if byte == open { quote = nil } else { word.append(byte) }
            } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                quote = byte
                isWord = true
            } else if byte == UInt8(ascii: "#"), !isWord {
                rest = rest.drop { $0 != UInt8(ascii: "\n") }
            } else if byte == UInt8(ascii: " ") || (9...13).contains(byte) {
                finish()
            } else {
                word.append(byte)
                isWord = true
            }
        }
        finish()
        return result
    }
}
