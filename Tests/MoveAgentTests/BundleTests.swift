import Glibc
import Records
import TestSupport
import Testing

@testable import MoveAgent

@Suite("A program as an OCI bundle")
struct BundleTests {
    private func run(_ words: [[UInt8]], environment: [String] = ["PATH=/usr/bin:/bin"]) -> ProgramRun {
        var run = ProgramRun(executable: Array("/usr/bin/server".utf8))
        run.arguments = words
        run.environment = environment.map { Array($0.utf8) }
        (run.user, run.group, run.groups, run.mask) = (1000, 1001, [4, 5], 0o027)
        run.limits = [
            ProcessLimit(resource: 7, soft: 2048, hard: .max),
            ProcessLimit(resource: 4, soft: .max, hard: .max),
        ]
        return run
    }

    private func bundle(_ run: ProgramRun, _ isolation: Isolation = .runc, root: String = "/nowhere") throws
        -> JSONValue
    {
        var bundle = ContainerBundle(run: run, root: root, isolation: isolation)
        bundle.hardLimits = [7: 4096, 4: .max]
        bundle.capabilities.bounding = 1 << 41 - 1
        // As a runtime reads it.
        var out = JSONWriter()
        out.value(try bundle.configuration())
        return try JSONValue(parsing: out.bytes)
    }

    /// Names that mean something to a shell, to JSON or to a terminal arrive as they are.
    @Test func hostileWordsArriveUnchanged() throws {
        let words = [
            "/usr/bin/server", "", "-rf", "a\nb", "\"quoted\\\"", "$HOME `id` ${x}", "\u{1b}[31m", "\u{7f}",
            "ü\u{202e}x",
            "{\"args\":[]}", String(repeating: "x", count: 200_000),
        ]
        let value = try bundle(
            run(words.map { Array($0.utf8) }, environment: ["PATH=/bin", "ODD= a=b\n\"\\", "EMPTY="]))
        #expect(value["process"]?["args"]?.array?.compactMap(\.string) == words)
        #expect(
            value["process"]?["env"]?.array?.compactMap(\.string) == [
                "PATH=/bin", "ODD= a=b\n\"\\", "EMPTY=",
            ])
        #expect(value["process"]?["user"]?["umask"]?.integer == 0o027)
        #expect(value["process"]?["user"]?["additionalGids"]?.array?.compactMap(\.integer) == [4, 5])
    }

    /// What JSON cannot have is refused: a runtime would be given other bytes, and say nothing.
    @Test func whatIsNoTextIsRefused() throws {
        let name = Array("/usr/bin/server".utf8)
        #expect(throws: MoveError.self) { try bundle(run([name, [0xff, 0x41]])) }
        #expect(throws: MoveError.self) { try bundle(run([name, [0xed, 0xa0, 0x80]])) }
        var one = run([name])
        one.environment = [Array("X=".utf8) + [0xc3]]
        #expect(throws: MoveError.self) { try bundle(one) }
        one.environment = [Array("no assignment".utf8)]
        #expect(throws: MoveError.self) { try bundle(one) }
        one.environment = [Array("=nameless".utf8)]
        #expect(throws: MoveError.self) { try bundle(one) }
        one = run([name])
        one.folder = [UInt8(ascii: "/"), 0x80]
        #expect(throws: MoveError.self) { try bundle(one) }
        #expect(throws: MoveError.self) { try bundle(run([])) }
    }

    /// Limits that this agent cannot hand on are cut: runtimes fail on them.
    @Test func limitsAreCutToTheAgents() throws {
        let limits = try #require(try bundle(run([Array("server".utf8)]))["process"]?["rlimits"]?.array)
        #expect(limits.map { $0["type"]?.string } == ["RLIMIT_NOFILE", "RLIMIT_CORE"])
        #expect(limits[0]["soft"]?.integer == 2048 && limits[0]["hard"]?.integer == 4096)
        #expect(limits[1]["hard"]?.integer == Int128(UInt64.max))
    }

    private func names(_ value: JSONValue, _ set: String) -> Set<String> {
        Set(value["process"]?["capabilities"]?[set]?.array?.compactMap(\.string) ?? [])
    }

    /// Root keeps what containers have, a user what it was given, and nobody more than was seen.
    @Test func capabilitiesAreNeverMore() throws {
        let all = UInt64(1) << 41 - 1
        var root = run([Array("server".utf8)])
        root.user = 0
        let status = { (effective: UInt64, bounding: UInt64, ambient: UInt64) in
            ["CapPrm", "CapEff", "CapBnd", "CapAmb"].enumerated().map { index, key in
                Substring("\(key):\t" + String([effective, effective, bounding, ambient][index], radix: 16))
            }
        }
        root.capabilities = ProcessCapabilities(status: status(all, all, 0))
        var value = try bundle(root)
        #expect(names(value, "effective").count == 14 && !names(value, "bounding").contains("CAP_SYS_ADMIN"))
        #expect(names(value, "ambient").isEmpty)
        root.capabilities = ProcessCapabilities(status: status(1 << 10, 1 << 10 | 1 << 21, 0))
        value = try bundle(root)
        #expect(names(value, "effective") == ["CAP_NET_BIND_SERVICE"] && names(value, "bounding").count == 1)
        var user = run([Array("server".utf8)])
        user.capabilities = ProcessCapabilities(status: status(1 << 10, all, 1 << 10))
        value = try bundle(user)
        #expect(
            names(value, "ambient") == ["CAP_NET_BIND_SERVICE"]
                && names(value, "inheritable") == names(value, "ambient"))
        user.capabilities = nil
        #expect(try names(bundle(user), "effective").isEmpty)
    }

    /// The name that was typed stays where it leads to the executable, in the root and nowhere else.
    @Test func theNameStaysWhereItLeadsToTheExecutable() throws {
        try withTemporaryFolder { folder in
            for path in ["usr", "usr/bin", "opt"] { mkdir("\(folder)/\(path)", 0o755) }
            close(creat(folder + "/usr/bin/server", 0o755))
            symlink("/usr/bin/server", folder + "/usr/bin/alias")
            symlink("../../../../../../usr/bin/server", folder + "/opt/far")
            symlink("/usr/bin/env", folder + "/opt/other")
            for (word, name) in [
                ("alias", "alias"), ("/opt/far", "/opt/far"), ("/opt/other", nil), ("server: master", nil),
                ("-server", nil), ("./server", nil), ("nothing", nil),
            ] as [(String, String?)] {
                let value = try bundle(run([Array(word.utf8)]), root: folder)
                let first = value["process"]?["args"]?.array?.first?.string
                #expect(first == name ?? "/usr/bin/server", "\(word)")
            }
        }
    }

    @Test func nspawnGetsWhatItKnows() throws {
        try withTemporaryFolder { folder in
            let root = folder + "/root"
            mkdir(root, 0o755)
            for name in ["postgresql", "host"] { try makeFolders("\(root)-run/\(name)") }
            symlink("/etc", root + "-run/link")
            close(creat(root + "-run/file", 0o644))
            let value = try bundle(run([Array("server".utf8)]), .nspawn, root: root)
            #expect(value["process"]?["user"]?["umask"] == nil)
            // A link would be followed on the host; `host` is systemd-nspawn's own.
            let below = value["mounts"]?.array?.compactMap { $0["destination"]?.string }.filter {
                $0.hasPrefix("/run/")
            }
            #expect(below == ["/run/postgresql"])
        }
    }

    private func makeFolders(_ path: String) throws {
        var made = ""
        for part in path.split(separator: "/") {
            made += "/" + part
            guard mkdir(made, 0o755) == 0 || errno == EEXIST else { throw MoveError("\(made)") }
        }
    }

    @Test func capabilitiesGoWithTheRun() throws {
        var one = run([Array("server".utf8)])
        one.capabilities = ProcessCapabilities.own
        #expect(ProgramRun(one.value) == one)
        #expect(ProgramRun(of: getpid())?.capabilities == ProcessCapabilities.own)
    }
}

@Suite("The network of a cell")
struct CellNetworkTests {
    private let ports = [
        ServicePort(isTCP: true, number: 80), ServicePort(isTCP: false, number: 53),
        ServicePort(isTCP: true, number: 5432, address: "127.0.0.1"),
    ]

    @Test func whatIsPublishedIsHandedOn() throws {
        let wish = CellNetwork.Wish(published: [80: 8080])
        let network = CellNetwork(of: "/cells/one", ports: ports, wish: wish, number: 16384)
        #expect(network.gateway == "198.19.0.1" && network.inside == "198.19.0.2")
        #expect(network.interface.utf8.count <= 15)
        #expect(network.text.contains("fib daddr type local tcp dport 8080 dnat ip to 198.19.0.2:80\n"))
        #expect(network.text.contains("udp dport 53 dnat ip to 198.19.0.2:53\n"))
        // Loopback's is nobody's outside.
        #expect(!network.text.contains("5432"))
        #expect(
            wish.outside(ports) == [
                ServicePort(isTCP: true, number: 8080), ServicePort(isTCP: false, number: 53),
            ])
        #expect(CellNetwork(network.value) == network)
        let own = CellNetwork(of: "/cells/two", ports: ports, wish: .init(address: "10.0.0.5"), number: 0)
        #expect(own.text.contains("ip daddr 10.0.0.5 tcp dport 80 dnat ip to 198.18.0.2:80\n"))
        #expect(own.key != network.key)
    }

    /// What comes over the connection, or lies in a file, is nothing that nft(8) or ip(8) would obey.
    @Test func hostileWishesAreNone() throws {
        for text in [
            #"{}"#, #"{"published": [[0, 1]]}"#, #"{"published": [[80, 65536]]}"#, #"{"published": [[80]]}"#,
            #"{"published": [["80", "81"]]}"#, #"{"address": "10.0.0.5; flush ruleset", "published": []}"#,
            #"{"address": "10.0.0.5/24", "published": []}"#, #"{"address": "fd00::5", "published": []}"#,
            #"{"address": "", "published": []}"#,
        ] {
            let value = try JSONValue(parsing: Array(text.utf8))
            #expect(CellNetwork.Wish(value) == nil, "\(text)")
        }
        let good = CellNetwork(of: "x", ports: [], wish: .init(), number: 7).value
        #expect(CellNetwork(good) != nil)
        for (key, bad) in [
            ("key", JSONValue.string("a; reboot #x")), ("key", .string("../../../../x")),
            ("key", .string("-n")),
            ("number", .integer(-1)), ("number", .integer(1 << 15)),
        ] {
            guard case .object(let members) = good else { return }
            let edited = members.map { $0.key == key ? JSONValue.Member(key, bad) : $0 }
            #expect(CellNetwork(.object(edited)) == nil, "\(key)")
        }
    }

    @Test func aHoldMayBeOfOneAddress() {
        let some = ServicePort(isTCP: true, number: 80)
        #expect(
            Hold(name: "x", ports: [some], within: nil, address: "10.0.0.5").text.contains(
                "ip daddr 10.0.0.5 tcp dport"))
        #expect(
            Hold(name: "x", ports: [some], within: nil, address: "fd00::5").text.contains(
                "ip6 daddr fd00::5 udp dport"))
        #expect(!Hold(name: "x", ports: [some], within: nil).text.contains("daddr"))
    }

    @Test func onlyContainersHaveANetworkOfTheirOwn() throws {
        func order(_ isolation: String, _ network: String, _ address: String) throws -> MoveOrder {
            let text = """
                {"plan": {"schema": "retinue-plan/1", "program": "x", "made": "2026-01-01T00:00:00Z", "hosts": [{"host": "a", "programs": [],
                "packages": [], "entries": [], "accounts": [], "services": [], "ports": [{"address": "tcp:0.0.0.0:80", "program": "/x"}]}]},
                "name": "x", "host": "b", "port": 7420, "isolation": "\(isolation)", "network": \(network), "address": \(address)}
                """
            return try MoveOrder(try JSONValue(parsing: Array(text.utf8)))
        }
        let wish = #"{"published": [[80, 81]]}"#
        let made = try order("runc", wish, #""10.0.0.5/24""#)
        #expect(made.hasOwnNetwork && made.network?.address == "10.0.0.5" && made.published == [80: 81])
        #expect(try MoveOrder(made.value).network == made.network)
        #expect(throws: MoveError.self) { try order("chroot", wish, "null") }
        #expect(throws: MoveError.self) { try order("container", wish, #""fd00::5/64""#) }
        #expect(throws: MoveError.self) { try order("container", #"{"published": 1}"#, "null") }
        #expect(try order("container", "null", "null").network == nil)
    }
}
