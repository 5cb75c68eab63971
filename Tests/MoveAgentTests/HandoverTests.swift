import Glibc
import Records
import SunRPC
import SystemCalls
import Testing

@testable import MoveAgent

@Suite("The hand-over of an RPC server")
struct HandoverTests {
    @Test(arguments: [
        // poll(2) without an end, as svc_run waits; for 5 s, as a call of another server does; select(2), futex(2), a rest.
        ("7 0x5581 0x4 0xffffffff 0x1 0x2 0x3 0x7ffe 0x7f20", true, true),
        ("7 0x5581 0x4 0x1388 0x1 0x2 0x3 0x7ffe 0x7f20", true, false),
        ("270 0x5 0x7f 0x0 0x0 0x0 0x0 0x7ffe 0x7f20", true, true),
        ("270 0x5 0x7f 0x0 0x0 0x7ffe12 0x0 0x7ffe 0x7f20", true, false),
        ("202 0x5 0x7f 0x0 0x0 0x0 0x0 0x7ffe 0x7f20", true, true),
        ("230 0x0 0x0 0x7f 0x7f 0x0 0x0 0x7ffe 0x7f20", true, false),
        ("168 0x5581 0x4 0xffffffff 0x1 0x2 0x3 0xffe 0xf20", false, true),
        ("running", true, false), ("", true, false), ("7 0x1", true, false),
    ])
    func threadsThatWait(line: String, is64: Bool, isWaiting: Bool) {
        #expect(ServerSockets.isWaiting(line, is64: is64) == isWaiting)
    }

    @Test func aLineOfProcfs() throws {
        let line =
            "   0: 0100007F:0CEA 0300A8C0:1F90 01 00000003:0000002A 00:00000000 00000000  1000        0 12345 1 0 20 4"
        let found = try #require(ServerSockets.parse(Array(line.utf8), true))
        #expect(found.inode == 12345 && found.socket.waiting == 42 && found.socket.state == 1)
        #expect(
            found.socket.local.description == "127.0.0.1:3306"
                && found.socket.remote.description == "192.168.0.3:8080")
        #expect(ServerSockets.parse(Array("sl local_address rem".utf8), true) == nil)
    }

    /// Placeholders of declared data would be read before anybody fetches them.
    @Test(arguments: [("", true), (#","start_first":true"#, false), (#","tunnel":true"#, false)])
    func whatGoesWithIt(option: String, isTaken: Bool) throws {
        let plan =
            #"{"schema":"retinue-plan/1","program":"x","made":"2026-01-01T00:00:00Z","hosts":[{"host":"a"}]}"#
        let handover =
            #"{"clients":[],"save":null,"restore":null,"data":["/srv/data"],"renumber":"program","drain":30}"#
        let order = try JSONValue(
            parsing:
                #"{"plan":\#(plan),"name":"x","host":"b","at":"10.0.0.2","port":7420,"handover":\#(handover)\#(option)}"#
        )
        #expect(((try? MoveOrder(order)) != nil) == isTaken)
        if !isTaken { #expect { try MoveOrder(order) } throws: { "\($0)".contains("without --start-first") } }
    }

    @Test func numbersThatAreTaken() {
        let number = ProgramNumber(program: 0x2000_0111, version: 1)
        let other = ProgramNumber(program: 0x2000_0111, version: 4)
        #expect(ServerArrival.free(number, [other], prefersVersion: true) == number)
        #expect(ServerArrival.free(number, [number, other], prefersVersion: true).version == 5)
        let free = ServerArrival.free(number, [number], prefersVersion: false)
        #expect(free.version == 1 && ProgramNumber.transient.contains(free.program))
        #expect(
            ServerArrival.free(number, [number, free], prefersVersion: false).program == free.program + 1)
    }

    @Test func whatIsSaidToAStandInIsReadAgain() throws {
        var connection = OpenConnection(
            local: try #require(InternetAddress("10.0.0.1", port: 845)),
            remote: try #require(InternetAddress("10.0.0.3", port: 700)))
        (connection.sendNext, connection.receiveNext, connection.received) = (.max, 7, [0, 255, 10])
        (connection.windows, connection.frozen) = ([1, 2, 3, 4, .max], 5)
        var route = StandInRoute()
        route.connections = [connection]
        let door = Door(isTCP: true, place: connection.local)
        route.places[door] = connection.remote
        route.rewriter.numbers[.init(program: 1, version: 2)] = .init(program: 3, version: 4)
        #expect(StandInRoute(try JSONValue(parsing: AgentLink.bytes(route.value))) == route)
        let order = StandInOrder(doors: [door], lease: 60, rules: "x")
        #expect(StandInOrder(try JSONValue(parsing: AgentLink.bytes(order.value))) == order)
    }

    /// The checksum over all of it comes to nothing, and the clock has gone on.
    @Test func theNudgeIsASegment() throws {
        var connection = OpenConnection(
            local: try #require(InternetAddress("10.77.0.1", port: 845)),
            remote: try #require(InternetAddress("10.77.0.3", port: 700)))
        (connection.sendNext, connection.receiveNext, connection.timestamp) = (0x0102_0304, 0xfffe_fdfc, 1000)
        (connection.options, connection.receiveScale, connection.windows) = (7, 7, [0, 0, 0, 64000, 0])
        let packet = connection.nudge
        #expect(packet.count == 52 && packet[33] == 0x10 && Array(packet[24..<28]) == [1, 2, 3, 4])
        var sum: UInt32 = 6 + 32
        for index in stride(from: 12, to: packet.count, by: 2) {
            sum += UInt32(packet[index]) << 8 | UInt32(packet[index + 1])
        }
        while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
        #expect(sum == 0xffff)
        connection.frozen = 1_000_000_000
        #expect(connection.aged(at: 3_000_000_000).timestamp == 1000 + 2000 + 50)
    }

    @Test func rulesThatHold() throws {
        let doors = [Door(isTCP: true, place: try #require(InternetAddress("10.0.0.1", port: 845)))]
        let rules = StandInRules(name: "a b", doors: doors)
        #expect(!rules.text.contains("845"), "nothing is held yet")
        for (isHolding, filled, emptied) in [
            (true, "tcp_held", "tcp_doors"), (false, "tcp_doors", "tcp_held"),
        ] {
            var change = NftElements(NftTable(name: "retinue_stand_in_a_b", family: "ip"))
            change.add([NftElements.Element(key: [10, 0, 0, 1, 3, 77, 0, 0])], to: filled)
            change.flush(emptied)
            #expect(rules.change(isHolding: isHolding).bytes == change.bytes)
        }
    }

    @Test(arguments: [
        #"{"clients":[{"host":""}]}"#, #"{"data":["x"]}"#, #"{"renumber":"port"}"#, #"{"drain":0}"#,
    ])
    func ordersThatAreNone(text: String) throws {
        let value = try JSONValue(parsing: Array(text.utf8))
        #expect(throws: MoveError.self) { _ = try HandoverOrder(value) }
    }
}
