/// A pattern for paths: `*` is any text without a slash, `?` one character but the slash, `**` any text,
/// and `**/` any number of folders, none included.
///
/// Matching takes time proportional to pattern times path, whatever the pattern.
public struct Glob: Sendable {
    private enum Token: Equatable, Sendable {
        case byte(UInt8)
        /// The first byte of a character.
        case character
        /// The rest of that character, as far as there is one.
        case continuation
        case star
        case globstar
        /// Where `**/` begins: go on behind it, or into it.
        case folders
        /// Inside `**/`, until some slash.
        case insideFolders
    }

    private let tokens: [Token]

    /// Makes a pattern; no text is refused.
    public init(_ pattern: String) { self.init(pattern.utf8.map { Unit(byte: $0) }[...]) }

    /// A byte of a pattern, which may have been written behind a backslash and so stand for nothing but itself.
    package struct Unit: Equatable {
        package var byte: UInt8
        package var isEscaped: Bool

        package init(byte: UInt8, isEscaped: Bool = false) {
            self.byte = byte
            self.isEscaped = isEscaped
        }

        /// Whether it is this character, with its meaning.
        package func means(_ character: Unicode.Scalar) -> Bool {
            !isEscaped && byte == UInt8(ascii: character)
        }
    }

    /// Makes a pattern in which escaped characters stand for themselves.
    package init(_ pattern: ArraySlice<Unit>) {
        var tokens: [Token] = []
        var rest = pattern
        let slash = UInt8(ascii: "/")
        while let unit = rest.popFirst() {
            if unit.means("?") {
                tokens += [.character, .continuation]
            } else if unit.means("*") {
                guard rest.first == unit else {
                    tokens.append(.star)
                    continue
                }
                while rest.first == unit { rest.removeFirst() }
                let isAtPart = tokens.isEmpty || tokens.last == .byte(slash) || tokens.last == .insideFolders
                if rest.first?.byte == slash, isAtPart {
                    rest.removeFirst()
                    tokens += [.folders, .insideFolders]
                } else {
                    tokens.append(.globstar)
                }
            } else {
                tokens.append(.byte(unit.byte))
            }
        }
        self.tokens = tokens
    }

    /// Whether the whole of `path` has this form.
    public func matches(_ path: some Sequence<UInt8>) -> Bool {
        // All places in the pattern that the path so far may have reached.
        var here = [Bool](repeating: false, count: tokens.count + 1)
        var next = here
        here[0] = true
        skip(&here)
        for byte in path {
            for index in next.indices { next[index] = false }
            for (index, token) in tokens.enumerated() where here[index] {
                step(token, index, byte, &next)
            }
            skip(&next)
            swap(&here, &next)
        }
        return here[tokens.count]
    }

    /// Whether an array's bytes are matched: the generic form is not specialised for callers in other modules, and
    /// takes ten times as many instructions there.
    public func matches(_ path: [UInt8]) -> Bool { matches(path[...]) }

    private func step(_ token: Token, _ index: Int, _ byte: UInt8, _ next: inout [Bool]) {
        let isSlash = byte == UInt8(ascii: "/")
        switch token {
        case .byte(let wanted): if byte == wanted { next[index + 1] = true }
        case .character: if !isSlash { next[index + 1] = true }
        case .continuation: if byte & 0xc0 == 0x80 { next[index] = true }
        case .star: if !isSlash { next[index] = true }
        case .globstar: next[index] = true
        case .folders: break
        case .insideFolders:
            next[index] = true
            if isSlash { next[index + 1] = true }
        }
    }

    /// Adds what can be reached without a byte; all such ways lead forward.
    private func skip(_ places: inout [Bool]) {
        for (index, token) in tokens.enumerated() where places[index] {
            switch token {
            case .continuation, .star, .globstar: places[index + 1] = true
            case .folders:
                places[index + 1] = true
                places[index + 2] = true
            case .byte, .character, .insideFolders: break
            }
        }
    }
}
