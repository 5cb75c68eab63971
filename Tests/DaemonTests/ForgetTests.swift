import Control
import Glibc
import Records
import Synchronization
import SystemCalls
import TestSupport
import Testing

@testable import Daemon
@testable import RecordStore

/// Forgetting, from the request on the control socket to the answer, which comes when the disk has it.
@Suite struct ForgetTests {
    private func ask(
        _ daemon: ScriptedDaemon, _ filter: ForgetFilter, isDryRun: Bool = false
    ) throws -> [String: UInt64] {
        let reply = try ControlClient.request(
            daemon.socket, .forget(filter, isDryRun: isDryRun), timeoutMilliseconds: 20_000)
        guard case .forgotten(let counts) = consume reply else { throw Failure("another answer") }
        #expect(counts.map(\.relation) == Relation.allCases.map { $0.word.description })
        return Dictionary(uniqueKeysWithValues: counts.map { ($0.relation, $0.records) }).filter {
            $0.value != 0
        }
    }

    private func dump(_ daemon: ScriptedDaemon) throws -> (header: DumpHeader, lines: [String]) {
        let reply = try ControlClient.request(daemon.socket, .dump, timeoutMilliseconds: 20_000)
        guard case .dump(let file) = consume reply else { throw Failure("another answer") }
        let bytes = try file.readAll()
        // Refuses a dump of which anything is missing.
        let header = try DumpContents(ndjson: bytes).header
        return (header, String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init))
    }

    /// What a dump's header promises, which is what the dump has.
    private func contents(_ daemon: ScriptedDaemon) throws -> DumpHeader.Contents {
        let reply = try ControlClient.request(daemon.socket, .dump, timeoutMilliseconds: 20_000)
        guard case .dump(let file) = consume reply else { throw Failure("another answer") }
        let bytes = try file.readAll()
        var reader = DumpReader()
        // As fast as can be, so that dumps follow each other closely.
        var lines: UInt64 = 0
        var first: Int?
        bytes.withUnsafeBytes { bytes in
            var offset = 0
            while let end = memchr(bytes.baseAddress! + offset, 0x0a, bytes.count - offset) {
                offset = bytes.baseAddress!.distance(to: end) + 1
                lines += 1
                first = first ?? offset
            }
        }
        try reader.feed(Array(bytes[..<(first ?? 0)]))
        let contents = try #require(reader.header?.contents)
        #expect(lines == 1 + contents.dependencies + contents.gaps + contents.tombstones)
        return contents
    }

    /// The paths that a store has, by program.
    private func stored(_ daemon: ScriptedDaemon) throws -> [String] { try lines(daemon.database) }

    private func lines(_ path: String) throws -> [String] {
        var ledger = Ledger()
        _ = try RecordStore.read(path, into: &ledger)
        var lines: [String] = []
        for record in ledger.records where record.key.relation == .file {
            let program = ledger.texts.array(ledger[record.key.program].executable)
            let path = ledger.texts.array(TextID(rawValue: record.key.object))
            lines.append(String(decoding: program + [0x20] + path, as: UTF8.self))
        }
        return lines.sorted()
    }

    private func tombstones(_ lines: [String]) -> Int {
        lines.count { $0.hasPrefix(#"{"type":"tombstone""#) }
    }

    @Test func isGoneFromTheDiskWhenItIsAnswered() throws {
        try withTemporaryFolder { folder in
            let daemon = try ScriptedDaemon(folder)
            try daemon.open(10, ["/etc/a", "/etc/b", "/srv/c"])
            try daemon.open(11, ["/etc/a", "/srv/d"])
            let before = try dump(daemon)
            #expect(try ask(daemon, ForgetFilter(path: "/etc/*"), isDryRun: true) == ["file": 3])
            #expect(try ask(daemon, ForgetFilter(program: "first", path: "/etc/*")) == ["file": 2])
            #expect(
                try stored(daemon) == [
                    "/usr/bin/first /srv/c", "/usr/bin/second /etc/a", "/usr/bin/second /srv/d",
                ])
            let after = try dump(daemon)
            #expect(tombstones(before.lines) == 0 && tombstones(after.lines) == 2)
            #expect(after.lines.count { $0.hasPrefix(#"{"type":"dependency""#) } == 3)
            #expect(try ask(daemon, ForgetFilter(path: "/etc/b")) == [:])
            // Of a workload, by its last part.
            #expect(try ask(daemon, ForgetFilter(workload: "second.*")) == ["file": 2])
            #expect(try ask(daemon, ForgetFilter(workload: "*")) == [:])
            // What is opened again is there again.
            try daemon.open(10, ["/etc/a"])
            let last = try dump(daemon)
            #expect(last.lines.contains { $0.contains(#""path":"/etc/a","kind":"regular","access":"r""#) })
            daemon.stop()
            #expect(try stored(daemon) == ["/usr/bin/first /etc/a", "/usr/bin/first /srv/c"])

            // The next daemon knows of it and goes on counting.
            let next = try ScriptedDaemon(folder)
            try next.open(10, ["/etc/new"])
            let again = try dump(next)
            #expect(tombstones(again.lines) == 4)
            let changes = [before, after, last, again].compactMap(\.header.changes)
            #expect(changes.count == 4 && changes.map(\.tombstonesAfter) == [0, 0, 0, 0])
            #expect(zip(changes, changes.dropFirst()).allSatisfy { $0.current < $1.current })
            let new = again.lines.first { $0.contains("/etc/new") }
            let number = new?.split(separator: #""change":"#).last?.prefix { $0.isNumber }
            #expect(number.flatMap { UInt64($0) }.map { $0 > changes[2].current } == true)
            next.stop()
        }
    }

    /// Who has a dump needs of the next one only what has a greater number than the first one's.
    @Test func aDumpCoversWhatItSays() throws {
        try withTemporaryFolder { folder in
            let daemon = try ScriptedDaemon(folder)
            try daemon.open(10, ["/etc/a", "/etc/b"])
            let covered = try #require(try dump(daemon).header.changes?.current)
            try daemon.open(10, ["/etc/b", "/etc/c"])
            #expect(try ask(daemon, ForgetFilter(path: "/etc/a")) == ["file": 1])
            let lines = try dump(daemon).lines
            func change(_ path: String) -> UInt64? {
                let line = lines.first { $0.contains(path) }
                return line?.split(separator: #""change":"#).last.flatMap {
                    UInt64($0.prefix { $0.isNumber })
                }
            }
            for path in ["/etc/a", "/etc/b", "/etc/c"] { #expect(change(path).map { $0 > covered } == true) }
            daemon.stop()
        }
    }

    @Test func byAge() throws {
        try withTemporaryFolder { folder in
            let daemon = try ScriptedDaemon(folder)
            try daemon.open(10, ["/etc/old"])
            daemon.pass(days: 40)
            try daemon.open(10, ["/etc/young"])
            let day: UInt64 = 86_400_000_000_000
            #expect(try ask(daemon, ForgetFilter(age: 41 * day)) == [:])
            #expect(try ask(daemon, ForgetFilter(age: 39 * day)) == ["file": 1])
            #expect(try ask(daemon, ForgetFilter(age: .max)) == [:])
            #expect(try stored(daemon) == ["/usr/bin/first /etc/young"])
            daemon.stop()
        }
    }

    /// Old records go at the start, and while the daemon is awake for something else.
    @Test func retention() throws {
        try withTemporaryFolder { folder in
            let day: UInt64 = 86_400_000_000_000
            let first = try ScriptedDaemon(folder)
            try first.open(10, ["/etc/first"])
            first.pass(days: 400)
            try first.open(10, ["/etc/second"])
            first.stop()
            // Off unless it is asked for.
            #expect(try stored(first) == ["/usr/bin/first /etc/first", "/usr/bin/first /etc/second"])
            let second = try ScriptedDaemon(folder, days: 420, retention: 90 * day)
            let dumped = try dump(second)
            #expect(dumped.lines.count { $0.hasPrefix(#"{"type":"dependency""#) } == 1)
            try second.open(11, ["/etc/third"])
            second.pass(days: 75)
            #expect(try dump(second).lines.count { $0.hasPrefix(#"{"type":"dependency""#) } == 1)
            #expect(tombstones(try dump(second).lines) == 2)
            second.stop()
            #expect(try stored(second) == ["/usr/bin/second /etc/third"])
        }
    }

    /// A dump that is being written has the records of its moment; what was asked meanwhile is done behind it.
    @Test func aDumpIsNotDisturbed() throws {
        try withTemporaryFolder { folder in
            let daemon = try ScriptedDaemon(folder)
            let count = 30_000
            try daemon.open(10, (0..<count).map { "/srv/\($0 % 100)/\($0)" })
            let isOver = Atomic<Bool>(false)
            let readers = (0..<2).map { _ in
                Background {
                    while !isOver.load(ordering: .relaxed) {
                        let contents = try self.contents(daemon)
                        #expect(contents.dependencies % 300 == 0)
                        #expect(contents.dependencies + contents.tombstones == UInt64(count))
                    }
                }
            }
            for folder in 0..<8 {
                #expect(try ask(daemon, ForgetFilter(path: "/srv/\(folder)/*")) == ["file": 300])
            }
            isOver.store(true, ordering: .relaxed)
            for reader in readers { try reader.wait() }
            daemon.stop()
            #expect(try stored(daemon).count == count - 2400)
        }
    }

    /// Where the disk does not take it, that is said, and done when it does.
    @Test func aStoreThatCannotBeWrittenIsSaid() throws {
        try withTemporaryFolder { folder in
            let daemon = try ScriptedDaemon(folder)
            try daemon.open(10, ["/etc/a", "/etc/b"])
            #expect(try ask(daemon, ForgetFilter(path: "/etc/a")) == ["file": 1])
            do {
                let other = try Connection(path: daemon.database)
                try other.execute("BEGIN IMMEDIATE")
                let expected = "the records were forgotten, but the store cannot be written"
                do {
                    _ = try ask(daemon, ForgetFilter(path: "/etc/b"))
                    Issue.record("it says that it is done")
                } catch let error as ControlError {
                    #expect(error.description.contains(expected), "\(error)")
                }
                #expect(try stored(daemon) == ["/usr/bin/first /etc/b"])
                try other.execute("ROLLBACK")
            }
            let isGone: Bool? = eventually(within: 20, every: 0.01) {
                (try? stored(daemon)) == [] ? true : nil
            }
            #expect(isGone == true)
            daemon.stop()
        }
    }
}

/// Something that is done on a thread of its own.
private final class Background: @unchecked Sendable {
    private let body: () throws -> Void
    private var thread = pthread_t()
    private var failure: (any Error)?

    init(_ body: @escaping () throws -> Void) {
        self.body = body
        let argument = Unmanaged.passRetained(self).toOpaque()
        pthread_create(
            &thread, nil,
            { argument in
                let own = Unmanaged<Background>.fromOpaque(argument!).takeRetainedValue()
                do { try own.body() } catch { own.failure = error }
                return nil
            }, argument)
    }

    func wait() throws {
        pthread_join(thread, nil)
        if let failure { throw failure }
    }
}
