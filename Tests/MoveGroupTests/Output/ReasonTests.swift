import MoveGroup
import Records
import Testing

@Suite("Reasons in words")
struct ReasonTests {
    /// The line of the program `/b`, which comes in by one dependency of `/a`.
    private static func line(_ fill: (inout TwoHosts.Sample, ProgramID, ProgramID) -> Void) throws -> String?
    {
        var sample = TwoHosts.Sample("h", name: "one", address: 0x0a00_0001)
        let (first, second) = (sample.program("/a"), sample.program("/b"))
        fill(&sample, first, second)
        let graph = try TwoHosts.graph([sample.ndjson()])
        var options = ClosureOptions()
        options.prefersEvidence = true
        let report = GroupReport(graph.moveGroup(of: TwoHosts.nodes("/a", in: graph), options))
        return TwoHosts.nodes("/b", in: graph).first.flatMap { report.reasonLine(of: $0) }
    }

    @Test func aFileBetween() throws {
        let line = try Self.line { sample, first, second in
            sample.file(first, "/srv/x.db", .opened)
            sample.file(second, "/srv/x.db", [.opened, .written], times: 3)
        }
        #expect(
            line
                == "/a (one) reads /srv/x.db (one), which /b (one) writes: exact, 3 times, 2026-11-21 02:00:00 to 02:00:02"
        )
    }

    @Test func childAndParent() throws {
        let child = try Self.line { sample, first, second in
            sample.ledger.note(.spawn(first, child: second), evidence: .exact, time: TwoHosts.time)
        }
        #expect(child == "/a (one) started /b (one): exact, once, 2026-11-21 02:00:00")
        let parent = try Self.line { sample, first, second in
            sample.ledger.note(.spawn(second, child: first), evidence: .snapshot, time: TwoHosts.time)
        }
        #expect(
            parent == "/a (one) was started by /b (one): found in a scan, once, 2026-11-21 02:00:00")
    }

    /// The connection was seen, the program behind the listener was not seen to take it.
    @Test func anInferredServer() throws {
        let line = try Self.line { sample, first, second in
            let remote = sample.ledger.intern(Endpoint(NetworkAddress(v4: 0x7f00_0001), port: 99))
            let local = sample.ledger.intern(Endpoint(NetworkAddress(v4: 0), port: 99))
            sample.ledger.note(
                .connect(first, .tcp, remote: remote, peer: .unknown), evidence: .exact, time: TwoHosts.time)
            sample.ledger.note(.listen(second, .tcp, local: local), evidence: .snapshot, time: TwoHosts.time)
        }
        #expect(
            line
                == "/a (one) connects to tcp 127.0.0.1:99, taken by /b (one): inferred from a listener, not seen, once, 2026-11-21 02:00:00"
        )
    }

    @Test func aPipe() throws {
        let line = try Self.line { sample, first, second in
            let name = sample.ledger.texts.intern("")
            sample.ledger.note(
                .ipc(second, .pipe, name: name, peer: first), evidence: .snapshot, time: TwoHosts.time)
        }
        #expect(line == "/a (one) talks to /b (one) by pipe: found in a scan, once, 2026-11-21 02:00:00")
    }

    @Test func aListDoesNotSay() throws {
        let graph = try ListTests.graph("h,/a,h,/b\n")
        let report = GroupReport(graph.moveGroup(of: [NodeID(rawValue: 0)]))
        #expect(
            report.reasonChain(of: NodeID(rawValue: 1)) == [
                "/a (h) is where the group begins", "/a (h) is listed with /b (h): as the list says",
            ])
    }

    @Test func noMemberHasNoReason() throws {
        let graph = try ListTests.graph("h,/a,h,/b\nh,/c,h,/d\n")
        let report = GroupReport(graph.moveGroup(of: [NodeID(rawValue: 0)]))
        #expect(report.reasonLine(of: NodeID(rawValue: 2)) == nil)
        #expect(report.reasonChain(of: NodeID(rawValue: 2)).isEmpty)
    }
}
