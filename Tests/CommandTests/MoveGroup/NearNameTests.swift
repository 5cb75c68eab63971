import MoveGroup
import Records
import TestSupport
import Testing

@testable import RetinueCommands

/// A name that means nothing, or nothing that is meant.
@Suite("Names that are not there")
struct NearNameTests {
    /// A server with a folder of its name, another folder, and a container of the name of a file.
    private static var host: HostDump {
        var host = HostDump("web1", id: "f1", "10.0.0.5")
        let nginx = host.program("/usr/sbin/nginx", workload: "system.slice/nginx.service")
        let inside = host.program("/usr/bin/worker", workload: "lxc.payload.box/job.service")
        host.file(nginx, "/etc/nginx", .opened)
        host.file(nginx, "/srv/nginz", .opened)
        host.file(nginx, "/etc/nginx/nginx.conf", .opened)
        host.file(inside, "/srv/lxc.payload.box", .opened)
        host.file(nginx, "/etc/data", .opened)
        host.file(nginx, "/var/data", .opened)
        return host
    }

    private static func with(_ body: (CommandFolder) throws -> Void) throws {
        try CommandFolder.with { folder throws in
            var ledger = ""
            for line in host.lines {
                let isFolder =
                    line.contains("\"/etc/nginx\"") || line.contains("\"/srv/nginz\"")
                    || line.contains("\"/etc/data\"")
                ledger += (isFolder ? line.replacing("\"regular\"", with: "\"directory\"") : line) + "\n"
            }
            try folder.write(ledger, "web.ndjson")
            try body(folder)
        }
    }

    @Test func aDirectoryIsNoStartAndAFileIs() throws {
        try Self.with { folder throws in
            for command in ["group", "transfer", "advise", "plan"] {
                let outcome = try folder.retinue(command, "nginz", "--from", "web.ndjson")
                #expect(outcome.status == 2 && outcome.output.isEmpty, "\(command)")
                #expect(
                    outcome.errors == """
                        retinue: "nginz" is a directory, where no group can begin: name a program or a file; the nearest programs are:
                          web1:/usr/sbin/nginx@system.slice/nginx.service

                        """)
            }
            // The program goes before its folder, and a file may be the start.
            #expect(try folder.members("nginx", "--from", "web.ndjson").contains("web1 /usr/sbin/nginx"))
            #expect(
                try folder.members("nginx.conf", "--from", "web.ndjson").contains(
                    "web1 /etc/nginx/nginx.conf"))
            // So does a file before a folder of its name.
            #expect(try folder.members("data", "--from", "web.ndjson").contains("web1 /var/data"))
            // As a member a directory can be asked about.
            #expect(try folder.retinue("why", "nginx", "/srv/nginz", "--from", "web.ndjson").status == 0)
            // All that is in a container goes before a file of its name.
            #expect(
                try folder.members("lxc.payload.box", "--from", "web.ndjson").contains("web1 /usr/bin/worker")
            )
        }
    }

    @Test func anEmptyNameIsAnError() throws {
        try CommandFolder.with { folder throws in
            for words in [
                ["group", ""], ["transfer", ""], ["advise", ""], ["why", "", "/etc/shop.conf"], ["plan", ""],
            ] {
                #expect(
                    try folder.retinue(words + ["--from", "web.ndjson"])
                        == .init(status: 2, output: "", errors: "retinue: the name of a program is empty\n"))
            }
        }
    }

    @Test func aCommandThatIsNotThereHasNearOnes() throws {
        try CommandFolder.with { folder throws in
            #expect(
                try folder.retinue("grop", "nginx")
                    == .init(
                        status: 1, output: "",
                        errors: "retinue: there is no command \"grop\"; the nearest are:\n  group\n  top\n"))
            let far = try folder.retinue("somethingelse")
            #expect(
                far.status == 1
                    && far.errors.hasPrefix(
                        "retinue: there is no command \"somethingelse\"; there are:\n  probe\n")
            )
            #expect(try folder.retinue("help", "group").status == 0)
        }
    }

    /// Below another command, and where help is asked for.
    @Test func commandsOfCommandsHaveNearOnes() throws {
        try CommandFolder.with { folder throws in
            for (words, errors) in [
                (
                    ["help", "grop"],
                    "retinue: there is no command \"grop\"; the nearest are:\n  group\n  top\n"
                ),
                (
                    ["help", "plan", "chek"],
                    "retinue: there is no command \"plan chek\"; the nearest are:\n  plan check\n"
                ),
            ] {
                #expect(try folder.retinue(words) == .init(status: 1, output: "", errors: errors))
            }
            for words in [["help"], ["help", "help"], ["help", "plan", "check"], ["help", "plan"]] {
                #expect(try folder.retinue(words).status == 0, "\(words)")
            }
            // What follows `plan` is a program as long as the rest is right.
            let wrong = try folder.retinue("plan", "chek", "plan.yaml")
            #expect(
                wrong.status == 1 && wrong.errors.hasSuffix("\nretinue: did you mean retinue plan check?\n"))
            let other = try folder.retinue("plan", "nginx", "plan.yaml")
            #expect(other.status == 1 && !other.errors.contains("did you mean"))
        }
    }

    @Test func recordsNameTheNearestPrograms() throws {
        try CommandFolder.with { folder throws in
            #expect(
                try folder.retinue("records", "ngimx", "--from", "web.ndjson")
                    == .init(
                        status: 1, output: "",
                        errors:
                            "retinue: no record matches program \"ngimx\"; the nearest programs are:\n  nginx\n"
                    ))
            #expect(
                try folder.retinue("records", "/srv/shop.py2", "--from", "web.ndjson").errors.hasSuffix(
                    ":\n  /srv/shop.py\n"))
            // One that has records, but none of this relation, is not the wrong name.
            let other = try folder.retinue("records", "nginx", "--relation", "spawn", "--from", "web.ndjson")
            #expect(other.errors == "retinue: no record matches program \"nginx\", relation spawn\n")
        }
    }
}
