import Foundation
import TestSupport
import Testing

@testable import RetinueCommands

@Suite("retinue why")
struct WhyCommandTests {
    private func why(_ folder: CommandFolder, _ words: String...) throws -> ProgramTests.Outcome {
        try folder.retinue(["why"] + words + ["--from", "web.ndjson", "db.ndjson"])
    }

    @Test func theChain() throws {
        try CommandFolder.with { folder throws in
            let outcome = try why(folder, "shop.py", "db1:/var/lib/postgresql/base")
            #expect(outcome.status == 0)
            #expect(outcome.errors.isEmpty)
            #expect(
                outcome.output.split(separator: "\n").map { $0.prefix { $0 != ":" } } == [
                    "/srv/shop.py (web1) is where the group begins",
                    "/srv/shop.py (web1) connects to tcp 10.0.0.2",
                    "/usr/lib/postgresql/postgres (db1) writes /var/lib/postgresql/base (db1)",
                ])
            #expect(outcome.output.contains(" exact"))
            #expect(outcome.output.contains("2026-11-21 02:00:00"))
        }
    }

    @Test func severalStartsAndMembers() throws {
        try CommandFolder.with { folder throws in
            let one = try why(folder, "shop.service", "postgres")
            #expect(one.output.hasPrefix("/srv/shop.py (web1) is where the group begins\n"))
            let itself = try why(folder, "shop.service", "report.py")
            #expect(itself.output == "/srv/report.py (web1) is where the group begins\n")
            #expect(itself.status == 0)
            // Of three that have the name one is a member.
            let nginx = try why(folder, "shop.py", "nginx")
            #expect(nginx.status == 0)
            #expect(nginx.output.contains("/usr/sbin/nginx (web1)"))
            #expect(!nginx.output.contains("db1"))
            // A chain each.
            let files = try why(folder, "shop.py", "/etc/**")
            #expect(files.output.components(separatedBy: "where the group begins").count == 4)
        }
    }

    @Test func noMember() throws {
        try CommandFolder.with { folder throws in
            let backup = try why(folder, "shop.py", "backup")
            #expect(
                backup
                    == .init(
                        status: 1, output: "",
                        errors: "retinue: db1:/usr/bin/backup does not move with shop.py: no chain of "
                            + "dependencies that is followed leads there\n"))
            let several = try why(folder, "report.py", "nginx", "--exclude", "unix:**")
            #expect(several.status == 1)
            #expect(several.output.isEmpty)
            #expect(
                several.errors == """
                    retinue: "nginx" may be any of these, of which none moves with report.py:
                      db1:/usr/sbin/nginx
                      web1:/usr/sbin/nginx@
                      web1:/usr/sbin/nginx@system.slice/nginx.service

                    """)
            let unknown = try why(folder, "shop.py", "postgras")
            #expect(unknown.status == 2)
            #expect(unknown.errors.hasPrefix("retinue: \"postgras\" is in none of the records; the nearest"))
        }
    }

    @Test func whatStoppedItIsSaid() throws {
        try CommandFolder.with { folder throws in
            try folder.write("system **/postgres\n", "mine.policy")
            let rule = try why(folder, "shop.py", "postgres", "--policy", "mine.policy")
            #expect(rule.status == 1)
            #expect(rule.errors.contains("\"system **/postgres\" stops there (mine.policy, line 1)"))
            let excluded = try why(folder, "shop.py", "postgres", "--exclude", "post*")
            #expect(excluded.status == 1)
            #expect(excluded.errors.contains("\"post*\" stops there (--exclude)"))
            let unseen = try why(folder, "shop.py", "tcp:192.0.2.9:443")
            #expect(unseen.status == 1)
            #expect(unseen.errors.contains("nobody was observed at the other end of the connection"))
        }
    }
}
