import Records
import TestSupport
import Testing

@testable import Observation

/// What is forgotten is gone, everything else goes on as if nothing had happened, and what comes back is new.
@Suite struct ForgetTests {
    private func forget(_ scene: inout Scene, _ filter: RecordFilter) {
        scene.observer.forget(filter.positions(in: scene.observer.ledger))
    }

    @Test func aForgottenRecordThatIsSeenAgainIsNew() throws {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash", workload: "a.service")
        for _ in 0..<3 { scene.open(10, "/etc/a") }
        scene.open(10, "/etc/b")
        scene.interpret()
        let first = scene.observer.ledger.records[0].first
        forget(&scene, RecordFilter(path: Glob("/etc/a")))
        #expect(scene.lines == ["/usr/bin/bash file /etc/b r"])
        #expect(scene.observer.ledger.texts.find(Array("/etc/a".utf8)) != nil, "its tombstone names it")
        let tombstone = try #require(scene.observer.ledger.tombstones.first)
        scene.open(10, "/etc/a")
        scene.open(10, "/etc/b")
        scene.interpret()
        #expect(scene.lines == ["/usr/bin/bash file /etc/a r", "/usr/bin/bash file /etc/b r"])
        let again = try #require(scene.observer.ledger.records.last)
        #expect(again.count == 1 && again.first > first && again.key == tombstone.key)
        #expect(again.change > tombstone.change)
        #expect(scene.observer.ledger.records[0].count == 2)
    }

    /// Processes, their lines of programs, opens between fork and exec: what the observation holds goes on, and all
    /// that it would have recorded without the forgetting is recorded.
    @Test func whatRunsGoesOn() {
        let whole = story(isForgetting: false)
        #expect(whole.lines.count > 10 && whole.lines.contains("/usr/bin/cat file /tmp/out w"))
        #expect(whole.workloads == 2)
        let rest = story(isForgetting: true)
        #expect(rest.lines == whole.lines)
        #expect(rest.workloads == 1)
    }

    private func story(isForgetting: Bool) -> (lines: [String], workloads: Int) {
        var scene = Scene()
        scene.host.add(9, "/usr/sbin/gone", workload: "gone.service")
        scene.host.add(10, "/usr/bin/bash", workload: "a.service")
        for number in 0..<50 { scene.open(9, "/var/gone/\(number)") }
        scene.exit(9)
        scene.open(10, "/etc/shell")
        scene.fork(10, 11)
        scene.write(11, "/tmp/out")
        scene.interpret()
        if isForgetting {
            let texts = scene.observer.ledger.texts.count
            forget(&scene, RecordFilter(program: NamePattern("gone")))
            scene.observer.ledger.dropTombstones()
            // The process that has ended goes as well, and with it the last that knows the program.
            scene.observer.processes.evictExits(retaining: 0)
            forget(&scene, RecordFilter(path: Glob("/none")))
            #expect(scene.observer.ledger.texts.count < texts - 50)
        }
        scene.exec(11, "/usr/bin/env", Scene.loader, workload: "a.service")
        scene.exec(11, "/usr/bin/cat", Scene.loader, workload: "a.service")
        scene.closeWritten(11, "/tmp/out")
        scene.fork(11, 12)
        scene.open(12, "/etc/shell")
        scene.open(10, "/etc/shell")
        scene.interpret()
        let ledger = scene.observer.ledger.records
        let workloads = Set(ledger.map { scene.observer.ledger[$0.key.program].workload })
        return (scene.lines.filter { !$0.hasPrefix("/usr/sbin/gone") }, workloads.count)
    }

    /// A program that has no process any more still opened what its child closes.
    @Test func whoOpenedIsStillKnown() {
        var scene = Scene()
        scene.host.add(8, "/usr/sbin/other")
        scene.host.add(9, "/usr/sbin/gone")
        scene.host.add(10, "/usr/bin/bash")
        scene.open(9, "/var/gone")
        // The first program has the first number.
        scene.interpret()
        scene.open(10, "/tmp/out")
        scene.fork(10, 11)
        scene.exec(11, "/usr/bin/cat", Scene.loader)
        scene.exit(9)
        scene.exit(10)
        scene.open(8, "/etc/other")
        scene.interpret()
        scene.observer.processes.evictExits(retaining: 0)
        forget(&scene, RecordFilter(program: NamePattern("gone")))
        scene.observer.ledger.dropTombstones()
        forget(&scene, RecordFilter(path: Glob("/none")))
        scene.closeWritten(11, "/tmp/out")
        scene.interpret()
        #expect(scene.lines.contains("/usr/bin/bash file /tmp/out rw"))
        #expect(!scene.lines.contains { $0.hasPrefix("/usr/sbin/other file /tmp") })
    }

    /// A connection that goes on counts for its record wherever that stands now, and is noted anew by the next scan if
    /// the record was forgotten.
    @Test func aConnectionGoesOn() throws {
        let local = Endpoint(NetworkAddress("10.0.0.2")!, port: 40_000)
        let remote = Endpoint(NetworkAddress("10.0.0.9")!, port: 5432)
        var scene = Scene()
        scene.host.add(10, "/usr/bin/psql")
        scene.open(10, "/etc/first")
        scene.transition(10, 1, .close, .synSent, Endpoint(local.address, port: 0), remote)
        scene.transition(10, 1, .synSent, .established, local, remote)
        scene.interpret()
        #expect(scene.lines.contains("/usr/bin/psql connect :5432 x1 0/0 exact"))
        func look(_ scene: inout Scene, sent: UInt64) {
            var snapshot = HostSnapshot()
            snapshot.monotonic = scene.tick()
            snapshot.sockets = [
                SocketSnapshot(
                    .tcp, isListening: false, local: local, remote: remote, holders: [10], sent: sent)
            ]
            scene.observer.take(snapshot, .look)
        }
        forget(&scene, RecordFilter(path: Glob("/etc/first")))
        look(&scene, sent: 7)
        #expect(scene.lines == ["/usr/bin/psql connect :5432 x1 7/0 exact"])
        forget(&scene, RecordFilter(relations: [.connect]))
        #expect(scene.lines == [])
        look(&scene, sent: 10)
        #expect(scene.lines == ["/usr/bin/psql connect :5432 x1 3/0 snapshot"])
        scene.closure(local, remote, sent: 12, received: 0)
        scene.interpret()
        #expect(scene.lines == ["/usr/bin/psql connect :5432 x1 5/0 snapshot"])
    }
}
