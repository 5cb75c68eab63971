import MoveGroup
import Records
import Testing

@Suite("The order of members")
struct OrderTests {
    /// Prefixes of each other, shared beginnings longer than a key, bytes beyond ASCII, zero bytes.
    @Test(arguments: 1...30)
    func isThatOfBytes(seed: Int) throws {
        var random = SplitMix(state: UInt64(seed))
        var paths: Set<[UInt8]> = []
        let count = seed % 3 == 0 ? 3000 : 60
        while paths.count < count {
            var path =
                paths.randomElement(using: &random).map {
                    Array($0.prefix(.random(in: 1...30, using: &random)))
                } ?? []
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                path.append([0x2f, 0x61, 0x62, 0x00, 0x7f, 0x80, 0xff].randomElement(using: &random)!)
            }
            paths.insert(path)
        }
        var list: [UInt8] = []
        for path in paths { list += Array("h,/start,h,/".utf8) + path + [0x0a] }
        var builder = GraphBuilder()
        var reader = ListReader("list", into: &builder)
        try list.withUnsafeBytes { try reader.feed($0, into: &builder) }
        try reader.finish(into: &builder)
        let graph = builder.finish()
        var options = ClosureOptions()
        options.isSymmetric = true
        let report = GroupReport(graph.moveGroup(of: [NodeID(rawValue: 0)], options))
        let texts = report.members.map { node -> [UInt8] in
            guard case .entry(let path) = graph[node] else { return [] }
            return path
        }
        #expect(texts.count == paths.count + 1)
        #expect(texts == texts.sorted { $0.lexicographicallyPrecedes($1) })
    }

    @Test func isHostKindPathWorkload() throws {
        var one = TwoHosts.Sample("b", name: "zz", address: 0x0a00_0001)
        let start = one.program("/b", in: "w2")
        for (path, workload) in [("/b", "w1"), ("/a", "w9"), ("/b", "")] {
            let child = one.program(path, in: workload)
            one.ledger.note(.spawn(start, child: child), evidence: .exact, time: TwoHosts.time)
        }
        one.file(start, "/A", .opened)
        let graph = try TwoHosts.graph([one.ndjson()])
        let report = GroupReport(
            graph.moveGroup(
                of: TwoHosts.nodes("/b", in: graph).filter {
                    if case .program(let name) = graph[$0] { return name.workload == Array("w2".utf8) }
                    return false
                }))
        #expect(
            Format.csv.text(report) == """
                host,kind,path,workload
                zz,program,/a,w9
                zz,program,/b,
                zz,program,/b,w1
                zz,program,/b,w2
                zz,file,/A,

                """)
    }

    /// Two hosts of one name are distinguished.
    @Test func namesakesGoByTheirIDs() throws {
        var one = TwoHosts.Sample("id1", name: "web", address: 0x0a00_0001)
        let program = one.program("/a")
        one.file(program, "/f", .opened)
        let two = TwoHosts.Sample("id2", name: "web", address: 0x0a00_0002)
        let graph = try TwoHosts.graph([one.ndjson(), two.ndjson()])
        let report = GroupReport(graph.moveGroup(of: TwoHosts.nodes("/a", in: graph)))
        #expect(Format.csv.text(report) == "host,kind,path,workload\nid1,program,/a,\nid1,file,/f,\n")
    }
}
