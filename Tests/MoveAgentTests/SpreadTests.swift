import MovePlan
import Records
import TestSupport
import Testing

@testable import MoveAgent

@Suite("Programs at several hosts: what is refused, and what distributes")
struct SpreadTests {
    private static func plan() -> HostPlan {
        var plan = HostPlan(id: "alpha")
        plan.programs = [PlannedProgram(executable: Array("/usr/bin/web".utf8))]
        plan.ports = [
            PlannedPort(address: "tcp:0.0.0.0:80", program: Array("/usr/bin/web".utf8)),
            PlannedPort(address: "tcp:127.0.0.1:9", program: Array("/usr/bin/web".utf8)),
            PlannedPort(address: "udp:0.0.0.0:53", program: Array("/usr/bin/web".utf8)),
        ]
        plan.isolation = .init(choice: "chroot", reasons: [])
        return plan
    }

    private static func request(
        _ hosts: [(String, String)] = [("beta", "10.0.0.2"), ("gamma", "10.0.0.3")],
        order: [JSONValue.Member] = [], _ more: [JSONValue.Member] = [], plan: HostPlan = plan()
    ) -> JSONValue {
        let base: [JSONValue.Member] = [
            .init("plan", PlanDocument.value(Plan(program: "web", made: 0, hosts: [plan]))),
            .init("name", .string("web")), .init("host", .string("elsewhere")),
            .init("at", .string("10.0.0.9")), .init("port", .integer(7420)),
        ]
        return .object(
            [
                .init("order", .object(base + order)),
                .init(
                    "over",
                    .array(
                        hosts.map {
                            .object([
                                .init("name", .string($0.0)), .init("address", .string($0.1)),
                                .init("port", .integer(7420)),
                            ])
                        })),
            ] + more)
    }

    @Test func anOrderIsReadAsItWasWritten() throws {
        let order = try SpreadOrder(
            Self.request(
                order: [.init("address", .string("10.0.0.5/24"))],
                [
                    .init("static", .boolean(true)), .init("source", .boolean(false)),
                    .init("own", .array([.string("/var/cache/web")])),
                ]))
        #expect(order.probe == .tcp)
        #expect(try SpreadOrder(order.value) == order)
        #expect(order.isStatic && !order.hasSource && order.own == [Array("/var/cache/web".utf8)])
        #expect(order.balancedPorts == [80] && order.address == "10.0.0.5")
        // The address stays: the order for a host does not take it away.
        let there = try SpreadOrder.order(order.base, for: order.hosts[1])
        #expect(there.host == "gamma" && there.address == "10.0.0.3" && there.serviceAddress == nil)
        #expect(there.isReplica)
        #expect(try MoveOrder(there.value).isReplica)
    }

    @Test func whatCannotBeSpread() {
        var quiet = Self.plan()
        quiet.ports.removeFirst()
        let refused: [(JSONValue, String)] = [
            (Self.request([]), "--over"),
            (Self.request([("beta", "10.0.0.2"), ("beta", "10.0.0.3")]), "once"),
            (Self.request([("../beta", "10.0.0.2")]), "certificate"),
            (Self.request([("beta", "beta")]), "HOST=ADDRESS"),
            (Self.request([("beta", "10.0.0.2"), ("gamma", "fd00::3")]), "one family"),
            (Self.request((0..<65).map { ("h\($0)", "10.0.0.2") }), "64 hosts"),
            (Self.request([], plan: quiet), "--over"),
            (Self.request(plan: quiet), "no TCP port"),
            (Self.request([("beta", "10.0.0.2")], [.init("balancer", .string("x"))]), "nft or haproxy"),
            (
                Self.request(
                    [("beta", "10.0.0.2")],
                    [.init("balancer", .string("haproxy")), .init("probe", .string("true"))]),
                "http:/PATH, or use --balancer nft"
            ),
            (
                Self.request(
                    [("beta", "10.0.0.2")],
                    [.init("static", .boolean(true)), .init("probe", .string("http:/"))]), "leave --probe out"
            ),
            (Self.request(order: [.init("live", .boolean(true))]), "--live"),
            (Self.request(order: [.init("isolation", .string("host"))]), "--isolation"), (.null, "--over"),
        ]
        for (value, word) in refused {
            do throws(MoveError) {
                _ = try SpreadOrder(value)
                Issue.record("taken: \(word)")
            } catch { #expect(error.description.contains(word), "\(error)") }
        }
    }

    private func rules(
        _ more: [JSONValue.Member] = [], order: [JSONValue.Member] = [], up: Set<String> = ["beta", "gamma"],
        hosts: [(String, String)] = [("beta", "10.0.0.2"), ("gamma", "10.0.0.3")]
    ) throws -> String {
        try SpreadOrder(Self.request(hosts, order: order, more)).balancer(
            { up.contains($0.name) }, sourceIsUp: true
        ).text
    }

    @Test func rulesOfNftables() throws {
        #expect(
            try rules() == """
                table inet retinue_spread_web {}
                delete table inet retinue_spread_web
                table inet retinue_spread_web {
                  chain member_0 {
                    counter ct mark set 1387954944 accept
                  }
                  chain member_1 {
                    counter ct mark set 1387954945 dnat ip to 10.0.0.2
                  }
                  chain member_2 {
                    counter ct mark set 1387954946 dnat ip to 10.0.0.3
                  }
                  chain prerouting {
                    type nat hook prerouting priority dstnat; policy accept;
                    iifname != "lo" meta nfproto ipv4 fib daddr type local tcp dport { 80 } tcp flags & (fin | syn | rst | ack) == syn numgen inc mod 3 vmap { 0 : goto member_0, 1 : goto member_1, 2 : goto member_2 }
                  }
                  chain postrouting {
                    type nat hook postrouting priority srcnat; policy accept;
                    oifname != "lo" tcp dport { 80 } ct status dnat masquerade
                  }
                }

                """)
        // One that is down is no member, and the marks of the others stay theirs.
        let less = try rules(up: ["gamma"])
        #expect(!less.contains("10.0.0.2") && less.contains("numgen inc mod 2 vmap"))
        #expect(less.contains("ct mark set 1387954946 dnat ip to 10.0.0.3"))
        let fixed = try rules(
            [.init("static", .boolean(true)), .init("source", .boolean(false))],
            order: [.init("address", .string("10.0.0.5/24"))])
        #expect(
            fixed.contains(
                "ip daddr 10.0.0.5 tcp dport { 80 } tcp flags & (fin | syn | rst | ack) == syn jhash ip saddr . tcp sport mod 2 seed 1 vmap"
            ))
        #expect(!fixed.contains("accept\n  }\n  chain member_1"))
        let six = try rules(up: ["beta"], hosts: [("beta", "fd00::2")])
        #expect(six.contains("nfproto ipv6") && six.contains("dnat ip6 to [fd00::2]"))
        // Nobody else: it comes to the source, marked to be forgotten when the table goes, and what was passed on still is.
        let none = try rules([.init("source", .boolean(false))], up: [])
        #expect(
            none.contains(
                "tcp dport { 80 } tcp flags & (fin | syn | rst | ack) == syn ct mark set 1387954944\n"))
        #expect(!none.contains("dnat ip") && !none.contains("vmap") && none.contains("masquerade"))
    }

    @Test(arguments: [
        ("tcp", Probe.tcp), ("http:/", .http(path: "/")), ("http:/a/b?c=%20", .http(path: "/a/b?c=%20")),
        ("curl -f http://$RETINUE_HOST/", .command("curl -f http://$RETINUE_HOST/")),
        ("http: /", .command("http: /")),
    ])
    func probes(text: String, probe: Probe) throws {
        #expect(try Probe(text) == probe && probe.text == text)
        let order = try SpreadOrder(Self.request([("beta", "10.0.0.2")], [.init("probe", .string(text))]))
        #expect(try order.probe == probe && SpreadOrder(order.value) == order)
    }

    /// Each would be a line of haproxy's settings, or of the request.
    @Test(arguments: [
        "", "http://web2/", "http:/a b", "http:/a\n", "http:/a\r\nX: y", "http:/#", "http:/\"", "http:/'",
        "http:/\\", "http:/ä", "http:/" + String(repeating: "a", count: 1024),
    ])
    func whatIsNoProbe(text: String) {
        #expect(throws: MoveError.self) { try Probe(text) }
    }

    @Test(arguments: [
        ("HTTP/1.0 200 OK\r", true), ("HTTP/1.1 204 No Content\r", true), ("HTTP/1.1 302\r", true),
        ("HTTP/1.1 302 \r", true), ("HTTP/1.1 399", true), ("HTTP/1.1 400 Bad\r", false),
        ("HTTP/1.0 500 Internal Server Error\r", false), ("HTTP/1.0 199 x", false), ("HTTP/1.0  200", false),
        ("HTTP/1.0 2000 x", false), ("HTTP/1.0 +20 x", false), ("HTTP/2 200 x", false),
        ("SSH-2.0-x 200 x", false), ("", false),
        ("200 200", false),
    ])
    func answersOfServers(line: String, works: Bool) {
        #expect(Probe.works(Array(line.utf8)) == works, "\(line)")
    }

    /// Against servers that answer, answer with an error, dribble, say nothing and are not there.
    @Test func serversAreAsked() throws {
        let server = try Child([
            "python3", "-c",
            """
            import socket, threading, time
            def serve(answer, pause):
                s = socket.create_server(("127.0.0.1", 0))
                def run():
                    while True:
                        c = s.accept()[0]
                        if answer is None: kept.append(c); continue
                        if c.recv(1000) != b"GET /health HTTP/1.0\\r\\n\\r\\n": c.close(); continue
                        try:
                            for byte in answer:
                                c.send(bytes([byte])); time.sleep(pause)
                        except OSError: pass
                        c.close()
                threading.Thread(target=run, daemon=True).start()
                return s.getsockname()[1]
            kept = []
            gone = socket.create_server(("127.0.0.1", 0))
            ports = [serve(b"HTTP/1.0 200 OK\\r\\n", 0), serve(b"HTTP/1.0 500 No\\r\\n", 0), serve(b"HTTP/1.0 200 OK\\r\\n", 0.5),
                     serve(b"HTTP/1.0 200 OK", 0), serve(None, 0), gone.getsockname()[1]]
            gone.close()
            print(*ports, flush=True)
            time.sleep(1000)
            """,
        ])
        defer { server.kill() }
        let ports = try server.firstLine().split(separator: " ").compactMap { UInt16($0) }
        #expect(
            ports.map { Probe.http(path: "/health").ask("127.0.0.1", $0) } == [
                .up, .silent, .silent, .silent, .silent, .refused,
            ])
        #expect(ports.map { Probe.tcp.ask("127.0.0.1", $0) } == [.up, .up, .up, .up, .up, .refused])
        let command = Probe.command("test $RETINUE_HOST = 127.0.0.1 -a $RETINUE_PORT = \(ports[0])")
        #expect(command.ask("127.0.0.1", ports[0]) == .up && command.ask("127.0.0.1", ports[1]) == .silent)
    }

    @Test func settingsOfHAProxy() throws {
        let order = try SpreadOrder(
            Self.request([("beta", "10.0.0.2")], [.init("balancer", .string("haproxy"))]))
        let text = HAProxy(folder: "/nowhere", order: order).text([80: 30001])
        #expect(text.contains("  bind 0.0.0.0:30001\n  balance roundrobin\n"))
        #expect(text.contains("  server source 127.0.0.1:80 check inter 250ms fall 2 rise 2\n"))
        #expect(text.contains("  server beta 10.0.0.2:80 check inter 250ms fall 2 rise 2\n"))
        #expect(!text.contains("httpchk"))
        var two = Self.plan()
        two.ports.append(PlannedPort(address: "tcp:0.0.0.0:443", program: Array("/usr/bin/web".utf8)))
        let asking = try SpreadOrder(
            Self.request(
                [("beta", "fd00::2")],
                [.init("balancer", .string("haproxy")), .init("probe", .string("http:/health"))], plan: two))
        let asked = HAProxy(folder: "/nowhere", order: asking).text([80: 30001, 443: 30002])
        #expect(
            asked.contains(
                "  bind [::]:30002\n  balance roundrobin\n  option httpchk GET /health\n  timeout check 2s\n")
        )
        #expect(asked.contains("  server beta [fd00::2]:443 check inter 250ms fall 2 rise 2 port 80\n"))
        var balancer = order.balancer({ _ in true }, sourceIsUp: true)
        balancer.redirected = [80: 30001]
        #expect(balancer.text.contains("redirect to :30001") && !balancer.text.contains("vmap"))
    }

    /// What the plan has as written is refused by name, unless each may have its own.
    @Test func writtenFiles() {
        var plan = Self.plan()
        func entry(_ path: String, _ treatment: Treatment) -> PlannedEntry {
            PlannedEntry(Array(path.utf8), .tree, treatment, .exact, reason: "test")
        }
        plan.entries = [
            entry("/srv/data", .finalCopy), entry("/srv/web", .preCopy), entry("/srv/cache/a", .finalCopy),
            entry("/run/web.pid", .makeAnew), entry("/var/log/web", .leave),
        ]
        let own = [Array("/srv/cache".utf8)]
        let problems = SharedState(planned: plan, own: own).problems
        #expect(problems.count == 1)
        #expect(problems[0].contains("/srv/data") && problems[0].contains("--own /srv/data"))
        #expect(SharedState(planned: plan, own: [Array("/srv".utf8)]).problems.isEmpty)
        // A name that only begins alike is another one.
        #expect(SharedState(planned: plan, own: [Array("/srv/dat".utf8)] + own).problems.count == 1)
    }

    @Test func connectionsAreForgottenByTheirMarks() {
        let all = TrackedConnections.request(mark: 0x5200_0100, mask: 0xffff_ff00, unanswered: false).bytes()
        #expect(Array(all[4..<8]) == [2, 1, 5, 0])
        #expect(Array(all[16...]) == [0, 0, 0, 0, 8, 0, 8, 0, 0x52, 0, 1, 0, 8, 0, 21, 0, 255, 255, 255, 0])
        let some = TrackedConnections.request(mark: 0x5200_0101, mask: .max, unanswered: true).bytes()
        #expect(Array(some.suffix(16)) == [8, 0, 3, 0, 0, 0, 0, 0, 8, 0, 26, 0, 0, 0, 0, 4])
    }
}
