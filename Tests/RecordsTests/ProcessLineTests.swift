import TestSupport
import Testing

@testable import Records

/// Lines of type `process`: what a program runs with.
@Suite struct ProcessLineTests {
    private static func described() -> ProcessDescription {
        var process = ProcessDescription(
            executable: Array("/usr/bin/python3.11".utf8), script: Array("/opt/a.py".utf8),
            workload: Array("system.slice/a.service".utf8), pid: 812, start: 1_763_449_202_110_000_000,
            observed: 1_763_676_843_870_000_000, isStartObserved: false)
        (process.processes, process.written) = (3, 4096)
        process.settings.user = .init(33, name: "www-data")
        process.settings.group = .init(33, name: "www-data")
        process.settings.groups = [.init(4, name: "adm"), .init(60000)]
        process.settings.capabilities = "0000000000000400"
        process.settings.folder = Array("/srv/a".utf8) + [0xe9]
        process.settings.arguments = [Array("python3".utf8), [], [0xff]]
        process.settings.environment = [Array("PATH=/bin".utf8), Array("KEY".utf8)]
        process.settings.isCut = true
        process.settings.limits = [.init("nofile", soft: 1024, hard: nil), .init("core", soft: 0, hard: 7)]
        process.settings.nice = -5
        process.settings.killPreference = 200
        process.settings.namespaces = ["net": 4_026_532_290, "mnt": 4_026_532_291]
        return process
    }

    private static let line =
        #"{"type":"process","host":"h1","program":{"executable":"/usr/bin/python3.11","script":"/opt/a.py","#
        + #""workload":"system.slice/a.service"},"pid":812,"start":"2025-11-18T07:00:02.110Z","#
        + #""observed":"2025-11-20T22:14:03.870Z","start_observed":false,"processes":3,"written":4096,"user_id":33,"#
        + #""user_name":"www-data","group_id":33,"group_name":"www-data","#
        + #""groups":[{"group_id":4,"group_name":"adm"},{"group_id":60000}],"capabilities":"0000000000000400","#
        + #""folder":"/srv/a"# + "\u{fffd}" + #"","folder_raw":"L3Nydi9h6Q==","arguments":["python3","",""#
        + "\u{fffd}" + #""],"arguments_raw":["cHl0aG9uMw==","","/w=="],"environment":["PATH=/bin","KEY"],"#
        + #""cut":true,"limits":[{"resource":"nofile","soft":1024},{"resource":"core","soft":0,"hard":7}],"#
        + #""nice":"-5","oom_score_adj":"200","namespace":{"mnt":4026532291,"net":4026532290}}"#

    private func header() -> DumpHeader {
        var header = DumpHeader()
        header.hostID = "h1"
        return header
    }

    @Test func isWrittenAndReadAgain() throws {
        var ledger = Ledger()
        ledger.processes = [Self.described()]
        let written = ledger.ndjson(header())
        let lines = written.split(separator: 0x0a)
        #expect(String(decoding: lines[1], as: UTF8.self) == Self.line)
        #expect(try JSONSchema.recordFormat().validate(JSONValue(parsing: Self.line)) == [])
        let contents = try DumpContents(ndjson: written)
        #expect(contents.header.contents?.processes == 1)
        #expect(contents.ledger.processes == [Self.described()])
    }

    /// The order of the keys means nothing: the bytes of what is not UTF-8 outdo the readable form before it or behind.
    @Test func bytesCountWhereverTheyStand() throws {
        let turned = Self.line.replacing(
            #""folder":"/srv/a\#u{fffd}","folder_raw":"L3Nydi9h6Q==","#,
            with: #""folder_raw":"L3Nydi9h6Q==","folder":"/srv/a","#)
        #expect(turned != Self.line)
        let contents = try DumpContents(ndjson: header().line + Array(("\n" + turned).utf8))
        #expect(contents.ledger.processes.first == Self.described())
    }

    @Test(arguments: [
        (#""nice":"-5""#, #""nice":"-21""#), (#""nice":"-5""#, #""nice":-5"#),
        (#""pid":812"#, #""pid":4294967296"#),
        (#""oom_score_adj":"200""#, #""oom_score_adj":"x""#), (#"["cHl0aG9uMw==""#, #"["?""#),
        (#""user_id":33"#, #""user_id":4294967296"#), (#"{"group_id":60000}"#, "{}"),
        (#""cut":true"#, #""cut":1"#),
        (#""processes":3"#, #""processes":0"#), (#"{"resource":"core""#, #"{"what":"core""#),
        (#""mnt":4026532291"#, #""net":1"#), (#""pid":812"#, #""pid":812,"pid":812"#),
        (#"["PATH=/bin""#, #"[1"#), (#""host":"h1""#, #""host":"h2""#),
    ])
    func whatIsNotSoIsRefused(part: String, other: String) throws {
        let damaged = Self.line.replacing(part, with: other)
        #expect(damaged != Self.line)
        #expect(throws: DumpError.self) {
            _ = try DumpContents(ndjson: header().line + Array(("\n" + damaged).utf8))
        }
    }

    /// Whatever stands in them, each line holds against the schema and comes back; a table has no place for them.
    @Test(arguments: 1...20) func anyComeBack(seed: Int) throws {
        var maker = RandomLedger(seed: UInt64(seed))
        var ledger = Ledger()
        maker.fill(&ledger, observations: 20)
        let table = csv(ledger)
        ledger.processes = maker.processes()
        let written = ledger.ndjson(maker.header())
        let schema = try JSONSchema.recordFormat()
        for line in written.split(separator: 0x0a) {
            #expect(schema.validate(try JSONValue(parsing: Array(line))) == [])
        }
        let contents = try DumpContents(ndjson: written)
        #expect(contents.ledger.processes == ledger.processes)
        let again = contents.takeLedger()
        #expect(csv(again) == table)
    }

    private func csv(_ ledger: borrowing Ledger) -> [UInt8] {
        var bytes: [UInt8] = []
        ledger.writeCSV(host: "h1") { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// A dump is written in turns, and however long those are it is the same.
    @Test func turnsDoNotShow() throws {
        var maker = RandomLedger(seed: 3)
        var ledger = Ledger()
        maker.fill(&ledger, observations: 30)
        for _ in 0..<40 { ledger.processes += maker.processes() }
        let whole = ledger.ndjson(header())
        for most in [1, 64, 200] {
            var progress = DumpProgress(of: ledger, header: header())
            var bytes: [UInt8] = []
            var turns = 1
            while !ledger.advance(&progress, most: most, to: { bytes.append(contentsOf: $0) }) { turns += 1 }
            #expect(bytes == whole)
            #expect(turns > ledger.processes.count * 64 / max(most, 64) / 2)
        }
    }
}
