import Glibc
import Records
import TestSupport
import Testing

@testable import MoveGroup

/// The group in the graph of the rows that are connected with its start is the group in the graph of all rows: found by
/// fingerprints, and by an index.
@Suite("Rows that are connected with a start")
struct ConnectedRowsTests {
    @Test(arguments: 0..<12) func giveTheAnswersOfAllRows(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var found = 0
        for turn in 0..<4 {
            let columns = turn % 2 == 0 ? 4 : 9
            let list = SmallGroups(columns: columns, isTitled: turn > 1, &random)
            try ListFile.with(list.bytes) { file in
                let index = try #require(try file.index())
                for _ in 0..<6 {
                    let name = list.name(&random)
                    let expected = Self.answers(try file.graph(), name)
                    for selection in [file.scan(name), try index.rows(for: NodePattern(name))] {
                        guard let selection else { continue }
                        found += 1
                        #expect(selection.bytes < list.bytes.count / 4)
                        let graph = try file.graph(of: selection)
                        #expect(Self.answers(graph, name) == expected, "seed \(seed), \(name)")
                        #expect(graph.sources[0].rows == list.rows)
                        #expect(graph.hosts.map(\.id) == (try file.graph()).hosts.map(\.id))
                    }
                }
            }
        }
        // Otherwise nothing was compared.
        #expect(found > 30)
    }

    /// Names that agree in their first and last bytes, of every length that a name may be known by and beyond.
    @Test func hostsOfLikeNamesAreDistinguished() throws {
        var hosts: [String] = []
        for count in 1...20 {
            hosts.append(String(repeating: "a", count: count))
            for place in 0..<count {
                var name = Array(repeating: Character("a"), count: count)
                name[place] = "b"
                hosts.append(String(name))
            }
        }
        var list = ""
        for turn in 0..<20 {
            for host in hosts { list += "\(host),/start,\(host),/end\(turn)\n" }
        }
        try ListFile.with(Array(list.utf8)) { file in
            for host in hosts {
                let selection = try #require(file.scan("\(host):/start"))
                let graph = try file.graph(of: selection)
                #expect(graph.nodeCount == 21, "\(host)")
                #expect(selection.bytes < list.utf8.count / 100)
            }
        }
    }

    @Test func theLargeGroupIsLeftToReadingEverything() throws {
        var bytes: [UInt8] = []
        for row in 0..<5000 { bytes += "10.0.0.1,/a\(row),10.0.0.1,/a\(row + 1)\n".utf8 }
        try ListFile.with(bytes) { file in
            #expect(file.scan("10.0.0.1:/a0") == nil)
            let index = try #require(try file.index())
            #expect(index.rows == 5000)
            #expect(try index.rows(for: NodePattern("10.0.0.1:/a0")) == nil)
        }
    }

    @Test(arguments: ["/p*", "p1", "h:p1", "tcp:80", "/p1@web", "/usr/bin/python3 /p1", "h:/nothing"])
    func aNameOfMoreThanOnePathIsNotLookedFor(name: String) throws {
        let list = Array(String(repeating: "h,/p1,h,/p2\ng,/q,g,/q1\ng,/q,g,/q2\n", count: 300).utf8)
        try ListFile.with(list) { file in
            let index = try #require(try file.index())
            #expect(file.scan(name) == nil || name == "h:/nothing")
            #expect(try index.rows(for: NodePattern(name)) == nil)
        }
    }

    @Test(arguments: [
        "h,\"/quoted\",h,/x\n", "h,/a,h\n", "h\u{e9},/a,h,/b\n", "\n", "h,/a,h,/cut off",
        "h,/a,h,/\0\0b\n,,\n",
    ])
    func listsWithSuchARowAreReadWhole(row: String) throws {
        for place in [0, 500, 1000] {
            var rows = [String](repeating: "h,/p1,h,/p2\ng,/q,g,/q1\n", count: 1000)
            if row.hasSuffix("\n") { rows.insert(row, at: place) } else { rows.append(row) }
            try ListFile.with(Array(rows.joined().utf8)) { file in
                #expect(file.scan("h:/p1") == nil)
                #expect(throws: ListIndex.Refusal.rows) { _ = try file.index() }
            }
        }
    }

    @Test(arguments: ["h,/a,connect,,h,tcp:80,1,,\n", "h,/a,file,q,h,/b,1,,\n", "h,/a,file,r,h,/b,x,,\n"])
    func nineColumnsWithSuchARowAreReadWhole(row: String) throws {
        let list = String(repeating: "h,/a,file,r,h,/b,1,,\n", count: 500) + row
        try ListFile.with(Array(list.utf8)) { file in
            #expect(file.scan("h:/a") == nil)
            #expect(throws: ListIndex.Refusal.rows) { _ = try file.index() }
        }
    }

    @Test func anIndexIsOfOneStateOfTheList() throws {
        let list = Array(String(repeating: "h,/p1,h,/p2\n", count: 20_000).utf8)
        try ListFile.with(list) { file in
            let index = try #require(try file.index())
            #expect(index.isCurrent(file.list))
            var status = stat()
            fstat(file.list, &status)
            // Bytes in the middle, the size as before, and the time put back.
            let other = Array("h,/p1,h,/p3\n".utf8)
            usleep(20_000)
            #expect(pwrite(file.list, other, other.count, 10_000 * other.count) == other.count)
            var times = [status.st_atim, status.st_mtim]
            #expect(futimens(file.list, &times) == 0)
            #expect(!index.isCurrent(file.list))
        }
    }

    @Test func anIndexThatIsCutOffOrDamagedIsAnError() throws {
        var random = SeededGenerator(seed: 7)
        let list = SmallGroups(columns: 4, isTitled: true, &random)
        let name = list.name(&random)
        try ListFile.with(list.bytes) { file in
            let whole = try file.indexBytes()
            let expected = try #require(try file.index()?.rows(for: NodePattern(name)))
            for _ in 0..<400 {
                var bytes = whole
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
                case 1: bytes.append(0)
                default:
                    let place = Int.random(in: 0..<bytes.count, using: &random)
                    bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                }
                do throws(ListIndexError) {
                    let index = try file.open(bytes)
                    // What was not read may be wrong.
                    if let rows = try index.rows(for: NodePattern(name)) { #expect(rows == expected) }
                } catch {
                    #expect(!error.description.isEmpty)
                }
            }
            // Each bit of where the first rows lie, which would lead to others.
            let first = try #require(expected.ranges.first)
            let run = withUnsafeBytes(of: (UInt64(first.lowerBound) << 24 | UInt64(first.count)).littleEndian)
            {
                Array($0)
            }
            let place = try #require(
                whole.indices.dropLast(7).first { whole[$0..<$0 + 8].elementsEqual(run) })
            for bit in 0..<64 {
                var bytes = whole
                bytes[place + bit / 8] ^= 1 << UInt8(bit % 8)
                let index = try file.open(bytes)
                #expect(throws: ListIndexError.self) { _ = try index.rows(for: NodePattern(name)) }
            }
            for count in 0..<min(600, whole.count) {
                #expect(throws: ListIndexError.self) { try file.open(Array(whole[..<count])) }
            }
        }
    }

    /// Everything that is said of a group, with reasons and without, under the policy and without bounds.
    private static func answers(_ graph: DependencyGraph, _ name: String) -> [String] {
        guard case .found(let start) = graph.select(NodePattern(name)) else { return ["not found"] }
        return [(true, false), (true, true), (false, true)].flatMap { isSymmetric, hasReasons in
            var options = ClosureOptions()
            options.isSymmetric = isSymmetric
            options.prefersEvidence = hasReasons
            let report = GroupReport(graph.moveGroup(of: start, options))
            var texts: [[UInt8]] = [[], [], [], [], []]
            report.writeCSV(explain: hasReasons) { texts[0] += $0 }
            report.writeList { texts[1] += $0 }
            report.writeRecords { texts[2] += $0 }
            if hasReasons { report.writeJSON { texts[3] += $0 } }
            if hasReasons { texts[4] += report.summary(rowLimit: nil) { _ in nil }.heading.utf8 }
            return texts.map { String(decoding: $0, as: UTF8.self) }
        }
    }
}

/// A list of many small groups, its rows in no order.
private struct SmallGroups {
    private(set) var bytes: [UInt8] = []
    private(set) var rows = 0
    private var names: [String] = []

    init(columns: Int, isTitled: Bool, _ random: inout SeededGenerator) {
        // Spellings of one host, and hosts that only look like spellings of one.
        let hosts = [
            "10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "fe80:0::1", "127.0.0.1", "::ffff:127.0.0.1", "web1",
            "Web1", "",
        ]
        var lines: [String] = []
        for group in 0..<150 {
            var members = [member(group, 0, hosts, &random)]
            for number in 1..<Int.random(in: 2...14, using: &random) {
                let other = member(group, number, hosts, &random)
                let ends = [members.randomElement(using: &random)!, other].shuffled(using: &random)
                lines.append(line(columns, ends[0], ends[1], &random))
                if Int.random(in: 0..<4, using: &random) == 0 {
                    lines.append(line(columns, other, other, &random))
                }
                members.append(other)
            }
            names += members
        }
        lines.shuffle(using: &random)
        rows = lines.count
        if isTitled {
            bytes +=
                (columns == 4 ? WideRow.fourColumns : WideRow.columns).joined(separator: ",").utf8 + [0x0a]
        }
        for line in lines { bytes += Array((line + (rows % 2 == 0 ? "\n" : "\r\n")).utf8) }
    }

    private func member(_ group: Int, _ number: Int, _ hosts: [String], _ random: inout SeededGenerator)
        -> String
    {
        "\(hosts.randomElement(using: &random)!),/g\(group)/p\(number % 9)"
    }

    private func line(_ columns: Int, _ one: String, _ two: String, _ random: inout SeededGenerator) -> String
    {
        if columns == 4 { return "\(one),\(two)" }
        let relation = ["file,r", "file,rw", "file,x", "spawn,", "connect,", "accept,"].randomElement(
            using: &random)!
        let times = [",", "2026-11-20T22:14:05.002Z,2026-11-21T01:00:00.417Z"].randomElement(using: &random)!
        return "\(one),\(relation),\(two),\(Int.random(in: 1...9, using: &random)),\(times)"
    }

    /// What stands for one of the nodes on a command line.
    func name(_ random: inout SeededGenerator) -> String {
        let parts = names.randomElement(using: &random)!.split(
            separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
        return parts[0].isEmpty ? "web1:\(parts[1])" : "[\(parts[0])]:\(parts[1])"
    }
}

/// A list in a file without a name.
private struct ListFile {
    let list: Int32
    let bytes: [UInt8]

    static func with(_ bytes: [UInt8], _ body: (ListFile) throws -> Void) throws {
        let file = try temporary(bytes)
        defer { close(file) }
        try body(ListFile(list: file, bytes: bytes))
    }

    private static func temporary(_ bytes: [UInt8]) throws -> Int32 {
        var path = Array("/tmp/retinue-rows-XXXXXX".utf8CString)
        let descriptor = mkstemp(&path)
        try #require(descriptor >= 0)
        unlink(path)
        try #require(bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) } == bytes.count)
        return descriptor
    }

    func scan(_ name: String) -> RowSelection? {
        bytes.withUnsafeBytes { bytes in
            RowSelection.scan(
                for: NodePattern(name), list, head: UnsafeRawBufferPointer(rebasing: bytes.prefix(1 << 16)),
                at: 0,
                size: bytes.count, least: 0)
        }
    }

    func indexBytes() throws -> [UInt8] {
        var index: [UInt8] = []
        _ = try bytes.withUnsafeBytes { bytes in
            try ListIndex.make(
                of: list, head: UnsafeRawBufferPointer(rebasing: bytes.prefix(1 << 16)), at: 0,
                size: bytes.count
            ) { index += $0 }
        }
        return index
    }

    func index() throws -> ListIndex? { try Self.open(try indexBytes()) }

    func open(_ bytes: [UInt8]) throws(ListIndexError) -> ListIndex { try Self.open(bytes) }

    /// Descriptors stay open until the tests end: an index does not own its file.
    private static func open(_ bytes: [UInt8]) throws(ListIndexError) -> ListIndex {
        guard let file = try? temporary(bytes) else { throw .foreign }
        return try ListIndex(file)
    }

    func graph() throws -> DependencyGraph {
        var builder = GraphBuilder()
        var reader = ListReader("list", into: &builder)
        try bytes.withUnsafeBytes { try reader.feed($0, into: &builder) }
        try reader.finish(into: &builder)
        return builder.finish()
    }

    func graph(of selection: RowSelection) throws -> DependencyGraph {
        var builder = GraphBuilder()
        var reader = ListReader("list", into: &builder)
        try reader.take(selection, list, into: &builder)
        try reader.finish(into: &builder)
        return builder.finish()
    }
}
