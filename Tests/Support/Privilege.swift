import Foundation

/// Whether the tests against the real kernel can run here.
package enum Privilege {
    package enum Verdict: Equatable, Sendable {
        /// Everything that they need is there.
        case run
        /// Something is missing, on a machine where that may be.
        case skip(String)
        /// Something is missing where it must not be: a skip there would pass unseen.
        case fail(String)
    }

    /// The capabilities that the daemon needs, by the number of their bit.
    static let needed: [(name: String, bit: UInt64)] = [
        ("CAP_DAC_READ_SEARCH", 2), ("CAP_NET_ADMIN", 12), ("CAP_SYS_PTRACE", 19), ("CAP_SYS_ADMIN", 21),
    ]

    /// The programs that the tests run, by the package of Debian that has them where the names differ.
    package static let programs = [
        "strace", "ip", "git", "make", "gcc", "nginx", "curl", "python3", "bash", "dash", "setpriv",
        "mkfs.ext4", "mkfs.btrfs", "mksquashfs", "psql", "tmux",
    ]

    /// What holds here and now.
    package static func verdict() -> Verdict {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let search = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        return verdict(
            effective: capabilities(in: status), environment: ProcessInfo.processInfo.environment,
            hasProgram: { name in search.contains { access("\($0)/\(name)", X_OK) == 0 } })
    }

    package static func verdict(
        effective: UInt64, environment: [String: String], hasProgram: (String) -> Bool
    ) -> Verdict {
        let capabilities = needed.filter { effective & (1 << $0.bit) == 0 }.map(\.name)
        let missing = capabilities + programs.filter { !hasProgram($0) }
        if missing.isEmpty { return .run }
        let reason = "missing here: \(missing.joined(separator: ", "))"
        let required = environment["CI"] == "true" || environment["RETINUE_REQUIRE_PRIVILEGED"] == "1"
        return required ? .fail(reason) : .skip(reason)
    }

    /// The effective capabilities in the text of /proc/PID/status.
    package static func capabilities(in status: String) -> UInt64 {
        let line = status.split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        let digits = line?.split(whereSeparator: \.isWhitespace).last ?? "0"
        return UInt64(digits, radix: 16) ?? 0
    }
}
