import Records
import TestSupport
import Testing

@testable import MoveGroup

/// Folded records stand for every path below their folder.
@Suite("Folded records")
struct FoldedTests {
    private struct Fold {
        var program: String
        var folder: String
        var access: Access
        var host = "H"
    }

    /// The programs in the group of one.
    private func group(
        of start: String, _ folds: [Fold], _ facts: [Fact], host: String = "H", most: Int = 1 << 24
    ) -> Set<String> {
        var builder = GraphBuilder()
        builder.folded = FoldedFolders(most: most)
        builder.add(HostDump(host, facts).contents, from: "a")
        for fold in folds {
            let host = builder.host(id: fold.host)
            let program = builder.intern(
                .program(ProgramName(executable: Array(fold.program.utf8))), on: host)
            builder.addFolded(program, Array(fold.folder.utf8), on: host, access: fold.access, EdgeDetail())
        }
        let graph = builder.finish()
        let nodes = (0..<UInt32(graph.nodeCount)).map { NodeID(rawValue: $0) }
        let name = Array(start.utf8)
        let group = graph.moveGroup(of: nodes.filter { graph[$0] == .program(ProgramName(executable: name)) })
        return Set(
            group.members.compactMap { node in
                guard case .program(let name) = graph[node] else { return nil }
                return String(decoding: name.executable, as: UTF8.self)
            })
    }

    private static let writer = Fold(program: "/w", folder: "/srv/data", access: [.opened, .written])
    private static let reader = Fold(program: "/r", folder: "/srv/data", access: .opened)

    @Test(arguments: ["/srv/data/a", "/srv/data/a/b/c", "/srv/data"], [1 << 24, 0])
    func aWriterBindsWhoReadsBelow(path: String, most: Int) {
        let facts = [Fact.file("/q", path, "r")]
        #expect(group(of: "/w", [Self.writer], facts, most: most) == ["/w", "/q"])
        #expect(group(of: "/q", [Self.writer], facts, most: most) == ["/w", "/q"])
    }

    @Test(arguments: [1 << 24, 0])
    func whoWritesBelowBindsAReader(most: Int) {
        let facts = [Fact.file("/q", "/srv/data/x/y", "rw")]
        #expect(group(of: "/r", [Self.reader], facts, most: most) == ["/r", "/q"])
        #expect(group(of: "/q", [Self.reader], facts, most: most) == ["/r", "/q"])
    }

    @Test func readersAreNotBound() {
        #expect(group(of: "/r", [Self.reader], [.file("/q", "/srv/data/x", "r")]) == ["/r"])
    }

    /// Two that use different paths have nothing to do with each other because a third folded the folder above them.
    @Test func othersAreNotBoundToEachOther() {
        let facts = [Fact.file("/q", "/srv/data/x", "r"), .file("/s", "/srv/other/y", "rw")]
        let fold = Fold(program: "/r", folder: "/srv", access: .opened)
        #expect(group(of: "/q", [fold], facts) == ["/q"])
        #expect(group(of: "/s", [fold], facts) == ["/s", "/r"])
    }

    @Test(arguments: ["/srv/database/a", "/srv", "/data/a", "/srv/dat"])
    func whatLiesElsewhereIsNotBound(path: String) {
        #expect(group(of: "/w", [Self.writer], [.file("/q", path, "rw")]) == ["/w"])
    }

    @Test func anotherHostIsNotBound() {
        #expect(group(of: "/w", [Self.writer], [.file("/q", "/srv/data/a", "r")], host: "other") == ["/w"])
    }

    @Test(arguments: [1 << 24, 0])
    func executingIsNotReading(most: Int) {
        #expect(group(of: "/q", [Self.writer], [.file("/q", "/srv/data/tool", "rx")], most: most) == ["/q"])
    }

    @Test func foldedFoldersMeet() {
        let inner = Fold(program: "/i", folder: "/srv/data/inner/", access: .opened)
        let root = Fold(program: "/root", folder: "/", access: .opened)
        #expect(group(of: "/w", [Self.writer, Self.reader], []) == ["/w", "/r"])
        #expect(group(of: "/i", [Self.writer, inner], []) == ["/w", "/i"])
        #expect(group(of: "/w", [Self.writer, root], []) == ["/w", "/root"])
        #expect(group(of: "/i", [Self.reader, inner], []) == ["/i"])
    }

    /// A dump's folded record is one, and its folder's own path is below it as well.
    @Test(arguments: ["/srv/data/a", "/srv/data"], [true, false])
    func foldedRecordsOfADump(path: String, isFolded: Bool) throws {
        var ledger = Ledger()
        func file(_ program: String, _ path: String, _ access: Access) -> Int {
            let program = ledger.intern(Program(executable: ledger.texts.intern(program)))
            return ledger.note(
                .file(program, path: ledger.texts.intern(path)), access: access, evidence: .exact, time: 1)
        }
        let position = file("/w", "/srv/data", [.opened, .written])
        if isFolded { ledger.fold(at: position) }
        _ = file("/q", path, .opened)
        var header = DumpHeader()
        header.hostID = "H"
        var builder = GraphBuilder()
        builder.add(try DumpContents(ndjson: ledger.ndjson(header)), from: "a")
        let graph = builder.finish()
        let nodes = (0..<UInt32(graph.nodeCount)).map { NodeID(rawValue: $0) }
        let start = nodes.filter { graph[$0] == .program(ProgramName(executable: Array("/w".utf8))) }
        let other = nodes.filter { graph[$0] == .program(ProgramName(executable: Array("/q".utf8))) }
        let members = graph.moveGroup(of: start).members
        #expect(members.contains(other[0]) == (isFolded || path == "/srv/data"))
    }

    /// Where a ledger takes records together for want of memory nobody leaves a group: more may join.
    @Test func takingRecordsTogetherLosesNoMember() throws {
        func programs(isCollapsed: Bool) throws -> Set<String> {
            var ledger = Ledger()
            func note(_ program: String, _ path: String, _ access: Access) {
                let program = ledger.intern(Program(executable: ledger.texts.intern(program)))
                ledger.note(
                    .file(program, path: ledger.texts.intern(path)), access: access, evidence: .exact, time: 1
                )
            }
            for number in 0..<20 { note("/w", "/srv/data/\(number)", number == 7 ? .written : .opened) }
            note("/q", "/srv/data/7", .opened)
            note("/far", "/srv/other/7", .opened)
            if isCollapsed {
                let taken = ledger.collapse(freeing: .max)
                #expect(taken.count == 20)
                _ = ledger.forget(taken)
            }
            var header = DumpHeader()
            header.hostID = "H"
            var builder = GraphBuilder()
            builder.add(try DumpContents(ndjson: ledger.ndjson(header)), from: "a")
            let graph = builder.finish()
            let nodes = (0..<UInt32(graph.nodeCount)).map { NodeID(rawValue: $0) }
            let start = nodes.filter { graph[$0] == .program(ProgramName(executable: Array("/w".utf8))) }
            return Set(
                graph.moveGroup(of: start).members.compactMap { node in
                    guard case .program(let name) = graph[node] else { return nil }
                    return String(decoding: name.executable, as: UTF8.self)
                })
        }
        #expect(try programs(isCollapsed: false) == ["/w", "/q"])
        #expect(try programs(isCollapsed: true) == ["/w", "/q"])
    }

    @Test func theReasonSaysSo() throws {
        var builder = GraphBuilder()
        builder.add(HostDump("H", [.file("/q", "/srv/data/a", "r")]).contents, from: "a")
        let host = builder.host(id: "H")
        let program = builder.intern(.program(ProgramName(executable: Array("/w".utf8))), on: host)
        builder.addFolded(program, Array("/srv/data".utf8), on: host, access: .written, EdgeDetail())
        let graph = builder.finish()
        let start = NodeID(rawValue: program)
        let report = GroupReport(graph.moveGroup(of: [start]))
        let lines = report.reasonLines(of: report.members)
        #expect(
            lines.contains {
                $0.contains("/srv/data/ (folded: any path below it)") && $0.contains("inferred")
            })
        var json: [UInt8] = []
        report.writeJSON { json += $0 }
        let text = String(decoding: json, as: UTF8.self)
        #expect(text.contains(#""path":"/srv/data/","folded":true"#))
    }
}
