import ArgumentParser
import Records
import Synchronization
import SystemCalls
import TestSupport
import Testing

@testable import RetinueCommands

/// A host whose records change as a test says, and the answers of its daemon.
struct ChangingHost: ~Copyable {
    var ledger = Ledger()
    var started: UInt64 = 1_000_000_000
    var time: UInt64 = 100_000_000_000

    init(numbering: UInt32 = 7) { ledger.beginRun(numbering: numbering) }

    func header(current: UInt32) -> DumpHeader {
        var header = DumpHeader()
        header.hostID = "h"
        header.hostName = "web1"
        header.time = time
        header.started = started
        header.changes = .init(
            current: UInt64(current), tombstonesAfter: UInt64(ledger.tombstonesAfter),
            numbering: UInt64(ledger.numbering), runAfter: UInt64(ledger.runAfter))
        return header
    }

    mutating func open(_ program: String, _ path: String, count: UInt64 = 1) {
        let program = ledger.intern(
            Program(executable: ledger.texts.intern(program), workload: ledger.texts.intern("a.service")))
        ledger.note(
            .file(program, path: ledger.texts.intern(path)), access: .opened, evidence: .exact, time: time,
            count: count)
    }

    mutating func forget(_ path: String) {
        let path = path.utf8.elementsEqual("".utf8) ? TextID.none : ledger.texts.intern(path)
        _ = ledger.forget(ledger.records.indices.filter { ledger.records[$0].key.object == path.rawValue })
    }

    mutating func changes(after number: UInt32) -> [UInt8] {
        let current = ledger.seal()
        var progress = DumpProgress(changesOf: &ledger, after: number, header: header(current: current))
        var bytes: [UInt8] = []
        _ = ledger.advance(&progress, most: .max) { bytes += $0 }
        return bytes
    }

    /// The same as an answer that was read.
    mutating func answer(after number: UInt32) throws -> ChangeAnswer {
        let bytes = changes(after: number)
        var lines = TombstoneLines()
        bytes.withUnsafeBytes { lines.feed($0) }
        return ChangeAnswer(try DumpContents(ndjson: bytes), tombstones: lines.finish())
    }
}

@Suite("watch")
struct WatchTests {
    private func cursor(_ number: UInt32, numbering: UInt64 = 7, started: UInt64 = 1) -> ChangeCursor {
        var header = DumpHeader()
        header.started = started
        header.changes = .init(current: UInt64(number), tombstonesAfter: 0, numbering: numbering)
        return ChangeCursor(header)!
    }

    @Test func whatAnAnswerMeans() {
        let known = cursor(500)
        typealias Verdict = ChangeCursor.Verdict
        func verdict(_ next: ChangeCursor, run: UInt64? = 100, asked: UInt32 = 500) -> Verdict {
            known.verdict(on: next, runAfter: run, asked: asked)
        }
        #expect(verdict(cursor(500)) == .take)
        #expect(verdict(cursor(501)) == .take)
        // Numbers do not fall; where they do these are others, whatever they are called.
        #expect(verdict(cursor(499)) == .begin)
        #expect(verdict(cursor(499), asked: 0) == .take)
        // A later run of the daemon that goes on counting, and one that was killed before the store had the numbers.
        #expect(verdict(cursor(2000, started: 2), run: 1600) == .take)
        #expect(verdict(cursor(2000, started: 2), run: 500) == .take)
        #expect(verdict(cursor(2000, started: 2), run: 499) == .ask(after: 499))
        #expect(verdict(cursor(2000, started: 2), run: 499, asked: 499) == .take)
        // Other records.
        #expect(verdict(cursor(9000, numbering: 8, started: 2)) == .begin)
        #expect(verdict(cursor(9000, numbering: 8, started: 2), asked: 0) == .take)
        // A writer that keeps none.
        #expect(ChangeCursor(DumpHeader()) == nil)
    }

    @Test func whichGapsAreNews() {
        var known = KnownGaps()
        var gap = Gap(source: "fanotify", cause: "queue overflow", from: 5, to: 6, lost: 7)
        #expect(known.news([gap]) == [gap])
        #expect(known.news([gap]) == [])
        #expect(known.news([]) == [])
        gap.to = 9
        #expect(known.news([gap]) == [], "that it goes on is none")
        gap.lost = 8
        #expect(known.news([gap]) == [gap])
        gap.resynchronised = 12
        let other = Gap(source: "tracepoint", cause: "full", from: 5, to: 6, lost: nil)
        #expect(known.news([gap, other]) == [gap, other])
    }

    private func daemon(_ folder: String) throws -> (FakeDaemon, DaemonOptions) {
        let path = folder + "/s"
        return (
            try FakeDaemon(path: path), try DaemonOptions.parse(["--socket", path, "--timeout", "5"])
        )
    }

    private func text(_ stream: inout ChangeStream, _ answer: ChangeAnswer) throws -> [String] {
        let bytes = try stream.lines(answer, now: 1_795_226_400_123_000_000)
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private func next(_ stream: inout ChangeStream, _ follower: inout ChangeFollower) throws -> [String] {
        try text(&stream, follower.poll(looks: false))
    }

    /// A daemon that goes away, comes back, and comes back with other records: each line once, each gap with its reason.
    @Test func followsADaemonOverItsRestarts() throws {
        try withTemporaryFolder { folder in
            var host = ChangingHost()
            let options = try DaemonOptions.parse(["--socket", folder + "/s", "--timeout", "5"])
            var daemon: FakeDaemon? = try FakeDaemon(path: folder + "/s")
            var follower = ChangeFollower(options, from: .now)
            var stream = ChangeStream(RecordFilter())
            host.open("/bin/a", "/etc/old")
            daemon?.changes.withLock { $0 = host.changes(after: .max) }
            let first = try next(&stream, &follower)
            #expect(first.count == 1 && first[0].hasPrefix(#"{"type":"header","schema":"retinue/2""#))
            #expect(!first[0].contains("contents") && first[0].contains(#""changes":{"current":1025"#))
            #expect(daemon?.asked.withLock { $0 } == [.max])

            host.open("/bin/a", "/etc/new")
            host.forget("/etc/old")
            daemon?.changes.withLock { $0 = host.changes(after: 1025) }
            let second = try next(&stream, &follower)
            #expect(second.count == 2, "\(second)")
            #expect(second[0].hasPrefix(#"{"type":"tombstone","host":"h","program":{"executable":"/bin/a""#))
            #expect(second[1].hasPrefix(#"{"type":"dependency","host":"h","program":{"executable":"/bin/a""#))
            #expect(second[1].contains(#""path":"/etc/new""#))
            let cursor = try #require(follower.cursor).number
            #expect(daemon?.asked.withLock { $0.last ?? 0 } == 1025)

            daemon?.stop()
            daemon = nil
            let away = try next(&stream, &follower)
            #expect(away.count == 1)
            #expect(
                away[0].hasPrefix(
                    #"{"type":"watch","event":"away","time":"2026-11-21T02:00:00.123Z","reason":"no retinued"#
                ),
                "\(away)")
            do {
                let nothing = try next(&stream, &follower)
                #expect(nothing == [])
            }

            // The same records, of a daemon that was started anew.
            daemon = try FakeDaemon(path: folder + "/s")
            host.started += 5_000_000_000
            host.ledger.beginRun(numbering: 3)
            host.open("/bin/a", "/etc/new")
            daemon?.changes.withLock { $0 = host.changes(after: cursor) }
            let back = try next(&stream, &follower)
            #expect(back.count == 3, "\(back)")
            #expect(back[0] == #"{"type":"watch","event":"back","time":"2026-11-21T02:00:00.123Z"}"#)
            #expect(back[1].hasPrefix(#"{"type":"header""#) && back[2].contains(#""count":2"#))
            #expect(daemon?.asked.withLock { $0 } == [cursor])

            let reached = try #require(follower.cursor).number
            // Other records: all of them are new, and what was in between is not known.
            var other = ChangingHost(numbering: 8)
            other.time = 300_000_000_000
            other.started = 200_000_000_000
            other.open("/bin/a", "/etc/new")
            daemon?.changes.withLock { $0 = other.changes(after: 0) }
            let anew = try next(&stream, &follower)
            #expect(anew.count == 3, "\(anew)")
            #expect(
                anew[0]
                    == #"{"type":"gap","source":"watch","cause":"retinued has other records than before: "#
                    + #"what changed in between is not known","from":"1970-01-01T00:01:40.000Z","#
                    + #""to":"1970-01-01T00:05:00.000Z"}"#)
            #expect(anew[2].contains(#""path":"/etc/new""#))
            #expect(
                daemon?.asked.withLock { Array($0.dropFirst()) } == [reached, 0])
            daemon?.stop()
        }
    }

    /// The daemon that was asked first must be there; later a refusal is an absence like any other.
    @Test func whatCannotBeAskedAtTheStartIsAFailure() throws {
        try withTemporaryFolder { folder in
            let (daemon, options) = try daemon(folder)
            var follower = ChangeFollower(options, from: .now)
            var stream = ChangeStream(RecordFilter())
            #expect(throws: (any Error).self) { try next(&stream, &follower) }
            var host = ChangingHost()
            daemon.changes.withLock { $0 = host.changes(after: .max) }
            _ = try next(&stream, &follower)
            daemon.changes.withLock { $0 = nil }
            let refused = try next(&stream, &follower)
            #expect(refused.count == 1 && refused[0].contains("the disk is full\\u001b[31m"), "\(refused)")
            // Half an answer is none.
            daemon.changes.withLock { $0 = Array(host.changes(after: .max).dropLast(20)) }
            do {
                let nothing = try next(&stream, &follower)
                #expect(nothing == [])
            }
            daemon.changes.withLock { $0 = host.changes(after: .max) }
            #expect(
                try next(&stream, &follower).first?.contains(#""event":"back""#) == true)
            daemon.stop()
        }
    }

    /// One that changes while the answer is written comes with the next, and not twice.
    @Test func aRecordThatIsLaterThanTheAnswerWaits() throws {
        var host = ChangingHost()
        host.open("/bin/a", "/etc/a")
        let current = host.ledger.seal()
        host.open("/bin/a", "/etc/b")
        var progress = DumpProgress(changesOf: &host.ledger, after: 0, header: host.header(current: current))
        var bytes: [UInt8] = []
        _ = host.ledger.advance(&progress, most: .max) { bytes += $0 }
        var stream = ChangeStream(RecordFilter())
        let first = try text(&stream, ChangeAnswer(try DumpContents(ndjson: bytes)))
        #expect(first.count == 2 && first[1].contains("/etc/a"))
        let second = try text(&stream, host.answer(after: current))
        #expect(second.count == 1 && second[0].contains("/etc/b"))
    }

    @Test func theFilterHoldsForWhatIsGoneToo() throws {
        var host = ChangingHost()
        for program in ["/bin/a", "/bin/b"] { host.open(program, "/etc/\(program.last!)") }
        host.open("/bin/a", "/etc/kept")
        var stream = ChangeStream(RecordFilter(program: NamePattern("b")))
        let lines = try text(&stream, host.answer(after: 0))
        #expect(lines.count == 2 && lines[1].contains(#""path":"/etc/b""#))
        let seen = host.ledger.seal()
        host.forget("/etc/a")
        host.forget("/etc/b")
        let gone = try text(&stream, host.answer(after: seen))
        #expect(gone.count == 1 && gone[0].contains(#""path":"/etc/b""#))
    }

    @Test func whenItAsks() {
        var pace = AskingPace(interval: 2, scanInterval: 5)
        let second: UInt64 = 1_000_000_000
        #expect(pace.left(now: 0) == 0)
        let scans = stride(from: 0, through: 12, by: 2).map { now in
            defer { pace.end(now: UInt64(now) * second) }
            return pace.begin(now: UInt64(now) * second)
        }
        #expect(scans == [true, false, false, true, false, false, true])
        #expect(pace.left(now: 12 * second) == 2000 && pace.left(now: 13 * second + 1) == 1000)
        var never = AskingPace(interval: 1, scanInterval: 0)
        let first = never.begin(now: 0)
        #expect(!first)
    }
}
