import Glibc
import MovePlan
import Records
import SunRPC
import TestSupport
import Testing

@testable import MoveAgent

@Suite("The verdict on how lively programs can move")
struct SurveyTests {
    private func obstacle(_ way: Obstacle.Way, _ what: String, pid: Int32 = 1) -> Obstacle {
        Obstacle(
            rulesOut: way, effect: .refused, pid: pid, place: .descriptor(3), kind: "x", what: what,
            peer: nil,
            cure: "none")
    }

    private func verdict(_ obstacles: [Obstacle], processes: Int = 1) -> ProgramVerdict {
        ProgramVerdict(
            executable: [47, 97], script: [], processes: processes, serves: [], obstacles: obstacles)
    }

    @Test func theLiveliestThatIsNotRuledOut() {
        #expect(verdict([]).way == .live)
        #expect(verdict([], processes: 0).way == .cold)
        #expect(verdict([obstacle(.handover, "a")]).way == .live)
        #expect(verdict([obstacle(.live, "a")]).way == .handover)
        #expect(verdict([obstacle(.live, "a"), obstacle(.handover, "b")]).way == .cold)
    }

    @Test func equalOnesAreOne() {
        let many = (0..<1000).map { obstacle(.live, "a", pid: $0) } + [obstacle(.handover, "a")]
        let found = verdict(many)
        #expect(found.obstacles.map(\.count) == [1000, 1] && found.omitted == 0)
        #expect(found.obstacles[0].pid == 0)
        let different = verdict((0..<1000).map { obstacle(.live, "\($0 % 100)") })
        #expect(different.obstacles.count == ProgramVerdict.mostObstacles && different.omitted == 600)
        // What is left out counts all the same.
        let last = (0..<50).map { obstacle(.handover, "\($0)") } + [obstacle(.live, "a")]
        #expect(verdict(last).way == .cold)
    }

    @Test(arguments: [
        ("socket:[12]", DescriptorKind.socket(12)), ("pipe:[7]", .pipe(7)), ("socket:[x]", .other("socket")),
        ("socket:[99999999999999999999]", .other("socket")),
        ("anon_inode:[io_uring]", .anonymous("io_uring")),
        ("anon_inode:inotify", .anonymous("inotify")), ("/memfd:a (deleted)", .memory),
        ("/secretmem (deleted)", .secret), ("net:[4026531833]", .other("net")), ("", .other("")),
        ("/a b", .path(Array("/a b".utf8))),
    ])
    func kinds(target: String, kind: DescriptorKind) {
        #expect(DescriptorKind(Array(target.utf8)) == kind)
    }

    @Test func devices() {
        #expect(
            DescriptorKind.isKept(characterDevice: 1, 3) && DescriptorKind.isKept(characterDevice: 136, 0))
        #expect(
            !DescriptorKind.isKept(characterDevice: 10, 200)
                && !DescriptorKind.isKept(characterDevice: 195, 0))
    }

    /// A tree has what its members have started, too; each belongs to who has started it.
    @Test func trees() {
        let members = [
            Members.Process(pid: 10, parent: 1, start: 0, program: 0),
            Members.Process(pid: 12, parent: 10, start: 0, program: 1),
            Members.Process(pid: 20, parent: 1, start: 0, program: 2),
        ]
        let parents: [Int32: Int32] = [1: 0, 10: 1, 11: 10, 12: 10, 13: 12, 20: 1, 30: 1, 31: 30]
        let found = SurveyedProcess.all(of: members, parents: parents)
        #expect(found.map(\.pid).sorted() == [10, 11, 12, 13, 20])
        let trees = Dictionary(uniqueKeysWithValues: found.map { ($0.pid, $0.tree) })
        #expect(trees == [10: 10, 11: 10, 12: 10, 13: 10, 20: 20])
        let programs = Dictionary(uniqueKeysWithValues: found.map { ($0.pid, $0.program) })
        #expect(programs == [10: 0, 11: 0, 12: 1, 13: 1, 20: 2])
        let relations = Relations(found)
        #expect(relations.outsider(among: [10, 11, 13], to: 10) == nil)
        #expect(relations.outsider(among: [10, 20, 30], to: 10)?.pid == 30)
        #expect(relations.outsider(among: [10, 20], to: 10)?.isMember == true)
        // Pids that a race has made a circle of come to an end.
        #expect(SurveyedProcess.all(of: [members[0]], parents: [10: 11, 11: 10]).count == 2)
    }

    /// Each prints what it waits for, and is a tree of its own, as the test's runner is none of the group.
    private static let talking = (
        server: """
        import socket, time
        s = socket.create_server(("127.0.0.1", 0))
        print(s.getsockname()[1], flush=True)
        c = s.accept()[0]
        time.sleep(1000)
        """,
        client: """
        import socket, sys, time
        c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        print("ready", flush=True)
        time.sleep(1000)
        """
    )

    /// What trees say to each other is held back by the plan's ports: by another one it would be lost.
    @Test(.privileged) func aConnectionBetweenTreesByAPortThatThePlanHasNot() throws {
        let server = try Child(["setsid", "python3", "-c", Self.talking.server])
        defer { server.kill() }
        let port = try #require(UInt16(try server.firstLine()))
        let client = try Child(["setsid", "python3", "-c", Self.talking.client, "\(port)"])
        defer { client.kill() }
        _ = try client.firstLine()
        let members = [server, client].enumerated().map {
            Members.Process(pid: $1.pid, parent: getpid(), start: 0, program: $0)
        }
        let programs = [PlannedProgram(executable: [47, 97]), PlannedProgram(executable: [47, 98])]
        func against(_ ports: Set<UInt16>) throws -> [[Obstacle]] {
            let survey = Survey(of: members, programs: programs, ports: ports, putsBack: true)
            #expect(survey.remarks == [])
            // What else they have is the test runner's.
            return survey.verdicts.map { $0.obstacles.filter { $0.kind == "local-connection" } }
        }
        #expect(try against([port]) == [[], []])
        // Neither is held back by a port that the plan has and the connection does not go by.
        for ports in [[], [port ^ 1]] as [Set<UInt16>] {
            let found = try against(ports)
            #expect(found.map(\.count) == [1, 1])
            for (obstacle, peer) in zip(found.joined(), [client, server]) {
                #expect(obstacle.kind == "local-connection" && obstacle.effect == .lost)
                #expect(obstacle.what == "a TCP connection by port \(port), which the plan does not have")
                #expect(obstacle.peer?.hasPrefix("process \(peer.pid) (") == true)
                #expect(obstacle.peer?.hasSuffix("of the group, in another tree") == true)
                #expect(
                    obstacle.cure
                        == "add port \(port) to the plan's `ports`, have one process start both, or use cold")
            }
        }
        // It is refused, and nobody can say that it may be lost.
        let survey = Survey(of: members, programs: programs, putsBack: true)
        let words = Departure.words(against: survey.verdicts, losing: Set(Obstacle.lostKinds))
            .filter { $0.contains("local-connection, a TCP connection by port \(port)") }
        #expect(words.count == 2 && words.allSatisfy { $0.contains("it would be lost") })
    }

    /// CRIU restores a tree only with its session.
    @Test func aTreeWhoseFirstProcessLeadsNoSession() throws {
        let leader = try Child(["setsid", "sh", "-c", "sleep 1000 & echo $!; wait"])
        defer { leader.kill() }
        let other = try #require(pid_t(try leader.firstLine()))
        defer { kill(other, SIGKILL) }
        func found(_ pid: pid_t) -> [Obstacle] {
            let member = Members.Process(pid: pid, parent: getpid(), start: 0, program: 0)
            return Survey(of: [member], programs: [PlannedProgram(executable: [47, 97])], putsBack: true)
                .verdicts[0].obstacles.filter { $0.place == .attribute && $0.rulesOut == .live }
        }
        let obstacles = found(other)
        #expect(obstacles.map(\.kind) == ["session"] && obstacles.first?.effect == .refused)
        #expect(obstacles.first?.cure == "start it by setsid(1), or use cold")
        #expect(obstacles.first?.peer?.hasPrefix("process \(leader.pid) (") == true)
        // What has started it leads it, and a tree is refused by its first process alone.
        #expect(found(leader.pid) == [])
    }

    /// A process that has ended has nothing.
    @Test func oneThatIsGone() {
        let gone = Members.Process(pid: Int32.max, parent: 1, start: 0, program: 0)
        let survey = Survey(of: [gone], programs: [.init(executable: Array("/bin/none".utf8))])
        #expect(
            survey.verdicts.count == 1 && survey.verdicts[0].obstacles.filter { $0.rulesOut == .live }.isEmpty
        )
    }

    @Test func namesOfSockets() {
        #expect(SocketObstacles.text(Array("\0a\0b\u{1b}".utf8)) == "@a@b\\x1b")
        #expect(SocketObstacles.text(Array("/run/a.sock".utf8)) == "/run/a.sock")
    }

    /// A port that rpcbind knows is named as it names it, over its own transport alone.
    @Test func whereItIsCalled() {
        let number = ProgramNumber(program: 0x2000_0111, version: 1)
        let rules = HandoverObstacles(
            registrations: [.init(number, network: "udp", port: 845)], declared: [])
        let ports = [ServicePort(isTCP: false, number: 845), ServicePort(isTCP: true, number: 845)]
        #expect(rules.serves(ports) == ["udp 536871185.1 0.0.0.0.3.77", "tcp 845"])
        #expect(rules.found([], serves: []).isEmpty)
        let process = SurveyedProcess(pid: Int32.max, tree: Int32.max, program: 0)
        #expect(rules.found([process], serves: []).map(\.kind) == ["no-port"])
        #expect(rules.found([process], serves: ["tcp 845"]).isEmpty)
    }

    @Test func asJSON() throws {
        let value = verdict([obstacle(.live, "a", pid: 7)]).value
        let reason = try #require(value["reasons"]?.array?.first)
        #expect(value["verdict"]?.string == "hand-over" && reason["descriptor"]?.integer == 3)
        #expect(
            reason["rules_out"]?.string == "live" && reason["pid"]?.integer == 7 && reason["peer"] == .null)
    }

    /// docs/answers.schema.json.
    @Test func holdsTheSchema() throws {
        var other = obstacle(.handover, "b")
        (other.place, other.peer, other.effect) = (.memory, "process 2 (/bin/x)", .lost)
        let answer = JSONValue.object([
            .init("schema", .string("retinue-move-check/1")), .init("name", .string("a")),
            .init("problems", .array([])), .init("notes", .array([.string("n")])),
            .init("programs", .array([verdict([obstacle(.live, "a"), other]).value])),
        ])
        let schema = try JSONSchema.answer("move-check")
        #expect(schema.validate(answer) == [])
        guard case .object(let members) = answer else { return }
        for key in members.map(\.key) {
            #expect(schema.validate(.object(members.filter { $0.key != key })) != [], "without \(key)")
        }
    }
}
