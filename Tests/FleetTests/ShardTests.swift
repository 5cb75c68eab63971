import Foundation
import MoveGroup
import PostgreSQL
import Records
import SystemCalls
import TestSupport
import Testing

@testable import FleetStore

/// A store that is divided among three servers, of which one ends under load.
@Suite("Shards", .serialized, .enabled(if: TestServer.binaries != nil, "a PostgreSQL server"))
struct ShardTests {
    @Test func rangesOfHostsMeetWithoutGap() {
        for count in [1, 2, 3, 7, 1024] {
            let shards = FleetShards(count: count)
            var hosts = [Int](repeating: 0, count: count)
            for host in 0..<4_000 { hosts[shards.number(ofHost: "H\(host)")] += 1 }
            #expect(hosts.reduce(0, +) == 4_000)
            // Of a good digest no server of a few is much fuller than another.
            if count <= 7 { #expect(hosts.allSatisfy { $0 > 4_000 / count / 2 }, "\(hosts)") }
        }
    }

    /// Three servers, and a database that they are read through, on the first of them.
    private struct Divided {
        let servers: [TestServer]

        init() throws {
            servers = try (0..<3).map { _ in try TestServer() }
            try fleet(["fleet", "migrate"] + to + ["--partitions", "2"]).succeed()
            for server in servers {
                let owner = try server.connect()
                try owner.execute("CREATE ROLE map LOGIN")
                try FleetSchema(owner).allow(reader: "map")
            }
            let owner = try server(0)
            try owner.execute("CREATE DATABASE whole")
            try fleet(
                ["fleet", "join", "--to", whole("owner"), "--reader", "map"]
                    + servers.flatMap { ["--server", $0.location("map")] }
            ).succeed()
        }

        var to: [String] { servers.flatMap { ["--to", $0.location("owner")] } }

        func whole(_ role: String) -> String { servers[0].location(role, database: "whole") }

        func server(_ number: Int) throws -> PostgreSQLConnection { try servers[number].connect() }

        func fleet(_ words: [String]) throws -> Child {
            try Child(
                TestServer.asUser + [try Products.path("retinue-fleet")] + words, folder: servers[0].folder)
        }

        func ship(_ file: String) throws -> Child {
            try fleet(["ship"] + to + ["--state-dir", "\(servers[0].folder)/state", file])
        }

        /// The names of all rows of a host, from its own server.
        func rows(of host: String, on number: Int) throws -> [String] {
            let rows = try server(number).query(
                """
                SELECT r.subject, r.identity, r.change FROM retinue.record r WHERE r.host = $1::bigint
                """, [String(StoreKey.host(host))])
            return try (0..<rows.count).map { row in
                try "\(rows.number(row, 0)) \(rows.number(row, 1)) \(rows.number(row, 2))"
            }.sorted()
        }
    }

    /// The dump of a host, some of whose records changed in each round after the first.
    private func dump(_ host: Int, round: Int) -> [UInt8] {
        var ledger = Ledger()
        let program = ledger.intern(Program(executable: ledger.texts.intern("/a\(host % 3)")))
        func note(_ file: Int, _ round: Int) {
            ledger.note(
                .file(program, path: ledger.texts.intern("/srv/\(file)")), access: [.opened, .written],
                kind: .regular, evidence: .exact, time: UInt64(100 + round) * 1_000_000_000, count: 1)
        }
        for file in 0..<200 { note(file, 0) }
        for later in 0..<round {
            ledger.beginChange()
            for file in 150..<(220 + later) { note(file, later + 1) }
        }
        return RandomFleet.bytes(
            of: ledger, host: host, addresses: [host], time: UInt64(900 + round) * 1_000_000_000,
            change: UInt64(ledger.change))
    }

    @Test func aServerThatEndsUnderLoadLosesNothingAndHasNothingTwice() throws {
        let divided = try Divided()
        let shards = FleetShards(count: 3)
        let hosts = Array(1...9)
        func number(_ host: Int) -> Int { shards.number(ofHost: "H\(host)") }
        #expect(Set(hosts.map(number)) == [0, 1, 2])
        func file(_ host: Int) -> String { "\(divided.servers[0].folder)/\(host).ndjson" }
        func writeDumps(_ round: Int) throws {
            for host in hosts {
                try write(String(decoding: dump(host, round: round), as: UTF8.self), to: file(host))
            }
        }
        // All send at a time; those of the last server are in the midst of it when it ends, the others go on.
        try writeDumps(0)
        let holder = try divided.server(2)
        try holder.execute("BEGIN; LOCK TABLE retinue.program IN SHARE MODE")
        let first = try hosts.map { try divided.ship(file($0)) }
        let theirs = hosts.filter { number($0) == 2 }
        let watcher = try divided.server(2)
        let areWaiting: Bool? = eventually(within: 60) {
            let waiting = try? watcher.query("SELECT count(*) FROM pg_locks WHERE NOT granted").number(0, 0)
            return waiting == Int64(theirs.count) ? true : nil
        }
        #expect(areWaiting == true)
        divided.servers[2].crash()
        for (host, child) in zip(hosts, first) {
            try #expect(child.wait() == .exited(number(host) == 2 ? 1 : 0), "\(child.errorText)")
        }
        // What lies on several servers is not answered from some of them.
        let partial = try divided.fleet(["group", "host1:/a1@", "--from", divided.whole("map")])
        try #expect(partial.wait() != .exited(0))
        try divided.servers[2].start()
        for host in theirs { #expect(try divided.rows(of: "H\(host)", on: 2).isEmpty) }

        // It ends wherever it happens to be, while everybody sends what changed until it is taken.
        for round in 1...3 {
            try writeDumps(round)
            var open: [(host: Int, child: Child)] = try hosts.map { ($0, try divided.ship(file($0))) }
            usleep(UInt32(20_000 * round * round))
            divided.servers[2].crash()
            try divided.servers[2].start()
            for _ in 0..<20 where !open.isEmpty {
                var again: [(host: Int, child: Child)] = []
                for (host, child) in open where try child.wait() != .exited(0) {
                    again.append((host, try divided.ship(file(host))))
                }
                open = again
            }
            #expect(open.isEmpty)
        }
        for host in hosts {
            let contents = try DumpContents(ndjson: dump(host, round: 3))
            let expected = FleetRows(contents, changedAfter: nil).rows.map {
                "\($0.subject) \($0.identity) \($0.change)"
            }.sorted()
            for server in 0..<3 {
                let found = try divided.rows(of: "H\(host)", on: server)
                #expect(found == (server == number(host) ? expected : []), "host \(host), server \(server)")
            }
        }
    }

    @Test func aHostOfAnotherServerIsRefused() throws {
        let divided = try Divided()
        let path = "\(divided.servers[0].folder)/1.ndjson"
        try write(String(decoding: dump(1, round: 0), as: UTF8.self), to: path)
        let other = (FleetShards(count: 3).number(ofHost: "H1") + 1) % 3
        let child = try divided.fleet([
            "ship", "--to", divided.servers[other].location("owner"), "--state-dir",
            "\(divided.servers[0].folder)/state", path,
        ])
        try #expect(child.wait() == .exited(1))
        #expect(child.errorText.contains("host_is_of_this_server"), "\(child.errorText)")
        #expect(try divided.rows(of: "H1", on: other).isEmpty)
    }

    @Test func answersAreThoseOfDumps() throws {
        let divided = try Divided()
        for seed in UInt64(100)..<104 {
            for server in 0..<3 {
                try divided.server(server).execute(
                    "TRUNCATE retinue.host, retinue.record, retinue.program, retinue.word, retinue.process")
            }
            var random = RandomFleet(seed: seed)
            var files: [String] = []
            for (number, dump) in random.dumps().enumerated() {
                files.append("\(divided.servers[0].folder)/\(seed)-\(number).ndjson")
                try write(String(decoding: dump, as: UTF8.self), to: files[number])
            }
            try divided.fleet(
                ["ship"] + divided.to + ["--take-over", "--state-dir", "\(divided.servers[0].folder)/state"]
                    + files
            ).succeed()
            for program in RandomFleet.programs {
                let words = ["group", "host1:\(program)@", "--format", "csv", "--from"]
                let (dumps, store) = (
                    try divided.fleet(words + files), try divided.fleet(words + [divided.whole("map")])
                )
                try #expect(store.wait() == dumps.wait(), "seed \(seed) \(program): \(store.errorText)")
                #expect(store.outputText == dumps.outputText, "seed \(seed) \(program)")
            }
        }
    }
}
