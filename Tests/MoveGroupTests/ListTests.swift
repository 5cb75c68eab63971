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

    /// The example with which the method was published: two applications that are connected, each with a file. Whichever
    /// of the four it starts from, the group is these four.
    @Test(arguments: ["AP1", "AP2", "File1", "File2"])
    func thePublishedExample(start: String) throws {
        let list = """
            10.0.0.1,/AP1,10.0.0.1,/AP2
            10.0.0.1,/AP1,10.0.0.1,/File1
            10.0.0.1,/AP2,10.0.0.1,/File2
            10.0.0.1,/AP3,10.0.0.1,/File3

            """
        let graph = try Self.graph(list)
        func name(_ node: NodeID) -> String {
            guard case .entry(let path) = graph[node] else { return "" }
            return String(decoding: path.dropFirst(), as: UTF8.self)
        }
        let nodes = (0..<UInt32(graph.nodeCount)).map { NodeID(rawValue: $0) }
        let first = try #require(nodes.first { name($0) == start })
        let group = graph.moveGroup(of: [first])
        #expect(Set(group.members.map(name)) == ["AP1", "AP2", "File1", "File2"])
        #expect(group.members.count == 4)
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
