import Records
import TestSupport
import Testing

@testable import RetinueCommands

/// Colour is for a terminal, and for whoever asks for it.
@Suite("Colour")
struct ColourTests {
    /// Runs a line with `retinue` on a terminal of its own, as script(1) makes it.
    private func terminal(_ folder: CommandFolder, _ line: String, _ environment: String = "") throws
        -> String
    {
        let retinue = try Products.path("retinue")
        let command =
            "env -u NO_COLOR -u CLICOLOR_FORCE -u CLICOLOR TERM=xterm \(environment) '\(retinue)' \(line)"
        let outcome = try folder.shell("script -qec \"\(command)\" /dev/null < /dev/null")
        return outcome.output.replacing("\r\n", with: "\n")
    }

    private static let green = "\u{1b}[32m"
    private static let red = "\u{1b}[31m"
    private static let yellow = "\u{1b}[33m"
    private static let end = "\u{1b}[0m"

    private static func plain(_ text: String) -> String {
        Palette.Meaning.allCases.reduce(text.replacing(Palette.end, with: "")) {
            $0.replacing($1.begin, with: "")
        }
    }

    @Test func onATerminalAndNowhereElse() throws {
        try CommandFolder.with { folder throws in
            let group = "group shop.py --from web.ndjson"
            let shown = try terminal(folder, group)
            #expect(shown.contains("\u{1b}[36mprogram\u{1b}[0m") && shown.contains("\u{1b}[1mMove group of "))
            #expect(shown.contains(Self.yellow + "bound file" + Self.end))
            // The same words without it: but for its width, what a pipe gets.
            #expect(Self.plain(shown) == (try terminal(folder, group, "NO_COLOR=1")))
            let piped = try folder.retinue("group", "shop.py", "--from", "web.ndjson").output
            #expect(!piped.contains("\u{1b}"))
            #expect(try folder.retinue("group", "shop.py", "--from", "web.ndjson", "-o", "out").status == 0)
            #expect(try folder.text("out") == piped)
        }
    }

    @Test func asTheEnvironmentAndTheOptionSay() throws {
        try CommandFolder.with { folder throws in
            let group = "group shop.py --from web.ndjson"
            for (environment, option, isColoured) in [
                ("NO_COLOR=1", "", false), ("NO_COLOR=", "", true), ("TERM=dumb", "", false),
                ("CLICOLOR=0", "", false), ("NO_COLOR=1", "--color always", true),
                ("", "--color never", false),
                ("CLICOLOR_FORCE=1", "--color never", false), ("NO_COLOR=1 CLICOLOR_FORCE=1", "", false),
            ] {
                let shown = try terminal(folder, "\(group) \(option)", environment)
                #expect(shown.contains("Move group of "))
                #expect(shown.contains("\u{1b}[") == isColoured, "\(environment) \(option)")
            }
            for (environment, option, isColoured) in [
                ("CLICOLOR_FORCE=1", "", true), ("CLICOLOR_FORCE=0", "", false),
                ("CLICOLOR_FORCE=", "", false),
                ("X=1", "--color always", true), ("CLICOLOR_FORCE=1", "--color never", false),
                ("NO_COLOR=1 CLICOLOR_FORCE=1", "", false),
            ] {
                let piped = try folder.shell("env \(environment) \"$0\" \(group) \(option) | cat")
                #expect(piped.output.contains("\u{1b}[") == isColoured, "\(environment) \(option)")
            }
            #expect(
                try folder.retinue("group", "shop.py", "--from", "web.ndjson", "--color", "loud").status == 1)
            // What programs read has none.
            let json = try folder.retinue(
                "group", "shop.py", "--from", "web.ndjson", "--json", "--color", "always")
            #expect(json.status == 0 && !json.output.contains("\u{1b}"))
        }
    }

    @Test func ofTheOtherCommands() throws {
        try CommandFolder.with { folder throws in
            var other = Shop.web
            let shop = other.program(
                "/usr/bin/python3.11", script: "/srv/shop.py", workload: "system.slice/shop.service")
            other.file(shop, "/etc/new.conf", .opened)
            other.file(shop, "/etc/shop.conf", .written)
            try folder.write(other.ndjson, "other.ndjson")
            let diff = try terminal(folder, "diff web.ndjson other.ndjson")
            #expect(diff.contains("\n\(Self.yellow)~ ") || diff.hasPrefix("\(Self.yellow)~ "))
            #expect(diff.contains("\(Self.green)+ /usr/bin/python3.11 /srv/shop.py"))
            #expect(try terminal(folder, "diff other.ndjson web.ndjson").contains("\(Self.red)- "))
            let why = try terminal(folder, "why shop.py /etc/shop.conf --from web.ndjson")
            #expect(why.contains("reads /etc/shop.conf (web1): \u{1b}[2mexact, once"), "\(why)")
            #expect(
                try folder.retinue("plan", "shop.service", "--from", "web.ndjson", "-o", "plan.yaml").status
                    == 0)
            let edited = try folder.text("plan.yaml").replacing("/etc/shop.conf", with: "/etc/other.conf")
            try folder.write(edited, "edited.yaml")
            let check = try terminal(folder, "plan check edited.yaml --against plan.yaml")
            #expect(check.contains("\(Self.green)web1: /etc/other.conf: added"), "\(check)")
            #expect(check.contains("\(Self.red)web1: /etc/shop.conf: taken out\(Self.end)"))
            let daemon = try FakeDaemon(path: folder.path + "/retinued.sock", status: StatusTests.ready)
            defer { daemon.stop() }
            let status = try terminal(folder, "status --state-dir \(folder.path)")
            #expect(status.contains("state        \(Self.green)ready\(Self.end)\n"), "\(status)")
            #expect(status.contains("degraded     \(Self.yellow)no tracefs"))
            #expect(try terminal(folder, "probe").contains(Palette.Meaning.aside.begin + "FEATURE"))
        }
    }

    /// A name has no colours of its own, whatever it is called.
    @Test func namesDoNotPaint() throws {
        try CommandFolder.with { folder throws in
            var host = Shop.web
            let shop = host.program(
                "/usr/bin/python3.11", script: "/srv/shop.py", workload: "system.slice/shop.service")
            host.file(shop, "/srv/\u{1b}[31mred\u{1b}[2J", .written)
            try folder.write(host.ndjson, "web.ndjson")
            for option in ["", "--explain"] {
                let shown = try terminal(folder, "group shop.py --from web.ndjson --all \(option)")
                #expect(shown.contains(#"/srv/\x1b[31mred\x1b[2J"#), "\(shown)")
                #expect(!shown.contains("\u{1b}[2J") && !shown.contains("\u{1b}[31m"))
            }
        }
    }

    @Test func tablesStayInTheirColumns() {
        var table = TextTable(
            [.init(title: "A", cut: .end), .init(title: "N", isNumber: true)], Palette(isOn: true))
        table.add([.init(text: "long enough to be cut", meaning: .bad), .init(text: "7", meaning: .good)])
        #expect(
            table.text(width: 14).split(separator: "\n").last.map(String.init)
                == "\u{1b}[31mlong enoug…\u{1b}[0m  \u{1b}[32m7\u{1b}[0m")
    }
}
