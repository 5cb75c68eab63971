import MoveGroup
import Records
import Testing

@Suite("What is written does not depend on the order of inputs")
struct DeterminismTests {
    @Test(arguments: Format.all)
    func inputsInAnyOrderAndTwice(format: Format) throws {
        let (web, app) = (TwoHosts.web(), TwoHosts.app())
        let expected = format.text(try TwoHosts.report([web, app]))
        #expect(!expected.isEmpty)
        for dumps in [[app, web], [app, web, app], [web, web, app, app], [app, app, web]] {
            #expect(format.text(try TwoHosts.report(dumps)) == expected)
        }
    }

    @Test(arguments: Format.all)
    func linesInAnyOrder(format: Format) throws {
        let (web, app) = (TwoHosts.web(), TwoHosts.app())
        for isSymmetric in [false, true] {
            let expected = format.text(try TwoHosts.report([web, app], symmetric: isSymmetric))
            for seed in 1...6 {
                var random = SplitMix(state: UInt64(seed))
                let dumps = [Self.shuffled(web, &random), Self.shuffled(app, &random)]
                let report = try TwoHosts.report(dumps.shuffled(using: &random), symmetric: isSymmetric)
                #expect(format.text(report) == expected, "seed \(seed)")
            }
        }
    }

    /// Many programs that use the same files in many ways, so that most reasons have an equal.
    @Test(arguments: 1...8)
    func equalReasons(seed: Int) throws {
        var random = SplitMix(state: UInt64(seed))
        var rows: [[UInt8]] = []
        var sample = TwoHosts.Sample("cccc", name: "dense", address: 0x0a00_0003)
        let programs = (0..<9).map { sample.program("/bin/p\($0)", in: $0 % 2 == 0 ? "a.service" : "") }
        let dpkg = sample.program("/usr/bin/dpkg")
        sample.file(programs[0], "/f0", [.opened, .written])
        for _ in 0..<60 {
            let program = programs.randomElement(using: &random)!
            let file = Array("/f\(Int.random(in: 0..<12, using: &random))".utf8)
            let access: Access = [.opened, [.opened, .executed], [.opened, .written]].randomElement(
                using: &random)!
            sample.file(program, file, access, Bool.random(using: &random) ? .exact : .snapshot)
            sample.file(dpkg, file, [.opened, .written])
        }
        rows = Self.lines(sample.ndjson())
        var expected: [String]?
        for _ in 0..<5 {
            let dump = [rows[0]] + rows.dropFirst().shuffled(using: &random)
            let graph = try TwoHosts.graph([Array(dump.joined())])
            var options = ClosureOptions()
            options.prefersEvidence = true
            let report = GroupReport(graph.moveGroup(of: TwoHosts.nodes("/bin/p0", in: graph), options))
            let texts = Format.all.map { $0.text(report) }
            if let expected { #expect(texts == expected) } else { expected = texts }
        }
    }

    static func lines(_ dump: [UInt8]) -> [[UInt8]] {
        dump.split(separator: 0x0a).map { Array($0) + [0x0a] }
    }

    static func shuffled(_ dump: [UInt8], _ random: inout SplitMix) -> [UInt8] {
        let lines = lines(dump)
        return Array(([lines[0]] + lines.dropFirst().shuffled(using: &random)).joined())
    }
}

/// Numbers that are the same for the same seed.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
