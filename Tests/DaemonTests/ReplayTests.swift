import EventTrace
import Foundation
import Observation
import Records
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

/// Records as lines that a person can compare.
func lines(_ ledger: borrowing Ledger) -> [String] {
    func text(_ number: UInt32) -> String {
        String(decoding: ledger.texts.array(TextID(rawValue: number)), as: UTF8.self)
    }
    func name(_ program: ProgramID) -> String { text(ledger[program].executable.rawValue) }
    return ledger.records.enumerated().map { position, record in
        let key = record.key
        let traffic = ledger.traffic(of: position)
        let object =
            switch key.relation {
            case .file: "\(text(key.object)) \(record.access.letters) \(record.kind.word)"
            case .spawn: name(ProgramID(rawValue: key.object))
            case .connect, .listen, .accept:
                "\(ledger.endpoints[Int(key.object)].port) \(traffic.sent)/\(traffic.received)"
            case .ipc: "\(text(key.object)) \(name(key.peer))"
            }
        return "\(name(key.program)) \(key.relation.word) \(object) \(record.evidence.word) \(record.count)"
    }
}

@Suite struct ReplayTests {
    private func replay(_ bytes: [UInt8]) throws -> (lines: [String], end: TraceError?) {
        var replay = try Replay(bytes)
        let end = replay.run()
        return (lines(replay.ledger), end)
    }

    private static let expected = [
        "/sbin/init file /sbin/init x regular snapshot 1",
        "/usr/bin/bash file /usr/bin/bash x regular snapshot 1",
        "/sbin/init spawn /usr/bin/bash snapshot 1",
        "/usr/bin/cat file /usr/bin/cat x regular exact 1",
        "/usr/bin/cat file /usr/lib/ld.so x regular exact 1",
        "/usr/bin/bash spawn /usr/bin/cat exact 1",
        "/usr/bin/cat file /etc/a.conf r regular exact 1",
        "/usr/bin/cat file /var/log/out rw regular exact 1",
        "/usr/bin/bash connect 34761 23/78 exact 1",
        "/usr/bin/bash file /boot/efi/x r regular exact 1",
        "/usr/bin/bash file /held rw fifo snapshot 1",
        "/usr/bin/bash listen 80 0/0 snapshot 1",
        "/usr/bin/bash ipc pipe /sbin/init snapshot 1",
        "/sbin/init ipc pipe /usr/bin/bash snapshot 1",
    ]

    @Test func recordsThatFollow() throws {
        let result = try replay(Recording.sample.bytes)
        #expect(result.end == nil)
        #expect(result.lines == Self.expected)
    }

    @Test func gapsAndTimes() throws {
        var replay = try Replay(Recording.sample.bytes)
        #expect(replay.run() == nil)
        let gaps = replay.ledger.gaps
        let wall = Recording.wall
        #expect(
            gaps == [
                Gap(
                    source: "fanotify", cause: "queue overflow", from: wall, to: wall + 1, lost: 1,
                    resynchronised: wall + 2)
            ])
        let records = replay.ledger.records
        let spawn = try #require(records.first { $0.key.relation == .spawn && $0.evidence == .exact })
        // By the cycle's pair of clocks.
        #expect(spawn.first == wall - 2000)
    }

    /// Losses, blind spots, failed parts of scans and the time before the run become the gaps that they were.
    @Test func lossesOfEachKind() throws {
        var replay = try Replay(Recording.withLosses.bytes)
        #expect(replay.run() == nil)
        let wall = Recording.wall
        let gaps = replay.ledger.gaps
        #expect(
            gaps == [
                Gap(
                    source: "retinued", cause: "not running", from: wall - 9_000_000_000,
                    to: wall - 8_000_000_000, lost: nil, resynchronised: wall),
                Gap(
                    source: "fanotify", cause: "not watched: /mnt (nfs4)", from: wall,
                    to: wall + 50_000_000, lost: nil),
                Gap(
                    source: "sock_diag", cause: "scan of UDP sockets of IPv4: errno 1", from: wall, to: wall,
                    lost: nil, resynchronised: wall + 20_000_000),
                Gap(
                    source: "tracepoint", cause: "ring full", from: wall, to: wall + 11_000_000, lost: 7,
                    resynchronised: wall + 20_000_000),
                Gap(
                    source: "fanotify", cause: "queue overflow", from: wall, to: wall + 11_000_000, lost: nil,
                    resynchronised: wall + 20_000_000),
            ])
        let header = replay.header
        #expect(header.time == wall + 40_000_000)
        #expect(header.addresses == [NetworkAddress(v4: 0x0a00_0001)])
        let source = try #require(header.sources.first)
        #expect(source.mode == "fid" && source.received == 1 && source.lost == 1)
        #expect(source.counters.first?.value == 2)
    }

    /// Each question has its answers in their order; the last one is given again.
    @Test func answersInTheirOrder() throws {
        let surroundings = ReplaySurroundings()
        var writer = TraceWriter()
        for path in ["/a", "/b", nil, "/c"] as [String?] {
            writer.add(.directoryAnswer) { payload in
                payload.put([7] as [UInt8])
                payload.put(optional: path.map { Array($0.utf8) })
            }
        }
        var reader = try TraceReader(writer.bytes)
        while let frame = try reader.next() { try surroundings.add(frame.tag!, reader.payload(frame)) }
        let answers = (0..<6).map { _ in surroundings.directory([7], isKnown: { _ in false })?.path }
        #expect(answers == ["/a", "/b", nil, "/c", "/c", "/c"].map { $0.map { Array($0.utf8) } })
        #expect(surroundings.directory([8], isKnown: { _ in false }) == nil)
        #expect(surroundings.process(1) == nil)
        #expect(surroundings.head(ofFile: [1]) == .unknown)
        #expect(surroundings.kind(ofFile: [1]) == nil)
    }

    @Test func foreignFiles() {
        #expect(throws: TraceError.notATrace) { try replay([]) }
        #expect(throws: TraceError.notATrace) { try replay(Array("{\"type\":\"header\"}\n".utf8)) }
        #expect(throws: TraceError.notATrace) { try replay(traceMagic) }
        var headless = TraceWriter()
        headless.add(.cycle) { $0.put(UInt64(0)) }
        #expect(throws: TraceError.notATrace) { try replay(headless.bytes) }
    }

    @Test func hostFrameThatIsTooShort() {
        let whole = Recording().bytes
        for length in traceMagic.count + 5..<whole.count {
            var bytes = Array(whole.prefix(length))
            bytes[traceMagic.count + 1] = UInt8(length - traceMagic.count - 5)
            #expect(throws: TraceError.self) { try replay(bytes) }
        }
    }

    /// Cut off anywhere: the error is reported, and what stands before it is not lost.
    @Test(arguments: [false, true]) func everyTruncation(_ hasLosses: Bool) throws {
        let whole = (hasLosses ? Recording.withLosses : Recording.sample).bytes
        var reader = try TraceReader(whole)
        var ends: Set<Int> = []
        while let frame = try reader.next() { ends.insert(frame.payload.upperBound) }
        let first = ends.min()!
        var most = 0
        for length in first..<whole.count {
            let result = try replay(Array(whole.prefix(length)))
            #expect((result.end == nil) == ends.contains(length))
            if case .malformed? = result.end { Issue.record("malformed at \(length)") }
            #expect(result.lines.count >= most)
            most = max(most, result.lines.count)
        }
        #expect(most == (hasLosses ? 4 : Self.expected.count))
    }

    @Test func malformedFrameEndsIt() throws {
        var recording = Recording.sample
        let length = recording.bytes.count
        recording.add(.cycle) { $0.put(UInt8(1)) }
        recording.cycle(9)
        let result = try replay(recording.bytes)
        #expect(result.end == .malformed(offset: length + 5))
        #expect(result.lines == Self.expected)
    }

    @Test func unknownFramesAreSkipped() throws {
        var recording = Recording()
        recording.scan([(1, 0, "/sbin/init")])
        let place = recording.bytes.count
        recording.cycle()
        var bytes = recording.bytes
        bytes.insert(contentsOf: [200, 2, 0, 0, 0, 1, 2], at: place)
        let result = try replay(bytes)
        #expect(result.end == nil)
        #expect(result.lines == ["/sbin/init file /sbin/init x regular snapshot 1"])
    }

    /// What the daemon records of each value is what a replay reads.
    @Test func payloadsOfTheObservation() throws {
        let facts = ProcessFacts(
            pid: -1, parent: .max, start: .max, executable: [0xff], script: [],
            workload: Array("a.service".utf8))
        let heads: [ExecutableHead] = [
            .dynamic(loader: [1]), .plain, .script(interpreter: [2]), .other, .unknown,
        ]
        var writer = TraceWriter()
        writer.add(.host) { payload in
            payload.put(facts)
            for head in heads { payload.put(head) }
            payload.put([1, -1, .max] as [Int32])
            var process = ProcessSnapshot(facts: facts, files: [], time: 7)
            process.facts.reading = .unknown
            payload.put(process)
        }
        var reader = try TraceReader(writer.bytes)
        let frame = try #require(try reader.next())
        var payload = reader.payload(frame)
        let read = try payload.processFacts()
        #expect(read.pid == -1 && read.parent == .max && read.start == .max && read.executable == [0xff])
        #expect(read.script == [] && read.workload == Array("a.service".utf8))
        for head in heads { #expect(try payload.head() == head) }
        #expect(try payload.pids() == [1, -1, .max])
        let process = try payload.processSnapshot()
        #expect(process.time == 7 && process.facts.reading == .unknown)
        #expect(payload.isAtEnd)
    }

    /// How far a script was read is in a recording, behind what those of earlier versions have.
    @Test func readingsOfScripts() throws {
        for reading in [ScriptReading.known, .unknown, .application] {
            for ends in [0, 9] {
                var writer = TraceWriter()
                writer.add(.image) { payload in
                    payload.put(Int32(5))
                    payload.put(UInt64(6))
                    payload.put(Array("/bin/sh".utf8))
                    payload.put(optional: Array("/x".utf8))
                    payload.put(optional: nil)
                    guard ends > 0 else { return }
                    payload.put(UInt64(8))
                    payload.put(reading.rawValue)
                }
                var reader = try TraceReader(writer.bytes)
                let frame = try #require(try reader.next())
                var payload = reader.payload(frame)
                let facts = try payload.image()
                #expect(facts.script == Array("/x".utf8))
                #expect(
                    facts.reading == (ends == 0 ? .known : reading) && facts.network == (ends == 0 ? 0 : 8))
            }
        }
    }
}

/// The program itself, in a process of its own.
@Suite struct ReplayProgramTests {
    @Test func printsADump() async throws {
        let result = try await #require(
            processExitsWith: .exitCode(0), observing: [\.standardOutputContent]
        ) {
            let folder = try makeTemporaryFolder()
            try Data(Recording.sample.bytes).write(to: URL(fileURLWithPath: folder + "/t"))
            let status = DaemonMain.run(["--replay", folder + "/t"])
            try FileManager.default.removeItem(atPath: folder)
            exit(status)
        }
        let output = dump(in: result.standardOutputContent)
        let contents = try DumpContents(ndjson: output)
        #expect(contents.header.hostID == "0123")
        #expect(contents.header.hostName == "db1")
        #expect(contents.header.time == Recording.wall + 60_000_000_000)
        let count = contents.ledger.records.count
        #expect(count == 14)
    }

    @Test func truncatedRecordingPrintsWhatStandsBefore() async throws {
        let result = try await #require(
            processExitsWith: .exitCode(1), observing: [\.standardOutputContent, \.standardErrorContent]
        ) {
            let folder = try makeTemporaryFolder()
            try Data(Recording.sample.bytes.dropLast(3)).write(to: URL(fileURLWithPath: folder + "/t"))
            let status = DaemonMain.run(["--replay", folder + "/t"])
            try FileManager.default.removeItem(atPath: folder)
            exit(status)
        }
        let errors = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(errors.contains("the recording ends in the middle of a frame at byte"))
        #expect(errors.contains("the dump is of what stands before it"))
        let count = try DumpContents(ndjson: dump(in: result.standardOutputContent)).ledger.records.count
        #expect(count == 14)
    }

    /// The runner of the tests may have said something first.
    private func dump(in output: [UInt8]) -> [UInt8] {
        let lines = output.split(separator: UInt8(ascii: "\n"))
        return Array(
            lines.drop { !$0.starts(with: "{\"type\"".utf8) }.joined(separator: [UInt8(ascii: "\n")]))
    }

    @Test func noRecording() async throws {
        let result = try await #require(
            processExitsWith: .exitCode(1), observing: [\.standardErrorContent]
        ) {
            exit(DaemonMain.run(["--replay", "/nonexistent/t"]))
        }
        let errors = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(errors.contains("cannot read the recording /nonexistent/t: No such file or directory"))
    }
}
