import CLinux
import Glibc
import SystemCalls

/// Passes on what still comes to the source after the service has left it: destination NAT, answers by the way back.
struct Forward {
    let table: String
    let ports: [ServicePort]
    /// The destination's address.
    let address: String

    init(name: String, ports: [ServicePort], to address: String) {
        table = "retinue_to_" + Hold.word(name)
        self.ports = ports.filter { !$0.isLoopback }
        self.address = address
    }

    private var isIPv6: Bool { address.contains(":") }

    var text: String {
        var rules = ""
        var own = ""
        for port in Set(ports).sorted(by: { ($0.isTCP ? 0 : 1, $0.number) < ($1.isTCP ? 0 : 1, $1.number) }) {
            let transport = port.isTCP ? "tcp" : "udp"
            let to = isIPv6 ? "[\(address)]" : address
            rules +=
                "    fib daddr type local \(transport) dport \(port.number) dnat \(isIPv6 ? "ip6" : "ip") to \(to):\(port.number)\n"
            own +=
                "    \(isIPv6 ? "ip6" : "ip") daddr \(address) \(transport) dport \(port.number) ct status dnat masquerade\n"
        }
        return """
            table inet \(table) {}
            delete table inet \(table)
            table inet \(table) {
              chain prerouting {
                type nat hook prerouting priority dstnat; policy accept;
            \(rules)  }
              chain output {
                type nat hook output priority -100; policy accept;
            \(rules)  }
              chain postrouting {
                type nat hook postrouting priority srcnat; policy accept;
            \(own)  }
            }

            """
    }

    private var switchPath: String {
        isIPv6 ? "/proc/sys/net/ipv6/conf/all/forwarding" : "/proc/sys/net/ipv4/ip_forward"
    }

    /// Whether the host passes packets on, which `end` needs: read before `begin`, and kept, since that may be done twice.
    var isForwarding: Bool {
        ports.isEmpty || (try? FileDescriptor.open(switchPath, O_RDONLY))?.bytes?.first == UInt8(ascii: "1")
    }

    /// Begins; done again it changes nothing.
    func begin() throws(MoveError) {
        guard !ports.isEmpty else { return }
        try Tool.need(["nft", "-f", "-"], input: text, seconds: 10)
        if !isForwarding { try Self.write("1", to: switchPath) }
    }

    /// Takes the rules away; the host passes packets on all the same.
    func suspend() throws(MoveError) {
        try Tool.need(
            ["nft", "-f", "-"], input: "table inet \(table) {}\ndelete table inet \(table)\n", seconds: 10)
    }

    /// Ends it.
    func end(wasForwarding: Bool) throws(MoveError) {
        try suspend()
        if !wasForwarding && !ports.isEmpty { try Self.write("0", to: switchPath) }
    }

    private static func write(_ text: String, to path: String) throws(MoveError) {
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
