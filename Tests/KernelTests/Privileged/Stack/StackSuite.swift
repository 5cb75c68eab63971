import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// What an ordinary host runs: each link that its configuration has is found, and no other.
    @Suite("an ordinary stack")
    struct StackSuite {
        private static let rounds: UInt64 = 2
        /// As the script has it.
        private static let jobs: UInt64 = 20

        /// Links that last, from the end that made them, or that was named first.
        private static let lasting = [
            ServiceLink("tcp", "poller.py", "nginx"),
            ServiceLink("unix", "nginx", "app.py"),
            ServiceLink("unix", "app.py", "postgres"),
            // The file that Debian's redis-server is a link to.
            ServiceLink("tcp", "app.py", "redis-check-rdb"),
            ServiceLink("unix", "app.py", "logd.py"),
            ServiceLink("unix", "dbus-monitor", "dbus-daemon"),
            ServiceLink("udp", "sampler.py", "meterd.py"),
            ServiceLink("fifo", "fill.py", "drain.py"),
            ServiceLink("pipe", "tail", "filter.py"),
            ServiceLink("posix-shm", "left.py", "right.py"),
            ServiceLink("shm", "left.py", "right.py"),
        ]

        /// Connections that come and go, and how many of them there are in a round.
        private static let short: [(link: ServiceLink, perRound: UInt64)] = [
            (ServiceLink("tcp", "curl", "nginx"), 1),
            (ServiceLink("tcp", "psql", "postgres"), 1),
            (ServiceLink("tcp", "worker.py", "redis-check-rdb"), jobs),
            (ServiceLink("tcp", "worker.py", "postgres"), jobs),
        ]

        /// Links of one connection or datagram a round that may be over before anybody looks.
        private static let shortUnix = [
            ServiceLink("unix", "psql", "postgres"),
            ServiceLink("unix", "logger", "logd.py"),
            ServiceLink("unix", "dbus-send", "dbus-daemon"),
        ]
        /// The datagrams of a socket that is not connected: nobody tells where they go.
        private static let unconnected = ServiceLink("udp", "app.py", "meterd.py")

        @Test(.timeLimit(.minutes(3)), arguments: ServiceStage.Order.allCases)
        func linksAreThoseOfTheConfiguration(_ order: ServiceStage.Order) throws {
            let stage = try ServiceStage("stack", order) { _ in [try Programs.postgres()] }
            for _ in 0..<Self.rounds { try stage.work() }
            let workload = stage.group.workload
            let dump = try stage.dump { dump in
                let links = ServiceLinks(dump) { $0 == workload }
                let isThere = Set(Self.lasting).isSubset(of: links.sure)
                return isThere
                    && Self.short.allSatisfy {
                        links.count($0.link, "connect") >= $0.perRound * Self.rounds
                            && links.count($0.link.mirrored, "accept") >= $0.perRound * Self.rounds
                    }
            }
            #expect(dump.gaps.filter { $0.lost != nil }.isEmpty)
            let links = ServiceLinks(dump) { $0 == workload }
            for link in Self.lasting {
                #expect(links.sure.contains(link) || links.sure.contains(link.mirrored), "\(link)")
            }
            for (link, perRound) in Self.short {
                #expect(links.count(link, "connect") == perRound * Self.rounds, "\(link)")
                #expect(links.count(link.mirrored, "accept") == perRound * Self.rounds, "\(link)")
            }
            let found = Self.shortUnix.reduce(UInt64(0)) { sum, link in
                sum + min(Self.rounds, links.count(link, "ipc", nil))
            }
            let counted = dump.header.sources["sock_diag"]?.unattributedUnix ?? 0
            print(
                "short Unix links: \(found) found, \(counted) counted, of \(UInt64(Self.shortUnix.count) * Self.rounds)"
            )
            #expect(found + counted >= UInt64(Self.shortUnix.count) * Self.rounds)
            let real = Self.lasting + Self.short.map(\.link) + Self.shortUnix + [Self.unconnected]
            let wrong = links.sure.subtracting(real).subtracting(real.map(\.mirrored)).filter {
                // A server shares memory with its own processes.
                $0.program != $0.peer
            }
            #expect(wrong.isEmpty, "\(wrong.sorted())")
            try stage.end()
        }
    }
}
