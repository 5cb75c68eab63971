/// A system call as strace reports it, begun and finished.
struct TracedCall: Equatable {
    /// The thread that made it.
    var thread: Int32
    var name: String
    /// The arguments as written, split at the commas between them.
    var arguments: [[UInt8]]
    /// What it returned; `nil` if strace never saw it return (`?`).
    var result: Int?
    /// What strace says of a returned descriptor: the path, or what kind of socket it is.
    var resultNote: [UInt8]?
    /// The name of the error.
    var error: String?
    /// Line on which it began.
    var begin: Int
    /// Line on which it was finished.
    var end: Int
}

/// What a line of a trace says.
enum TraceEvent: Equatable {
    case call(TracedCall)
    /// A thread ended.
    case ended(thread: Int32, line: Int)
    /// An exec by another thread of the process: that thread goes on under the number of the first.
    case superseded(thread: Int32, by: Int32, line: Int)
}

/// Small readers of what strace writes; all of it is ASCII, because `-xx` writes strings and paths in hex.
enum StraceText {
    /// The bytes of a string literal; `nil` if it is none.
    static func string(_ text: some Collection<UInt8>) -> [UInt8]? {
        guard text.first == UInt8(ascii: "\"") else { return nil }
        return unescape(text.dropFirst().prefix { $0 != UInt8(ascii: "\"") })
    }

    /// The strings of a list such as `["ls", "-l"]`.
    static func strings(_ text: [UInt8]) -> [[UInt8]] {
        guard text.first == UInt8(ascii: "["), text.last == UInt8(ascii: "]") else { return [] }
        return split(text.dropFirst().dropLast()).compactMap { string($0) }
    }

    /// What stands in angle brackets behind a descriptor: `3</etc/hosts>`.
    static func note(_ text: some Collection<UInt8>) -> [UInt8]? {
        guard let open = text.firstIndex(of: UInt8(ascii: "<")) else { return nil }
        var note: [UInt8] = []
        var depth = 0
        var previous: UInt8 = 0
        for byte in text[open...] {
            if byte == UInt8(ascii: "<") {
                depth += 1
            } else if byte == UInt8(ascii: ">"), previous != UInt8(ascii: "-") {
                depth -= 1
            }
            if depth == 0 { break }
            note.append(byte)
            previous = byte
        }
        return Array(note.dropFirst())
    }

    /// Splits at commas that stand in no bracket and in no string.
    static func split(_ text: some Collection<UInt8>) -> [[UInt8]] {
        var parts: [[UInt8]] = []
        var part: [UInt8] = []
        var scanner = Nesting()
        for byte in text {
            scanner.take(byte)
            if byte == UInt8(ascii: ","), scanner.isOutside {
                parts.append(trim(part))
                part = []
            } else {
                part.append(byte)
            }
        }
        if !trim(part).isEmpty { parts.append(trim(part)) }
        return parts
    }

    static func trim(_ text: [UInt8]) -> [UInt8] {
        let space = UInt8(ascii: " ")
        return Array(text.drop { $0 == space }.reversed().drop { $0 == space }.reversed())
    }

    /// Turns `\x2f`, `\n`, `\033` and the like into bytes.
    static func unescape(_ text: some Collection<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = Array(text)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let kind = rest.popFirst() else {
                bytes.append(byte)
                continue
            }
            switch kind {
            case UInt8(ascii: "x"):
                bytes.append(number(rest.prefix(2), radix: 16))
                rest = rest.dropFirst(2)
            case UInt8(ascii: "0")...UInt8(ascii: "7"):
                let digits =
                    [kind] + rest.prefix(2).prefix { (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) }
                bytes.append(number(digits[...], radix: 8))
                rest = rest.dropFirst(digits.count - 1)
            case UInt8(ascii: "n"): bytes.append(10)
            case UInt8(ascii: "t"): bytes.append(9)
            case UInt8(ascii: "r"): bytes.append(13)
            case UInt8(ascii: "v"): bytes.append(11)
            case UInt8(ascii: "f"): bytes.append(12)
            default: bytes.append(kind)
            }
        }
        return bytes
    }

    private static func number(_ digits: ArraySlice<UInt8>, radix: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: Int(String(decoding: digits, as: UTF8.self), radix: radix) ?? 0)
    }
}

/// Follows brackets and strings, byte by byte.
struct Nesting {
    private var depth = 0
    private var inString = false
    private var escaped = false
    private var previous: UInt8 = 0

    /// Whether the last byte stands in no bracket and in no string.
    var isOutside: Bool { depth <= 0 && !inString }
    /// Whether the last byte closed a bracket that was opened before the first.
    var isBelow: Bool { depth < 0 }

    mutating func take(_ byte: UInt8) {
        defer { previous = byte }
        if inString {
            if escaped {
                escaped = false
            } else if byte == UInt8(ascii: "\\") {
                escaped = true
            } else if byte == UInt8(ascii: "\"") {
                inString = false
            }
            return
        }
        switch byte {
        case UInt8(ascii: "\""): inString = true
        case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: "<"): depth += 1
        case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
        // `->` stands in the names of sockets, `=>` between a value before and after the call.
        case UInt8(ascii: ">") where previous != UInt8(ascii: "-") && previous != UInt8(ascii: "="):
            depth -= 1
        default: break
        }
    }
}
