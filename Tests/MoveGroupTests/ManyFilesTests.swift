import MoveGroup
import Records
import Testing

/// A dump's files get their nodes some at a time: each record still leads to its own.
@Suite struct ManyFilesTests {
    private static func edges(of dump: borrowing DumpContents, twice: Bool = false) -> [String] {
        var builder = GraphBuilder()
        builder.add(dump, from: "dump")
        if twice { builder.add(dump, from: "again") }
        let graph = builder.finish()
        return (0..<graph.edgeCount).map { number in
            let edge = graph[EdgeID(rawValue: UInt32(number))]
            return "\(graph[edge.from]) \(edge.mark.link.word) \(graph[edge.to])"
        }
    }

    @Test func eachRecordLeadsToItsFile() {
        var ledger = Ledger()
        var wanted: [String] = []
        func program(_ name: String, in ledger: inout Ledger) -> ProgramID {
            ledger.intern(Program(executable: ledger.texts.intern(name)))
        }
        func node(_ name: String) -> Node { .program(ProgramName(executable: Array(name.utf8))) }
        for number in 0..<200 {
            let name = "/bin/p\(number % 3)"
            if number % 10 == 7 {
                let child = "/bin/p\((number + 1) % 3)\(number)"
                let (parent, started) = (program(name, in: &ledger), program(child, in: &ledger))
                ledger.note(.spawn(parent, child: started), evidence: .exact, time: 1)
                wanted.append("\(node(name)) spawn \(node(child))")
            } else {
                let path = "/srv/\(number % 5)/\(number / 4)/f"
                let (owner, file) = (program(name, in: &ledger), ledger.texts.intern(path))
                ledger.note(.file(owner, path: file), access: .opened, evidence: .exact, time: 1)
                wanted.append("\(node(name)) file \(Node.file(Array(path.utf8)))")
            }
        }
        var header = DumpHeader()
        header.hostID = "h1"
        let dump = DumpContents(header: header, ledger: ledger)
        #expect(Self.edges(of: dump) == wanted)
        #expect(Self.edges(of: dump, twice: true) == wanted + wanted)
    }
}
