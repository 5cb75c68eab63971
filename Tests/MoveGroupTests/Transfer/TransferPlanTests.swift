import MoveGroup
import Records
import Testing

@Suite("The order of the transfer")
struct TransferPlanTests {
    private static let minute: UInt64 = 60_000_000_000
    private static let end: UInt64 = 1_800_000_000_000_000_000

    /// A host on which one program uses files: path, access, seconds before the end of the last use, count.
    private static func group(
        _ files: [(path: String, access: Access, before: UInt64, count: UInt64)]
    ) -> (DependencyGraph, MoveGroup) {
        var ledger = Ledger()
        let program = ledger.intern(Program(executable: ledger.texts.intern("/app")))
        for file in files {
            let position = ledger.note(
                .file(program, path: ledger.texts.intern(file.path)), access: file.access, evidence: .exact,
                time: end - 600 * minute)
            ledger.note(
                ledger.records[position].key, access: file.access, evidence: .exact,
                time: end - file.before * 1_000_000_000, count: file.count - 1)
        }
        var header = DumpHeader()
        header.hostID = "h"
        header.time = end
        var builder = GraphBuilder()
        builder.add(DumpContents(header: header, ledger: ledger), from: "h.ndjson")
        let graph = builder.finish()
        guard case .found(let start) = graph.select(NodePattern("/app")) else {
            return (graph, graph.moveGroup(of: []))
        }
        return (graph, graph.moveGroup(of: start))
    }

    private static func path(_ node: NodeID, _ graph: DependencyGraph) -> String {
        graph.withText(node) { String(decoding: $0, as: UTF8.self) }
    }

    @Test func readOnlyAndQuietFilesComeFirstAndTheLargeBeforeTheSmall() {
        let (graph, group) = Self.group([
            ("/small", .opened, 1, 2), ("/hot", [.opened, .written], 1, 2),
            ("/warm", [.opened, .written], 599, 2), ("/cold", [.opened, .written], 601, 2),
            ("/large", .opened, 1, 2), ("/app", .executed, 1, 2), ("/b", .opened, 1, 2),
            ("/a", .opened, 1, 2),
        ])
        let sizes: [String: UInt64] = [
            "/small": 10, "/hot": 5000, "/warm": 7000, "/cold": 300, "/large": 4000, "/app": 200, "/a": 1,
            "/b": 1,
        ]
        let plan = TransferPlan(group) { sizes[Self.path($0, graph)] }
        #expect(
            plan.items.map { Self.path($0.node, graph) } == [
                "/large", "/cold", "/app", "/small", "/a", "/b", "/warm", "/hot",
            ])
        #expect(plan.items.map(\.phase) == Array(repeating: .preCopy, count: 6) + [.finalCopy, .finalCopy])
        #expect(plan.bytes(.preCopy) == 4512)
        #expect(plan.bytes(.finalCopy) == 12_000)
    }

    @Test func expectsWhatIsWrittenOftenToBeWrittenAgain() {
        // 600 minutes of observation, one write a minute on average; quiet for 20 minutes.
        let (graph, group) = Self.group([("/log", [.opened, .written], 1200, 600), ("/big", .opened, 1, 2)])
        var options = TransferPlan.Options()
        options.bandwidth = 1000
        let plan = TransferPlan(group, options) { Self.path($0, graph) == "/log" ? 3000 : 57_000 }
        #expect(plan.preCopySeconds == 60)
        let log = plan.items.first { Self.path($0.node, graph) == "/log" }
        // 1 - 1/e: one write is expected in the minute of the pre-copy.
        #expect(abs((log?.rewrite ?? 0) - 0.632) < 0.001)
        #expect(plan.expectedFinalBytes == 1896)
    }

    @Test func countsAFileThatCannotBeLookedAtAsNothing() {
        let (_, group) = Self.group([("/gone", .opened, 1, 2)])
        let plan = TransferPlan(group) { _ in nil }
        #expect(plan.items.count == 1)
        #expect(plan.items[0].bytes == nil)
        #expect(plan.bytes(.preCopy) == 0)
    }
}
