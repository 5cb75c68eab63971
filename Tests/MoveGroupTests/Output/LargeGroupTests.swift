import Records
import Testing

@testable import MoveGroup

/// Large groups are ordered and written otherwise than small ones, with the same outcome.
@Suite("Large groups")
struct LargeGroupTests {
    /// Everything that a list names.
    private static func report(on list: String, onTwoThreads: Bool = false) throws -> GroupReport {
        let bytes = Array(list.utf8)
        let head = min(1 << 16, bytes.count)
        var builder = GraphBuilder()
        var reader = ListReader("list", into: &builder)
        try bytes[..<head].withUnsafeBytes { try reader.feed($0, into: &builder) }
        var position = head
        if onTwoThreads {
            try withFile(bytes) {
                position = try reader.takeOnTwoThreads($0, from: head, to: bytes.count, &builder)
            }
        }
        try bytes[position...].withUnsafeBytes { try reader.feed($0, into: &builder) }
        try reader.finish(into: &builder)
        var options = ClosureOptions()
        options.isSymmetric = true
        return GroupReport(builder.finish().moveGroup(of: [NodeID(rawValue: 0)], options))
    }

    private static func paths(_ report: GroupReport) -> [[UInt8]] {
        report.members.map { node in
            guard case .entry(let path) = report.group.graph[node] else { return [] }
            return path
        }
    }

    /// Names that come as ascending runs, few enough to be merged and more; of the longest what differs lies behind the
    /// bytes that are kept as a number, and some end where others go on.
    @Test(arguments: 1...7, ["", "/a/beginning/that/is/long/"])
    func runsBecomeOneOrder(runs: Int, beginning: String) throws {
        var paths: [String] = []
        for run in 0..<runs {
            for number in 0..<400 {
                let name = beginning + String(10_000_000 + (number * runs + run) * 7)
                paths.append(number % 3 == 0 ? name + "/and/more" : name)
            }
        }
        let list = "h,/,h,/\n" + paths.map { "h,/,h,/\($0)\n" }.joined()
        let found = Self.paths(try Self.report(on: list))
        #expect(
            found
                == (["/"] + paths.map { "/" + $0 }).map { Array($0.utf8) }
                .sorted { $0.lexicographicallyPrecedes($1) })
    }

    /// A set is a program with three files and the next one, in the order of the list or in none.
    private static func sets(_ count: Int, isOrdered: Bool) -> String {
        var rows: [String] = []
        for set in 0..<count {
            let (host, next) = ("10.0.0.\(1 + set % 3)", "10.0.0.\(1 + (set + 1) % 3)")
            for file in 0..<3 {
                rows.append("\(host),/ap\(set),\(host),/srv/f\(10_000_000 + set * 3 + file)\n")
            }
            rows.append("\(host),/ap\(set),\(next),/ap\(set + 1)\n")
        }
        var random = SplitMix(state: 5)
        if !isOrdered { rows.shuffle(using: &random) }
        return rows.joined()
    }

    @Test(arguments: [true, false]) func whatTwoThreadsReadIsInOrder(isOrdered: Bool) throws {
        let list = Self.sets(20_000, isOrdered: isOrdered)
        let taken = try Self.report(on: list, onTwoThreads: true)
        let isOfHalves = taken.group.graph.nodes.isOfHalves
        #expect(isOfHalves)
        let fed = try Self.report(on: list)
        #expect(taken.group.members.count == 80_001)
        #expect(Self.paths(taken) == Self.paths(fed))
        #expect(Set(taken.members).count == 80_001)
    }

    /// Programs, many of the same path, with their files and addresses; what two threads put in order is what one does, be
    /// the parts dealt out, split or both.
    @Test(arguments: 1...12) func twoThreadsOrderAsOne(hosts: Int) throws {
        var random = SplitMix(state: UInt64(hosts))
        var dumps: [[UInt8]] = []
        for host in 0..<hosts {
            var one = TwoHosts.Sample("h\(host)", name: "", address: 0x0a00_0001 + UInt32(host))
            // Hosts of about equal size, and one that has half of all.
            let programs = host == 3 ? 400 : 60
            let first = one.program("/bin/sh")
            for number in 0..<programs {
                let path = ["/opt/ap/ap\(number)", "/opt/ap/ap", "/bin"].randomElement(using: &random)!
                let program = one.program(path, in: "w\(Int.random(in: 0..<programs, using: &random))")
                one.ledger.note(.spawn(first, child: program), evidence: .exact, time: TwoHosts.time)
                for _ in 0..<Int.random(in: 0..<6, using: &random) {
                    one.file(program, "/srv/data/f\(Int.random(in: 0..<900_000, using: &random))", .opened)
                }
                let address = NetworkAddress(v4: .random(in: 0xc000_0200...0xc000_02ff, using: &random))
                let far = one.ledger.intern(Endpoint(address, port: 443))
                one.ledger.note(
                    .connect(program, .tcp, remote: far, peer: .unknown), evidence: .exact,
                    time: TwoHosts.time)
            }
            dumps.append(one.ndjson())
        }
        let graph = try TwoHosts.graph(dumps)
        var options = ClosureOptions()
        options.isSymmetric = true
        let start = (0..<UInt32(graph.nodeCount)).map { NodeID(rawValue: $0) }
        let group = graph.moveGroup(of: start.filter { graph.kind($0) == .program }, options)
        let one = MemberOrder(group, many: .max)
        #expect(Set(one.members).count == group.members.count)
        #expect(Set(one.parts.map(\.kind)) == [.program, .file, .endpoint])
        #expect(MemberOrder(group, many: 0).members == one.members)
        for mostWhole in [0, 100, 1_000_000] {
            let two = MemberOrder(group, many: .max)
            for part in two.parts { two.nodes[part.range].shuffle(using: &random) }
            #expect(two.members != one.members)
            #expect(two.sortOnTwoThreads(mostWhole: mostWhole))
            #expect(two.members == one.members, "\(mostWhole)")
        }
    }

    /// A name is looked for by two threads, each among a half of all nodes.
    @Test func aNameIsFoundInEitherHalf() throws {
        let graph = try Self.report(on: Self.sets(300, isOrdered: true)).group.graph
        for name in ["/ap0", "/ap299", "/ap1*", "/srv/f*", "ap300", "/srv/f10000007", "/missing", "*"] {
            let one = graph.select(NodePattern(name), many: .max)
            #expect(graph.select(NodePattern(name), many: 0) == one, "\(name)")
            if name == "/ap299" { #expect(one != .nothing(nearest: [])) }
        }
    }

    @Test func isWrittenOnTwoThreadsAsOnOne() throws {
        let report = try Self.report(on: Self.sets(1_000, isOrdered: false))
        var one: [UInt8] = []
        report.writeCSV(withHeader: false, chunk: 1) { one += $0 }
        for chunk in [1, 32, 1000, 50_000, 1 << 20] {
            var two: [UInt8] = []
            #expect(report.writeOnTwoThreads(chunk: chunk) { two += $0 })
            #expect(one == two, "\(chunk)")
        }
        // Enough members for `writeCSV` to choose by itself.
        let large = try Self.report(on: Self.sets(14_000, isOrdered: true))
        var out: [UInt8] = []
        large.writeCSV { out += $0 }
        #expect(out.count { $0 == 0x0a } == 56_002)
        #expect(out.starts(with: "host,kind,path,workload\n10.0.0.1,entry,/ap0,\n".utf8))
    }

    private struct Full: Error {}

    /// The first error ends the writing, whichever thread it struck; nothing is handed over behind it.
    @Test(arguments: [1, 2, 3, 30]) func anErrorEndsTheWriting(at limit: Int) throws {
        let report = try Self.report(on: Self.sets(1_000, isOrdered: true))
        var calls = 0
        #expect(throws: Full.self) {
            _ = try report.writeOnTwoThreads(chunk: 1000) { _ throws(Full) in
                calls += 1
                if calls == limit { throw Full() }
            }
        }
        #expect(calls == limit)
    }
}
