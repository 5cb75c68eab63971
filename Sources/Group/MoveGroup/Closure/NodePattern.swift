import Glibc
import Records

/// A name for nodes, as it is typed: `/usr/sbin/nginx`, `nginx`, `db1:/usr/lib/postgresql/**`,
/// `nginx@web.service`, `web.service`, `tcp:10.0.0.9:5432`, `db1:unix:/run/app.sock`.
///
/// `[HOST:]PATH[@WORKLOAD]`: HOST is an id, a name or an address (in brackets if it has a colon or a slash).
/// PATH with a slash is a whole path, without one the last part of a path; `EXECUTABLE SCRIPT` are two. In
/// PATH and WORKLOAD `*` is any text without a slash, `?` one character, `**` any text; a backslash takes such
/// meanings away, and the escapes of shown names stand for what they show. A word that is the name of a
/// workload stands for all its programs; an empty WORKLOAD means programs without one.
public struct NodePattern: Sendable {
    /// As it was typed.
    public let text: String
    /// Whether it has `*` or `?`, so that to match many is what was meant.
    public let isGlob: Bool
    let host: String?
    private let path: [UInt8]
    private let glob: Glob?
    /// All that stands behind the host, where it may be the name of a workload: those of instances have an @.
    private let whole: [UInt8]
    let isWholePath: Bool
    private let executable: TextPattern?
    private let workload: TextPattern?
    /// Whether programs are meant of which nothing is known.
    private let isUnknown: Bool
    /// Of an endpoint or a channel; a list may have its text as a path.
    private let isObject: Bool

    private typealias Units = ArraySlice<PatternText.Unit>

    /// Reads a name; any text is one.
    public init(_ text: String) {
        self.text = text
        var rest = PatternText(text).units[...]
        host = Self.isObject(rest) ? nil : Self.takeHost(&rest)
        isObject = Self.isObject(rest)
        var workload: Units?
        var executable: Units?
        whole = rest.hasWildcards ? [] : rest.bytes
        if !isObject {
            workload = Self.takeWorkload(&rest)
            executable = Self.takeExecutable(&rest)
        }
        self.workload = workload.map { TextPattern($0) }
        self.executable = executable.map { TextPattern($0) }
        isGlob = [rest, workload ?? [], executable ?? []].contains { $0.hasWildcards }
        isWholePath = isObject || rest.contains { $0.byte == UInt8(ascii: "/") }
        path = rest.bytes
        isUnknown = path == ProgramName.unknownText && !rest.contains { $0.isEscaped }
        glob = rest.hasWildcards ? Glob(rest) : nil
    }

    private static let objectWords =
        Transport.allCases.map { Array($0.word.description.utf8) }
        + Mechanism.allCases.map { Array($0.word.description.utf8) }

    private static func isObject(_ text: Units) -> Bool {
        guard let colon = text.firstIndex(where: { $0.means(":") }) else { return false }
        let word = text[..<colon]
        return objectWords.contains { word.lazy.map(\.byte).elementsEqual($0) }
    }

    private static func takeHost(_ text: inout Units) -> String? {
        var name = text[..<text.startIndex]
        if text.first?.means("[") == true, let end = text.firstIndex(where: { $0.means("]") }),
            end + 1 < text.endIndex, text[end + 1].means(":")
        {
            name = text[(text.startIndex + 1)..<end]
            text = text[(end + 2)...]
        } else if let colon = text.firstIndex(where: { $0.means(":") }),
            !text[..<colon].contains(where: { $0.byte == UInt8(ascii: "/") })
        {
            name = text[..<colon]
            text = text[(colon + 1)...]
        } else {
            return nil
        }
        return String(decoding: name.bytes, as: UTF8.self)
    }

    private static func takeWorkload(_ text: inout Units) -> Units? {
        // A path may have an @ as well; one that is followed by a slash belongs to it.
        guard let at = text.lastIndex(where: { $0.means("@") }), at > text.startIndex,
            at + 1 == text.endIndex || !text[at + 1].means("/")
        else { return nil }
        defer { text = text[..<at] }
        return text[(at + 1)...]
    }

    private static func takeExecutable(_ text: inout Units) -> Units? {
        guard
            let space = text.indices.dropFirst().dropLast().first(where: { index in
                text[index].means(" ") && text[index + 1].means("/")
            })
        else { return nil }
        defer { text = text[(space + 1)...] }
        return text[..<space]
    }

    /// Whether a node on a host is meant.
    public func matches(_ node: Node, on host: GraphHost) -> Bool {
        guard matches(host) else { return false }
        switch node {
        case .program(let name): return !isObject && matches(name)
        case .file(let file): return !isObject && isPlain && matches(path: file)
        case .entry(let file): return isPlain && matches(path: file)
        case .endpoint(let transport, let endpoint):
            return isObject && matches(path: Array(EndpointText.text(transport, endpoint).utf8))
        case .channel(let mechanism, let name):
            return isObject && matches(path: Array(mechanism.word.description.utf8) + [0x3a] + name)
        }
    }

    /// Whether a program is meant by a name under which it is executed; a path never is such a name.
    func matches(_ name: ProgramName, called: [UInt8], on host: GraphHost) -> Bool {
        guard !isObject, !isWholePath, executable == nil, matches(host) else { return false }
        if let workload, !workload.matches(name.workload), !workload.matches(Self.last(name.workload[...])) {
            return false
        }
        return matches(path: called)
    }

    /// Whether it says nothing that only programs have.
    private var isPlain: Bool { workload == nil && executable == nil }

    private func matches(_ name: ProgramName) -> Bool {
        if let workload, !workload.matches(name.workload), !workload.matches(Self.last(name.workload[...])) {
            return false
        }
        if let executable {
            return !name.script.isEmpty && executable.matches(name.executable) && matches(path: name.script)
        }
        if name.isUnknown { return isUnknown }
        return matches(path: name.path)
            || (!name.script.isEmpty && isWholePath && matches(path: name.executable))
    }

    /// Whether a path may be meant, found without a copy of it: most are not.
    @inline(__always)
    func mayMatch(path text: UnsafeRawBufferPointer) -> Bool {
        if glob != nil { return true }
        guard text.count >= path.count else { return false }
        if isWholePath, text.count != path.count { return false }
        return path.withUnsafeBytes { path in
            guard let start = text.baseAddress, let wanted = path.baseAddress else { return path.isEmpty }
            return memcmp(start + (text.count - path.count), wanted, path.count) == 0
        }
    }

    /// What to compare names with that nearly match.
    var nameForComparison: [UInt8] { path }

    /// Whether some part of it stands for more than one text.
    var hasWildcards: Bool { isGlob }

    /// Whether it may be the name of a workload, and that name.
    var isWorkloadPossible: Bool { !isObject && executable == nil && !whole.isEmpty }
    var wholeName: [UInt8] { whole }

    /// Whether an address or an IPC object is meant.
    package var isAddressOrObject: Bool { isObject }

    /// The one path that is meant, and the host if one is named; `nil` if it may mean anything else.
    var exactPath: (host: String?, path: [UInt8])? {
        isGlob || !isWholePath || isObject || !isPlain || isUnknown ? nil : (host, path)
    }

    /// Whether a workload as a whole is meant.
    func names(workload name: [UInt8]) -> Bool {
        guard !isObject, executable == nil, !whole.isEmpty, !name.isEmpty else { return false }
        return name == whole || (!isWholePath && Self.last(name[...]).elementsEqual(whole))
    }

    /// Whether a workload is meant by a group that it lies in (`lxc.payload.web` with all below), or by the name of a
    /// container without its engine's word.
    func names(partOf workload: [UInt8]) -> Bool {
        guard !isObject, executable == nil, !whole.isEmpty else { return false }
        if isWholePath { return workload.starts(with: whole + [UInt8(ascii: "/")]) }
        return workload.split(separator: UInt8(ascii: "/")).contains {
            $0.elementsEqual(whole) || Self.container($0)?.elementsEqual(whole) == true
        }
    }

    /// `web` of `docker-web.scope`.
    static func container(_ group: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        let suffix = Array(".scope".utf8)
        guard group.count > suffix.count, group.suffix(suffix.count).elementsEqual(suffix) else { return nil }
        for word in ["docker-", "libpod-", "nerdctl-", "cri-containerd-"] where group.starts(with: word.utf8)
        {
            return group.dropFirst(word.utf8.count).dropLast(suffix.count)
        }
        return nil
    }

    func matches(_ host: GraphHost) -> Bool {
        guard let wanted = self.host else { return true }
        if wanted == host.id || wanted == host.name { return true }
        guard let address = NetworkAddress(wanted) else { return false }
        return host.addresses.contains(address)
    }

    private func matches(path full: [UInt8]) -> Bool {
        let part = isWholePath ? full[...] : Self.last(full[...])
        // A path that begins with no slash may be the whole of what was typed, too.
        return glob?.matches(part) ?? part.elementsEqual(path)
    }

    fileprivate static func last(_ path: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else { return path }
        return path[(slash + 1)...]
    }
}

extension NodePattern {
    /// How nearly a node that matches is what was typed: of several the nearest are meant.
    ///
    /// A name without a slash that is all of a path comes before one that is the last part of it; the whole
    /// name of a workload before its last part; and where the workload is given, the program of that path
    /// before the script of that path, and that before those that have it for an interpreter.
    func nearness(_ node: Node) -> Int {
        switch node {
        case .program(let name):
            let isWhole = name.path == path || executable != nil || name.isUnknown
            guard let workload else { return !isWholePath && isWhole ? 1 : 0 }
            let nearness = (workload.isExactly(name.workload) ? 8 : 0) + (name.isUnknown ? 4 : 0)
            return nearness + (isWhole ? 1 : 0) + (isWhole && name.script.isEmpty ? 2 : 0)
        case .file(let text), .entry(let text): return !isWholePath && text == path ? 1 : 0
        case .endpoint, .channel: return 0
        }
    }
}

/// A text or a pattern for texts.
struct TextPattern: Sendable {
    private let bytes: [UInt8]
    private let glob: Glob?

    init(_ text: ArraySlice<PatternText.Unit>) {
        bytes = text.bytes
        glob = text.hasWildcards ? Glob(text) : nil
    }

    func matches(_ text: some Collection<UInt8>) -> Bool { glob?.matches(text) ?? text.elementsEqual(bytes) }

    /// Whether it is this text and no pattern.
    func isExactly(_ text: [UInt8]) -> Bool { glob == nil && bytes == text }
}

extension ProgramName {
    /// What a program is called of which nothing is known.
    static let unknownText = Array("(unknown program)".utf8)
}

/// A pattern as bytes of which each knows whether it was written behind a backslash, and so stands for
/// nothing but itself.
///
/// The escapes are those in which names are shown: `\n`, `\r`, `\t`, `\x1b`, `\u{202e}`, `\\`; before any other
/// character the backslash takes its meaning away: `\*`, `\@`.
struct PatternText {
    typealias Unit = Glob.Unit

    private(set) var units: [Unit] = []

    init(_ text: String) {
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let next = rest.popFirst() else {
                units.append(Unit(byte: byte))
                continue
            }
            for byte in Self.meaning(of: next, &rest) { units.append(Unit(byte: byte, isEscaped: true)) }
        }
    }

    /// What an escape stands for; one that is not whole is the character itself.
    private static func meaning(of letter: UInt8, _ rest: inout ArraySlice<UInt8>) -> [UInt8] {
        switch letter {
        case UInt8(ascii: "n"): return [0x0a]
        case UInt8(ascii: "r"): return [0x0d]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "x"):
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            guard digits.utf8.count == 2, digits.first != "+", let byte = UInt8(digits, radix: 16) else {
                break
            }
            rest.removeFirst(2)
            return [byte]
        case UInt8(ascii: "u"):
            guard rest.first == UInt8(ascii: "{"), let end = rest.prefix(8).firstIndex(of: UInt8(ascii: "}")),
                let value = UInt32(
                    String(decoding: rest[(rest.startIndex + 1)..<end], as: UTF8.self), radix: 16),
                let scalar = Unicode.Scalar(value)
            else { break }
            rest = rest[(end + 1)...]
            return Array(String(scalar).utf8)
        default: break
        }
        return [letter]
    }
}

extension Sequence<PatternText.Unit> {
    /// What it stands for, where nothing in it is a wildcard.
    var bytes: [UInt8] { map(\.byte) }

    /// Whether it stands for more than one text.
    var hasWildcards: Bool {
        contains { !$0.isEscaped && ($0.byte == UInt8(ascii: "*") || $0.byte == UInt8(ascii: "?")) }
    }
}
