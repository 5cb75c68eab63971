import Records
import TestSupport
import Testing

@testable import MoveGroup

/// Rows without anything special are split and put into the graph in a way of their own: what comes out, and what is
/// wrong, is what the way for any row gives.
@Suite("Plain rows of lists")
struct PlainRowsTests {
    private struct Outcome: Equatable {
        var error: ListError?
        var firstSkipped: ListError?
        var counts: [Int] = []
        /// In the order of their numbers.
        var nodes: [String] = []
        var edges: [String] = []
        var hosts: [String] = []

        init(
            _ list: [UInt8], isPlain: Bool, _ strictness: ListReader.Strictness, piece: Int = .max,
            lineLimit: Int, window: ClosedRange<UInt64>?
        ) {
            var builder = GraphBuilder()
            builder.window = window
            var reader = ListReader("list", into: &builder, strictness: strictness, lineLimit: lineLimit)
            reader.distinguishesPlainRows = isPlain
            do throws(ListError) {
                var start = 0
                while start < list.count {
                    let end = piece < list.count - start ? start + piece : list.count
                    // Memory of its own, so that reading beyond it shows.
                    let part = Array(list[start..<end])
                    try part.withUnsafeBufferPointer { part throws(ListError) in
                        try reader.feed(UnsafeRawBufferPointer(part), into: &builder)
                    }
                    start = end
                }
                try reader.finish(into: &builder)
            } catch {
                self.error = error
            }
            firstSkipped = reader.firstSkipped
            let graph = builder.finish()
            counts = graph.sources.flatMap { [$0.rows, $0.skipped] } + [graph.hasEntries ? 1 : 0]
            nodes = graph.allNodes.map { "\(graph[graph.host($0)].id) \(graph[$0])" }
            hosts = graph.hosts.map(\.id)
            edges = (0..<UInt32(graph.edgeCount)).map { number in
                let edge = graph[EdgeID(rawValue: number)]
                return "\(edge) \(graph.detail(EdgeID(rawValue: number)))"
            }
        }
    }

    @Test(arguments: 0..<30) func areReadAsAnyOthers(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        for _ in 0..<12 {
            let columns = Bool.random(using: &random) ? 9 : 4
            var list: [UInt8] = []
            let oddities = [0, 5, 30][seed % 3]
            var row = columns == 9 ? Self.row9(&random, oddities) : Self.row4(&random, oddities)
            for _ in 0..<Int.random(in: 0...90, using: &random) {
                // A program's rows often follow one another.
                if Int.random(in: 0..<3, using: &random) > 0 {
                    let next = columns == 9 ? Self.row9(&random, oddities) : Self.row4(&random, oddities)
                    row[2...] = next[2...]
                } else {
                    row = columns == 9 ? Self.row9(&random, oddities) : Self.row4(&random, oddities)
                }
                list += row.joined(separator: ",").utf8
                list += (Int.random(in: 0..<20, using: &random) == 0 ? "\r\n" : "\n").utf8
            }
            for _ in 0..<[0, 0, 1, 3].randomElement(using: &random)! { Self.damage(&list, &random) }
            let window: ClosedRange<UInt64>? =
                Bool.random(using: &random) ? nil : 0...1_780_000_000_000_000_000
            let lineLimit = [90, 1 << 20].randomElement(using: &random)!
            for strictness in [ListReader.Strictness.strict, .lenient] {
                func read(_ isPlain: Bool, _ piece: Int) -> Outcome {
                    Outcome(
                        list, isPlain: isPlain, strictness, piece: piece, lineLimit: lineLimit, window: window
                    )
                }
                for piece in [.max, 1, Int.random(in: 2...400, using: &random)] {
                    #expect(
                        read(true, piece) == read(false, piece),
                        "seed \(seed), pieces of \(piece): \(String(decoding: list, as: UTF8.self))")
                }
            }
        }
    }

    /// Otherwise nothing would be faster, and nothing here be tested.
    @Test(arguments: [
        "h,/a,file,rwx,h,/b,3,2026-11-20T22:14:05.002Z,2026-11-21T01:00:00.417Z", "h,/a,file,,g,b:c,,,",
        "h,/a,spawn,,h,/b,,,2026-11-20T22:14:05.002Z", "h,/a,connect,,h,/b,999999999999999999,,",
        ",,accept,what,h,/b,0,,",
    ])
    func plainRowsAreTakenAsSuch(row: String) throws {
        var times = (first: TimeReader(), last: TimeReader())
        for end in ["\n", "\r\n"] {
            try Array((row + end).utf8).withUnsafeBytes { bytes in
                let start = try #require(bytes.baseAddress)
                let shape = try #require(PlainNineRow(start, available: bytes.count))
                #expect(shape.lineEnd == bytes.count - 1)
                #expect(PlainDependency(start, shape, 0, &times.first, &times.last) != nil)
            }
        }
    }

    private static func row4(_ random: inout SeededGenerator, _ oddities: Int) -> [String] {
        [host(&random, oddities), path(&random, oddities), host(&random, oddities), path(&random, oddities)]
    }

    private static func row9(_ random: inout SeededGenerator, _ oddities: Int) -> [String] {
        func one(_ usual: [String], _ odd: [String]) -> String {
            let isOdd = Int.random(in: 0..<100, using: &random) < oddities
            return (isOdd ? odd : usual).randomElement(using: &random)!
        }
        return [
            host(&random, oddities), path(&random, oddities),
            one(["file", "file", "spawn", "connect", "accept"], ["", "listen", "ipc", "File", "x"]),
            one(["r", "rw", "x", "rwx", ""], ["wr", "rr", "z", "\"r\""]),
            host(&random, oddities),
            one(
                ["/b", "/b1", "/srv/a b-c.d", "/\(Int.random(in: 0..<40, using: &random))"],
                [
                    "", "tcp:5432", "tcp:10.0.0.1:80", "tcp:[::1]:80", "unix:/run/x", "unix:", "sem:key 1",
                    "pipe:", "b:c",
                    "\"/q,\"\"\"", "\"/n\nl\"", "/" + String(repeating: "long", count: 140),
                ]),
            one(["1", "20", ""], ["-1", "+5", "007", "1x", "18446744073709551615", "18446744073709551616"]),
            one(["", "2026-11-20T22:14:05.002Z", "2026-11-20T22:14:59.999Z"], Self.oddTimes),
            one(["", "2026-11-20T22:15:05.002Z", "2027-01-01T00:00:00.000Z"], Self.oddTimes),
        ]
    }

    private static let oddTimes = [
        "2026-11-20T22:14:60.002Z", "2026-11-20T22:14:05Z", "2026-11-20T22:14:05.1Z",
        "2026-11-20T22:14:05.123456789Z",
        "2026-11-20T22:14:0/.002Z", "2026-11-20T22:14:05.0:2Z", "2026-11-20 22:14:05.002Z", "now",
        "2554-07-21T23:34:33.709Z",
        "2554-07-21T23:34:33.710Z", "2554-07-21T23:34:33.700Z", "1970-01-01T00:00:00.000Z",
    ]

    private static func host(_ random: inout SeededGenerator, _ oddities: Int) -> String {
        guard Int.random(in: 0..<100, using: &random) < oddities else {
            return ["10.0.0.1", "10.0.0.2", "web1"].randomElement(using: &random)!
        }
        return [
            "", "\"10.0.0.1\"", "::1", "10.0.0.\(Int.random(in: 0..<200, using: &random))", "h\u{fffd}", " ",
        ]
        .randomElement(using: &random)!
    }

    private static func path(_ random: inout SeededGenerator, _ oddities: Int) -> String {
        guard Int.random(in: 0..<100, using: &random) < oddities else {
            return "/opt/a\(Int.random(in: 0..<30, using: &random))"
        }
        return [
            "", "a", "\"/x,y\"", "\"/two\nlines\"", "\"/a\"b", "/a\"b",
            "/" + String(repeating: "p", count: 503),
        ]
        .randomElement(using: &random)! + ["", "p", "pp"].randomElement(using: &random)!
    }

    private static func damage(_ list: inout [UInt8], _ random: inout SeededGenerator) {
        guard !list.isEmpty else { return }
        let place = Int.random(in: 0..<list.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: list.remove(at: place)
        case 1: list.insert(Array("\",\r\n:x0\0\u{ff}".utf8).randomElement(using: &random)!, at: place)
        case 2: list[place] = UInt8.random(in: 0...255, using: &random)
        default: list.removeLast(min(list.count, Int.random(in: 1...100, using: &random)))
        }
    }
}
