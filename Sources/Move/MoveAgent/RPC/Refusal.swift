import Glibc
import SystemCalls

/// Refuses calls at a server that is being moved: by ICMP and RST, so that no client waits for its time-out, which for UDP is
/// as long as its program says. The kernel lifts it when nobody does within some time.
struct Refusal {
    let table: String
    let ports: [ServicePort]
    /// IPv4 addresses under which it is called: refused there too once one of them has gone on to another host.
    let addresses: [String]
    let seconds: UInt64

    init(name: String, ports: [ServicePort], addresses: [String], seconds: UInt64) {
        table = "retinue_refused_" + Hold.word(name)
        (self.ports, self.addresses, self.seconds) = (ports, addresses, seconds)
    }

    /// The whole table, which refuses nothing yet: elements of a set are added at once, a chain after a grace period of the kernel.
    var text: String {
        func set(_ isTCP: Bool) -> String {
            "  set \(Self.set(isTCP)) { type inet_service; flags timeout; }\n"
        }
        // Before it is found out whose address it is (Linux 5.9).
        let own = addresses.isEmpty ? "" : "ip daddr { \(Set(addresses).sorted().joined(separator: ", ")) }"
        let early =
            addresses.isEmpty
            ? ""
            : """
              chain prerouting {
                type filter hook prerouting priority -10; policy accept;
                \(own) udp dport @udp_ports reject with icmp type port-unreachable
                \(own) tcp dport @tcp_ports tcp flags & (syn | ack) == syn reject with tcp reset
                \(own) tcp dport @tcp_ports drop
              }

            """
        return NftTable(name: table).anew(
            """
            \(set(true))\(set(false))\(early)  chain input {
                type filter hook input priority -10; policy accept;
                udp dport @udp_ports reject with icmpx port-unreachable
                tcp dport @tcp_ports tcp flags & (syn | ack) == syn reject with tcp reset
                tcp dport @tcp_ports drop
              }

            """)
    }

    private static func set(_ isTCP: Bool) -> String { isTCP ? "tcp_ports" : "udp_ports" }

    /// What has calls refused.
    var change: NftElements {
        var change = NftElements(NftTable(name: table))
        for isTCP in [true, false] {
            change.add(
                ports.filter { $0.isTCP == isTCP }.map { .port($0.number, timeout: Int(clamping: seconds)) },
                to: Self.set(isTCP))
        }
        return change
    }

    private static let limitPath = "/proc/sys/net/ipv4/icmp_ratelimit"

    /// How often the same is reported to a host by ICMP (icmp(7)): milliseconds.
    static var limit: String {
        String(decoding: (try? FileDescriptor.open(limitPath, O_RDONLY))?.bytes ?? [], as: UTF8.self)
            .filter(\.isNumber)
    }

    /// Loads what refuses nothing yet.
    func prepare() throws(MoveError) {
        Self.setLimit("0")
        try NftTable.load(text)
    }

    /// Refuses calls; each is answered, however many there are.
    func load() throws(MoveError) {
        do throws(SystemError) { try change.commit() } catch { throw MoveError("\(table): \(error)") }
    }

    /// Lifts it; one that is not there is no error.
    func lift(limit: String) throws(MoveError) {
        try NftTable(name: table).remove()
        if !limit.isEmpty { Self.setLimit(limit) }
    }

    private static func setLimit(_ text: String) {
        guard let file = try? FileDescriptor.open(limitPath, O_WRONLY) else { return }
        let number = file.number
        _ = Array(text.utf8).withUnsafeBytes { write(number, $0.baseAddress, $0.count) }
    }
}
