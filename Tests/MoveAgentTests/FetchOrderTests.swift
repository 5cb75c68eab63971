import Testing

@testable import MoveAgent

@Suite struct FetchOrderTests {
    @Test func openFilesThenThoseOfThePlan() {
        let paths = ["/d", "/b", "/a", "/b", "/c", "/a"].map { Array($0.utf8) }
        let found = FetchOrder.paths(open: Array(paths[..<2]), observed: Array(paths[2...]))
        #expect(found.map { String(decoding: $0, as: UTF8.self) } == ["/d", "/b", "/a", "/c"])
    }
}
