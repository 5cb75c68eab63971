import MoveGroup
import Records
import Testing

@Suite("A dependency list of four columns")
struct ListTests {
    @Test func followsEveryRowBothWays() throws {
        let list = """
            host A,path A,host B,path B
            10.0.0.1,/a,10.0.0.1,/f
            10.0.0.2,/b,10.0.0.1,/f
            10.0.0.2,/b,"10.0.0.2","/g,""h"
            10.0.0.3,/c,10.0.0.3,/i

            """
        let graph = try Self.graph(list)
        #expect(graph.nodeCount == 6)
        #expect(graph.edgeCount == 4)
        let group = graph.moveGroup(of: [NodeID(rawValue: 0)])
        let paths = group.members.map { graph[$0] }
        #expect(
            paths == [
                .entry(Array("/a".utf8)), .entry(Array("/f".utf8)), .entry(Array("/b".utf8)),
                .entry(Array("/g,\"h".utf8)),
            ])
    }

    static func graph(_ list: String) throws -> DependencyGraph {
        var builder = GraphBuilder()
        var reader = ListReader("list", into: &builder)
        let bytes = Array(list.utf8)
        try bytes.withUnsafeBytes { try reader.feed($0, into: &builder) }
        try reader.finish(into: &builder)
        return builder.finish()
    }
}
