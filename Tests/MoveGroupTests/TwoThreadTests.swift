import Glibc
import Records
import Testing

@testable import MoveGroup

/// A list in a file, taken on two threads, is the list fed piece by piece.
@Suite("A list taken on two threads")
struct TwoThreadTests {
    @Test(arguments: 0..<6) func givesTheGraphOfFeeding(seed: UInt64) throws {
        // A cell has a quarter of a megabyte: every seed has several borders, the first ones many.
        let list = RandomList(seed: seed, megabytes: seed < 2 ? 2 : 1).bytes
        for strictness in [ListReader.Strictness.strict, .lenient] {
            let fed = Read(list, strictness, isFed: true)
            let taken = Read(list, strictness, isFed: false)
            #expect(fed.error == taken.error)
            #expect(fed.skipped == taken.skipped)
            #expect(fed.edges == taken.edges, "seed \(seed)")
            #expect(fed.hosts == taken.hosts)
        }
    }

    @Test func plainRowsAreTakenAndNotFed() throws {
        let row = "10.0.0.1,/opt/a,10.0.0.2,/opt/b\n"
        let list = Array(String(repeating: row, count: 100_000).utf8)
        try withFile(list) { descriptor in
            var builder = GraphBuilder()
            var reader = ListReader("list", into: &builder)
            try list[..<Read.head].withUnsafeBytes { try reader.feed($0, into: &builder) }
            let taken = try reader.takeOnTwoThreads(descriptor, from: Read.head, to: list.count, &builder)
            #expect(taken == list.count)
            try reader.finish(into: &builder)
            let graph = builder.finish()
            #expect(graph.edgeCount == 100_000)
            #expect(graph.nodeCount == 2)
            #expect(graph.sources[0].rows == 100_000)
        }
    }

    @Test func whatTwoThreadsAddedIsFoundByTheNextInputs() throws {
        let first = RandomList(seed: 100, megabytes: 1, isClean: true).bytes
        let second = RandomList(seed: 101, megabytes: 1, isClean: true).bytes
        func edges(isFed: Bool) throws -> [String] {
            var builder = GraphBuilder()
            for list in [first, second, first, Array("10.0.0.1,/p1,10.0.0.3,/p2\n".utf8)] {
                try Read.take(list, into: &builder, .strict, isFed: isFed || list.count < 1 << 20)
            }
            return Read.edges(of: builder.finish())
        }
        #expect(try edges(isFed: false) == edges(isFed: true))
    }

    @Test func aFileThatEndsEarlyIsTakenAsFarAsItGoes() throws {
        let list = RandomList(seed: 102, megabytes: 1, isClean: true).bytes
        try withFile(list) { descriptor in
            var builder = GraphBuilder()
            var reader = ListReader("list", into: &builder)
            try list[..<Read.head].withUnsafeBytes { try reader.feed($0, into: &builder) }
            let taken = try reader.takeOnTwoThreads(descriptor, from: Read.head, to: list.count * 2, &builder)
            #expect(taken == list.count)
            try reader.finish(into: &builder)
        }
    }
}

/// What came out of reading a list.
private struct Read {
    static let head = 1 << 16
    var error: ListError?
    var skipped: [String] = []
    /// By names, in the order of the list.
    var edges: [String] = []
    var hosts: [String] = []

    init(_ list: [UInt8], _ strictness: ListReader.Strictness, isFed: Bool) {
        var builder = GraphBuilder()
        do {
            let first = try Self.take(list, into: &builder, strictness, isFed: isFed)
            skipped = ["\(String(describing: first))"]
        } catch {
            self.error = error as? ListError
        }
        let graph = builder.finish()
        skipped += graph.sources.map { "\($0.rows) \($0.skipped)" }
        edges = Self.edges(of: graph)
        hosts = graph.hosts.map(\.id)
    }

    @discardableResult
    static func take(
        _ list: [UInt8], into builder: inout GraphBuilder, _ strictness: ListReader.Strictness, isFed: Bool
    ) throws -> ListError? {
        var reader = ListReader("list", into: &builder, strictness: strictness)
        var position = min(head, list.count)
        try list[..<position].withUnsafeBytes { try reader.feed($0, into: &builder) }
        if !isFed {
            try withFile(list) { descriptor in
                position = try reader.takeOnTwoThreads(descriptor, from: position, to: list.count, &builder)
            }
        }
        try list[position...].withUnsafeBytes { try reader.feed($0, into: &builder) }
        try reader.finish(into: &builder)
        return reader.firstSkipped
    }

    static func edges(of graph: DependencyGraph) -> [String] {
        (0..<graph.edgeCount).map { number in
            let edge = graph[EdgeID(rawValue: UInt32(number))]
            return [edge.from, edge.to].map { "\(graph[graph.host($0)].id) \(graph[$0])" }.joined(
                separator: " -> ")
        }
    }
}

/// Rows with everything that a list may have, good and bad, at places that fall on all borders of pieces.
private struct RandomList {
    private(set) var bytes: [UInt8] = []
    private var state: UInt64

    init(seed: UInt64, megabytes: Int, isClean: Bool = false) {
        state = seed &* 0x9e37_79b9_7f4a_7c15
        bytes.reserveCapacity(megabytes << 20 + 1 << 16)
        // Seldom, so that most cells are plain; often, so that hardly one is; or with nothing wrong.
        let oddities = isClean ? 0 : [3, 40, 3000][Int(seed % 3)]
        while bytes.count < megabytes << 20 { appendRow(isOdd: next(100_000) < oddities, seed) }
        if !isClean, seed % 4 == 3 { bytes += "10.0.0.1,/cut off".utf8 }
    }

    private mutating func next(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(bound))
    }

    private mutating func appendRow(isOdd: Bool, _ seed: UInt64) {
        let hosts = seed % 2 == 0 ? 5 : 3000
        let near = "10.0.0.\(next(hosts)),/p\(next(40_000))"
        let line = "\(near),10.0.0.\(next(hosts)),/some/longer/p\(next(90_000))"
        // Errors only with every other seed: the strict way ends at the first.
        switch isOdd ? next(seed % 2 == 0 ? 5 : 10) : -1 {
        case 0: bytes += "10.0.0.1,\"/quoted, \"\"so\"\"\",10.0.0.2,/x\n".utf8
        case 1: bytes += "10.0.0.1,\"/two\nlines\n\",10.0.0.2,/x\r\n".utf8
        case 2: bytes += Array("\(line)\r\n".utf8)
        case 3: bytes += "\n".utf8
        case 4: bytes += Array("10.0.0.1,/\(String(repeating: "long", count: next(90_000))),,\n".utf8)
        case 5: bytes += "too,few\n".utf8
        case 6: bytes += "one,too,many,in,it\n".utf8
        case 7: bytes += "10.0.0.1,\"/quoted\"x,10.0.0.2,/x\n".utf8
        case 8: bytes += "10.0.0.1,/quo\"te,10.0.0.2,/x\n".utf8
        case 9:
            // A quote over more than a cell, full of what looks like rows.
            bytes += "10.0.0.1,\"".utf8
            for _ in 0..<next(9000) { bytes += Array("\(line)\n".utf8) }
            bytes += "\",10.0.0.2,/x\n".utf8
        default: bytes += Array("\(line)\n".utf8)
        }
    }
}

/// Lends a file without a name.
func withFile(_ bytes: [UInt8], _ body: (Int32) throws -> Void) throws {
    var path = Array("/tmp/retinue-list-XXXXXX".utf8CString)
    let descriptor = mkstemp(&path)
    try #require(descriptor >= 0)
    unlink(path)
    defer { close(descriptor) }
    let written = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    try #require(written == bytes.count)
    try body(descriptor)
}
