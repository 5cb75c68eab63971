import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Three containers, and what of the host they are tied to.
    @Suite("containers")
    struct ContainerSuite {
        private static let rounds: UInt64 = 2

        /// The containers stand beside the group of their engine, since a group with processes may have no controllers.
        private static func containers(_ group: ControlGroup) -> String { group.workload + "-containers" }

        /// Links that last, from the end that made them. The caller of the host and that of the reader are two programs of
        /// one script's name.
        private static let lasting = [
            ServiceLink("tcp", "api.py", "redis-server"),
            ServiceLink("tcp", "caller.py", "api.py"),
            ServiceLink("unix", "api.py", "hostd.py"),
        ]

        @Test(.timeLimit(.minutes(3)), arguments: ServiceStage.Order.allCases)
        func linksAreThoseOfTheConfiguration(_ order: ServiceStage.Order) throws {
            let stage = try ServiceStage("containers", order, prefix: ["unshare", "--net"]) {
                ["/" + Self.containers($0)]
            }
            for _ in 0..<Self.rounds { try stage.work() }
            let (host, inside) = (stage.group.workload, Self.containers(stage.group) + "/")
            func isOfService(_ workload: String) -> Bool { workload == host || workload.hasPrefix(inside) }
            let job = ServiceLink("tcp", "job.py", "redis-server")
            let dump = try stage.dump { dump in
                let links = ServiceLinks(dump, isOfService)
                return Set(Self.lasting).isSubset(of: links.sure)
                    && links.count(job, "connect") >= Self.rounds
                    && links.count(job.mirrored, "accept") >= Self.rounds
            }
            let links = ServiceLinks(dump, isOfService)
            for link in Self.lasting {
                #expect(links.sure.isSuperset(of: [link, link.mirrored]), "\(link)")
            }
            #expect(links.count(job, "connect") == Self.rounds)
            #expect(links.count(job.mirrored, "accept") == Self.rounds)
            let published = ServiceLink("tcp", "bash", "api.py")
            // A scan that a container's filesystem causes may meet what reads of runc what it prints.
            let said = ServiceLink("pipe", "runc", "containers")
            // And the pipe and the socketpair(2) by which the runtime's own copy of itself reports from the container that it makes.
            let made = ["pipe", "unix"].map { ServiceLink($0, "runc", "runc") }
            let real = Set(Self.lasting + [job, published, said] + made)
            let wrong = links.sure.subtracting(real).subtracting(real.map(\.mirrored))
            #expect(wrong.isEmpty, "\(wrong.sorted())")

            let programs = Set(
                (dump.dependencies.map(\.program) + dump.dependencies.compactMap(\.peer))
                    .filter { $0.workload?.hasPrefix(inside) == true }
                    // The runtime puts itself into the container's group before it becomes the container's program.
                    .filter { !$0.executable.hasSuffix("/runc") })
            #expect(programs == Self.programs(stage, inside), "one program each, however it was met")
            // The runtime executes a copy of itself from a mount that is mounted nowhere.
            let images = dump.dependencies.flatMap { [$0.program.executable, $0.child?.executable] }
            #expect(!images.contains("/"), "no directory is a program")
            #expect(images.contains { $0?.hasSuffix("/runc") == true })
            try Self.checkVolume(dump, stage, inside, order)
            try stage.end()
        }

        /// A container's program lies where its layer has it, whether the daemon has seen it start or not.
        private static func programs(_ stage: ServiceStage, _ inside: String) -> Set<Dump.Program> {
            func python(_ script: String, _ name: String) -> Dump.Program {
                Dump.Program(
                    executable: stage.folder + "/image/usr/bin/python3",
                    script: stage.folder + "/image/app/" + script, workload: inside + name)
            }
            let store = Dump.Program(
                executable: stage.folder + "/store/usr/bin/redis-server", workload: inside + "store")
            let jobs = (1...rounds).map { python("job.py", "job\($0)") }
            return Set([store, python("api.py", "api"), python("caller.py", "reader")] + jobs)
        }

        /// The journal is one file, which the host has under its own path.
        private static func checkVolume(
            _ dump: Dump, _ stage: ServiceStage, _ inside: String, _ order: ServiceStage.Order
        ) throws {
            let journal = stage.folder + "/volume/journal"
            let users = dump.files(journal)
            func access(_ script: String) -> Set<String> {
                Set(users.filter { ServiceLink.name($0.program) == script }.compactMap(\.access))
            }
            #expect(access("api.py") == ["rw"])
            #expect(access("job.py") == ["rw"])
            #expect(access("caller.py") == ["r"])
            #expect(users.filter { ServiceLink.name($0.program) == "caller.py" }.count == 2)
            #expect(!dump.dependencies.contains { $0.path == "/data/journal" })
        }
    }
}
