import Control
import Foundation
import Records
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

/// The answers to those who follow what changes, over the control socket.
@Suite struct ChangesTests {
    private struct Answer {
        var header: DumpHeader
        var lines: [String]
        var isFile: Bool
        var current: UInt32 { UInt32(header.changes?.current ?? 0) }
        /// The paths of the dependencies.
        var paths: [String] {
            lines.filter { $0.contains(#""type":"dependency""#) }.compactMap { line in
                line.split(separator: #""path":""#).dropFirst().first?.split(separator: "\"").first.map(
                    String.init)
            }
        }
    }

    private func ask(_ daemon: ScriptedDaemon, after: UInt32, looks: Bool = false) throws -> Answer {
        let reply = try ControlClient.request(
            daemon.socket, .changes(after: after, looks: looks), timeoutMilliseconds: 20_000)
        let bytes: [UInt8]
        let isFile: Bool
        switch consume reply {
        case .changes(let lines): (bytes, isFile) = (lines, false)
        case .dump(let file): (bytes, isFile) = (try file.readAll(), true)
        default: throw Failure("another answer")
        }
        // Refuses one of which anything is missing.
        let header = try DumpContents(ndjson: bytes).header
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        return Answer(header: header, lines: lines, isFile: isFile)
    }

    @Test func onlyWhatChangedComesAndOnce() throws {
        try withTemporaryFolder { folder in
            let daemon = try ScriptedDaemon(folder)
            try daemon.open(10, ["/etc/a", "/etc/b"])
            let all = try ask(daemon, after: 0, looks: true)
            #expect(all.paths.contains("/etc/a") && all.paths.contains("/etc/b"))
            let nothing = try ask(daemon, after: all.current)
            #expect(nothing.lines.count == 1 && !nothing.isFile)
            // Storing what is new may use up a few numbers, asking none.
            for _ in 0..<200 { #expect(try ask(daemon, after: all.current).current < all.current + 50) }
            try daemon.open(10, ["/etc/c", "/etc/b"])
            let some = try ask(daemon, after: all.current)
            #expect(some.paths == ["/etc/b", "/etc/c"] && some.current > all.current)
            #expect(try ask(daemon, after: some.current).paths == [])
            // Who has no number yet and begins with what comes.
            let now = try ask(daemon, after: .max)
            #expect(now.paths == [] && now.current >= some.current)
            // What was forgotten leaves a tombstone, which comes once as well.
            _ = try ControlClient.request(
                daemon.socket, .forget(ForgetFilter(path: "/etc/a")), timeoutMilliseconds: 20_000)
            let gone = try ask(daemon, after: some.current)
            #expect(gone.lines.count == 2 && gone.lines[1].contains(#"{"type":"tombstone""#))
            #expect(gone.lines[1].contains("/etc/a"))
            #expect(try ask(daemon, after: gone.current).lines.count == 1)
            daemon.stop()
        }
    }

    /// Too much for one turn of the loop: it is written in slices, as a dump is.
    @Test func muchComesAsAFile() throws {
        try withTemporaryFolder { folder in
            let daemon = try ScriptedDaemon(folder)
            let before = try ask(daemon, after: .max).current
            let paths = (0..<DumpJob.slice + 1000).map { "/srv/\($0)" }
            for start in stride(from: 0, to: paths.count, by: 500) {
                try daemon.open(10, Array(paths[start..<min(start + 500, paths.count)]))
            }
            let much = try ask(daemon, after: before)
            #expect(
                much.isFile && Set(much.paths).isSuperset(of: paths)
                    && much.paths.count == Set(much.paths).count)
            #expect(try ask(daemon, after: much.current).paths == [])
            // Less than a slice, and more than a datagram.
            try daemon.open(10, Array(paths.prefix(2000)))
            let some = try ask(daemon, after: much.current)
            #expect(some.isFile && some.paths == Array(paths.prefix(2000)))
            daemon.stop()
        }
    }

    /// A daemon that kept its store goes on counting; one that lost it says so by its numbering.
    @Test func aRestartIsToldFromALostStore() throws {
        try withTemporaryFolder { folder in
            let first = try ScriptedDaemon(folder)
            try first.open(10, ["/etc/a"])
            let seen = try ask(first, after: 0, looks: true)
            first.stop()
            let second = try ScriptedDaemon(folder)
            try second.open(10, ["/etc/new"])
            let next = try ask(second, after: seen.current)
            #expect(next.paths.contains("/etc/new") && !next.paths.contains("/etc/a"))
            #expect(next.header.changes?.numbering == seen.header.changes?.numbering)
            #expect(try #require(next.header.changes?.runAfter) >= UInt64(seen.current))
            second.stop()
            for name in try FileManager.default.contentsOfDirectory(atPath: folder + "/state")
            where name.hasPrefix("retinue.db") {
                try FileManager.default.removeItem(atPath: "\(folder)/state/\(name)")
            }
            let third = try ScriptedDaemon(folder)
            let other = try ask(third, after: next.current)
            #expect(other.header.changes?.numbering != next.header.changes?.numbering)
            third.stop()
        }
    }

    @Test func requestsAreReadAsWritten() throws {
        for request in [
            ControlRequest.changes(after: 0, looks: false), .changes(after: .max, looks: true),
        ] {
            #expect(try ControlMessage.decode(ControlMessage.encode(request)[...]) == request)
        }
        for text in ["", "\0after=", "\0after=-1", "\0after=4294967296", "\0after=1\0look=no", "\0look=yes"] {
            let bytes = Array("retinue-control/2 changes\(text)".utf8)
            #expect(throws: ControlMessage.Objection.badField) { try ControlMessage.decode(bytes[...]) }
        }
        #expect(!ControlVerb.changes.needsRoot)
    }
}
