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
    public func matches(_ path: some Sequence<UInt8>) -> Bool { matches(Array(path)) }

    /// Whether an array's bytes are matched: the generic form is not specialised for callers in other modules.
    public func matches(_ path: [UInt8]) -> Bool { path.withUnsafeBytes { matches($0) } }

    /// Whether the bytes of a path are matched. A pattern of fewer than 64 parts allocates nothing.
    public func matches(_ path: UnsafeRawBufferPointer) -> Bool {
        tokens.count < UInt64.bitWidth ? matchesByBits(path) : matchesByLists(path)
    }

    /// All places in the pattern that the path so far may have reached are the bits of a word; there are few of them at
    /// a time, and none as soon as the path can no longer match.
    private func matchesByBits(_ path: UnsafeRawBufferPointer) -> Bool {
        tokens.withUnsafeBufferPointer { tokens in
            let end = tokens.count
            func closure(_ places: UInt64) -> UInt64 {
                var (all, rest) = (places, places)
                while rest != 0 {
                    let index = rest.trailingZeroBitCount
                    rest &= rest - 1
                    if index == end { break }
                    var further: UInt64 = 0
                    switch tokens[index] {
                    case .continuation, .star, .globstar: further = 2 << UInt64(index)
                    case .folders: further = 6 << UInt64(index)
                    case .byte, .character, .insideFolders: break
                    }
                    all |= further
                    rest |= further
                }
                return all
            }
            var here = closure(1)
            for byte in path {
                let isSlash = byte == UInt8(ascii: "/")
                var next: UInt64 = 0
                var rest = here
                while rest != 0 {
                    let index = rest.trailingZeroBitCount
                    rest &= rest - 1
                    if index == end { break }
                    let (stay, go) = (1 << UInt64(index), 2 << UInt64(index)) as (UInt64, UInt64)
                    switch tokens[index] {
                    case .byte(let wanted): if byte == wanted { next |= go }
                    case .character: if !isSlash { next |= go }
                    case .continuation: if byte & 0xc0 == 0x80 { next |= stay }
                    case .star: if !isSlash { next |= stay }
                    case .globstar: next |= stay
                    case .folders: break
                    case .insideFolders: next |= isSlash ? stay | go : stay
                    }
                }
                if next == 0 { return false }
                here = closure(next)
            }
            return here >> UInt64(end) & 1 == 1
        }
    }

    private func matchesByLists(_ path: UnsafeRawBufferPointer) -> Bool {
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
