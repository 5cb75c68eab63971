/// Absolute paths that stand in a text: a script, a unit, a configuration.
enum NamedPaths {
    /// Longer texts are no configuration.
    private static let mostPaths = 10_000

    /// Each once, in the order of the text. A path ends where no name goes on: at a blank, a quote, a bracket or a comma.
    /// What looks like one need not be: whoever asks looks whether it is there.
    static func paths(in text: [UInt8]) -> [[UInt8]] {
        // A program's own bytes are no text.
        guard !text.prefix(4096).contains(0) else { return [] }
        var found: [[UInt8]] = []
        var seen: Set<[UInt8]> = []
        var position = 0
        while let start = text[position...].firstIndex(of: UInt8(ascii: "/")), found.count < mostPaths {
            var end = start
            while end < text.count, isPart(text[end]) { end += 1 }
            position = max(end, start + 1)
            // In the middle of a word it is a part of a relative path or of an address.
            if start > 0, isPart(text[start - 1]) { continue }
            // `//host/path` is an address.
            if end > start + 1, text[start + 1] == UInt8(ascii: "/") { continue }
            var path = Array(text[start..<end])
            while path.count > 1, let last = path.last, [UInt8(ascii: "/"), UInt8(ascii: ".")].contains(last)
            {
                path.removeLast()
            }
            if path.count > 1, seen.insert(path).inserted { found.append(path) }
        }
        return found
    }

    private static func isPart(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), 0x80...0xff:
            true
        default: "/._-+@~%#".utf8.contains(byte)
        }
    }
}
