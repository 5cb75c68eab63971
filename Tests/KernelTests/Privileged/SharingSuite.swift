import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// System V and POSIX objects, which programs share without a word to the sources of events.
    @Suite("shared objects")
    struct SharingSuite {
        /// Two programs that were there before the daemon, and the same two found by a dump later.
        @Test(.timeLimit(.minutes(1)), arguments: [true, false])
        func twoProgramsNameEachOther(isBefore: Bool) throws {
            let stage = try Stage()
            var daemon = isBefore ? nil : try stage.daemon()
            let first = try stage.first()
            let second = try stage.second()
            daemon = try daemon ?? stage.daemon()
            let found = Self.facts(try #require(daemon).dump(), stage)
            let pairs = [(stage.names[0], stage.names[1]), (stage.names[1], stage.names[0])]
            #expect(found == stage.expected(pairs))
            // A later dump adds nothing.
            #expect(Self.facts(try #require(daemon).dump(), stage) == found)
            try #require(daemon).stop()
            first.kill()
            second.kill()
        }

        /// Who has ended is no sharer, though the kernel keeps the number of its process, whether or not the
        /// daemon had met that process.
        @Test(.timeLimit(.minutes(1)), arguments: [true, false])
        func whoIsGoneIsNoSharer(isMet: Bool) throws {
            let stage = try Stage()
            var daemon = isMet ? try stage.daemon() : nil
            let first = try stage.first()
            // It is now the last sender, and the last to work one of the semaphores.
            try run(stage.group.command([stage.names[1], "send", stage.key, stage.name]))
            daemon = try daemon ?? stage.daemon()
            let dump = try #require(daemon).dump()
            #expect(dump.files(stage.names[1]).isEmpty == !isMet)
            let expected = stage.expected([(stage.names[0], nil)]).filter { !$0.hasPrefix("msg ") }
            #expect(Self.facts(dump, stage) == expected)
            try #require(daemon).stop()
            first.kill()
        }

        /// Another IPC namespace can have the same keys and ids: they are other objects.
        @Test(.timeLimit(.minutes(1)))
        func anotherNamespaceHasObjectsOfItsOwn() throws {
            let stage = try Stage()
            let first = try stage.first()
            // What is made next there gets the very id that the first one's private segment has here.
            let script = """
                echo \(stage.privateID) > /proc/sys/kernel/shm_next_id
                shift
                exec "$@"
                """
            let strangerName = stage.name + "-stranger"
            let inner = [stage.names[1], "first", stage.key, strangerName]
            let stranger = try Child(
                try stage.group.command(["unshare", "-i", "sh", "-c", script, "sh", "-"] + inner))
            defer { _ = try? run([stage.names[1], "remove", "0x7fffffff", strangerName]) }
            #expect(try Int(stranger.firstLine()) == stage.privateID)
            let daemon = try stage.daemon()
            let found = Self.facts(try daemon.dump(), stage)
            var expected = stage.expected([(stage.names[0], nil)])
            // Files at /dev/shm are not the namespace's, message queues are.
            for name in ["/" + strangerName, "/sem." + strangerName] {
                expected.append("posix-shm \(name) \(stage.names[1]) - 1 snapshot")
            }
            for object in [
                "shm key \(stage.key)", "shm id \(stage.privateID)", "sem key \(stage.key)",
                "msg key \(stage.key)", "mqueue /\(strangerName)",
            ] {
                expected.append("\(object) (IPC namespace N) \(stage.names[1]) - 1 snapshot")
            }
            #expect(found.map { $0.replacing(/namespace [0-9]+/, with: "namespace N") } == expected.sorted())
            try daemon.stop()
            stranger.kill()
            first.kill()
        }

        /// Two programs of a container share memory there, in its own /dev/shm and IPC namespace; the host has an object of the
        /// same name.
        @Test(.timeLimit(.minutes(1)))
        func aContainersOwnMemory() throws {
            let stage = try Stage()
            let host = try stage.first()
            let script = """
                mount -t tmpfs none /dev/shm
                "$1" first $3 $4 > /dev/shm/id &
                until [ -s /dev/shm/id ]; do sleep 0.05; done
                echo there
                exec "$2" second $3 $4 $(cat /dev/shm/id)
                """
            let container = try Child(
                try stage.group.command(
                    ["unshare", "-i", "-m", "sh", "-c", script, "sh"] + stage.names + [stage.key, stage.name])
            )
            let isThere: Bool? = eventually(within: 10) {
                container.outputText.split(separator: "\n").count > 1 ? true : nil
            }
            #expect(isThere == true)
            let daemon = try stage.daemon()
            let found = Self.facts(try daemon.dump(), stage).map {
                $0.replacing(/namespace [0-9]+/, with: "namespace N").replacing(
                    /device [0-9]+:[0-9]+/, with: "device N")
            }
            for (program, peer) in [(stage.names[0], stage.names[1]), (stage.names[1], stage.names[0])] {
                for object in [
                    "shm key \(stage.key)", "sem key \(stage.key)", "msg key \(stage.key)",
                    "mqueue /\(stage.name)",
                ] {
                    #expect(found.contains("\(object) (IPC namespace N) \(program) \(peer) 1 snapshot"))
                }
                #expect(found.contains("posix-shm /\(stage.name) (device N) \(program) \(peer) 1 snapshot"))
            }
            // The host's own are nobody's but its own program's.
            for object in ["shm key \(stage.key)", "sem key \(stage.key)", "msg key \(stage.key)"] {
                #expect(found.contains("\(object) \(stage.names[0]) - 1 snapshot"), "\(found)")
            }
            try daemon.stop()
            container.kill()
            host.kill()
        }

        /// A program outside the control group is named, and has no record.
        @Test(.timeLimit(.minutes(1)))
        func aControlGroupAlone() throws {
            let stage = try Stage()
            let first = try stage.first()
            let second = try stage.second(isInGroup: false)
            let daemon = try stage.daemon(["--cgroup", stage.group.workload])
            let dump = try daemon.dump()
            #expect(dump.dependencies.allSatisfy { $0.program.workload == stage.group.workload })
            #expect(Self.facts(dump, stage) == stage.expected([(stage.names[0], stage.names[1])]))
            try daemon.stop()
            first.kill()
            second.kill()
        }

        /// Whatever a dump says of shared objects by programs of the stage; they inherit pipes and sockets from
        /// whoever runs the tests.
        private static func facts(_ dump: Dump, _ stage: Stage) -> [String] {
            dump.dependencies.relation("ipc").filter {
                stage.names.contains($0.program.executable)
                    && !["unix", "fifo", "pipe"].contains($0.mechanism)
            }.map {
                "\($0.mechanism ?? "") \($0.name ?? "") \($0.program.executable) "
                    + "\($0.peer?.executable ?? "-") \($0.count) \($0.evidence)"
            }.sorted()
        }
    }
}

/// Two copies of the sharer, in a control group, with a key and a name that nobody else has.
private final class Stage {
    let group: ControlGroup
    let names: [String]
    let key: String
    let name: String
    private(set) var privateID = 0
    private let folder: String
    private var daemons = 0

    init() throws {
        group = try ControlGroup()
        folder = try makeTemporaryFolder()
        let number = UInt32.random(in: 0x1000_0000...0x7000_0000)
        key = "0x" + String(number, radix: 16)
        name = "retinue-test-\(number)"
        names = ["first", "second"].map { [folder] in folder + "/" + $0 }
        for name in names {
            try FileManager.default.copyItem(atPath: Products.path("sharer"), toPath: name)
        }
    }

    deinit {
        // Segments and semaphores outlive their programs.
        group.remove()
        _ = try? run([names[0], "remove", key, name])
        try? FileManager.default.removeItem(atPath: folder)
    }

    func daemon(_ arguments: [String] = []) throws -> DaemonUnderTest {
        daemons += 1
        return try DaemonUnderTest(stateFolder: "\(folder)/state-\(daemons)", arguments: arguments)
    }

    func first() throws -> Child {
        let child = try Child(group.command([names[0], "first", key, name]))
        privateID = try Int(child.firstLine()) ?? -1
        return child
    }

    func second(isInGroup: Bool = true) throws -> Child {
        let command = [names[1], "second", key, name, "\(privateID)"]
        let child = try Child(isInGroup ? group.command(command) : command)
        _ = try child.firstLine()
        return child
    }

    /// Every object, for each of these programs with this peer.
    func expected(_ pairs: [(program: String, peer: String?)]) -> [String] {
        let objects =
            ["shm", "sem", "msg"].map { "\($0) key \(key)" } + ["shm id \(privateID)"]
            + ["posix-shm /\(name)", "posix-shm /sem.\(name)", "mqueue /\(name)"]
        return pairs.flatMap { pair in
            objects.map { "\($0) \(pair.program) \(pair.peer ?? "-") 1 snapshot" }
        }.sorted()
    }
}
