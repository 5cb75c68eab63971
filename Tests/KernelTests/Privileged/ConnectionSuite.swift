import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Connections that are over before anybody could look for them.
    @Suite("short connections")
    struct ConnectionSuite {
        private static let count = 1009

        @Test(.timeLimit(.minutes(2)))
        func everyConnectionHasBothItsPrograms() throws {
            let bench = try Bench()
            let folder = try bench.files.folder("connections")
            let server = folder + "/server"
            let client = folder + "/client"
            for copy in [server, client] {
                try FileManager.default.copyItem(atPath: try workload("connector"), toPath: copy)
            }
            let group = try ControlGroup()
            let serving = try Child(try group.command([server, "serve", "\(Self.count)"]))
            let port = try #require(Int(try serving.firstLine()))
            try run(try group.command([client, "run", "\(port)", "\(Self.count)"]))
            try serving.succeed()

            let count = UInt64(Self.count)
            let sum = count * (count - 1) / 2
            let there = 100 * count + sum
            let back = 50 * count + 2 * sum
            // A socket is destroyed some time after its process is gone; the last may be late.
            var dump = try daemonDump(bench, group, expecting: count)
            if dump == nil { dump = try bench.daemon.dump() }
            let records = try #require(dump).records(of: group.workload)
            let endpoint = Dump.Address(address: "127.0.0.1", port: port)
            let connects = records.filter {
                $0.relation == "connect" && $0.program.executable == client && $0.remote == endpoint
            }
            let accepts = records.filter {
                $0.relation == "accept" && $0.program.executable == server && $0.local == endpoint
            }
            print(
                "\(count) connections: connect \(connects.total(\.count)), accept \(accepts.total(\.count)), "
                    + "sent \(connects.total(\.sent)) of \(there), received \(connects.total(\.received)) "
                    + "of \(back)")
            #expect(connects.total(\.count) == count)
            #expect(connects.total(\.sent) == there)
            #expect(connects.total(\.received) == back)
            #expect(accepts.total(\.count) == count)
            #expect(accepts.total(\.sent) == back)
            #expect(accepts.total(\.received) == there)
            let nameless = (connects + accepts).filter { record in
                record.peer?.executable != (record.relation == "connect" ? server : client)
            }
            #expect(nameless.total(\.count) == 0, "without the right peer: \(nameless.map(\.short))")
            let inexact = (connects + accepts).filter { $0.evidence != "exact" }
            #expect(inexact.total(\.count) == 0, "not exact: \(inexact.map(\.short))")
            #expect(accepts.allSatisfy { $0.remote?.address == "127.0.0.1" })
            #expect(
                records.relation("listen").contains {
                    $0.program.executable == server && $0.local == endpoint
                })
            let strangers = records.filter {
                $0.remote == endpoint && $0.relation == "connect" && $0.program.executable != client
            }
            #expect(strangers.isEmpty, "\(strangers.map(\.short))")
            try bench.daemon.stop()
        }

        private func daemonDump(_ bench: Bench, _ group: ControlGroup, expecting count: UInt64) throws
            -> Dump?
        {
            try eventually(within: 15, every: 0.5) {
                let dump = try bench.daemon.dump()
                let records = dump.records(of: group.workload)
                return records.relation("connect").total(\.count) >= count
                    && records.relation("accept").total(\.count) >= count ? dump : nil
            }
        }
    }
}

extension [Dump.Dependency] {
    /// The sum of a figure over the records.
    func total(_ figure: KeyPath<Dump.Dependency, UInt64>) -> UInt64 {
        reduce(0) { $0 + $1[keyPath: figure] }
    }
    /// The sum of a figure that not every record has.
    func total(_ figure: KeyPath<Dump.Dependency, UInt64?>) -> UInt64 {
        reduce(0) { $0 + ($1[keyPath: figure] ?? 0) }
    }
}
