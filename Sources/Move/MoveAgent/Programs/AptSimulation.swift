import Text

/// What apt-get(8) says that it would do (`--simulate`).
struct AptSimulation: Equatable {
    /// A package that it would install, or purge.
    struct Package: Equatable {
        /// As apt-get names it: with its architecture where that is a foreign one.
        var label: String
        var version: String
        /// `amd64`, or `all`; empty where it is not said.
        var architecture = ""
        /// As the database of dpkg has it, whatever the host's own architecture is.
        var key: String { "\(label.prefix { $0 != ":" }):\(architecture)" }
    }

    /// Not there before.
    var installed: [Package] = []
    /// There, in another version.
    var changed: [String] = []
    /// Removed, its settings kept.
    var removed: [String] = []
    /// Removed with its settings.
    var purged: [String] = []

    /// Of lines `Inst NAME [OLD] (NEW ARCHIVE [ARCHITECTURE])`, `Remv NAME [OLD]` and `Purg NAME [OLD]`; others say nothing of this.
    ///
    /// - Returns: `nil` where a line of these is none.
    init?(_ text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard let verb = words.first, ["Inst", "Remv", "Purg"].contains(verb) else { continue }
            guard words.count >= 3, Self.isName(words[1]) else { return nil }
            let label = String(words[1])
            switch verb {
            case "Remv": removed.append(label)
            case "Purg": purged.append(label)
            case _ where words[2].hasPrefix("["): changed.append(label)
            default:
                guard words[2].first == "(", let end = line.firstIndex(of: ")"),
                    let open = line[..<end].lastIndex(of: "[")
                else { return nil }
                let architecture = line[line.index(after: open)..<end].prefix { $0 != "]" }
                let version = words[2].dropFirst()
                guard Self.isVersion(version), Self.isName(architecture) else { return nil }
                installed.append(
                    Package(
                        label: label, version: String(version), architecture: String(architecture)))
            }
        }
    }

    /// Whether a text can be a package's name, with or without an architecture (Debian Policy 5.6.7). One that ends in `-` would ask
    /// apt-get to remove something.
    static func isName(_ text: some StringProtocol) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return (1...2).contains(parts.count) && text.utf8.count <= 200
            && parts.allSatisfy { part in
                part.utf8.first.map(isPlain) == true && part.last != "-"
                    && part.utf8.allSatisfy { isPlain($0) || "+-._".utf8.contains($0) }
            }
    }

    /// Whether a text can be a version (Debian Policy 5.6.12).
    static func isVersion(_ text: some StringProtocol) -> Bool {
        text.utf8.first.map(isPlain) == true && text.utf8.count <= 200
            && text.utf8.allSatisfy { isPlain($0) || (65...90).contains($0) || "+-.~:".utf8.contains($0) }
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (97...122).contains(byte)
    }
}
