/// A field such as `Depends`: everything that is needed, each with its alternatives in order.
struct Dependencies: Equatable, Sendable {
    struct Alternative: Equatable, Sendable {
        var name: String
        /// `any`, or an architecture that is asked for.
        var architecture: String?
    }

    var groups: [[Alternative]] = []

    init() {}

    /// Reads `a (>= 1) | b:any, c [linux-any]`. What stands in brackets is left out: the packages of an
    /// installed system satisfy the versions already.
    init(_ value: some BidirectionalCollection<UInt8>) {
        for group in value.split(separator: UInt8(ascii: ",")) {
            let alternatives = group.split(separator: UInt8(ascii: "|")).compactMap { Self.alternative($0) }
            if !alternatives.isEmpty { groups.append(alternatives) }
        }
    }

    /// The names alone, for `Provides`.
    var names: [String] { groups.flatMap { $0.map(\.name) } }

    private static func alternative(_ bytes: some BidirectionalCollection<UInt8>) -> Alternative? {
        let isSpace = { (byte: UInt8) in byte.isBlank || byte == 0x0a }
        let start = bytes.drop(while: isSpace)
        let end = start.prefix { !isSpace($0) && !"([<".utf8.contains($0) }
        let parts = end.split(separator: UInt8(ascii: ":"), maxSplits: 1)
        guard let name = parts.first, PackageName.isValid(name) else { return nil }
        return Alternative(name: name.text, architecture: parts.count > 1 ? parts[1].text : nil)
    }
}

/// Which names packages and architectures may have. They become names of files, so nothing else may pass.
enum PackageName {
    /// deb-control(5), and capitals, which dpkg lets through.
    static func isValid(_ name: some BidirectionalCollection<UInt8>) -> Bool {
        guard let first = name.first, isAlphanumeric(first), name.count <= 200 else { return false }
        return name.allSatisfy { isAlphanumeric($0) || "+-._".utf8.contains($0) }
    }

    /// `amd64`, `all`, `linux-any`.
    static func isValidArchitecture(_ name: some BidirectionalCollection<UInt8>) -> Bool {
        guard let first = name.first, isAlphanumeric(first), name.count <= 40 else { return false }
        return name.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
    }
}
