import MoveGroup
import Records
import Testing

/// What follows from each relation: the table of docs/move-group.md, row by row.
@Suite("What follows from a relation")
struct RelationTests {
    private static func group(
        _ facts: [Fact], from start: Prog = "/p", policy: String = "no default",
        _ change: (inout ClosureOptions) -> Void = { _ in }
    ) throws -> Outcome {
        var options = ClosureOptions()
        options.policy = try BoundaryPolicy(parsing: policy, from: "test")
        change(&options)
        // Through the text of a dump, so that what a daemon writes is what counts.
        var builder = GraphBuilder()
        builder.add(try HostDump("H", ["10.0.0.1"], facts).readBack(), from: "H.ndjson")
        return builder.finish().outcome(of: [.program("H", start)], options)
    }

    private static func p(_ program: Prog) -> Named { .program("H", program) }
    private static func f(_ path: String) -> Named { .file("H", path) }

    @Test func fileThatIsOnlyReadIsCopied() throws {
        let group = try Self.group([.file("/p", "/f", "r"), .file("/q", "/f", "r")])
        #expect(group.members == [Self.p("/p"), Self.f("/f")])
        #expect(group.crossings.isEmpty)
    }

    @Test func fileThatIsWrittenBindsItsReadersAndWriters() throws {
        let facts: [Fact] = [
            .file("/p", "/f", "rw"), .file("/q", "/f", "r"), .file("/w", "/f", "w"), .file("/x", "/f", "x"),
            .file("/q", "/other", "r"), .file("/z", "/other", "r"),
        ]
        let group = try Self.group(facts)
        let expected = [Self.p("/p"), Self.f("/f"), Self.p("/q"), Self.p("/w"), Self.f("/other")]
        #expect(group.members == Set(expected))
    }

    @Test func fileThatAnotherWritesBindsItsReader() throws {
        let group = try Self.group([.file("/p", "/f", "r"), .file("/w", "/f", "w"), .file("/r", "/f", "r")])
        #expect(group.members == [Self.p("/p"), Self.f("/f"), Self.p("/w"), Self.p("/r")])
    }

    @Test func fileThatIsExecutedBindsNobody() throws {
        let group = try Self.group([.file("/p", "/f", "rx"), .file("/w", "/f", "w"), .file("/r", "/f", "r")])
        #expect(group.members == [Self.p("/p"), Self.f("/f")])
        #expect(
            group.crossings == [
                NamedCrossing(member: Self.p("/p"), other: Self.p("/w"), obstacle: .executed)
            ])
    }

    /// First executed, then read by what joins later: who writes it comes by the second.
    @Test func fileThatIsExecutedIsBoundByALaterReader() throws {
        let facts: [Fact] = [
            .file("/p", "/f", "x"), .file("/w", "/f", "w"), .spawn("/p", "/c1"), .spawn("/c1", "/c2"),
            .file("/c2", "/f", "r"),
        ]
        let graph = join([HostDump("H", facts)])
        var options = ClosureOptions()
        options.policy = .empty
        let group = graph.moveGroup(of: graph.nodes([Self.p("/p")]), options)
        let writer = try #require(graph.nodes([Self.p("/w")]).first)
        let file = try #require(graph.nodes([Self.f("/f")]).first)
        #expect(group.chain(to: writer).map(\.follow) == [.child, .child, .bound, .writes])
        #expect(group.chain(to: file).map(\.follow) == [.copied])
        let position = try #require(group.members.firstIndex(of: writer))
        #expect(group.distance(of: position) == 4)
        #expect(group.crossings.isEmpty)
    }

    @Test func filesOfTwoHostsAreTwo() {
        let graph = join([
            HostDump("H", [.file("/p", "/f", "rw")]), HostDump("I", [.file("/q", "/f", "rw")]),
        ])
        #expect(graph.outcome(of: [Self.p("/p")], .init()).members == [Self.p("/p"), Self.f("/f")])
    }

    @Test func childAndParentJoin() throws {
        let facts: [Fact] = [.spawn("/up", "/p"), .spawn("/p", "/c"), .spawn("/up", "/other")]
        let all: [Prog] = ["/p", "/up", "/c", "/other"]
        #expect(try Self.group(facts).members == Set(all.map(Self.p)))
    }

    @Test func launcherIsNotAParentThatJoins() throws {
        let facts: [Fact] = [.spawn("/up", "/p"), .spawn("/up", "/other")]
        let stopped = try Self.group(facts, policy: "no default\nlauncher /up")
        #expect(stopped.members == [Self.p("/p")])
        #expect(
            stopped.crossings == [
                NamedCrossing(member: Self.p("/p"), other: Self.p("/up"), obstacle: .rule(0))
            ])
        let all = Set(([Prog("/p"), "/up", "/other"]).map(Self.p))
        let followed = try Self.group(facts, policy: "no default\nfollow launcher /up\nlauncher /up")
        #expect(followed.members == all && followed.crossings.isEmpty)
        let included = try Self.group(facts, policy: "launcher /up") { $0.include = [NodePattern("/up")] }
        #expect(included.members == all && included.crossings.isEmpty)
        let first = try Self.group(facts, from: "/up", policy: "no default\nlauncher /up")
        #expect(first.members == all, "a launcher as the start is followed")
    }

    @Test func launcherThatIsStartedJoinsWithWhatItIsMadeOf() throws {
        let facts: [Fact] = [
            .spawn("/p", "/sudo"), .spawn("/sudo", "/c"), .file("/sudo", "/sudo", "x"),
            .file("/sudo", "/conf", "r"), .file("/sudo", "/log", "rwx"), .file("/q", "/log", "r"),
        ]
        let group = try Self.group(facts, policy: "no default\nlauncher /sudo")
        #expect(group.members == [Self.p("/p"), Self.p("/sudo"), Self.f("/sudo"), Self.f("/log")])
        #expect(
            group.crossings == [
                NamedCrossing(member: Self.p("/sudo"), other: Self.p("/sudo"), obstacle: .rule(0))
            ])
    }

    @Test func programOfWhichNothingIsKnownIsReported() throws {
        let group = try Self.group([.spawn("/p", ""), .spawn("", "/c")])
        #expect(group.members == [Self.p("/p"), Self.p("")])
        #expect(
            group.crossings == [NamedCrossing(member: Self.p(""), other: Self.p(""), obstacle: .unknown)])
    }

    @Test func systemServiceStaysWhateverLeadsThere() throws {
        let ways: [[Fact]] = [
            [.spawn("/p", "/sys")], [.spawn("/sys", "/p")],
            [.connect("/p", "127.0.0.1", 80, peer: "/sys")],
            [.accept("/p", "::1", 80, from: "::1", peer: "/sys")],
            [.file("/p", "/f", "r"), .file("/sys", "/f", "w")], [.ipc("/p", .unix, "", peer: "/sys")],
            [.ipc("/p", .unix, "/s"), .ipc("/sys", .unix, "/s")],
        ]
        for facts in ways {
            let group = try Self.group(facts, policy: "no default\nsystem /sys")
            #expect(!group.members.contains(Self.p("/sys")), "\(facts)")
            #expect(group.crossings.contains { $0.other == Self.p("/sys") && $0.obstacle == .rule(0) })
            let followed = try Self.group(facts, policy: "no default\nfollow system /sys\nsystem **")
            #expect(followed.members.contains(Self.p("/sys")))
            let included = try Self.group(facts, policy: "no default\nsystem /sys") {
                $0.include = [NodePattern("/sys")]
            }
            #expect(included.members.contains(Self.p("/sys")) && included.crossings.isEmpty)
        }
        let start = try Self.group([.spawn("/sys", "/p")], from: "/sys", policy: "no default\nsystem /sys")
        #expect(start.members == [Self.p("/sys"), Self.p("/p")] && start.crossings.isEmpty)
    }

    @Test func installerBindsNobody() throws {
        let facts: [Fact] = [
            .file("/p", "/f", "r"), .file("/dpkg", "/f", "rw"), .file("/q", "/f", "r"),
            .file("/p", "/g", "rw"), .file("/dpkg", "/g", "rw"), .file("/p", "/h", "w"),
            .file("/dpkg", "/h", "r"), .file("/q", "/i", "r"),
        ]
        let policy = "no default\ninstaller /dpkg"
        // It reads /h as any other program: that joins it.
        #expect(try Self.group(facts, policy: policy).members.contains(Self.p("/dpkg")))
        let writer = Array(facts.prefix(5))
        let group = try Self.group(writer, policy: policy)
        #expect(group.members == [Self.p("/p"), Self.f("/f"), Self.f("/g")])
        #expect(
            group.crossings == [
                NamedCrossing(member: Self.p("/p"), other: Self.p("/dpkg"), obstacle: .rule(0))
            ])
        let all = Set([Prog("/p"), "/dpkg", "/q"].map(Self.p) + ["/f", "/g"].map(Self.f))
        let followed = try Self.group(writer, policy: "no default\nfollow installer /dpkg\n" + policy)
        #expect(followed.members == all && followed.crossings.isEmpty)
        let included = try Self.group(writer, policy: policy) { $0.include = [NodePattern("/dpkg")] }
        #expect(included.members == all && included.crossings.isEmpty)
    }

    @Test func fileOfTheHostStays() throws {
        let facts: [Fact] = [.file("/p", "/dev/x", "rw"), .file("/q", "/dev/x", "rw")]
        let policy = "no default\nfile /dev/**"
        let group = try Self.group(facts, policy: policy)
        #expect(group.members == [Self.p("/p")])
        #expect(
            group.crossings == [
                NamedCrossing(member: Self.p("/p"), other: Self.f("/dev/x"), obstacle: .rule(0))
            ])
        let all = Set([Self.p("/p"), Self.p("/q"), Self.f("/dev/x")])
        #expect(try Self.group(facts, policy: "follow file /dev/x\n" + policy).members == all)
        #expect(try Self.group(facts, policy: policy) { $0.include = [NodePattern("/dev/x")] }.members == all)
    }

    @Test func namedObjectsBringEverySharer() throws {
        let facts: [Fact] = [
            .ipc("/p", .unix, "/s"), .ipc("/q", .unix, "/s"), .ipc("/r", .unix, "/s", peer: "/t"),
            .ipc("/u", .shm, "/s"),
        ]
        let channel = Named.channel("H", .unix, "/s")
        let group = try Self.group(facts)
        #expect(group.members == Set([Prog("/p"), "/q", "/r", "/t"].map(Self.p) + [channel]))
        let policy = "no default\nipc unix:/s"
        let stopped = try Self.group(facts, policy: policy)
        #expect(stopped.members == [Self.p("/p")])
        #expect(
            stopped.crossings == [NamedCrossing(member: Self.p("/p"), other: channel, obstacle: .rule(0))])
        let peer = try Self.group(facts, from: "/t", policy: policy)
        #expect(peer.members == [Self.p("/t")], "a rule for the object holds for its peer")
        for options in [["unix:/s"], ["unix:/*"]] {
            let included = try Self.group(facts, policy: policy) {
                $0.include = options.map { NodePattern($0) }
            }
            #expect(included.members == group.members)
        }
        #expect(try Self.group(facts, policy: "follow ipc unix:/s\n" + policy).members == group.members)
    }

    @Test(arguments: [
        (Mechanism.pipe, "pipe"), (.pipe, ""), (.unix, "socketpair"), (.unix, ""), (.shm, ""), (.shm, "id 5"),
        (.sem, "id 0"), (.msg, "id 7"),
    ])
    func namelessObjectsBringThePeer(mechanism: Mechanism, name: String) throws {
        let facts: [Fact] = [
            .ipc("/p", mechanism, name, peer: "/q"), .ipc("/r", mechanism, name), .ipc("/p", mechanism, name),
            .ipc("/s", mechanism, name, peer: "/t"),
        ]
        let channel = Named.channel("H", mechanism, "")
        #expect(try Self.group(facts).members == [Self.p("/p"), Self.p("/q"), channel])
        let symmetric = try Self.group(facts) { $0.isSymmetric = true }
        #expect(symmetric.members == [Self.p("/p"), Self.p("/q"), channel], "also when all is followed")
    }

    @Test func addressThatIsListenedOnJoins() throws {
        let facts: [Fact] = [.listen("/p", "::", 80), .listen("/q", "::", 80), .listen("/q", "0.0.0.0", 81)]
        let group = try Self.group(facts)
        #expect(group.members == [Self.p("/p"), .endpoint("H", "::", 80)])
    }

    @Test func addressAsTheStartBringsWhoIsThere() {
        let graph = join([
            HostDump("H", ["10.0.0.1"], [.listen("/p", "::", 80)]),
            HostDump("I", ["10.0.0.2"], [.connect("/q", "10.0.0.9", 80), .connect("/r", "10.0.0.9", 80)]),
        ])
        let here = graph.outcome(of: [.endpoint("H", "::", 80)], .init()).members
        #expect(here == [.endpoint("H", "::", 80), Self.p("/p")])
        let there = graph.outcome(of: [.endpoint("", "10.0.0.9", 80)], .init()).members
        #expect(
            there == [.endpoint("", "10.0.0.9", 80), .program("I", "/q"), .program("I", "/r")])
    }

    @Test func fileAsTheStartBringsWhoUsesIt() throws {
        let facts: [Fact] = [.file("/p", "/f", "r"), .file("/x", "/f", "x"), .file("/dpkg", "/f", "w")]
        let graph = join([HostDump("H", facts)])
        var options = ClosureOptions()
        options.policy = .empty
        let found = graph.outcome(of: [Self.f("/f")], options)
        #expect(found.members == [Self.f("/f"), Self.p("/p"), Self.p("/x"), Self.p("/dpkg")])
        options.policy = try BoundaryPolicy(parsing: "installer /dpkg", from: "test")
        #expect(!graph.outcome(of: [Self.f("/f")], options).members.contains(Self.p("/dpkg")))
        options.include = [NodePattern("/dpkg")]
        #expect(graph.outcome(of: [Self.f("/f")], options).members.contains(Self.p("/dpkg")))
    }

    @Test func stopAtJoinsAndLeadsNoFurther() throws {
        let facts: [Fact] = [
            .spawn("/p", "/m"), .spawn("/m", "/n"), .file("/m", "/m", "x"), .file("/p", "/f", "r"),
            .file("/w", "/f", "w"), .ipc("/p", .unix, "/s", peer: "/peer"), .ipc("/q", .unix, "/s"),
        ]
        let channel = Named.channel("H", .unix, "/s")
        let group = try Self.group(facts) {
            $0.stopAt = [NodePattern("/m"), NodePattern("/f"), NodePattern("unix:/s")]
        }
        #expect(group.members == [Self.p("/p"), Self.p("/m"), Self.f("/m"), Self.f("/f"), channel])
        let (p, m) = (Self.p("/p"), Self.p("/m"))
        #expect(
            group.crossings == [
                NamedCrossing(member: m, other: m, obstacle: .stopAt(0)),
                NamedCrossing(member: p, other: Self.f("/f"), obstacle: .stopAt(1)),
                NamedCrossing(member: p, other: channel, obstacle: .stopAt(2)),
                NamedCrossing(member: p, other: Self.p("/peer"), obstacle: .stopAt(2)),
            ])
        let symmetric = try Self.group(facts) {
            $0.isSymmetric = true
            $0.stopAt = [NodePattern("/m")]
        }
        #expect(symmetric.members.contains(m) && !symmetric.members.contains(Self.p("/n")))
    }

    @Test func excludeDoesNotJoin() throws {
        let facts: [Fact] = [
            .spawn("/p", "/m"), .file("/p", "/f", "r"), .ipc("/p", .unix, "/s", peer: "/peer"),
            .connect("/p", "127.0.0.1", 80, peer: "/server"), .listen("/p", "::", 90),
        ]
        let patterns = ["/m", "/f", "unix:/s", "tcp:127.0.0.1:80", "tcp:*:90"]
        let group = try Self.group(facts) { $0.exclude = patterns.map { NodePattern($0) } }
        #expect(group.members == [Self.p("/p")])
        #expect(group.crossings.count == 6)
        for isIncluded in [false, true] {
            let again = try Self.group(facts) {
                $0.exclude = [NodePattern("/m")]
                $0.include = isIncluded ? [NodePattern("/m")] : []
                $0.isSymmetric = true
            }
            #expect(!again.members.contains(Self.p("/m")))
            #expect(again.members.contains(Self.p("/peer")))
        }
    }

    @Test func symmetricFollowsEverythingBothWays() throws {
        let facts: [Fact] = [
            .file("/p", "/f", "r"), .file("/q", "/f", "x"), .spawn("/init", "/q"), .listen("/init", "::", 80),
            .listen("/z", "::", 80), .ipc("/z", .unix, "/s"), .ipc("/y", .unix, "/s"),
            .connect("/y", "10.9.9.9", 80), .connect("/x", "10.9.9.9", 80), .file("/alone", "/g", "r"),
        ]
        let group = try Self.group(facts, policy: "launcher **\nsystem **\nfile **") { $0.isSymmetric = true }
        let programs = group.members.filter { $0.node.kind == .program }
        #expect(programs == Set([Prog("/p"), "/q", "/init", "/z", "/y", "/x"].map(Self.p)))
        #expect(group.crossings.isEmpty)
    }

    @Test func endpointRuleStopsBothWays() throws {
        let facts: [Fact] = [
            .connect("/p", "127.0.0.1", 53, .udp, peer: "/dns"),
            .accept("/q", "::1", 53, from: "::1", peer: "/p"),
            .connect("/p", "10.9.9.9", 53), .accept("/p", "10.0.0.1", 53, from: "10.9.9.9"),
        ]
        let policy = "no default\nendpoint udp:*:53\nendpoint tcp:*:53"
        let group = try Self.group(facts, policy: policy)
        #expect(group.members == [Self.p("/p")])
        #expect(group.crossings.count == 4)
        #expect(group.crossings.allSatisfy { $0.obstacle == .rule(0) || $0.obstacle == .rule(1) })
        let all = Set([Prog("/p"), "/q", "/dns"].map(Self.p))
        let followed = try Self.group(facts, policy: "follow endpoint *:*:53\n" + policy)
        #expect(followed.members == all)
        #expect(followed.crossings.map(\.obstacle) == [.unobserved, .unobserved])
        let patterns = ["/q", "udp:127.0.0.1:53"].map { NodePattern($0) }
        #expect(try Self.group(facts, policy: policy) { $0.include = patterns }.members == all)
    }
}
