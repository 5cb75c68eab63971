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
