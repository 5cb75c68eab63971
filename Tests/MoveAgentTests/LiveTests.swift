import Records
import Testing

@testable import MoveAgent

@Suite("Running processes that move")
struct LiveTests {
    @Test func eachMoveHasATableOfItsOwn() {
        let names = ["a.b", "a_b", "a-b", "a_2e_b", "ä", "ab", "a b"]
        let tables = names.map { LiveLock(name: $0, ports: []).table }
        #expect(Set(tables).count == names.count)
        for table in tables {
            #expect(
                table.utf8.allSatisfy { byte in
                    (48...57).contains(byte) || (97...122).contains(byte | 32) || "_-".utf8.contains(byte)
                })
        }
    }

    @Test func theKernelLiftsADropThatHasALimit() {
        let port = ServicePort(isTCP: true, number: 9000)
        let limited = LiveLock(name: "a", ports: [port, port], within: 66).text
        #expect(limited.contains("elements = { 9000 timeout 66s }"))
        #expect(LiveLock(name: "a", ports: [port]).text.contains("elements = { 9000 }"))
    }

    @Test(arguments: [
        (#","live":true,"lose":["pipe","multicast"]"#, ""), (#","lose":[]"#, ""),
        (#","lose":["pipe"]"#, "--lose KIND is for a move with --live"),
        (#","live":true,"lose":["connection"]"#, "--lose is one of pipe, shared-memory"),
        (#","live":true,"lose":[7]"#, "--lose is one of pipe, shared-memory"),
    ])
    func whatMayBeLost(options: String, refusal: String) throws {
        let plan =
            #"{"schema":"retinue-plan/1","program":"x","made":"2026-01-01T00:00:00Z","hosts":[{"host":"a"}]}"#
        let value = try JSONValue(
            parsing: Array(
                #"{"plan":\#(plan),"name":"x","host":"b","at":"10.0.0.2","port":7420\#(options)}"#.utf8))
        guard refusal.isEmpty else {
            #expect { try MoveOrder(value) } throws: { "\($0)".contains(refusal) }
            return
        }
        let order = try MoveOrder(value)
        #expect(order.lost == (order.isLive ? ["pipe", "multicast"] : []))
        // It is written as it was read.
        #expect(try MoveOrder(order.value).lost == order.lost)
    }

    @Test func aProgramThatIsRuledOutIsRefusedWithItsReasons() {
        func verdict(_ obstacles: [Obstacle], processes: Int = 1) -> ProgramVerdict {
            ProgramVerdict(
                executable: Array("/bin/a".utf8), script: [], processes: processes, serves: [],
                obstacles: obstacles)
        }
        func obstacle(_ way: Obstacle.Way, _ effect: Obstacle.Effect) -> Obstacle {
            Obstacle(
                rulesOut: way, effect: effect, pid: 7, place: .descriptor(3), kind: "io_uring",
                what: "a ring",
                peer: nil, cure: "use cold")
        }
        #expect(Departure.words(against: [verdict([])]) == [])
        #expect(Departure.words(against: [verdict([obstacle(.handover, .lost)])]) == [])
        #expect(Departure.words(against: [verdict([], processes: 0)]) == [])
        let refused = Departure.words(against: [verdict([obstacle(.live, .refused)])])
        #expect(
            refused == ["/bin/a cannot move alive: process 7: io_uring, a ring: CRIU refuses it; use cold"])
        let lost = Departure.words(against: [verdict([obstacle(.live, .lost)])])
        #expect(lost.first?.contains("it would be lost; use cold") == true)
    }
}
