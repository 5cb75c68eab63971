import EventTrace
import Observation
import Records
import Testing

@testable import Daemon

/// What a daemon was restricted to is in its recording, so that a replay keeps to it as well.
@Suite struct ScopeReplayTests {
    private static let own: UInt64 = 4_026_532_000

    /// A recording in which process 100 connects over loopback and opens a file, as a daemon of `scope`
    /// keeps it.
    private func recording(
        _ scope: Scope, _ words: DumpHeader.Scope, network: UInt64, workload: String?
    ) -> Recording {
        var recording = Recording(layout: Connections.layout)
        recording.add(.scope) { $0.put(scope, words) }
        recording.add(.snapshot) { payload in
            payload.put(UInt8(0))
            payload.put(UInt64(1_000_000_000))
            payload.put(Recording.wall - 4_000_000_000)
        }
        recording.add(.snapshotAddresses) { $0.put([NetworkAddress(v4: 0x0a00_0001)]) }
        let facts = ProcessFacts(
            pid: 100, parent: 1, start: 7, executable: Array("/bin/a".utf8),
            workload: workload.map { Array($0.utf8) }, network: network)
        recording.add(.snapshotProcess) { $0.put(ProcessSnapshot(facts: facts, files: [])) }
        recording.cycle(1)
        recording.add(.tracepoint, raw: Connections.records)
        recording.add(.closure, raw: Connections.closed)
        return recording
    }

    private func replayed(_ recording: Recording) throws -> [String] {
        var replay = try Replay(recording.bytes)
        #expect(replay.run() == nil)
        return lines(replay.ledger)
    }

    @Test func theNetworkNamespaceOfAProcess() throws {
        let scope = Scope(network: Self.own)
        let words = DumpHeader.Scope(netns: "web")
        let inside = try replayed(recording(scope, words, network: Self.own, workload: nil))
        #expect(inside.contains("/bin/a connect 34761 23/78 exact 1"))
        let outside = try replayed(recording(scope, words, network: 5, workload: nil))
        #expect(outside == ["/bin/a file /bin/a x regular snapshot 1"])
    }

    @Test func theControlGroupOfAProgram() throws {
        let scope = Scope(workload: Array("a.slice".utf8))
        let words = DumpHeader.Scope(cgroup: "a.slice")
        let inside = try replayed(recording(scope, words, network: 5, workload: "a.slice/b"))
        #expect(inside.count == 2)
        #expect(try replayed(recording(scope, words, network: 5, workload: "b.slice")) == [])
        #expect(try replayed(recording(scope, words, network: 5, workload: nil)) == [])
    }

    @Test func bothComeBack() throws {
        let written = Scope(network: Self.own, workload: [0x61, 0x2f, 0x62])
        var writer = TraceWriter()
        writer.add(.scope) { $0.put(written, .init(netns: "web", cgroup: "a/b")) }
        writer.add(.addressesAnswer) { $0.put([NetworkAddress(high: 1, low: .max)]) }
        var reader = try TraceReader(writer.bytes)
        let frame = try #require(try reader.next())
        var payload = reader.payload(frame)
        let (scope, words) = try payload.scope()
        #expect(scope.network == Self.own && scope.workload == written.workload)
        #expect(words == .init(netns: "web", cgroup: "a/b"))
        let answers = ReplaySurroundings()
        let answer = try #require(try reader.next())
        try answers.add(.addressesAnswer, reader.payload(answer))
        #expect(answers.addresses() == [NetworkAddress(high: 1, low: .max)])
    }

    /// A recording of a daemon that did not know of namespaces has none at the end of its facts.
    @Test func earlierRecordings() throws {
        var writer = TraceWriter()
        writer.add(.image) { payload in
            payload.put(Int32(7))
            payload.put(UInt64(8))
            payload.put("/bin/a")
            payload.put(optional: nil)
            payload.put(optional: nil)
        }
        var reader = try TraceReader(writer.bytes)
        let frame = try #require(try reader.next())
        var payload = reader.payload(frame)
        #expect(try payload.image().network == 0)
    }
}
