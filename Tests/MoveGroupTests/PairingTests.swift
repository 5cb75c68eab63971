import MoveGroup
import Records
import Testing

/// Which end of a connection belongs to which.
@Suite("Pairing of sockets")
struct PairingTests {
    private static let client = Named.program("C", "/client")

    private static func reached(_ dumps: [HostDump], _ pairing: SocketPairing = .init()) -> Set<String> {
        join(dumps, pairing).programs(from: client).subtracting(["C:/client"])
    }

    private static func crossings(_ dumps: [HostDump]) -> Set<NamedCrossing> {
        join(dumps).outcome(of: [client], .init()).crossings
    }

    private static func connect(
        _ address: String, _ port: UInt16 = 80, at times: ClosedRange<UInt64> = 100...200
    ) -> HostDump {
        HostDump(
            "C", ["10.0.0.1", "fd00::1"], observed: [Observed(.connect("/client", address, port), at: times)])
    }

    @Test func acceptOfTheOtherHostIsTheEnd() {
        let server = HostDump("S", ["10.0.0.2"], [.accept("/server", "10.0.0.2", 80, from: "10.0.0.1")])
        let graph = join([Self.connect("10.0.0.2"), server])
        #expect(graph.programs(from: Self.client) == ["C:/client", "S:/server"])
        #expect(graph.programs(from: .program("S", "/server")) == ["C:/client", "S:/server"])
        #expect(graph.outcome(of: [Self.client], .init()).crossings.isEmpty)
        #expect(graph.allNodes.allSatisfy { graph.kind($0) != .endpoint || graph.host($0) != .none })
    }

    @Test(arguments: [
        Fact.accept("/server", "10.0.0.2", 81, from: "10.0.0.1"),
        .accept("/server", "10.0.0.2", 80, from: "10.0.0.1", .udp),
        .accept("/server", "10.0.0.3", 80, from: "10.0.0.1"),
        .accept("/server", "10.0.0.2", 80, from: "10.0.0.7"),
        .accept("/server", "10.0.0.2", 80, from: "127.0.0.1"),
        .listen("/server", "10.0.0.2", 81), .listen("/server", "10.0.0.2", 80, .udp),
        .listen("/server", "127.0.0.1", 80), .listen("/server", "10.0.0.3", 80),
    ])
    func otherPortTransportOrAddressIsNot(fact: Fact) {
        let server = HostDump("S", ["10.0.0.2", "10.0.0.3"], [fact])
        let dumps = [Self.connect("10.0.0.2"), server]
        #expect(Self.reached(dumps).isEmpty)
        let endpoint = Named.endpoint("S", "10.0.0.2", 80)
        #expect(
            Self.crossings(dumps) == [
                NamedCrossing(member: Self.client, other: endpoint, obstacle: .unobserved)
            ])
    }

    @Test func hostThatWasNotObservedIsReported() {
        #expect(
            Self.crossings([Self.connect("10.0.0.9")]) == [
                NamedCrossing(
                    member: Self.client, other: .endpoint("", "10.0.0.9", 80), obstacle: .unobserved)
            ])
        let server = HostDump(
            "C", ["10.0.0.1"],
            [
                .accept("/client", "10.0.0.1", 80, from: "10.0.0.8"),
                .accept("/client", "10.0.0.1", 81, from: "10.0.0.8"),
            ])
        // Its client's port is a passing one.
        let other = Named.endpoint("", "10.0.0.8", 0)
        #expect(
            Self.crossings([server]) == [
                NamedCrossing(member: Self.client, other: other, obstacle: .unobserved)
            ])
    }

    /// Behind address translation the server sees an address that nobody has.
    @Test func translatedClientIsUnobservedAtTheServer() {
        let server = HostDump(
            "S", ["10.0.0.2"],
            [.accept("/server", "10.0.0.2", 80, from: "192.0.2.1"), .listen("/server", "10.0.0.2", 80)])
        let dumps = [Self.connect("10.0.0.2"), server]
        let graph = join(dumps)
        #expect(graph.programs(from: Self.client) == ["C:/client", "S:/server"], "inferred from who listens")
        let crossings = graph.outcome(of: [.program("S", "/server")], .init()).crossings
        #expect(
            crossings == [
                NamedCrossing(
                    member: .program("S", "/server"), other: .endpoint("", "192.0.2.1", 0),
                    obstacle: .unobserved)
            ])
    }

    @Test func listenerIsInferred() {
        let server = HostDump("S", ["10.0.0.2"], [.listen("/server", "10.0.0.2", 80)])
        let graph = join([Self.connect("10.0.0.2"), server])
        let outcome = graph.outcome(of: [Self.client], .init())
        #expect(outcome.strengths[.program("S", "/server")] == Evidence.inferred.rawValue)
        // One that took the connection is the end, and not another that waits there.
        let both = HostDump(
            "S", ["10.0.0.2"],
            [.accept("/worker", "10.0.0.2", 80, from: "10.0.0.1"), .listen("/server", "10.0.0.2", 80)])
        #expect(Self.reached([Self.connect("10.0.0.2"), both]) == ["S:/worker"])
        #expect(
            Self.reached([Self.connect("10.0.0.2"), both], SocketPairing(isPermissive: true))
                == ["S:/worker", "S:/server"])
    }

    @Test func wildcardTakesItsFamily() {
        func reached(_ local: String, _ target: String, accepts: Bool) -> Bool {
            let from = target.contains(":") ? "fd00::1" : "10.0.0.1"
            let fact: Fact =
                accepts ? .accept("/server", local, 80, from: from) : .listen("/server", local, 80)
            let server = HostDump("S", ["10.0.0.2", "fd00::2"], [fact])
            return !Self.reached([Self.connect(target), server]).isEmpty
        }
        for accepts in [false, true] {
            #expect(reached("0.0.0.0", "10.0.0.2", accepts: accepts))
            #expect(!reached("0.0.0.0", "fd00::2", accepts: accepts))
            #expect(reached("::", "fd00::2", accepts: accepts))
            #expect(reached("::", "10.0.0.2", accepts: accepts), "IPv4-mapped")
            #expect(reached("fd00::2", "fd00::2", accepts: accepts))
            #expect(!reached("fd00::2", "10.0.0.2", accepts: accepts))
        }
    }

    @Test func severalAddressesOfAHostAreOne() {
        let server = HostDump(
            "S", ["192.168.0.2", "10.0.0.2"], [.accept("/server", "10.0.0.2", 80, from: "10.1.0.1")])
        var client = Self.connect("10.0.0.2")
        #expect(Self.reached([client, server]).isEmpty)
        client.addresses.append("10.1.0.1")
        #expect(Self.reached([client, server]) == ["S:/server"])
    }

    @Test(arguments: ["127.0.0.1", "127.0.0.53", "::1", "0.0.0.0", "::"])
    func loopbackNeverLeavesItsHost(address: String) {
        let from = address.contains(":") ? "::1" : "127.0.0.1"
        let local = address == "0.0.0.0" ? "127.0.0.1" : address == "::" ? "::1" : address
        let facts: [Fact] = [.accept("/server", local, 80, from: from), .listen("/server", "::", 80)]
        let other = HostDump("S", ["10.0.0.2"], facts)
        var here = Self.connect(address)
        #expect(Self.reached([here, other]).isEmpty)
        #expect(join([here, other]).programs(from: .program("S", "/server")) == ["S:/server"])
        here.observed += HostDump("C", [.accept("/own", local, 80, from: from)]).observed
        #expect(Self.reached([here, other]) == ["C:/own"])
    }

    @Test func ownAddressNeverLeavesItsHost() {
        let facts: [Fact] = [.accept("/server", "10.0.0.1", 80, from: "10.0.0.1")]
        let other = HostDump("S", ["10.0.0.1"], facts)
        var here = Self.connect("10.0.0.1")
        #expect(Self.reached([here, other]).isEmpty)
        #expect(join([here, other]).programs(from: .program("S", "/server")) == ["S:/server"])
        here.observed.append(Observed(.accept("/own", "10.0.0.1", 80, from: "fd00::1")))
        #expect(Self.reached([here, other]) == ["C:/own"])
    }

    @Test func timesHaveToMeet() {
        func reached(_ times: ClosedRange<UInt64>, skew: UInt64 = 5, on host: String = "S") -> Bool {
            let address = host == "C" ? "10.0.0.1" : "10.0.0.2"
            let server = HostDump(
                host, host == "C" ? [] : ["10.0.0.2"],
                observed: [Observed(.accept("/server", address, 80, from: "10.0.0.1"), at: times)])
            let pairing = SocketPairing(clockSkew: skew * second)
            return !Self.reached([Self.connect(address, at: 100...200), server], pairing).isEmpty
        }
        #expect(reached(205...300) && !reached(206...300))
        #expect(reached(10...95) && !reached(10...94))
        #expect(reached(150...160) && reached(10...900))
        #expect(!reached(205...300, skew: 4))
        // One clock has no skew.
        #expect(reached(200...300, on: "C") && !reached(201...300, on: "C"))
        #expect(!reached(50...99, on: "C") && reached(50...100, on: "C"))
    }

    @Test func addressIsWhoseItWasAtTheTime() {
        func server(_ host: String, _ times: ClosedRange<UInt64>) -> HostDump {
            HostDump(
                host, ["10.0.0.2"], time: times.upperBound,
                observed: [Observed(.listen("/server", "::", 80), .snapshot, at: times)])
        }
        let servers = [server("S1", 100...500), server("S2", 600...900)]
        #expect(Self.reached([Self.connect("10.0.0.2", at: 200...300)] + servers) == ["S1:/server"])
        #expect(Self.reached([Self.connect("10.0.0.2", at: 505...520)] + servers) == ["S1:/server"])
        #expect(Self.reached([Self.connect("10.0.0.2", at: 700...800)] + servers) == ["S2:/server"])
        #expect(Self.reached([Self.connect("10.0.0.2", at: 595...596)] + servers) == ["S2:/server"])
        let both: Set = ["S1:/server", "S2:/server"]
        #expect(Self.reached([Self.connect("10.0.0.2", at: 400...700)] + servers) == both)
        #expect(Self.reached([Self.connect("10.0.0.2", at: 550...560)] + servers) == both, "either")
    }

    /// A host is known for the time of all its dumps together.
    @Test func dumpsOfAHostExtendItsTime() {
        func dump(_ host: String, _ times: ClosedRange<UInt64>) -> HostDump {
            let seen = Observed(.listen("/server", "::", 80), .snapshot, at: times)
            return HostDump(host, ["10.0.0.2"], time: times.upperBound, observed: [seen])
        }
        let first = [dump("S", 100...300), dump("S", 400...500)]
        for dumps in [first, first.reversed()] {
            for time in [150, 450] as [UInt64] {
                let others = dumps + [dump("T", 600...900)]
                #expect(Self.reached([Self.connect("10.0.0.2", at: time...time)] + others) == ["S:/server"])
            }
        }
    }

    @Test func hostThatIsNamedByAnAddressHasIt() {
        #expect(GraphHost(id: "10.0.0.2").addresses == [NetworkAddress("10.0.0.2")])
        #expect(GraphHost(id: "127.0.0.1").addresses.isEmpty && GraphHost(id: "::").addresses.isEmpty)
    }

    @Test func listenerIsTheOneOfItsTime() {
        func reached(
            _ times: ClosedRange<UInt64>, _ evidence: Evidence = .exact, successor: String = "::",
            _ seen: Evidence = .exact
        ) -> Set<String> {
            let server = HostDump(
                "S", ["10.0.0.2"],
                observed: [
                    Observed(.listen("/old", "::", 80), evidence, at: 100...110),
                    Observed(.listen("/new", successor, 80), seen, at: 500...510),
                ])
            return Self.reached([Self.connect("10.0.0.2", at: times), server])
        }
        #expect(reached(200...300) == ["S:/old"])
        #expect(reached(600...700) == ["S:/new"])
        #expect(reached(200...600) == ["S:/old", "S:/new"])
        #expect(reached(94...94) == [] && reached(95...95) == ["S:/old"])
        #expect(reached(505...505) == ["S:/old", "S:/new"] && reached(506...506) == ["S:/new"])
        #expect(reached(10...20, .snapshot) == ["S:/old"], "it was there already")
        #expect(
            reached(600...700, .exact, successor: "::", .snapshot) == ["S:/old", "S:/new"],
            "may have been there")
        #expect(reached(600...700, successor: "10.0.0.2") == ["S:/old", "S:/new"], "another place")
    }

    @Test func knownPeerNeedsNoPairing() {
        let dump = HostDump(
            "C", ["10.0.0.1"],
            [
                .connect("/client", "127.0.0.1", 80, peer: "/server"),
                .accept("/other", "127.0.0.1", 80, from: "127.0.0.1"),
            ])
        #expect(Self.reached([dump]) == ["C:/server"])
    }

    @Test func strongerAcceptOfTheSameProgramCounts() {
        let server = HostDump(
            "S", ["10.0.0.2"],
            observed: [
                Observed(.accept("/server", "10.0.0.2", 80, from: "10.0.0.1"), .inferred),
                Observed(.accept("/server", "::", 80, from: "10.0.0.1"), .snapshot),
            ])
        let graph = join([Self.connect("10.0.0.2"), server])
        let edges = graph.nodes([Self.client]).flatMap { node in
            var marks: [EdgeMark] = []
            graph.forEachEdge(at: node) { if !$0.isIncoming { marks.append($0.mark) } }
            return marks
        }
        #expect(edges == [EdgeMark(.connect, evidence: .snapshot)])
    }
}
