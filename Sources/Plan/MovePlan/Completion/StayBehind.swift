/// What does not move though a member used it: it belongs to the host, or is made anew.
///
/// The rules are read from the top; the first that matches decides.
public struct StayBehind: Sendable {
    /// A rule: paths, what is done with them, and why.
    public struct Rule: Sendable {
        /// `*` is any text without a slash, `**` any text.
        public var pattern: String
        /// `makeAnew` or `leave`.
        public var treatment: Treatment
        /// Why, in words.
        public var reason: String
    }

    /// The rules of every plan.
    public static let rules: [Rule] = [
        Rule(pattern: "/proc/**", treatment: .leave, reason: "the kernel's own view"),
        Rule(pattern: "/sys/**", treatment: .leave, reason: "the kernel's own view"),
        Rule(pattern: "/dev/shm/**", treatment: .makeAnew, reason: "shared memory, which its programs make"),
        Rule(pattern: "/dev/**", treatment: .leave, reason: "devices belong to the host"),
        Rule(pattern: "/run/**", treatment: .makeAnew, reason: "runtime state, empty after each boot"),
        Rule(pattern: "/var/run/**", treatment: .makeAnew, reason: "runtime state, empty after each boot"),
        Rule(pattern: "**/*.pid", treatment: .makeAnew, reason: "a process number of this host"),
        Rule(pattern: "**/postmaster.pid", treatment: .makeAnew, reason: "a process number of this host"),
        Rule(pattern: "**/*.lock", treatment: .makeAnew, reason: "a lock of a running program"),
        Rule(pattern: "**/*.sock", treatment: .makeAnew, reason: "a socket, which its server makes"),
        Rule(pattern: "/etc/ld.so.cache", treatment: .makeAnew, reason: "made by ldconfig"),
        Rule(pattern: "/etc/machine-id", treatment: .leave, reason: "the host's identity"),
        Rule(pattern: "/var/lib/dbus/machine-id", treatment: .leave, reason: "the host's identity"),
        Rule(pattern: "/etc/hostname", treatment: .leave, reason: "the host's identity"),
        Rule(pattern: "/etc/hosts", treatment: .leave, reason: "the host's identity"),
        Rule(pattern: "/etc/resolv.conf", treatment: .leave, reason: "the host's network"),
        Rule(pattern: "/etc/ssh/ssh_host_*", treatment: .leave, reason: "the host's identity"),
        Rule(pattern: "/etc/mtab", treatment: .leave, reason: "the host's mounts"),
        Rule(pattern: "/etc/fstab", treatment: .leave, reason: "the host's mounts"),
        Rule(
            pattern: "/etc/passwd", treatment: .leave,
            reason: "the accounts that are needed are named instead"),
        Rule(
            pattern: "/etc/group", treatment: .leave, reason: "the accounts that are needed are named instead"
        ),
        Rule(
            pattern: "/etc/shadow", treatment: .leave,
            reason: "the accounts that are needed are named instead"),
        Rule(
            pattern: "/etc/gshadow", treatment: .leave,
            reason: "the accounts that are needed are named instead"),
        Rule(pattern: "/tmp/**", treatment: .leave, reason: "temporary, and shared by all programs"),
        Rule(pattern: "/var/tmp/**", treatment: .leave, reason: "temporary, and shared by all programs"),
    ]

    /// The rule for a path.
    public static func rule(for path: [UInt8]) -> Rule? {
        rules.first { Self.matches(path[...], Array($0.pattern.utf8)[...]) }
    }

    /// Whether a path is one that a pattern means.
    static func matches(_ path: ArraySlice<UInt8>, _ pattern: ArraySlice<UInt8>) -> Bool {
        let star = UInt8(ascii: "*")
        guard let first = pattern.first else { return path.isEmpty }
        guard first == star else {
            return path.first == first && matches(path.dropFirst(), pattern.dropFirst())
        }
        let isDeep = pattern.dropFirst().first == star
        let rest = pattern.dropFirst(isDeep ? 2 : 1)
        var path = path
        while true {
            if matches(path, rest) { return true }
            guard let next = path.first, isDeep || next != UInt8(ascii: "/") else { return false }
            path = path.dropFirst()
        }
    }
}
