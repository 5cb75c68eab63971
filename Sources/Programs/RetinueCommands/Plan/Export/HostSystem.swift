import MovePlan

/// What installs packages of a system.
enum SystemManager: CaseIterable {
    case apt, dnf, zypper

    /// Whose packages, as plans call it.
    var system: String { self == .apt ? "debian" : "rpm" }

    /// Its program.
    var name: String {
        switch self {
        case .apt: "apt-get"
        case .dnf: "dnf"
        case .zypper: "zypper"
        }
    }

    /// What stands before the packages.
    var command: String {
        switch self {
        case .apt: "apt-get install --no-install-recommends"
        case .dnf: "dnf install --setopt=install_weak_deps=False"
        case .zypper: "zypper install --no-recommends"
        }
    }

    /// The same where nobody can be asked.
    var commandOfImage: String {
        switch self {
        case .apt: "apt-get update && apt-get install -y --no-install-recommends"
        case .dnf: "dnf install -y --setopt=install_weak_deps=False"
        case .zypper: "zypper --non-interactive install --no-recommends"
        }
    }

    /// What takes away what it has fetched.
    var cleaning: String {
        switch self {
        case .apt: "rm -rf /var/lib/apt/lists/*"
        case .dnf: "dnf clean all"
        case .zypper: "zypper clean --all"
        }
    }

    /// A package, as it takes it.
    func word(_ package: PlannedPackage, hasVersion: Bool) -> String {
        guard hasVersion else { return package.name }
        guard self == .dnf else { return "\(package.name)=\(package.version)" }
        // NAME-EPOCH:VERSION-RELEASE.ARCHITECTURE: a name of several architectures has one.
        let parts = package.name.split(separator: ".").map(String.init)
        guard parts.count > 1, let last = parts.last, Self.architectures.contains(last) else {
            return "\(package.name)-\(package.version)"
        }
        return "\(parts.dropLast().joined(separator: "."))-\(package.version).\(last)"
    }

    /// Those of which rpm's systems have several at once.
    private static let architectures: Set<String> = [
        "aarch64", "armv7hl", "i386", "i586", "i686", "noarch", "ppc64le", "riscv64", "s390", "s390x",
        "x86_64",
    ]
}

/// Which system a host has.
struct HostSystem {
    /// As mmdebstrap(1) takes it.
    let release: String
    /// As registries call it.
    let image: String
    /// What installs its packages.
    let manager: SystemManager

    /// By its os-release(5); Debian's stable where that does not say.
    init(_ root: String) {
        var values: [String: String] = [:]
        let paths = ["/etc/os-release", "/usr/lib/os-release"].map { root == "/" ? $0 : root + $0 }
        let text = paths.lazy.map { InputFile.contents(of: $0) }.first { !$0.isEmpty } ?? []
        for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
            guard let equals = line.firstIndex(of: "=") else { continue }
            values[String(line[..<equals])] = line[line.index(after: equals)...].filter {
                $0 != "\"" && $0 != "'"
            }
        }
        func word(_ key: String) -> String? {
            values[key].flatMap { text in
                let isWord = text.utf8.allSatisfy {
                    (45...46).contains($0) || (48...57).contains($0) || (97...122).contains($0)
                }
                return isWord && !text.isEmpty ? text : nil
            }
        }
        let id = word("ID") ?? "debian"
        let version = word("VERSION_ID")
        let likes = Set([id] + (values["ID_LIKE"] ?? "").split(separator: " ").map(String.init))
        manager =
            likes.contains { $0.hasPrefix("suse") || $0.hasPrefix("opensuse") }
            ? .zypper : !likes.isDisjoint(with: ["fedora", "rhel", "centos"]) ? .dnf : .apt
        release = word("VERSION_CODENAME") ?? "stable"
        guard manager != .apt else {
            image = "\(id):\(release)"
            return
        }
        // Images of their own names; of Red Hat's family they have the number alone before the point.
        let major = version.map { String($0.prefix { $0 != "." }) } ?? "latest"
        switch id {
        case "rhel": image = "redhat/ubi\(major)"
        case "rocky": image = "rockylinux/rockylinux:\(major)"
        case "centos": image = "quay.io/centos/centos:stream\(major)"
        case "ol": image = "oraclelinux:\(major)"
        case "amzn": image = "amazonlinux:\(major)"
        case "opensuse-leap": image = "opensuse/leap:\(version ?? "latest")"
        case "opensuse-tumbleweed": image = "opensuse/tumbleweed"
        default: image = "\(id):\(id == "fedora" ? version ?? "latest" : major)"
        }
    }
}
