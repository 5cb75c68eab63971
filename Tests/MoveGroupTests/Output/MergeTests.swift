import MoveGroup
import Records
import Testing

@Suite("Dependencies that several inputs report")
struct MergeTests {
    /// Rows of one input add up; of two inputs the larger sum stands; times span both.
    @Test func countsAreNotAddedTwice() throws {
        let time = { (second: Int) in "2026-11-21T02:00:0\(second).000Z" }
        func list(_ rows: [(access: String, count: Int, first: Int, last: Int)]) -> [UInt8] {
            var text = ""
            for row in rows {
                text += "h,/bin/a,file,\(row.access),h,/f,\(row.count),\(time(row.first)),\(time(row.last))\n"
            }
            return Array(text.utf8)
        }
        let one = list([("r", 3, 2, 3), ("w", 4, 5, 6)])
        let two = list([("r", 5, 1, 2)])
        for lists in [[one, two], [two, one], [one, one, two]] {
            var builder = GraphBuilder()
            for list in lists {
                var reader = ListReader("list", into: &builder)
                try list.withUnsafeBytes { try reader.feed($0, into: &builder) }
                try reader.finish(into: &builder)
            }
            let graph = builder.finish()
            var options = ClosureOptions()
            options.prefersEvidence = true
            let report = GroupReport(graph.moveGroup(of: TwoHosts.nodes("/bin/a", in: graph), options))
            #expect(
                Format.records.text(report).split(separator: "\n").dropFirst() == [
                    "h,/bin/a,file,rw,h,/f,7,2026-11-21T02:00:01.000Z,2026-11-21T02:00:06.000Z"
                ])
        }
    }
}
