import Foundation
import MoveGroup
import TestSupport
import Testing

@testable import RetinueCommands

@Suite("Options of a move group")
struct GroupOptionTests {
    private static let files = ["--from", "web.ndjson", "db.ndjson"]

    private func members(_ folder: CommandFolder, _ words: String...) throws -> [String] {
        try folder.members(["web1:/srv/shop.py"] + words + Self.files)
    }

    @Test func patterns() throws {
        try CommandFolder.with { folder throws in
            let all = try members(folder)
            #expect(all.contains("db1 /var/lib/postgresql/base"))
            let stopped = try members(folder, "--stop-at", "**/postgres", "--stop-at", "unix:/run/*")
            #expect(stopped.contains("db1 /usr/lib/postgresql/postgres"))
            #expect(stopped.contains("web1 unix:/run/shop.sock"))
            #expect(!stopped.contains("db1 /var/lib/postgresql/base"))
            #expect(!stopped.contains("web1 /usr/sbin/nginx"))
            let excluded = try members(folder, "--exclude", "db1:**", "--exclude", "nginx")
            #expect(!excluded.contains { $0.hasPrefix("db1") })
            #expect(!excluded.contains("web1 /usr/sbin/nginx"))
            #expect(excluded.contains("web1 /srv/report.py"))
        }
    }

    @Test func statsAreSaidAsideAndChangeNothing() throws {
        try CommandFolder.with { folder throws in
            let words = ["group", "web1:/srv/shop.py"] + Self.files + ["--format", "csv"]
            let plain = try folder.retinue(words)
            let reported = try folder.retinue(words + ["--stats"])
            #expect(reported.status == 0)
            #expect(reported.output == plain.output)
            let pattern =
                /retinue: \d+ dependencies of \d+ nodes, .* \d+ members: read and join [\d.]+ ms, .*closure [\d.]+ ms, write [\d.]+ ms\n/
            #expect(reported.errors.contains(pattern))
            #expect(!plain.errors.contains(pattern))
        }
    }

    @Test func policies() throws {
        try CommandFolder.with { folder throws in
            try folder.write("# ours\nsystem **/postgres\n", "mine.policy")
            #expect(try !members(folder, "--policy", "mine.policy").contains { $0.hasPrefix("db1") })
            #expect(
                try members(folder, "--policy", "mine.policy", "--include", "postgres").contains(
                    "db1 /var/lib/postgresql/base"))
            #expect(
                try members(folder, "--policy", "mine.policy", "--symmetric").contains(
                    "db1 /var/lib/postgresql/base"))
            for (text, sentence) in [
                ("system **/x\n\nbla bla\n", "bad.policy, line 3: 'bla bla' is no rule"),
                ("no defaults\n", "bad.policy, line 1: 'no defaults' is no rule"),
            ] {
                try folder.write(text, "bad.policy")
                let outcome = try folder.retinue(["group", "shop.py", "--policy", "bad.policy"] + Self.files)
                #expect(outcome.status == 2)
                #expect(outcome.output.isEmpty)
                #expect(outcome.errors.hasPrefix("retinue: \(sentence)"))
            }
            for name in ["missing.policy", "."] {
                let outcome = try folder.retinue(["group", "shop.py", "--policy", name] + Self.files)
                #expect(outcome.status == 2)
                #expect(outcome.output.isEmpty)
                #expect(outcome.errors.hasPrefix("retinue: cannot read the policy \(name): "))
            }
        }
    }

    /// The policy that is printed is the one that holds: alone, it changes nothing.
    @Test func theDefaultPolicyIsPrinted() throws {
        try CommandFolder.with { folder throws in
            let outcome = try folder.retinue("policy")
            #expect(outcome == .init(status: 0, output: BoundaryPolicy.standardText, errors: ""))
            try folder.write("no default\n" + outcome.output, "own.policy")
            #expect(try members(folder, "--policy", "own.policy") == members(folder))
        }
    }

    @Test func rulesInThePlaceOfTheDefaultHoldIfTheyAreThere() throws {
        try withTemporaryFolder { folder throws in
            let path = folder + "/boundary.policy"
            let standard = BoundaryPolicy.standard.rules.count
            func rules() throws -> Int {
                try GroupOptions.policy(in: nil, otherwise: path).rules.count
            }
            #expect(try rules() == standard)
            try write("system **/x\n", to: path)
            #expect(try rules() == standard + 1)
            try write("no default\nsystem **/x\n", to: path)
            #expect(try rules() == 1)
            try write("bla\n", to: path)
            #expect(throws: RetinueCommands.Failure.self) { _ = try rules() }
            // What is named goes before it.
            try write("no default\n", to: folder + "/named")
            #expect(try GroupOptions.policy(in: folder + "/named", otherwise: path).rules.isEmpty)
        }
        #expect(GroupOptions.policyPath == "/etc/retinue/boundary.policy")
    }

    /// Two hosts' clocks: what they saw of one connection lies ten seconds apart.
    @Test func clockSkew() throws {
        try CommandFolder.with { folder throws in
            func row(_ program: String, _ relation: String, _ host: String, _ other: String, _ second: Int)
                -> String
            {
                let time = "2026-11-21T02:00:\(second).000Z"
                return "\(host),\(program),\(relation),,\(other),tcp:10.0.0.2:5432,1,\(time),\(time)\n"
            }
            try folder.write(row("/a", "connect", "10.0.0.1", "10.0.0.2", 10), "a.csv")
            try folder.write(row("/b", "accept", "10.0.0.2", "10.0.0.1", 20), "b.csv")
            let words = ["/a", "--from", "a.csv", "b.csv"]
            #expect(try !folder.members(words).contains("10.0.0.2 /b"))
            #expect(try folder.members(words + ["--clock-skew", "11"]).contains("10.0.0.2 /b"))
            #expect(try !folder.members(words + ["--clock-skew", "9.5"]).contains("10.0.0.2 /b"))
            // More records never make a smaller symmetric group: there times do not count.
            #expect(try folder.members(words + ["--symmetric"]).contains("10.0.0.2 /b"))
        }
    }

    @Test func helpIsNarrowAndTellsStatuses() throws {
        try CommandFolder.with { folder throws in
            for command in ["group", "why", "transfer", "policy"] {
                for words in [["help", command], [command, "--help"]] {
                    let outcome = try folder.retinue(words)
                    #expect(outcome.status == 0)
                    #expect(outcome.errors.isEmpty)
                    #expect(outcome.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
                    #expect(outcome.output.contains("Examples:"))
                    #expect(command == "policy" || outcome.output.contains("Exit status:"))
                }
            }
        }
    }
}
