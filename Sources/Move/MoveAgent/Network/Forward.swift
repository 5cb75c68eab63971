import CLinux
import Glibc
import SystemCalls

/// Passes on what still comes to the source after the service has left it: destination NAT, answers by the way back.
struct Forward {
    let table: String
    let ports: [ServicePort]
    /// The destination's address.
    let address: String
    /// Numbers there of those that have another one than here.
    let published: [UInt16: UInt16]

    init(name: String, ports: [ServicePort], to address: String, published: [UInt16: UInt16] = [:]) {
        self.published = published
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
            let number = published[port.number] ?? port.number
            rules +=
                "    fib daddr type local \(transport) dport \(port.number) dnat \(isIPv6 ? "ip6" : "ip") to \(to):\(number)\n"
            own +=
                "    \(isIPv6 ? "ip6" : "ip") daddr \(address) \(transport) dport \(number) ct status dnat masquerade\n"
        }
        return NftTable(name: table).anew(
            """
              chain prerouting {
                type nat hook prerouting priority dstnat; policy accept;
            \(rules)  }
              chain output {
                type nat hook output priority -100; policy accept;
            \(rules)  }
              chain postrouting {
                type nat hook postrouting priority srcnat; policy accept;
            \(own)  }

            """)
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
        try NftTable.load(text)
        if isIPv6 {
            if !isForwarding { try NeededSetting.write("1", to: switchPath) }
        } else {
            try NeededSetting.forwarding.need()
        }
    }

    /// Takes the rules away; the host passes packets on all the same.
    func suspend() throws(MoveError) {
        try NftTable(name: table).remove()
    }

    /// Ends it.
    func end(wasForwarding: Bool) throws(MoveError) {
        try suspend()
        if isIPv6 {
            if !wasForwarding && !ports.isEmpty { try NeededSetting.write("0", to: switchPath) }
        } else {
            try NeededSetting.forwarding.release()
        }
    }
}
