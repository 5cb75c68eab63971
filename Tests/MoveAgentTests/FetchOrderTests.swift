import Records
import Testing

@testable import MoveAgent

@Suite struct FetchOrderTests {
    @Test func openFilesThenThoseOfThePlan() {
        let paths = ["/d", "/b", "/a", "/b", "/c", "/a"].map { Array($0.utf8) }
        let found = FetchOrder.paths(open: Array(paths[..<2]), observed: Array(paths[2...]))
        #expect(found.map { String(decoding: $0, as: UTF8.self) } == ["/d", "/b", "/a", "/c"])
    }

    @Test(arguments: [
        (CopyOrder.observed, "/d /d/1 /d/3 /e /d/4 /d/2"), (.path, "/d /d/1 /d/2 /d/3 /d/4 /e"),
    ])
    func filesThatWereUsedComeLast(order: CopyOrder, expected: String) {
        func paths(_ text: String) -> [[UInt8]] { text.split(separator: " ").map { Array($0.utf8) } }
        let found = order.sorted(
            paths("/d /d/1 /d/2 /d/3 /d/4 /e"), observed: paths("/d/4 /gone /d/2 /d/4"))
        #expect(found == paths(expected))
        #expect(order.sorted(found, observed: []) == found)
    }

    @Test(arguments: [
        (#""rounds":0,"order":"path""#, true), (#""rounds":65"#, false), (#""rounds":-1"#, false),
        (#""order":"x""#, false),
    ])
    func ordersOfCopies(option: String, isTaken: Bool) throws {
        let plan =
            #"{"schema":"retinue-plan/1","program":"x","made":"2026-01-01T00:00:00Z","hosts":[{"host":"a"}]}"#
        let order = try? MoveOrder(
            JSONValue(parsing: #"{"plan":\#(plan),"name":"x","host":"b","port":7420,\#(option)}"#))
        #expect((order != nil) == isTaken)
        if let order {
            #expect(order.rounds == 0 && order.copyOrder == .path)
            #expect(try MoveOrder(order.value).value == order.value)
        }
    }
}
