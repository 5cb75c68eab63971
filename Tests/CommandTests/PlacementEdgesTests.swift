import MoveGroup
import MovePlan
import Placement
import Records
import Testing

@testable import RetinueCommands

/// How many bytes are between what moves, whoever counted them.
@Suite("Bytes between moves")
struct PlacementEdgesTests {
    private typealias Edge = PlacementQuestion.Edge

    /// Bytes of a connection, as one end has counted them.
    private struct Bytes {
        var sent: UInt64 = 0
        var received: UInt64 = 0
        var all: UInt64 { sent + received }
    }

    private func note(_ key: RecordKey, _ bytes: Bytes, in dump: inout HostDump) {
        let record = dump.ledger.note(key, evidence: .exact, time: HostDump.time)
        dump.ledger.addTraffic(at: record, sent: bytes.sent, received: bytes.received)
    }

    private func connect(
        _ program: ProgramID, _ address: String, _ port: UInt16, _ bytes: Bytes, in dump: inout HostDump
    ) {
        let remote = dump.ledger.intern(Endpoint(NetworkAddress(address)!, port: port))
        note(.connect(program, .tcp, remote: remote, peer: .unknown), bytes, in: &dump)
    }

    private func accept(
        _ program: ProgramID, _ address: String, _ port: UInt16, from client: String, _ bytes: Bytes,
        in dump: inout HostDump
    ) {
        let local = dump.ledger.intern(Endpoint(NetworkAddress(address)!, port: port))
        let remote = dump.ledger.intern(Endpoint(NetworkAddress(client)!, port: 0))
        note(.accept(program, .tcp, local: local, remote: remote, peer: .unknown), bytes, in: &dump)
    }

    private func plan(_ host: String, _ executables: String..., workload: String = "") -> HostPlan {
        var plan = HostPlan(id: host)
        plan.programs = executables.map { path in
            var program = PlannedProgram(executable: Array(path.utf8))
            program.workload = Array(workload.utf8)
            return program
        }
        return plan
    }

    /// A client at A that connects to a server at B, each with what its own host has counted.
    private func edges(
        _ counted: (client: Bytes, server: Bytes), hosts: [String] = ["A", "B"],
        _ parts: [(name: String, plan: HostPlan)]
    ) throws -> [Edge] {
        var builder = GraphBuilder()
        var one = HostDump("A", id: "a-id", "10.0.0.1")
        let client = one.program("/client")
        connect(client, "10.0.0.2", 80, counted.client, in: &one)
        try one.add(to: &builder)
        var other = HostDump("B", id: "b-id", "10.0.0.2")
        let server = other.program("/server")
        accept(server, "10.0.0.2", 80, from: "10.0.0.1", counted.server, in: &other)
        try other.add(to: &builder)
        return PlacementEdges(builder.finish(), parts).edges(hosts: hosts)
    }

    @Test(arguments: [(700, 300), (300, 700), (700, 0), (0, 700)])
    func bytesThatBothEndsCountedAreCountedOnce(client: UInt64, server: UInt64) throws {
        let found = try edges(
            (Bytes(sent: client / 2, received: client - client / 2), Bytes(sent: server)),
            [("front", plan("a-id", "/client")), ("back", plan("b-id", "/server"))])
        #expect(found == [Edge("back", .move("front"), bytes: 700)])
    }

    @Test func programOfNoMoveIsItsHostByTheNameOfThePolicy() throws {
        let counted = (client: Bytes(sent: 20, received: 5), server: Bytes())
        let parts = [("front", plan("a-id", "/client"))]
        #expect(try edges(counted, parts) == [Edge("front", .host("B"), bytes: 25)])
        #expect(try edges(counted, hosts: ["A", "b-id"], parts) == [Edge("front", .host("b-id"), bytes: 25)])
        #expect(try edges(counted, hosts: ["A"], parts) == [])
    }

    @Test func programsOfOneMoveAreNoEdge() throws {
        let counted = (client: Bytes(sent: 20), server: Bytes(sent: 20))
        #expect(try edges(counted, [("all", plan("a-id", "/client", "/server"))]) == [])
    }

    /// Several ports, and each of two that connects to the other, are as many connections.
    @Test func connectionsOfTheSameTwoAddUp() throws {
        var builder = GraphBuilder()
        var one = HostDump("A", id: "a-id", "10.0.0.1")
        let client = one.program("/client")
        connect(client, "10.0.0.2", 80, Bytes(sent: 1), in: &one)
        connect(client, "10.0.0.2", 81, Bytes(received: 20), in: &one)
        accept(client, "10.0.0.1", 90, from: "10.0.0.2", Bytes(sent: 300), in: &one)
        try one.add(to: &builder)
        var other = HostDump("B", id: "b-id", "10.0.0.2")
        let server = other.program("/server")
        accept(server, "10.0.0.2", 80, from: "10.0.0.1", Bytes(received: 1), in: &other)
        accept(server, "10.0.0.2", 81, from: "10.0.0.1", Bytes(sent: 20), in: &other)
        connect(server, "10.0.0.1", 90, Bytes(received: 300), in: &other)
        try other.add(to: &builder)
        let parts = [("front", plan("a-id", "/client")), ("back", plan("b-id", "/server"))]
        let found = PlacementEdges(builder.finish(), parts).edges(hosts: ["A", "B"])
        #expect(found == [Edge("back", .move("front"), bytes: 321)])
    }

    /// Of two moves with a program of the same file, the one whose control group it runs in; in a cell it is yet another one.
    @Test func controlGroupDecidesBetweenMovesOfTheSameProgram() throws {
        var builder = GraphBuilder()
        var one = HostDump("A", id: "a-id", "10.0.0.1")
        let second = one.program("/client", workload: "system.slice/second.service")
        connect(second, "10.0.0.2", 80, Bytes(sent: 7), in: &one)
        let third = one.program("/only", workload: "retinue/cell")
        connect(third, "10.0.0.2", 80, Bytes(sent: 9), in: &one)
        try one.add(to: &builder)
        var other = HostDump("B", id: "b-id", "10.0.0.2")
        let server = other.program("/server")
        accept(server, "10.0.0.2", 80, from: "10.0.0.1", Bytes(), in: &other)
        try other.add(to: &builder)
        let parts = [
            ("first", plan("a-id", "/client", workload: "system.slice/first.service")),
            ("second", plan("a-id", "/client", workload: "system.slice/second.service")),
            ("third", plan("a-id", "/only", workload: "system.slice/third.service")),
        ]
        let found = PlacementEdges(builder.finish(), parts).edges(hosts: ["A", "B"])
        #expect(found == [Edge("third", .host("B"), bytes: 9), Edge("second", .host("B"), bytes: 7)])
    }

    @Test func sumThatNoNumberHoldsIsTheMost() throws {
        let found = try edges(
            (Bytes(sent: .max, received: 1), Bytes()),
            [("front", plan("a-id", "/client")), ("back", plan("b-id", "/server"))])
        #expect(found == [Edge("back", .move("front"), bytes: .max)])
    }
}
