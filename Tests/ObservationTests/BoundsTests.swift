import Observation
import Records
import Testing

/// Nothing that others can make grow grows without a bound, and what gives way is counted.
@Suite struct BoundsTests {
    /// A scene whose ledger is full already.
    private func scene(share: Int) -> Scene {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        for number in 0..<200 { scene.open(10, "/srv/known/\(number)") }
        scene.interpret()
        scene.observer.budget = scene.observer.footprint * 100 / share
        // The next batch finds out.
        scene.open(10, "/srv/known/0")
        scene.interpret()
        return scene
    }

    private func folded(_ scene: borrowing Scene) -> [String: UInt64] {
        var result: [String: UInt64] = [:]
        for position in scene.observer.ledger.records.indices {
            guard scene.observer.ledger.fold(of: position) != nil else { continue }
            let path = TextID(rawValue: scene.observer.ledger.records[position].key.object)
            let text = String(decoding: scene.observer.ledger.texts.array(path), as: UTF8.self)
            result[text] = scene.observer.ledger.records[position].count
        }
        return result
    }

    @Test func newNamesFoldIntoTheirFolderAndKnownOnesGoOnBeingCounted() {
        var scene = scene(share: 105)
        scene.host.directories = ["d": "/srv/known"]
        let texts = scene.observer.ledger.texts.count
        for number in 0..<1000 { scene.event(.opened, 10, in: "d", "new\(number)") }
        scene.event(.opened, 10, in: "d", "7")
        scene.interpret()
        // The root itself was not met before.
        #expect(scene.observer.ledger.texts.count <= texts + 1)
        #expect(scene.observer.counters.foldedFiles == 1000)
        #expect(folded(scene) == ["/srv/known": 1000])
        #expect(scene.lines.contains("/usr/bin/bash file /srv/known/7 r"))
    }

    @Test func whatIsNewIsRefusedAndCountedWhereNothingFolds() {
        var scene = scene(share: 130)
        let programs = scene.observer.ledger.programs.count
        let records = scene.observer.ledger.records.count
        for number in 0..<300 as Range<Int32> {
            scene.fork(10, 100 + number)
            scene.host.heads["/bin/p\(number)"] = .plain
            scene.exec(100 + number, "/bin/p\(number)")
            scene.exit(100 + number)
        }
        scene.interpret()
        #expect(scene.observer.ledger.programs.count == programs)
        // Folders' records at most.
        #expect(scene.observer.ledger.records.count <= records + 2)
        #expect(scene.observer.counters.refused >= 300)
    }

    @Test func withRoomAgainNothingIsFolded() {
        var scene = scene(share: 105)
        scene.observer.budget = .max
        scene.host.directories = ["d": "/srv/known"]
        scene.interpret()
        scene.event(.opened, 10, in: "d", "fresh")
        scene.interpret()
        #expect(scene.lines.contains("/usr/bin/bash file /srv/known/fresh r"))
    }

    @Test func refusalsAreAGap() {
        let host = StagedHost()
        host.add(10, "/bin/shell")
        var engine = ScriptedEngine()
        engine.steps = (0..<5).map { step in
            .init(opens: (0..<100).map { (10, "/srv/\(step)-\($0)", false) })
        }
        var session = Session(
            engine, Observer(ledger: Ledger(), surroundings: host, ownPid: Scene.ownPid), begun: 1)
        _ = session.cycle()
        session.observer.budget = session.observer.footprint * 100 / 130
        for _ in 0..<4 { _ = session.cycle() }
        let gaps = session.observer.ledger.gaps.filter { $0.source == SourceName.daemon }
        #expect(gaps.map(\.cause) == ["memory.limit reached"])
        #expect(gaps.map(\.lost) == [session.observer.counters.refused])
        #expect(session.lossCounts[SourceName.daemon] == session.observer.counters.refused)
        // There is no use in a scan.
        #expect(session.engine.requests.isEmpty)
    }

    @Test func opensThatWaitForAnExecAreBoundedForAllProcessesTogether() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        for number in 0..<700 as Range<Int32> {
            scene.fork(10, 100 + number)
            for file in 0..<500 { scene.open(100 + number, "/tmp/\(file)") }
        }
        scene.interpret()
        #expect(scene.observer.opensAwaitingExec <= 1 << 18)
        #expect(scene.observer.opensAwaitingExec > 1 << 17)
    }
}
