import Records
import TestSupport
import Testing

@testable import RetinueCommands

/// The table of a group as a person reads it.
@Suite("The table of a move group")
struct GroupTableTests {
    /// Two workloads of one program, a folder of data, many libraries.
    private static func write(_ folder: CommandFolder, _ files: String) throws {
        var host = HostDump("app1", id: "f1", "10.0.0.5")
        let first = host.program("/usr/bin/worker", workload: "system.slice/worker@1.service")
        let second = host.program("/usr/bin/worker", workload: "system.slice/worker@2.service")
        let one = host.program(
            "/usr/bin/python3.11", script: "/srv/job.py", workload: "system.slice/job.service")
        let other = host.program(
            "/usr/bin/python3.12", script: "/srv/job.py", workload: "system.slice/job.service")
        for program in [first, second, one, other] {
            host.file(program, "/srv/data/queue", [.opened, .written])
        }
        for number in 0..<23 {
            host.file(first, "\(files)/lib/module\(number).so", .opened)
            host.file(first, "/srv/data/\(number).out", .written)
        }
        host.file(second, "/etc/worker.conf", .opened)
        try folder.write(host.ndjson, "app.ndjson")
    }

    @Test func rowsThatAreElseEqualShowTheWorkload() throws {
        try CommandFolder.with { folder throws in
            try Self.write(folder, "/opt")
            let lines = try folder.retinue("group", "worker@1.service", "--from", "app.ndjson").output.split(
                separator: "\n")
            for wanted in [
                "program     /usr/bin/worker@system.slice/worker@1.service ",
                "program     /usr/bin/worker@system.slice/worker@2.service ",
                "program     /usr/bin/python3.11 /srv/job.py@system.slice/job.service ",
                "program     /usr/bin/python3.12 /srv/job.py@system.slice/job.service ",
            ] { #expect(lines.contains { $0.hasPrefix(wanted) }, "\(wanted)") }
            #expect(
                lines.contains {
                    $0.hasSuffix("written by /usr/bin/worker@system.slice/worker@1.service (app1)")
                })
            // One that is alone needs none.
            let alone = try folder.retinue("group", "shop.py", "--from", "web.ndjson")
            #expect(alone.output.contains("program     /srv/shop.py  "))
        }
    }

    @Test func filesAreFoldedByFolderAndUnfoldedByAll() throws {
        try CommandFolder.with { folder throws in
            try Self.write(folder, "/opt")
            func lines(_ words: String...) throws -> [Substring] {
                let outcome = try folder.retinue(
                    ["group", "worker@1.service", "--from", "app.ndjson"] + words)
                #expect(outcome.status == 0)
                return outcome.output.split(separator: "\n")
            }
            let folded = try lines()
            #expect(folded.contains { $0.hasPrefix("bound file  /srv/data/") && $0.contains("   24  ") })
            #expect(folded.contains { $0.hasPrefix("copied      /opt/lib/") && $0.contains("   23  ") })
            #expect(folded.contains { $0.hasPrefix("copied      /etc/worker.conf") })
            #expect(!folded.contains { $0.contains("module7.so") })
            let all = try lines("--all")
            #expect(all.count { $0.hasPrefix("copied      /opt/lib/module") } == 23)
            #expect(all.count { $0.hasPrefix("bound file  /srv/data/") } == 24)
        }
    }

    /// Of this machine's own records the files are measured.
    @Test func bytesAreThoseOfTheFiles() throws {
        try CommandFolder.with { folder throws in
            try run(["mkdir", folder.path + "/lib"])
            for number in 0..<23 {
                try folder.write([UInt8](repeating: 7, count: 1024), "lib/module\(number).so")
            }
            try Self.write(folder, folder.path)
            let machine = try String(decoding: bytes(ofFile: "/etc/machine-id"), as: UTF8.self).filter {
                $0 != "\n"
            }
            let text = try folder.text("app.ndjson").replacing(
                "\"host\":\"f1\"", with: "\"host\":\"\(machine)\"")
            try folder.write(text, "own.ndjson")
            let outcome = try folder.retinue("group", "worker@1.service", "--from", "own.ndjson")
            let row = outcome.output.split(separator: "\n").first {
                $0.hasPrefix("copied      \(folder.path)/lib/ ")
            }
            #expect(row?.contains("  23  23.0 KiB  used by ") == true, "\(outcome.output)")
        }
    }

    @Test func namesAreCutOnATerminalAlone() throws {
        try CommandFolder.with { folder throws in
            let path = "/srv/" + String(repeating: "long", count: 60)
            var host = HostDump("app1", id: "f1", "10.0.0.5")
            host.file(host.program("/usr/bin/worker"), path, [.opened, .written])
            try folder.write(host.ndjson, "app.ndjson")
            let retinue = try Products.path("retinue")
            func onTerminal(_ words: String) throws -> String {
                try folder.shell(
                    "script -qec \"stty cols 60; '\(retinue)' \(words) --from app.ndjson\" /dev/null < /dev/null"
                ).output
            }
            for command in ["group worker", "transfer worker", "records worker"] {
                #expect(
                    try folder.shell("retinue \(command) --from app.ndjson").output.contains(path),
                    "\(command)")
                let shown = try onTerminal(command)
                #expect(!shown.contains(path) && shown.contains("…"), "\(command)")
                #expect(try onTerminal(command + " --wide").contains(path), "\(command)")
            }
        }
    }

    @Test func theFirstLinesSaySinceWhenAndWhatWasLost() throws {
        try CommandFolder.with { folder throws in
            func observation(_ gaps: [Gap]) throws -> Substring? {
                var host = Shop.web
                host.ledger.gaps = gaps
                try folder.write(host.ndjson, "gaps.ndjson")
                return try folder.retinue("group", "shop.py", "--from", "gaps.ndjson").output.split(
                    separator: "\n"
                ).dropFirst().first
            }
            let span = "web1: observed 2026-11-21 02:00:00 to 2026-11-21 03:00:00, "
            let time = HostDump.time
            #expect(try observation([]) == Substring(span + "nothing lost"))
            let counted = Gap(source: "fanotify", cause: "overflow", from: time, to: time + 1, lost: 12)
            let another = Gap(source: "proc", cause: "overflow", from: time, to: time + 1, lost: 1_000)
            let open = Gap(source: "fanotify", cause: "filesystem", from: time, to: time + 1, lost: nil)
            #expect(try observation([counted, another]) == Substring(span + "1,012 events lost in 2 spans"))
            #expect(
                try observation([counted, open])
                    == Substring(span + "12 events lost in 1 span, of 1 span it is not known what was lost"))
            #expect(try observation([open]) == Substring(span + "of 1 span it is not known what was lost"))
        }
    }
}
