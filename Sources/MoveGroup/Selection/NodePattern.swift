import Records

/// A name for nodes, as it is typed: `/usr/sbin/nginx`, `nginx`, `db1:/usr/lib/postgresql/**`,
/// `nginx@web.service`, `web.service`, `tcp:10.0.0.9:5432`, `unix:/run/app.sock`.
///
/// `[HOST:]PATH[@WORKLOAD]`: HOST is an id, a name or an address (IPv6 in brackets). PATH with a slash is a
/// whole path, without one the last part of a path. In PATH and WORKLOAD `*` is any text without a slash,
/// `?` one character, `**` any text. A word that is the name of a workload stands for all its programs.
public struct NodePattern: Sendable {
    /// As it was typed.
    public let text: String
    /// Whether it has `*` or `?`, so that to match many is what was meant.
    public let isGlob: Bool
    let host: String?
    private let path: [UInt8]
    private let glob: Glob?
    let isWholePath: Bool
    private let workload: Glob?
    private let object: Glob?

    /// Reads a name; any text is one.
    public init(_ text: String) {
        self.text = text
        var rest = Substring(text)
        var host: String?
        let words =
            Transport.allCases.map { $0.word.description } + Mechanism.allCases.map { $0.word.description }
        let isObject = words.contains { text.hasPrefix($0 + ":") }
        object = isObject ? Glob(text) : nil
        if !isObject {
            if text.hasPrefix("["), let end = text.firstIndex(of: "]"),
                text.index(after: end) < text.endIndex, text[text.index(after: end)] == ":"
            {
                host = String(text[text.index(after: text.startIndex)..<end])
                rest = text[text.index(end, offsetBy: 2)...]
            } else if let colon = text.firstIndex(of: ":"), !text[..<colon].contains("/") {
                host = String(text[..<colon])
                rest = text[text.index(after: colon)...]
            }
        }
        self.host = host
        var workload: Substring?
        // A path may have an @ as well; one that is followed by a slash belongs to it.
        if let at = rest.lastIndex(of: "@"), !rest[at...].dropFirst().hasPrefix("/"), at > rest.startIndex {
            workload = rest[rest.index(after: at)...]
            rest = rest[..<at]
        }
        self.workload = workload.map { Glob(String($0)) }
        isGlob = text.contains("*") || text.contains("?")
        isWholePath = rest.contains("/")
        path = Array(rest.utf8)
        glob = rest.contains("*") || rest.contains("?") ? Glob(String(rest)) : nil
    }

    /// Whether a node on a host is meant.
    public func matches(_ node: Node, on host: Host) -> Bool {
        if let object {
            switch node {
            case .endpoint(let transport, let endpoint):
                return object.matches(EndpointText.text(transport, endpoint).utf8)
            case .channel(let mechanism, let name):
                return object.matches(Array(mechanism.word.description.utf8) + [0x3a] + name)
            default: return false
            }
        }
        guard matches(host) else { return false }
        switch node {
        case .program(let name):
            guard matchesWorkload(name.workload) else { return false }
            return matches(path: name.path)
                || (!name.script.isEmpty && isWholePath && matches(path: name.executable))
        case .file(let file), .entry(let file):
            return workload == nil && matches(path: file)
        case .endpoint, .channel: return false
        }
    }

    /// Whether a path may be meant, told without a copy of it: most are not.
    @inline(__always)
    func mayMatch(path text: UnsafeRawBufferPointer) -> Bool {
        if object != nil || glob != nil { return object == nil }
        guard text.count >= path.count else { return false }
        if isWholePath, text.count != path.count { return false }
        return UnsafeRawBufferPointer(rebasing: text[(text.count - path.count)...]).elementsEqual(path)
    }

    /// What to compare names with that nearly match.
    var nameForComparison: [UInt8] { path }

    /// Whether a workload as a whole is meant.
    func names(workload name: [UInt8]) -> Bool {
        guard !isWholePath || glob == nil, workload == nil, !name.isEmpty else { return false }
        return name == path || (!isWholePath && Self.last(name[...]).elementsEqual(path))
    }

    func matches(_ host: Host) -> Bool {
        guard let wanted = self.host else { return true }
        if wanted == host.id || wanted == host.name { return true }
        guard let address = NetworkAddress(wanted) else { return false }
        return host.addresses.contains(address)
    }

    private func matchesWorkload(_ name: [UInt8]) -> Bool {
        guard let workload else { return true }
        return workload.matches(name) || workload.matches(Self.last(name[...]))
    }

    private func matches(path full: [UInt8]) -> Bool {
        let part = isWholePath ? full[...] : Self.last(full[...])
        return glob?.matches(part) ?? part.elementsEqual(path)
    }

    private static func last(_ path: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else { return path }
        return path[(slash + 1)...]
    }
}
