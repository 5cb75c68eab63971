import Foundation
import Records
import TestSupport
import Testing

@testable import RetinueCommands

/// What commands make of a plan: recipes, and JSON of each.
@Suite("retinue plan")
struct PlanCommandTests {
    private static let plan = """
        schema: retinue-plan/1
        program: shop
        made: 2026-11-27T00:00:00Z
        hosts:
        - host: h1
          name: web1
          programs:
          - executable: /usr/bin/python3
            start: before
            process:
              arguments: [python3, /srv/shop.py, "a \\"b\\" $c"]
              folder: /srv/shop
              user: 990
              group: 991
              groups: [991, 8]
              capabilities: "0"
              environment: [TZ=UTC, TOKEN, "LANG=a b", "PRICE=$5 'x'"]
          packages:
          - {system: debian, name: python3, version: 3.11.2-1, reason: it}
          - {system: debian, name: "lib:amd64", version: "1:2~b", reason: it}
          entries:
          - {path: /srv/shop, kind: tree, treatment: pre-copy, bytes: 5}
          - {path: /srv/gone, kind: file, treatment: final-copy}
          - {path: /run/shop, kind: folder, treatment: make-anew}
          accounts:
          - {kind: user, name: shop, number: 990, group: 991, home: /srv, shell: /bin/sh}
          - {kind: group, name: shop, number: 991}
          ports:
          - {address: "tcp:0.0.0.0:80", program: /usr/bin/python3}
          - {address: "unix:/run/x", program: /usr/bin/python3}

        """

    private func with(_ body: (CommandFolder) throws -> Void) throws {
        try CommandFolder.with { folder in
            try folder.write(Self.plan, "plan.yaml")
            for name in ["/root/etc", "/root/srv/shop"] { try makeFolder(folder.path + name) }
            try folder.write("ID=debian\nVERSION_CODENAME=\"bookworm\"\n", "root/etc/os-release")
            try folder.write("x", "root/srv/shop/a\nb")
            try body(folder)
        }
    }

    private func export(_ folder: CommandFolder, _ words: String...) throws -> ProgramTests.Outcome {
        try folder.retinue(["plan", "export", "plan.yaml", "--root", "root"] + words)
    }

    @Test func recipes() throws {
        try with { folder in
            #expect(
                try export(folder, "--apt").output
                    == "apt-get install --no-install-recommends python3 lib:amd64\n")
            #expect(
                try export(folder, "--apt", "--exact-versions").output
                    == "apt-get install --no-install-recommends python3=3.11.2-1 'lib:amd64=1:2~b'\n")
            let containerfile = try export(folder, "--containerfile", "--exact-versions")
            #expect(
                containerfile.output == #"""
                    # shop of web1, by its plan. What it copies: retinue plan export FILE --tar files.tar
                    FROM debian:bookworm
                    RUN grep -q '^shop:' /etc/passwd || echo shop:x:990:991::/srv:/bin/sh >> /etc/passwd ; \
                        grep -q '^shop:' /etc/group || echo shop:x:991: >> /etc/group
                    RUN apt-get update && apt-get install -y --no-install-recommends \
                        python3=3.11.2-1 \
                        'lib:amd64=1:2~b' \
                     && rm -rf /var/lib/apt/lists/*
                    ADD files.tar /
                    WORKDIR /srv/shop
                    USER 990:991
                    ENV PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
                    ENV TZ="UTC"
                    ENV LANG="a b"
                    ENV PRICE="\$5 'x'"
                    EXPOSE 80/tcp
                    ENTRYPOINT ["/usr/bin/python3", "/srv/shop.py", "a \"b\" $c"]

                    """#)
            let unversioned = try export(folder, "--mmdebstrap").output
            #expect(
                unversioned == #"""
                    mmdebstrap \
                      --variant=minbase \
                      --include=python3,lib:amd64 \
                      '--essential-hook=grep -q '\''^shop:'\'' "$1"/etc/passwd || echo shop:x:990:991::/srv:/bin/sh >> "$1"/etc/passwd' \
                      '--essential-hook=grep -q '\''^shop:'\'' "$1"/etc/group || echo shop:x:991: >> "$1"/etc/group' \
                      '--customize-hook=tar-in files.tar /' \
                      bookworm \
                      root.tar

                    """#)
            let bootstrap = try export(folder, "--mmdebstrap", "--exact-versions").output
            #expect(
                bootstrap == #"""
                    mmdebstrap \
                      --variant=minbase \
                      '--include=python3=3.11.2-1,lib:amd64=1:2~b' \
                      '--essential-hook=grep -q '\''^shop:'\'' "$1"/etc/passwd || echo shop:x:990:991::/srv:/bin/sh >> "$1"/etc/passwd' \
                      '--essential-hook=grep -q '\''^shop:'\'' "$1"/etc/group || echo shop:x:991: >> "$1"/etc/group' \
                      '--customize-hook=tar-in files.tar /' \
                      bookworm \
                      root.tar

                    """#)
        }
    }

    /// Without packages, accounts and ports; and what a shell, a Containerfile or a list would take for its own.
    @Test func recipesOfFilesAlone() throws {
        try with { folder in
            let text = #"""
                schema: retinue-plan/1
                program: shop
                made: 2026-11-27T00:00:00Z
                hosts:
                - host: h1
                  programs:
                  - executable: /opt/shop/run
                    start: before
                    process:
                      user: 0
                      group: 0
                      groups: []
                      capabilities: "0"
                      arguments: [/opt/shop/run, "it's", "a\\nb", "#x", "$HOME", '`id`', "%p"]
                      folder: "/srv/my $shop"
                      environment: ["A=b c", "B=\\\\ # $"]
                  entries:
                  - {path: /opt/shop, kind: tree, treatment: pre-copy, bytes: 5}

                """#
            try folder.write(text, "plan.yaml")
            #expect(try export(folder, "--apt") == .init(status: 0, output: "", errors: ""))
            #expect(
                try export(folder, "--containerfile").output == #"""
                    # shop of h1, by its plan. What it copies: retinue plan export FILE --tar files.tar
                    FROM debian:bookworm
                    ADD files.tar /
                    WORKDIR /srv/my \$shop
                    USER 0:0
                    ENV PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
                    ENV A="b c"
                    ENV B="\\ # \$"
                    ENTRYPOINT ["/opt/shop/run", "it's", "a\nb", "#x", "$HOME", "`id`", "%p"]

                    """#)
            #expect(
                try export(folder, "--mmdebstrap").output == #"""
                    mmdebstrap \
                      --variant=minbase \
                      '--customize-hook=tar-in files.tar /' \
                      bookworm \
                      root.tar

                    """#)
            // A variable of two lines is none there.
            for (part, other) in [("A=b c", #"A=b\\nc"#), ("/srv/my $shop", #"/srv/a\\nb"#)] {
                try folder.write(text.replacing(part, with: other), "plan.yaml")
                let outcome = try export(folder, "--containerfile")
                #expect(outcome.status == 2 && outcome.output.isEmpty, "\(outcome)")
                #expect(outcome.errors.contains("a Containerfile cannot have a variable or folder that is "))
            }
        }
    }

    @Test func answersForPrograms() throws {
        try with { folder in
            #expect(
                try folder.retinue("plan", "check", "plan.yaml", "--against", "plan.yaml", "--json").output
                    == #"{"schema":"retinue-plan-check/1","hosts":["# + "\n"
                    + #"{"host":"h1","name":"web1","programs":1,"packages":2,"copied":2,"bytes":5,"others":1}"#
                    + #"],"changes":[]}"# + "\n")
            #expect(
                try folder.retinue("plan", "files", "plan.yaml", "--root", "root", "--json").output
                    == #"{"schema":"retinue-plan-files/1","host":"h1","paths":["/srv/shop","/srv/shop/a\\nb"]}"#
                    + "\n")
            #expect(
                try export(folder, "--apt", "--exact-versions", "--json").output
                    == #"{"schema":"retinue-plan-export/1","host":"h1","form":"apt","text":"apt-get install "#
                    + #"--no-install-recommends python3=3.11.2-1 'lib:amd64=1:2~b'\n"}"# + "\n")
            #expect(
                try export(folder, "--tar", "files.tar", "--json").output
                    == #"{"schema":"retinue-plan-export/1","host":"h1","form":"tar","file":"files.tar"}"#
                    + "\n")
            let made = try folder.retinue("plan", "shop.service", "--from", "web.ndjson", "--json")
            #expect(made.output.hasPrefix(#"{"schema":"retinue-plan/1""#))
        }
    }

    @Test func badInput() throws {
        try with { folder in
            for words in [
                ["--apt", "--containerfile"], [], ["--tar", "-", "--json"],
                ["--tar", "x", "--exact-versions"],
            ] {
                let outcome = try folder.retinue(["plan", "export", "plan.yaml"] + words)
                #expect(outcome.status == 1 && outcome.output.isEmpty && outcome.errors.contains("--"))
            }
            let outcome = try folder.retinue("plan", "export", "plan.yaml", "--apt", "--root", "none")
            #expect(outcome.status == 2 && outcome.errors == "retinue: --root none: no such directory\n")
        }
    }

    /// A program of the host goes before one of another mount namespace, which goes by its whole name.
    @Test func namesOfOtherNamespaces() throws {
        try CommandFolder.with { folder in
            var host = Shop.web
            for path in ["/usr/sbin/thing", "/mnt:box.service/usr/sbin/thing"] {
                let program = host.program(path)
                host.file(program, "/etc/thing", .opened)
            }
            try folder.write(host.ndjson, "web.ndjson")
            for (name, other) in [("thing", false), ("/mnt:box.service/usr/sbin/thing", true)] {
                let members = try folder.members(name, "--from", "web.ndjson")
                #expect(members.contains("web1 /usr/sbin/thing") == !other, "\(members)")
                #expect(members.contains("web1 /mnt:box.service/usr/sbin/thing") == other, "\(members)")
            }
        }
    }

    /// A plan in place of records: what it copies, in order, and what that takes.
    @Test func otherCommandsReadIt() throws {
        try with { folder in
            try folder.write("four", "root/srv/shop/larger")
            let words = ["transfer", "--plan", "plan.yaml", "--root", "web1=root"]
            #expect(
                try folder.retinue(words + ["--format", "paths0"]).output
                    == "/srv/shop/larger\0/srv/shop/a\nb\0/srv/shop\0")
            #expect(
                try folder.retinue(words).output == """
                    PHASE     SIZE  HOST  FILE
                    pre-copy   4 B  web1  /srv/shop/larger
                    pre-copy   1 B  web1  /srv/shop/a\\nb
                    pre-copy     -  web1  /srv/shop

                    pre-copy: 3 paths, 5 B, 0.0 s
                    final copy: 0 paths, 0 B

                    """)
            #expect(
                try folder.retinue(words + ["--json", "--phase", "final-copy"]).output
                    == #"{"schema":"retinue-transfer/1","files":[],"# + "\n"
                    + #""totals":{"pre_copy":{"files":0,"bytes":0},"final_copy":{"files":0,"bytes":0},"#
                    + #""pre_copy_milliseconds":0}}"# + "\n")
            #expect(
                try folder.retinue(words + ["--format", "csv"]).output.hasPrefix(
                    "phase,host,path,bytes,last write,rewrite\npre-copy,h1,/srv/shop/larger,4,,\n"))
            let advice = try folder.retinue("advise", "--plan", "plan.yaml", "--root", "web1=root")
            #expect(advice.status == 0 && advice.output.hasPrefix("web1 (h1)\n"), "\(advice)")
            #expect(advice.output.contains("chroot             5 B  2 files of the group"), "\(advice)")
            let json = try folder.retinue("advise", "--plan", "plan.yaml", "--root", "web1=root", "--json")
            #expect(json.output.hasPrefix(#"{"schema":"retinue-advice/1","mode":"plan","hosts":["#))
            #expect(json.output.contains(#""chroot":{"bytes":5,"#))
            // Of a host that is elsewhere, what the plan itself has.
            let elsewhere = try folder.retinue("transfer", "--plan", "plan.yaml", "--format", "paths0")
            #expect(elsewhere.output == "/srv/shop\0/srv/gone\0")
            #expect(elsewhere.errors.hasPrefix("retinue: the files of web1 are not here"))
            for words in [
                ["transfer"], ["advise", "x", "--plan", "plan.yaml"],
                ["transfer", "--plan", "plan.yaml", "--from", "web.ndjson"],
            ] {
                let outcome = try folder.retinue(words)
                #expect(outcome.status == 1 && outcome.output.isEmpty, "\(words)")
            }
            #expect(try folder.retinue("advise", "--plan", "web.ndjson").status == 2)
        }
    }

    @Test func noTableIsCutWhereNoTerminalShowsIt() throws {
        try CommandFolder.with { folder in
            let page = try folder.retinue("probe").output
            #expect(page.hasPrefix("kernel ") && !page.contains("…"), "\(page)")
        }
    }

    /// Both ends recorded one connection; so it is one endpoint, counted once.
    @Test func endpointsOfBothEnds() throws {
        try CommandFolder.with { folder in
            let made = try folder.retinue(
                "plan", "shop.service", "--from", "web.ndjson", "db.ndjson", "--exclude",
                "/usr/lib/postgresql/postgres", "--json")
            let hosts = try JSONValue(parsing: made.output)["hosts"]?.array ?? []
            let endpoints = hosts.flatMap { $0["endpoints"]?.array ?? [] }.filter {
                $0["address"] == .string("tcp:10.0.0.2:5432")
            }
            #expect(endpoints.count == 1, "\(made)")
            #expect(
                endpoints.first?["direction"] == .string("out") && endpoints.first?["count"] == .integer(1))
        }
    }
}
