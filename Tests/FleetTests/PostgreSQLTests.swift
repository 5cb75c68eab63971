import Foundation
import MoveGroup
import PostgreSQL
import Records
import RetinueFleet
import SystemCalls
import TestSupport
import Testing

@testable import FleetStore

/// Ends the server with the last test. The checkpoint that it makes some minutes later opens a file every tenth of a second,
/// which those notice who test that a host is quiet.
private struct EndsItsServer: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: () async throws -> Void
    ) async throws {
        defer { FleetStoreTests.shared = nil }
        try await function()
    }
}

/// The fleet's store against a real server.
@Suite(
    "Fleet store", .serialized, .enabled(if: TestServer.binaries != nil, "a PostgreSQL server"),
    EndsItsServer())
final class FleetStoreTests {
    /// One for all: to make one takes seconds.
    nonisolated(unsafe) fileprivate static var shared: TestServer?
    private let server: TestServer

    init() throws {
        if let shared = Self.shared {
            server = shared
        } else {
            server = try TestServer()
            Self.shared = server
            _ = try FleetSchema(try server.connect()).migrate(partitions: 4)
        }
        try clear()
    }

    private func clear() throws {
        try server.connect().execute(
            "TRUNCATE retinue.host, retinue.record, retinue.program, retinue.word, retinue.process, retinue.sender"
        )
    }

    @discardableResult
    private func send(
        _ bytes: [UInt8], _ role: String = "owner",
        as sender: Sender = Sender(id: "s", batch: "b", pending: "b"),
        takesOver: Bool = false, partialAfter: UInt32? = nil
    ) throws -> Shipment.Outcome {
        var tombstones = TombstoneLines()
        bytes.withUnsafeBytes { tombstones.feed($0) }
        return try Shipment(try server.connect(role), sender, takesOver: takesOver).send(
            try DumpContents(ndjson: bytes), tombstones: tombstones.finish(), partialAfter: partialAfter,
            now: Clock.wall())
    }

    private func count(_ table: String, _ role: String = "owner") throws -> Int64 {
        try server.connect(role).query("SELECT count(*) FROM retinue.\(table)").number(0, 0)
    }

    /// What a group is, by names: members with their reasons, boundary, warnings.
    private static func answer(_ group: MoveGroup) -> String {
        var text: [UInt8] = []
        GroupReport(group).writeJSON { (piece: UnsafeRawBufferPointer) in text += piece }
        return String(decoding: text, as: UTF8.self)
    }

    /// RETINUE_FLEET_SEEDS asks for more of them than there is time for in every run.
    private var seeds: UInt64 {
        ProcessInfo.processInfo.environment["RETINUE_FLEET_SEEDS"].flatMap { UInt64($0) } ?? 40
    }

    @Test func answerIsThatOfDumps() throws {
        var options = ClosureOptions()
        options.prefersEvidence = true
        for seed in UInt64(0)..<seeds {
            try clear()
            var fleet = RandomFleet(seed: seed)
            let dumps = fleet.dumps()
            var builder = GraphBuilder()
            for dump in dumps {
                builder.add(try DumpContents(ndjson: dump), from: "the fleet's store")
                try send(dump)
            }
            let whole = builder.finish()
            for program in RandomFleet.programs {
                let pattern = NodePattern("host1:\(program)")
                guard case .found(let start) = whole.select(pattern), whole.kind(start[0]) == .program else {
                    continue
                }
                let reader = try FleetReader(try server.connect())
                let graph = try reader.graph(around: pattern.text, options, SocketPairing(), window: nil) {
                    graph in
                    guard case .found(let start) = graph.select(pattern) else {
                        throw Failure("\(program) is not found")
                    }
                    return start
                }
                guard case .found(let own) = graph.select(pattern) else { throw Failure("\(program)") }
                let (expected, found) = (
                    Self.answer(whole.moveGroup(of: start, options)),
                    Self.answer(graph.moveGroup(of: own, options))
                )
                guard expected == found else {
                    let lines = (expected.split(separator: "\n"), found.split(separator: "\n"))
                    Issue.record(
                        "seed \(seed) \(program)\nmissing \(lines.0.filter { !lines.1.contains($0) })\nextra \(lines.1.filter { !lines.0.contains($0) })\n\(dumps.map { String(decoding: $0, as: UTF8.self) }.joined())"
                    )
                    return
                }
            }
        }
    }

    /// A sender keeps its connection for months, and no autovacuum reaches what it stages.
    @Test func stagingKeepsNothing() throws {
        let connection = try server.connect()
        let dump = RandomFleet.bytes(of: Self.ledger((0..<500).map { "/f\($0)" }), host: 1)
        var sizes: [Int64] = []
        for _ in 0..<6 {
            let outcome = try Shipment(connection, Sender(id: "s", batch: "b", pending: "b")).send(
                try DumpContents(ndjson: dump), tombstones: [], now: Clock.wall())
            #expect(outcome.records == 500)
            sizes.append(try connection.query("SELECT pg_relation_size('retinue_staging')").number(0, 0))
        }
        #expect(sizes[0] > 0 && Set(sizes).count == 1, "\(sizes)")
    }

    /// Words go with a program's first record; what it is called may be known later.
    @Test func wordsAreSentOnceAndNamesWhenTheyAreKnown() throws {
        func send(_ files: Int, called name: String?) throws -> Int64 {
            var ledger = Self.ledger((0..<files).map { "/f\($0)" })
            if let name { ledger.note(name: Array(name.utf8), of: ledger.records[0].key.program) }
            try self.send(RandomFleet.bytes(of: ledger, host: 1))
            return try count("word")
        }
        let first = try send(1, called: nil)
        #expect(try send(2, called: nil) == first)
        #expect(try send(3, called: "worker") == first + 1)
        #expect(try send(4, called: "worker") == first + 1)
    }

    @Test func sendsWhatChangedAndNothingTwice() throws {
        var ledger = Ledger()
        let program = ledger.intern(Program(executable: ledger.texts.intern("/a")))
        func note(_ path: String) {
            ledger.note(
                .file(program, path: ledger.texts.intern(path)), access: .opened, kind: .regular,
                evidence: .exact,
                time: 1_000_000_000, count: 1)
        }
        note("/f")
        note("/g")
        let first = RandomFleet.bytes(of: ledger, host: 1, change: UInt64(ledger.change))
        #expect(try send(first).ignoringClock == .init(records: 2, isWhole: true))
        #expect(try send(first).records == 0)
        ledger.beginChange()
        note("/h")
        let second = RandomFleet.bytes(
            of: ledger, host: 1, time: 901_000_000_000, change: UInt64(ledger.change))
        #expect(try send(second).records == 1)
        #expect(try count("record") == 3)
        // What is older than the store's is left out; a daemon that started anew sends everything, and nothing is there twice.
        #expect(throws: ShipmentError.older(host: "H1")) { try self.send(first) }
        let third = RandomFleet.bytes(
            of: ledger, host: 1, time: 902_000_000_000, started: 901_500_000_000,
            change: UInt64(ledger.change))
        #expect(try send(third).records == 3)
        #expect(try count("record") == 3)
        // What was forgotten goes.
        _ = ledger.forget([0])
        let fourth = RandomFleet.bytes(
            of: ledger, host: 1, time: 903_000_000_000, started: 901_500_000_000,
            change: UInt64(ledger.change))
        #expect(try send(fourth).removed == 1)
        #expect(try count("record") == 2)
    }

    /// All that the store has of records and, if wanted, of the rest.
    private func contents(ofRecordsAlone: Bool) throws -> [String] {
        let rows = try server.connect().query(
            """
            SELECT r.subject || ' ' || r.identity || ' ' || r.relation || ' ' || r.access || ' ' || r.object || ' '
              || coalesce(r.far, 0) || ' ' || r.first_seen || ' ' || r.last_seen || ' ' || r.change || ' '
              || encode(r.line, 'escape') FROM retinue.record r
            """
                + (ofRecordsAlone
                    ? " ORDER BY 1"
                    : """
                     UNION ALL SELECT encode(h.header, 'escape') || encode(h.gaps, 'escape') || h.first_seen || ' ' || h.change
                      FROM retinue.host h
                    UNION ALL SELECT 'program ' || p.subject FROM retinue.program p
                    UNION ALL SELECT 'word ' || w.word || ' ' || w.subject FROM retinue.word w ORDER BY 1
                    """))
        return (0..<rows.count).map { rows.text($0, 0) }
    }

    @Test func whatChangedLeavesWhatWholeDumpsLeave() throws {
        var (parts, wholes) = (0, 0)
        for seed in UInt64(0)..<seeds / 8 {
            /// The states of the store after each round: by parts where that is enough, by whole dumps, or as whole dumps
            /// leave an empty store, which has nothing of what was before a daemon started anew.
            func states(byParts: Bool = false, anew: Bool = false, records: Bool = false) throws -> [[String]]
            {
                try clear()
                var random = RandomFleet(seed: seed)
                var generator = SeededGenerator(seed: seed)
                var ledger = Ledger()
                var states: [[String]] = []
                var seen: UInt32?
                for round in UInt64(0)..<8 {
                    for _ in 0..<Int.random(in: 0...6, using: &generator) { random.note(&ledger, 3) }
                    if Int.random(in: 0..<3, using: &generator) == 0, !ledger.records.isEmpty {
                        _ = ledger.forget([Int.random(in: 0..<ledger.records.count, using: &generator)])
                    }
                    if Int.random(in: 0..<3, using: &generator) == 0 {
                        ledger.gaps.append(
                            Gap(
                                source: "fanotify", cause: "queue overflow", from: 1_000_000_000,
                                to: 2_000_000_000 + round, lost: 3, resynchronised: 0))
                    }
                    // Seldom, a daemon that started anew.
                    let started = seed % 5 == 0 && round > 4 ? UInt64(6_000_000_000) : 5_000_000_000
                    let header = RandomFleet.header(
                        host: 1, addresses: [1], time: (900 + round) * 1_000_000_000, started: started,
                        changes: .init(current: UInt64(ledger.seal()), tombstonesAfter: 0))
                    var isSent = false
                    if byParts, let seen {
                        let part = RandomFleet.bytes(changesOf: &ledger, after: seen, header: header)
                        do {
                            try send(part, partialAfter: seen)
                            isSent = true
                            parts += 1
                        } catch ShipmentError.needsWhole { wholes += 1 }
                    }
                    if !isSent {
                        if anew { try clear() }
                        try send(RandomFleet.bytes(changesOf: &ledger, after: 0, header: header))
                    }
                    seen = UInt32(header.changes?.current ?? 0)
                    states.append(try contents(ofRecordsAlone: records))
                }
                return states
            }
            var pairs = [(try states(), try states(byParts: true))]
            if seed % 5 != 0 {
                pairs.append((try states(anew: true, records: true), try states(records: true)))
            }
            for (expected, found) in pairs where expected != found {
                let round = expected.indices.first { expected[$0] != found[$0] } ?? 0
                Issue.record(
                    "seed \(seed) round \(round)\nmissing \(expected[round].filter { !found[round].contains($0) })\nextra \(found[round].filter { !expected[round].contains($0) })"
                )
                return
            }
        }
        #expect(
            parts > wholes && wholes > 0, "\(parts) parts, \(wholes) of which a whole dump was wanted")
    }

    /// A file is found by the innermost folder with a folded record; where that goes, by the next one.
    @Test(arguments: [false, true]) func whatLiesBelowAForgottenFoldIsFoundByTheNext(byParts: Bool) throws {
        var ledger = Self.ledger(["/srv/x/y/file", "/srv", "/srv/x/y"])
        for position in [1, 2] { ledger.fold(at: position) }
        func far() throws -> Int64 {
            let key = StoreKey.file(Array("/srv/x/y/file".utf8))
            return try server.connect().query("SELECT far FROM retinue.record WHERE object = \(key)").number(
                0, 0)
        }
        func header(_ seconds: UInt64) -> DumpHeader {
            RandomFleet.header(
                host: 1, time: seconds * 1_000_000_000, started: 5_000_000_000,
                changes: .init(current: UInt64(ledger.seal()), tombstonesAfter: 0))
        }
        let first = header(900)
        try send(RandomFleet.bytes(changesOf: &ledger, after: 0, header: first))
        #expect(try far() == StoreKey.below(Array("/srv/x/y".utf8)))
        _ = ledger.forget([2])
        let second = header(901)
        let seen = UInt32(first.changes?.current ?? 0)
        if byParts {
            let part = RandomFleet.bytes(changesOf: &ledger, after: seen, header: second)
            #expect(throws: ShipmentError.needsWhole(host: "H1")) { try self.send(part, partialAfter: seen) }
        }
        let outcome = try send(RandomFleet.bytes(changesOf: &ledger, after: 0, header: second))
        #expect(outcome.removed == 1 && outcome.records == 1 && !outcome.isWhole)
        #expect(try far() == StoreKey.below(Array("/srv".utf8)))
    }

    @Test func aPartIsRefusedWhereTheServerMayLackMore() throws {
        var ledger = Self.ledger(["/f", "/g"])
        func header(_ seconds: UInt64, started: UInt64 = 5, tombstonesAfter: UInt64 = 0) -> DumpHeader {
            RandomFleet.header(
                host: 1, time: seconds * 1_000_000_000, started: started * 1_000_000_000,
                changes: .init(current: UInt64(ledger.seal()), tombstonesAfter: tombstonesAfter))
        }
        func refused(_ header: DumpHeader, after number: UInt32) -> Bool {
            do {
                try send(
                    RandomFleet.bytes(changesOf: &ledger, after: number, header: header),
                    partialAfter: number)
                return false
            } catch { return error as? ShipmentError == .needsWhole(host: "H1") }
        }
        // It has nothing of the host.
        #expect(refused(header(900), after: 0))
        let first = header(900)
        try send(RandomFleet.bytes(changesOf: &ledger, after: 0, header: first))
        let seen = UInt32(first.changes?.current ?? 0)
        // It lacks what lies between.
        #expect(refused(header(901), after: seen + 1))
        // The daemon started anew, or forgot what it has forgotten.
        #expect(refused(header(901, started: 6), after: seen))
        #expect(refused(header(901, tombstonesAfter: UInt64(seen) + 1), after: seen))
        #expect(!refused(header(901), after: seen))
        #expect(try count("record") == 2)
    }

    /// A ledger whose program has records of files.
    private static func ledger(_ files: [String]) -> Ledger {
        var ledger = Ledger()
        let program = ledger.intern(Program(executable: ledger.texts.intern("/a")))
        for path in files {
            ledger.note(
                .file(program, path: ledger.texts.intern(path)), access: .opened, kind: .regular,
                evidence: .exact, time: 1_000_000_000, count: 1)
        }
        return ledger
    }

    @Test func whatAHostHadBeforeItLostItsStoreStays() throws {
        let before = Self.ledger(["/f", "/g", "/h"])
        try send(RandomFleet.bytes(of: before, host: 1, change: UInt64(before.change)))
        // The daemon begins with nothing, and forgets a record that it has now and one that it had then.
        var after = Self.ledger(["/g", "/i", "/h"])
        func bytes(_ seconds: UInt64, tombstonesAfter: UInt64 = 0) -> [UInt8] {
            RandomFleet.bytes(
                of: after, host: 1, time: seconds * 1_000_000_000, started: 901_000_000_000,
                change: UInt64(after.change), tombstonesAfter: tombstonesAfter)
        }
        #expect(try send(bytes(902)).removed == 0)
        #expect(try count("record") == 4)
        after.beginChange()
        _ = after.forget([0])
        #expect(try send(bytes(903)).removed == 1)
        #expect(try count("record") == 3)
        // Nor does it go where the daemon has no tombstones any more and everything is compared; what went from the present
        // store then does.
        after.beginChange()
        _ = after.forget([0])
        after.dropTombstones()
        #expect(try send(bytes(904, tombstonesAfter: UInt64(after.change))).removed == 1)
        #expect(try count("record") == 2)
    }

    @Test func whatWasForgottenWhileTheDaemonStartedAnewGoes() throws {
        var ledger = Self.ledger(["/f", "/g"])
        try send(RandomFleet.bytes(of: ledger, host: 1, change: UInt64(ledger.change)))
        ledger.beginChange()
        _ = ledger.forget([0])
        let bytes = RandomFleet.bytes(
            of: ledger, host: 1, time: 903_000_000_000, started: 901_000_000_000,
            change: UInt64(ledger.change))
        #expect(try send(bytes).removed == 1)
        #expect(try count("record") == 1)
    }

    @Test func oneHostCannotWriteTheRowsOfAnother() throws {
        let owner = try server.connect()
        try? owner.execute("CREATE ROLE ship_1 LOGIN; CREATE ROLE ship_2 LOGIN; CREATE ROLE map LOGIN")
        let schema = FleetSchema(owner)
        try schema.allow(sender: "ship_1", host: "H1")
        try schema.allow(sender: "ship_2", host: "H2")
        try schema.allow(reader: "map")
        var fleet = RandomFleet(seed: 4)
        let dumps = fleet.dumps()
        try send(dumps[0], "ship_1")
        try send(dumps[1], "ship_2")
        let (all, own) = (try count("record"), try count("record", "ship_1"))
        #expect(own > 0 && own < all)
        #expect(try count("record", "map") == all)
        // As the other host.
        #expect {
            try self.send(dumps[1], "ship_1")
        } throws: { error in
            if case ShipmentError.server(.refused("42501", _)) = error { true } else { false }
        }
        let one = try server.connect("ship_1")
        let other = StoreKey.host("H2")
        for table in ["host", "record", "program", "word", "process"] {
            #expect(try one.query("DELETE FROM retinue.\(table) WHERE host = \(other)").changed == 0)
        }
        #expect(
            try one.query("UPDATE retinue.record SET line = ''::bytea WHERE host = \(other)").changed == 0)
        // Nor by moving one's own rows.
        #expect(throws: PostgreSQLError.self) { try one.execute("UPDATE retinue.record SET host = \(other)") }
        #expect(throws: PostgreSQLError.self) {
            try one.execute("INSERT INTO retinue.sender VALUES ('ship_1', \(other), 'H2')")
        }
        #expect(throws: PostgreSQLError.self) {
            try self.server.connect("map").execute("DELETE FROM retinue.record")
        }
        #expect(try count("record") == all)
    }

    @Test func twoHostsWithOneMachineIDAreNoticed() throws {
        var fleet = RandomFleet(seed: 5)
        let dump = fleet.dumps()[0]
        try send(dump, as: Sender(id: "one", batch: "", pending: "1"))
        // The other machine; a copy of the first with its state.
        for other in [
            Sender(id: "two", batch: "", pending: "9"), Sender(id: "one", batch: "0", pending: "9"),
        ] {
            #expect(throws: ShipmentError.otherSender(host: "H1")) { try self.send(dump, as: other) }
        }
        // The answer to 1 was lost: it may have arrived, and goes on.
        try send(dump, as: Sender(id: "one", batch: "0 1", pending: "2"))
        try send(dump, as: Sender(id: "two", batch: "", pending: "9"), takesOver: true)
    }

    @Test func schemaIsMadeOnceAndAnotherVersionIsRefused() throws {
        let owner = try server.connect()
        #expect(try FleetSchema(owner).migrate(partitions: 4) == [])
        try owner.execute("INSERT INTO retinue.migration (version) VALUES (99)")
        defer { try? owner.execute("DELETE FROM retinue.migration WHERE version = 99") }
        #expect(throws: PostgreSQLError.self) { try FleetSchema(owner).check() }
        #expect(throws: PostgreSQLError.self) { try FleetReader(owner) }
    }

    @Test func recordsThatWereNotSeenForLongGo() throws {
        var fleet = RandomFleet(seed: 6)
        try send(fleet.dumps()[0])
        #expect(try FleetSchema(try server.connect()).expire(before: 99_000_000_000) == 0)
        #expect(try FleetSchema(try server.connect()).expire(before: 200_000_000_000) > 0)
        #expect(try count("record") == 0)
        // What runs can be meant by its name, whatever it was seen to do.
        let running = try count("process")
        #expect(try count("program") == running)
        #expect(
            try server.connect().query(
                "SELECT count(DISTINCT (host, subject)) FROM retinue.word"
            ).number(0, 0) == running)
    }

    @Test func recordsOfTheFutureAndClocksApartAreReported() throws {
        var ledger = Ledger()
        ledger.note(
            .file(
                ledger.intern(Program(executable: ledger.texts.intern("/a"))), path: ledger.texts.intern("/f")
            ),
            access: .opened, kind: .regular, evidence: .exact, time: 4_000_000_000_000, count: 1)
        let bytes = RandomFleet.bytes(of: ledger, host: 1)
        let outcome = try Shipment(try server.connect(), Sender(id: "s", batch: "", pending: "b")).send(
            try DumpContents(ndjson: bytes), tombstones: [], now: Clock.wall() + 3_600_000_000_000)
        #expect(outcome.future == 4_000_000_000_000)
        #expect(outcome.ahead > 3500 && outcome.ahead < 3700)
        #expect(try count("record") == 1)
    }
}

extension Shipment.Outcome {
    /// Without what differs from run to run.
    fileprivate var ignoringClock: Self {
        var outcome = self
        outcome.ahead = 0
        return outcome
    }
}
