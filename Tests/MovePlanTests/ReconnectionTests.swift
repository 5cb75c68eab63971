import MovePlan
import Testing

@Suite("Where clients are sent")
struct ReconnectionTests {
    static var plan: HostPlan {
        var plan = HostPlan(id: "a")
        plan.ports = [
            PlannedPort(address: "tcp:0.0.0.0:5432", program: []),
            PlannedPort(address: "tcp:127.0.0.1:9", program: []),
            PlannedPort(address: "udp:[::]:53", program: []),
        ]
        plan.endpoints = [
            ("tcp:10.0.0.5:5432", false), ("tcp:10.0.0.6:5432", true), ("tcp:10.0.0.7:5433", false),
            ("udp:10.0.0.5:5432", false), ("udp:[fd00::5]:53", false), ("tcp:127.0.0.1:5432", false),
            ("tcp:nonsense:5432", false),
        ].map { PlannedEndpoint(address: $0.0, program: [], isOutgoing: $0.1, count: 1) }
        return plan
    }

    @Test func ofAPlan() {
        let four = Reconnection(of: Self.plan, name: "db", old: ["10.0.0.8"], new: "10.0.0.9")
        #expect(
            four.redirects.map { "\($0.isTCP) \($0.old) \($0.new) \($0.port)" } == [
                "true 10.0.0.5 10.0.0.9 5432", "false 10.0.0.8 10.0.0.9 53", "true 10.0.0.8 10.0.0.9 5432",
            ])
        let six = Reconnection(of: Self.plan, name: "db", old: ["10.0.0.8"], new: "fd00::9")
        #expect(six.redirects.map { "\($0.isTCP) \($0.old) \($0.port)" } == ["false fd00::5 53"])
        #expect(six.nftables.contains("ip6 daddr fd00::5 udp dport 53 dnat ip6 to [fd00::9]:53"))
        #expect(six.networkPolicy.contains("cidr: \"fd00::9/128\""))
        // Where it is already nobody is sent.
        #expect(Reconnection(of: Self.plan, name: "db", old: [], new: "10.0.0.5").redirects.isEmpty)
    }

    @Test(arguments: ["10.0.0.1; drop", "", "10.0.0", "localhost", "fd00::1%eth0", "10.0.0.1\n"])
    func noAddresses(text: String) {
        #expect(Reconnection.Redirect(isTCP: true, old: text, new: "10.0.0.1", port: 1) == nil)
        #expect(Reconnection.Redirect(isTCP: true, old: "10.0.0.1", new: text, port: 1) == nil)
    }

    @Test func namesAreWords() {
        let one = Reconnection(name: "a.b-c{}", redirects: [])
        #expect(one.table == "retinue_reconnect_a_b_c__")
    }
}
