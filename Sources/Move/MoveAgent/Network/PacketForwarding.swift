import Glibc
import SystemCalls

/// Whether the host passes packets on between its interfaces (`net.ipv4.ip_forward`): switched on by the first that needs it, and
/// off again by the last, if it was off before.
enum PacketForwarding {
    private static let path = "/proc/sys/net/ipv4/ip_forward"
    /// Says that it was off; gone after a reboot, as the setting is.
    private static let mark = "/run/retinue-ip-forward-was-off"

    static func need() throws(MoveError) {
        guard (try? FileDescriptor.open(path, O_RDONLY))?.bytes?.first != UInt8(ascii: "1") else { return }
        close(open(mark, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0o600))
        try write("1", to: path)
    }

    /// Called after a table was removed: switches it off where none of the agent's tables is left that needs it.
    static func release() throws(MoveError) {
        guard access(mark, F_OK) == 0 else { return }
        let tables = try Tool.run(["nft", "list", "tables"], seconds: 10)
        guard tables.status == 0, !tables.output.contains(" retinue_to_"),
            !tables.output.contains(" retinue_net_"), !tables.output.contains(" retinue_via_"),
            !tables.output.contains(" " + Balancer.prefix)
        else { return }
        try write("0", to: path)
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
