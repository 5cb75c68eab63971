import Glibc
import PackageFiles

/// A block of `Field: value` lines (deb822(5)), as offsets into the file.
struct ControlStanza {
    /// A field; its value still has the newlines and blanks of its continuation lines.
    struct Field {
        var name: Range<Int>
        var value: Range<Int>
        var line: Int
    }

    /// Number of its first line.
    var line: Int
    var fields: [Field] = []
    /// What is wrong with single lines of it.
    var flaws: [(line: Int, kind: DpkgDamage.Kind)] = []
}

/// Takes a file in the format of deb822(5) apart; no bytes can make it fail.
struct ControlStanzas {
    private let bytes: UnsafeRawBufferPointer
    private var lines: Lines

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        lines = Lines(bytes)
    }

    /// The next stanza; `nil` at the end.
    mutating func next() -> ControlStanza? {
        var stanza: ControlStanza?
        while let line = lines.next() {
            let isBlank = bytes[line].allSatisfy(\.isBlank)
            if isBlank && !lines.isCutOff {
                if let stanza { return stanza }
                continue
            }
            take(line, into: &stanza)
        }
        return stanza
    }

    private mutating func take(_ line: Range<Int>, into stanza: inout ControlStanza?) {
        var current = stanza ?? ControlStanza(line: lines.number)
        defer { stanza = current }
        if lines.isCutOff { current.flaws.append((lines.number, .cutOff)) }
        if bytes[line.lowerBound].isBlank {
            if current.fields.isEmpty {
                current.flaws.append((lines.number, .noField))
            } else {
                let last = current.fields.count - 1
                let start = current.fields[last].value.lowerBound
                current.fields[last].value = start..<line.upperBound
            }
            return
        }
        let colon = line.first { bytes[$0] == UInt8(ascii: ":") } ?? line.lowerBound
        guard colon > line.lowerBound else {
            if !lines.isCutOff { current.flaws.append((lines.number, .noField)) }
            return
        }
        current.fields.append(
            ControlStanza.Field(
                name: line.lowerBound..<colon, value: colon + 1..<line.upperBound, line: lines.number))
    }
}

/// Makes a package of a stanza of the status file.
struct PackageStanza {
    let package: Package?
    /// What is wrong with the stanza, and where.
    let flaws: [(line: Int, kind: DpkgDamage.Kind)]
    /// The name, as far as it is one.
    let name: String?

    init(_ stanza: ControlStanza, _ bytes: UnsafeRawBufferPointer) {
        var flaws = stanza.flaws
        var package = Package(name: "", version: "", architecture: "", state: .notInstalled)
        var isStatusKnown = false
        for field in stanza.fields {
            let value = bytes[field.value].trimmed
            switch FieldName(bytes[field.name]) {
            case .package where PackageName.isValid(value): package.name = value.text
            case .version where !value.isEmpty: package.version = value.text
            case .architecture where PackageName.isValidArchitecture(value): package.architecture = value.text
            case .status:
                if let state = Self.state(value) {
                    package.state = state
                    isStatusKnown = true
                }
            case .multiArch: package.isCoinstallable = value.isText("same")
            case .essential: package.isEssential = value.isText("yes")
            case .priority: package.priority = value.text
            case .installedSize: package.declaredKibibytes = UInt64(value.text)
            case .preDepends: package.preDepends = Dependencies(value)
            case .depends: package.depends = Dependencies(value)
            case .provides: package.provides = Dependencies(value).names
            case .conffiles:
                package.configurationFiles = Self.conffiles(value, from: field.line, &flaws)
            default: break
            }
        }
        var refusal: DpkgDamage.Kind?
        if package.name.isEmpty {
            refusal = .noPackage
        } else if !isStatusKnown {
            refusal = .noStatus
        } else if package.state != .notInstalled, package.version.isEmpty || package.architecture.isEmpty {
            refusal = .noVersion
        }
        if let refusal { flaws.append((stanza.line, refusal)) }
        self.flaws = flaws
        name = package.name.isEmpty ? nil : package.name
        self.package = refusal == nil ? package : nil
    }

    /// `want flag state`: what is wanted of it, whether something is wrong, and what is there.
    private static func state(_ value: some BidirectionalCollection<UInt8>) -> Package.State? {
        let words = value.split(whereSeparator: \.isBlank)
        return words.count == 3 ? Package.State(rawValue: words[2].text) : nil
    }

    /// Lines ` /path digest [obsolete] [remove-on-upgrade]`; the path may hold spaces.
    private static func conffiles(
        _ value: some BidirectionalCollection<UInt8>, from line: Int,
        _ flaws: inout [(line: Int, kind: DpkgDamage.Kind)]
    ) -> [Package.ConfigurationFile] {
        var files: [Package.ConfigurationFile] = []
        // The first line is the field's own, and usually empty; that it may be left out by `trimmed` does
        // not matter, as a newline stays.
        for (index, row) in value.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated() {
            var rest = row.trimmed
            if rest.isEmpty { continue }
            var isObsolete = false
            while let space = rest.lastIndex(where: \.isBlank) {
                let word = rest[rest.index(after: space)...]
                if word.isText("obsolete") {
                    isObsolete = true
                } else if !word.isText("remove-on-upgrade") {
                    break
                }
                rest = rest[..<space].trimmed
            }
            guard rest.first == UInt8(ascii: "/"), let space = rest.lastIndex(where: \.isBlank) else {
                flaws.append((line + index, .noConffile))
                continue
            }
            let digest = rest[rest.index(after: space)...]
            let path = Array(rest[..<space].trimmed)
            if digest.isText("newconffile") {
                files.append(.init(path: path, digest: nil, isObsolete: isObsolete))
            } else if let digest = MD5.Digest(hexadecimal: digest) {
                files.append(.init(path: path, digest: digest, isObsolete: isObsolete))
            } else {
                flaws.append((line + index, .noConffile))
            }
        }
        return files
    }
}

/// The fields that are looked at. Their names are compared without regard to case, as dpkg does.
private enum FieldName {
    case package, version, architecture, status, multiArch, essential, priority, installedSize, preDepends
    case depends, provides, conffiles, other

    private static let names: [(StaticString, FieldName)] = [
        ("package", .package), ("version", .version), ("architecture", .architecture), ("status", .status),
        ("multi-arch", .multiArch), ("essential", .essential), ("priority", .priority),
        ("installed-size", .installedSize), ("pre-depends", .preDepends), ("depends", .depends),
        ("provides", .provides), ("conffiles", .conffiles),
    ]

    init(_ bytes: Slice<UnsafeRawBufferPointer>) {
        for (name, field) in Self.names where name.utf8CodeUnitCount == bytes.count {
            let isEqual = bytes.enumerated().allSatisfy { index, byte in
                let lower = (0x41...0x5a).contains(byte) ? byte | 0x20 : byte
                return name.utf8Start[index] == lower
            }
            if isEqual {
                self = field
                return
            }
        }
        self = .other
    }
}

/// Walks over lines, without copying them.
struct Lines {
    let bytes: UnsafeRawBufferPointer
    private var offset = 0
    /// Number of the line that was given last, from 1.
    private(set) var number = 0
    /// Whether the last line lacked its newline: dpkg writes none such.
    private(set) var isCutOff = false

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The next line without its newline, as offsets; `nil` at the end.
    mutating func next() -> Range<Int>? {
        guard offset < bytes.count else { return nil }
        let start = offset
        number += 1
        if let end = memchr(bytes.baseAddress! + start, 0x0a, bytes.count - start) {
            let length = UnsafeRawPointer(end) - (bytes.baseAddress! + start)
            offset = start + length + 1
            return start..<start + length
        }
        offset = bytes.count
        isCutOff = true
        return start..<bytes.count
    }
}

extension UInt8 {
    /// Whether it is a space or a tab.
    var isBlank: Bool { self == 0x20 || self == 0x09 }
}

extension BidirectionalCollection<UInt8> {
    /// Without spaces and tabs around it.
    var trimmed: SubSequence {
        var rest = self[...]
        while let first = rest.first, first.isBlank { rest = rest.dropFirst() }
        guard let last = rest.indices.reversed().first(where: { !rest[$0].isBlank }) else {
            return rest.prefix(0)
        }
        return rest[...last]
    }

    /// As text, for people and for names that were checked to be ASCII.
    var text: String { String(decoding: self, as: UTF8.self) }

    /// Whether these are the bytes of a text.
    func isText(_ text: StaticString) -> Bool {
        elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}

/// A file `PACKAGE.md5sums`: `digest  path`, the path without its first slash.
enum Checksums {
    static func parse(
        _ bytes: UnsafeRawBufferPointer, _ report: (_ line: Int, _ kind: DpkgDamage.Kind) -> Void,
        _ body: (_ path: [UInt8], _ digest: MD5.Digest) -> Void
    ) {
        var lines = Lines(bytes)
        while let line = lines.next() {
            if lines.isCutOff { report(lines.number, .cutOff) }
            var row = bytes[line]
            if row.isEmpty { continue }
            // md5sum(1) says so with a backslash before the digest where it had to escape the name.
            let isEscaped = row.first == UInt8(ascii: "\\")
            if isEscaped { row = row.dropFirst() }
            // `digest  path` for text, `digest *path` for binary.
            guard row.count > 34, let digest = MD5.Digest(hexadecimal: row.prefix(32)),
                row[row.startIndex + 32] == 0x20
            else {
                report(lines.number, .noDigest)
                continue
            }
            var name = row.dropFirst(34)
            if name.starts(with: "./".utf8) { name = name.dropFirst(2) }
            body([UInt8(ascii: "/")] + (isEscaped ? unescape(name) : Array(name)), digest)
        }
    }

    private static func unescape(_ name: some BidirectionalCollection<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var isEscape = false
        for byte in name {
            if isEscape {
                result.append(byte == UInt8(ascii: "n") ? 0x0a : byte)
                isEscape = false
            } else if byte == UInt8(ascii: "\\") {
                isEscape = true
            } else {
                result.append(byte)
            }
        }
        return result
    }
}

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

/// A file of other packages that dpkg installs under another name (dpkg-divert(1)).
struct Diversion: Equatable, Sendable {
    var from: [UInt8]
    var to: [UInt8]
    /// The package whose own file takes the place; `nil` for a diversion by the administrator.
    var package: String?
}

/// The file `diversions`: three lines each.
enum Diversions {
    static func parse(
        _ bytes: UnsafeRawBufferPointer, _ report: (_ line: Int, _ kind: DpkgDamage.Kind) -> Void
    ) -> [Diversion] {
        var lines = Lines(bytes)
        var result: [Diversion] = []
        while let from = lines.next() {
            let first = lines.number
            guard let to = lines.next(), let package = lines.next() else {
                report(first, .noDiversion)
                break
            }
            if lines.isCutOff { report(lines.number, .cutOff) }
            let slash = UInt8(ascii: "/")
            guard bytes[from].first == slash, bytes[to].first == slash, !package.isEmpty else {
                report(first, .noDiversion)
                continue
            }
            let name = bytes[package].text
            result.append(
                Diversion(from: Array(bytes[from]), to: Array(bytes[to]), package: name == ":" ? nil : name))
        }
        return result
    }
}
