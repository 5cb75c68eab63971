import Glibc
import SystemCalls

/// A switch of the host's network (sysctl) that some of the agent's tables need: turned by the first that needs it, and back by the
/// last, if it was otherwise before.
struct NeededSetting {
    let path: String
    /// What is needed, `0` or `1`, and what was there otherwise.
    let needed: Unicode.Scalar
    private var other: Unicode.Scalar { needed == "1" ? "0" : "1" }
    /// A file that says that it was otherwise; gone after a reboot, as the setting is.
    let mark: String
    /// How the names of the tables begin that need it.
    let tables: [String]

    func need() throws(MoveError) {
        guard (try? FileDescriptor.open(path, O_RDONLY))?.bytes?.first != UInt8(ascii: needed)
        else { return }
        close(open(mark, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0o600))
        try Self.write(String(needed), to: path)
    }

    /// Called after a table was removed: turns it back where none of the agent's tables is left that needs it.
    func release() throws(MoveError) {
        guard access(mark, F_OK) == 0 else { return }
        let listed = try Tool.run(["nft", "list", "tables"], seconds: 10)
        guard listed.status == 0, !tables.contains(where: { listed.output.contains(" " + $0) }) else {
            return
        }
        try Self.write(String(other), to: path)
        unlink(mark)
    }

    static func write(_ text: String, to path: String) throws(MoveError) {
        do throws(SystemError) {
            let file = try FileDescriptor.open(path, O_WRONLY)
            let number = file.number
            let bytes = Array(text.utf8)
            _ = try systemCall("write") {
                bytes.withUnsafeBytes { Glibc.write(number, $0.baseAddress, $0.count) }
            }
        } catch { throw MoveError("\(path): \(error)") }
    }
}

extension NeededSetting {
    /// Whether the host passes packets on between its interfaces (`net.ipv4.ip_forward`).
    static let forwarding = NeededSetting(
        path: "/proc/sys/net/ipv4/ip_forward", needed: "1", mark: "/run/retinue-ip-forward-was-off",
        tables: ["retinue_to_", "retinue_net_", "retinue_via_", Balancer.prefix])

    /// That the kernel tracks no connection of which it has not seen the first packet (`net.netfilter.nf_conntrack_tcp_loose`, 0;
    /// since Linux 2.6.13).
    ///
    /// One that it picks up in the middle is to it one of this host, whose end it may miss: a client that took the same port
    /// again would be led here for minutes. Untracked, it goes on here all the same.
    static let noPickUp = NeededSetting(
        path: "/proc/sys/net/netfilter/nf_conntrack_tcp_loose", needed: "0",
        mark: "/run/retinue-conntrack-was-loose",
        tables: [Balancer.prefix])
}
