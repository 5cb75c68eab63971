import Observation
import Records
import Testing

/// Nothing that others can make grow grows without a bound, and what gives way is counted.
@Suite struct BoundsTests {
    /// A scene whose ledger is full already, of files in as many folders each.
    private func scene(share: Int, folders: Int = 1) -> Scene {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        for number in 0..<200 {
            scene.open(10, folders == 1 ? "/srv/known/\(number)" : "/srv/known/\(number % folders)/\(number)")
        }
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

    /// In folders of few files nothing is taken together: new names fold.
    @Test func newNamesFoldIntoTheirFolderAndKnownOnesGoOnBeingCounted() {
        var scene = scene(share: 105, folders: 100)
        scene.host.directories = ["d": "/srv/known/7"]
        let texts = scene.observer.ledger.texts.count
        for number in 0..<1000 { scene.event(.opened, 10, in: "d", "new\(number)") }
        scene.event(.opened, 10, in: "d", "7")
        scene.interpret()
        // The root itself was not met before.
        #expect(scene.observer.ledger.texts.count <= texts + 1)
        #expect(scene.observer.counters.foldedFiles == 1000)
        #expect(folded(scene) == ["/srv/known/7": 1000])
        #expect(scene.lines.contains("/usr/bin/bash file /srv/known/7/7 r"))
    }

    /// The records of one program and folder become one, which goes on counting for all of them, and their memory is
    /// free again.
    @Test func recordsOfManyFilesOfAFolderBecomeOne() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/bash")
        scene.host.add(11, "/usr/bin/cat")
        scene.host.heads["/srv/known/run"] = .plain
        scene.host.kinds["/srv/known/pipe"] = .fifo
        for number in 0..<2000 { scene.open(10, "/srv/known/\(number)") }
        for number in 0..<20 { scene.write(10, "/srv/known/w\(number)") }
        scene.open(11, "/srv/known/5")
        scene.open(10, "/srv/known/pipe")
        scene.fork(10, 12)
        scene.exec(12, "/srv/known/run")
        scene.interpret()
        let before = (scene.observer.ledger.footprint, scene.observer.ledger.records.count)
        scene.observer.budget = scene.observer.footprint
        scene.interpret()
        #expect(scene.observer.counters.collapsedRecords == 2020)
        #expect(scene.observer.ledger.records.count == before.1 - 2020 + 1)
        // The tombstones are still there.
        #expect(scene.observer.ledger.footprint < before.0 / 3 * 2)
        #expect(folded(scene) == ["/srv/known": 2020])
        let position = scene.observer.ledger.records.firstIndex { $0.isFolded }
        let fold = position.flatMap { scene.observer.ledger.fold(of: $0) }
        #expect(fold?.paths == 2020)
        #expect(fold?.names == (0..<Fold.mostNames).map { Array("w\($0)".utf8) })
        #expect(
            scene.lines(of: "/usr/bin/bash") == [
                "file /srv/known rw", "file /srv/known/pipe r", "spawn /srv/known/run",
            ])
        #expect(scene.lines.contains("/srv/known/run file /srv/known/run x"))
        #expect(scene.lines.contains("/usr/bin/cat file /srv/known/5 r"))
        #expect(scene.observer.ledger.tombstones.count == 2020)

        // What is opened there again counts for the folder, also where its name is known.
        scene.observer.budget = .max
        for name in ["7", "5", "fresh", "below/it"] { scene.open(10, "/srv/known/\(name)") }
        scene.open(10, "/srv/known/pipe")
        scene.open(11, "/srv/known/7")
        scene.interpret()
        #expect(folded(scene) == ["/srv/known": 2024])
        #expect(scene.observer.counters.foldedFiles == 4)
        #expect(scene.lines(of: "/usr/bin/cat").contains("file /srv/known/7 r"))
        #expect(scene.observer.ledger.records.count == before.1 - 2020 + 2)
    }

    /// While a dump is being written records stay where they are.
    @Test func nothingIsTakenTogetherWhileNumbersMustStay() {
        var scene = scene(share: 50)
        scene.observer.mustKeepNumbers = true
        scene.observer.budget = scene.observer.footprint
        scene.interpret()
        #expect(scene.observer.ledger.records.count == 200 && scene.observer.ledger.generation == 0)
        scene.observer.mustKeepNumbers = false
        scene.interpret()
        #expect(scene.observer.ledger.records.count == 1)
    }

    @Test func whatIsNewIsRefusedAndCountedWhereNothingFolds() {
        var scene = scene(share: 130, folders: 100)
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
        var scene = scene(share: 105, folders: 100)
        scene.observer.budget = .max
        scene.host.directories = ["d": "/srv/known/7"]
        scene.interpret()
        scene.event(.opened, 10, in: "d", "fresh")
        scene.interpret()
        #expect(scene.lines.contains("/usr/bin/bash file /srv/known/7/fresh r"))
    }

    @Test func refusalsAreAGap() {
        let host = StagedHost()
        host.add(10, "/bin/shell")
        var engine = ScriptedEngine()
        engine.steps = (0..<5).map { step in
            .init(opens: (0..<100).map { (10, "/srv/\(step)-\($0)/a", false) })
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

    /// Listeners beyond the bound go until a scan finds them again, whatever else there is.
    @Test func listenersThatGiveWayAreCounted() {
        var scene = Scene()
        scene.host.add(10, "/usr/bin/server")
        let most = 1 << 15
        let nobody = Endpoint(NetworkAddress(v4: 0), port: 0)
        for number in 0...most {
            let address = NetworkAddress(v4: 0x7f00_0000 + UInt32(number & 1))
            let place = Endpoint(address, port: UInt16(number >> 1) + 1)
            scene.transition(10, UInt64(number) + 1, .close, .listen, place, nobody)
        }
        scene.interpret()
        #expect(scene.observer.counters.evictedConnections == UInt64(most) + 1)
        scene.interpret()
        #expect(scene.observer.counters.evictedConnections == UInt64(most) + 1)
    }
}
