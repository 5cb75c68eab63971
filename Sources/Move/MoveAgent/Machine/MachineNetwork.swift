/// How a machine is joined to its cell's network namespace: by a tap interface; all that comes to that namespace's own addresses
/// goes on to the machine, 127.0.0.1 too, which is the private door for checks.
///
/// The namespace is nobody else's, so that each machine has the same addresses (192.0.0.0/29, RFC 7335).
enum MachineNetwork {
    static let interface = "machine"
    static let gateway = "192.0.0.1"
    static let inside = "192.0.0.2"
    static let prefix = 29
    private static let table = "retinue_machine"

    /// What nft(8) reads.
    static var text: String {
        let to = "fib daddr type local meta l4proto { tcp, udp } dnat ip to \(inside)"
        return NftTable(name: table).anew(
            """
              chain prerouting {
                type nat hook prerouting priority dstnat; policy accept;
                iifname != "\(interface)" \(to)
              }
              chain output {
                type nat hook output priority -100; policy accept;
                meta nfproto ipv4 \(to)
              }
              chain postrouting {
                type nat hook postrouting priority srcnat; policy accept;
                oifname "\(interface)" ip saddr { 127.0.0.0/8, \(gateway) } masquerade
                oifname != "\(interface)" ip saddr \(inside) masquerade
              }

            """)
    }

    /// Makes it in the network namespace of this process; it goes with that.
    static func begin() throws(MoveError) {
        try Tool.need(["ip", "tuntap", "add", interface, "mode", "tap"], seconds: 10)
        try Tool.need(
            ["ip", "-batch", "-"],
            input: """
                addr add \(gateway)/\(prefix) dev \(interface)
                link set \(interface) up

                """, seconds: 10)
        try NeededSetting.write("1", to: "/proc/sys/net/ipv4/conf/\(interface)/route_localnet")
        try NeededSetting.write("1", to: "/proc/sys/net/ipv4/ip_forward")
        try NftTable.load(text)
    }
}
