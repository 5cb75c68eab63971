import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// A published port: what asks for it and what answers are joined, though neither names the other's address.
    @Suite("translated destinations")
    struct TranslationSuite {
        @Test(.timeLimit(.minutes(1)))
        func whoAnswersIsInTheGroup() throws {
            try withTemporaryFolder { folder in
                let pair = try NamespacePair()
                let (server, client) = (folder + "/server", folder + "/client")
                for copy in [server, client] {
                    try FileManager.default.copyItem(atPath: Products.path("connector"), toPath: copy)
                }
                let daemon = try DaemonUnderTest(stateFolder: folder + "/state")
                let serving = try Child(pair.command(1, [server, "serve", "4", pair.addresses[1]]))
                let port = try #require(Int(try serving.firstLine()))
                // Here 8080 is what the server has; the client's own namespace translates.
                try run(
                    pair.command(
                        0,
                        [
                            "nft",
                            "table ip t { chain c { type nat hook output priority -100; "
                                + "tcp dport 8080 dnat to \(pair.addresses[1]):\(port); }; }",
                        ]))
                try run(pair.command(0, [client, "run", "8080", "3", pair.addresses[0]]))
                // Somebody has to be there for the namespace to be scanned.
                let keeper = try Child(pair.command(0, ["sh", "-c", "echo up; exec sleep 1000"]))
                _ = try keeper.firstLine()
                let dump = try daemon.dump()
                let connects = dump.dependencies.relation("connect").filter {
                    $0.program.executable == client
                }
                #expect(
                    connects.allSatisfy { $0.remote == Dump.Address(address: pair.addresses[0], port: 8080) })
                #expect(connects.contains { $0.peer?.executable == server }, "\(connects)")
                // Nobody else is named.
                #expect(Set(connects.compactMap { $0.peer?.executable }) == [server])
                let group = try run([
                    Products.path("retinue"), "group", client, "--from", daemon.latest,
                ])
                #expect(group.contains(server), "\(group)")
                try daemon.stop()
                keeper.kill()
                serving.kill()
            }
        }
    }
}
