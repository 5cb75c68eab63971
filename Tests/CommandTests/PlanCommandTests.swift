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

    /// A plan of a host of rpm, with packages of languages that are fetched and one that is copied.
    private static let otherPackages = """
        schema: retinue-plan/1
        program: shop
        made: 2026-11-27T00:00:00Z
        hosts:
        - host: h1
          programs:
          - {executable: /usr/bin/python3, start: before, process: {arguments: [python3], folder: /, user: 0, group: 0,
              groups: [], capabilities: "0", environment: []}}
          packages:
          - {system: rpm, name: python3, version: "3.13.1-2.fc41"}
          - {system: rpm, name: glibc.i686, version: "2:2.40-1"}
          - {system: python, name: flask, version: "3.0", folder: /srv/app/venv/lib/python3.13/site-packages}
          - {system: python, name: own, version: "1", source: "git+https://x.example/own@12ab", folder: /srv/app/venv/lib/python3.13/site-packages}
          - {system: python, name: wide, version: "2", folder: /usr/local/lib/python3.13/site-packages}
          - {system: python, name: kept, version: "2", copied: true, folder: /usr/local/lib/python3.13/site-packages}
          - {system: npm, name: "@a/b", version: "1.0.0", integrity: sha512-x, folder: "/srv/it's"}
          - {system: npm, name: "@a/b", version: "0.9.0", folder: "/srv/it's"}
          - {system: gem, name: rack, version: "2.2", folder: /var/lib/gems/3.3.0}
          entries: []

        """

    @Test func recipesOfOtherPackages() throws {
        try with { folder in
            try folder.write(Self.otherPackages, "plan.yaml")
            try folder.write("ID=fedora\nVERSION_ID=41\n", "root/etc/os-release")
            let languages = [
                "gem install --install-dir /var/lib/gems/3.3.0 --ignore-dependencies --no-document --version 2.2 rack",
                "npm install --prefix '/srv/it'\\''s' --no-save --no-audit --no-fund @a/b@1.0.0",
                "python3 -m pip --python /srv/app/venv install --no-deps flask==3.0 'own @ git+https://x.example/own@12ab'",
                "python3 -m pip install --no-deps --break-system-packages wide==2",
            ]
            let dnf = try export(folder, "--dnf", "--exact-versions")
            #expect(
                dnf.output
                    == "dnf install --setopt=install_weak_deps=False python3-3.13.1-2.fc41 glibc-2:2.40-1.i686 "
                    + "python3-pip npm rubygems\n" + languages.map { $0 + "\n" }.joined(), "\(dnf)")
            let image = try export(folder, "--containerfile").output
            #expect(
                image.contains(
                    "FROM fedora:41\nRUN dnf install -y --setopt=install_weak_deps=False \\\n    python3 \\\n    glibc.i686 \\\n"
                        + "    python3-pip \\\n    npm \\\n    rubygems \\\n && dnf clean all\nADD files.tar /\n"
                        + languages.map { "RUN \($0)\n" }.joined() + "USER 0:0\n"), "\(image)")
            // What another system's tools do not install is not left out in silence.
            for (form, name) in [("--apt", "apt-get"), ("--mmdebstrap", "mmdebstrap")] {
                let refused = try export(folder, form)
                #expect(refused.status == 2 && refused.output.isEmpty)
                #expect(
                    refused.errors
                        == "retinue: the plan has packages of rpm, which \(name) does not install\n")
            }
            for (release, start) in [
                (
                    "ID=opensuse-leap\nID_LIKE=\"suse opensuse\"\nVERSION_ID=\"15.6\"\n",
                    "FROM opensuse/leap:15.6\nRUN zypper --non-interactive"
                ),
                (
                    "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"\n",
                    "FROM rockylinux/rockylinux:9\nRUN dnf "
                ),
                (
                    "ID=\"almalinux\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"\n",
                    "FROM almalinux:9\nRUN dnf "
                ),
                ("ID=\"rhel\"\nVERSION_ID=\"9.4\"\n", "FROM redhat/ubi9\nRUN dnf "),
            ] {
                try folder.write(release, "root/etc/os-release")
                let text = try export(folder, "--containerfile").output
                #expect(text.contains(start), "\(text)")
            }
        }
    }

    /// On a Debian host that has packages of languages alone.
    @Test func recipesOfLanguages() throws {
        try with { folder in
            let text = Self.otherPackages.split(separator: "\n").filter {
                !$0.contains("system: rpm") && !$0.contains("npm")
            }
            .joined(separator: "\n")
            try folder.write(text, "plan.yaml")
            let apt = try export(folder, "--apt").output
            #expect(
                apt.hasPrefix("apt-get install --no-install-recommends python3-pip ruby\ngem install "),
                "\(apt)")
            let bootstrap = try export(folder, "--mmdebstrap").output
            #expect(bootstrap.contains("--include=python3-pip,ruby \\\n"))
            #expect(
                bootstrap.contains(
                    "'--customize-hook=tar-in files.tar /' \\\n  '--customize-hook=chroot \"$1\" gem install "
                ))
            #expect(
                try folder.retinue("plan", "check", "plan.yaml").output.contains("1 programs, 4 packages"))
            // Names that no line can have.
            try folder.write(
                text.replacingOccurrences(of: "/var/lib/gems", with: "'/var/\\xffx'").replacingOccurrences(
                    of: "'/var/\\xffx'/3.3.0", with: "'/var/\\xffx'"), "plan.yaml")
            let refused = try export(folder, "--apt")
            #expect(
                refused.status == 2
                    && refused.errors.contains(
                        "a recipe cannot name /var/\u{fffd}x, into which rack is installed"),
                "\(refused)")
            for (key, value, sentence) in [
                (
                    "system: gem", "system: cargo",
                    "hosts[0].packages[4].system: `cargo` is none of debian, rpm"
                ),
                ("folder: /var/lib/gems/3.3.0", "reason: x", "`folder` is missing"),
                (
                    "folder: /var/lib/gems/3.3.0", "folder: gems",
                    "hosts[0].packages[4].folder: not an absolute path"
                ),
                ("system: gem", "system: debian", "`folder` and `copied` are for packages of languages"),
            ] {
                try folder.write(text.replacingOccurrences(of: key, with: value), "plan.yaml")
                let outcome = try folder.retinue("plan", "check", "plan.yaml")
                #expect(outcome.status == 2 && outcome.errors.contains(sentence), "\(outcome)")
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
            // Whom the shop connects to is there before it; nginx finds it by a Unix socket, of which no record says who listens.
            let both = try folder.retinue(
                "plan", "web1:/srv/shop.py", "--from", "web.ndjson", "db.ndjson", "--json")
            let programs = try JSONValue(parsing: both.output)["hosts"]?.array?.flatMap {
                $0["programs"]?.array ?? []
            }
            let orders = Dictionary(
                (programs ?? []).map {
                    (($0["script"] ?? $0["executable"])?.string ?? "", $0["order"]?.integer)
                }
            ) { first, _ in first }
            #expect(orders["/usr/lib/postgresql/postgres"] == 1)
            #expect(orders["/srv/shop.py"] == 2)
            #expect(orders["/usr/sbin/nginx"] == 1)
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

    /// What a program of another host runs with is what its latest dump says; `records` keeps the line with its program.
    @Test func whatRemoteProgramsRunWith() throws {
        try CommandFolder.with { folder in
            func dump(_ second: UInt64, user: UInt32, name: String) -> [UInt8] {
                var ledger = Ledger()
                let shop = ledger.intern(
                    Program(
                        executable: ledger.texts.intern("/usr/bin/shop"),
                        workload: ledger.texts.intern("shop.service")))
                let other = ledger.intern(Program(executable: ledger.texts.intern("/usr/bin/other")))
                for (program, path) in [(shop, "/srv/shop"), (other, "/srv/other")] {
                    ledger.note(
                        .file(program, path: ledger.texts.intern(path)), access: .opened, evidence: .exact,
                        time: 1)
                }
                for name in ["shop", "other"] {
                    var process = ProcessDescription(
                        executable: Array("/usr/bin/\(name)".utf8),
                        workload: name == "shop" ? Array("shop.service".utf8) : [], pid: 7, start: 0,
                        observed: 0,
                        isStartObserved: true)
                    process.settings.arguments = [Array(name.utf8), Array("--port=80".utf8)]
                    process.settings.folder = Array("/srv".utf8)
                    process.settings.user = .init(user, name: "web")
                    process.settings.group = .init(user + 1)
                    process.settings.groups = [.init(5, name: "tty")]
                    process.settings.capabilities = "0000000000000400"
                    process.settings.limits = [.init("nofile", soft: 1024, hard: nil)]
                    ledger.processes.append(process)
                }
                var header = DumpHeader()
                header.hostID = "remote"
                header.hostName = name
                header.time = second * 1_000_000_000
                return ledger.ndjson(header)
            }
            try folder.write(dump(20, user: 33, name: "far"), "late.ndjson")
            try folder.write(dump(10, user: 44, name: "far"), "early.ndjson")
            for files in [["late.ndjson", "early.ndjson"], ["early.ndjson", "late.ndjson"]] {
                let made = try folder.retinue(["plan", "/usr/bin/shop", "--json", "--from"] + files)
                #expect(made.status == 0, "\(made)")
                let host = try #require(try JSONValue(parsing: made.output)["hosts"]?.array?.first)
                #expect(
                    host["programs"]?.array?.first?["process"]
                        == (try JSONValue(
                            parsing: """
                                {"arguments":["shop","--port=80"],"folder":"/srv","user":33,"group":34,"groups":[5],
                                "capabilities":"0000000000000400","environment":[],
                                "limits":[{"resource":"nofile","soft":1024}]}
                                """)),
                    "\(made)")
                #expect(
                    host["accounts"]
                        == (try JSONValue(
                            parsing: """
                                [{"kind":"user","name":"web","number":33,"group":34},
                                {"kind":"group","name":"tty","number":5},{"kind":"group","name":"","number":34}]
                                """)),
                    "\(made)")
            }
            let records = try folder.retinue(
                "records", "/usr/bin/other", "--from", "late.ndjson", "--format", "ndjson")
            let lines = records.output.split(separator: "\n").filter { $0.hasPrefix(#"{"type":"process""#) }
            #expect(lines.count == 1 && lines[0].contains("/usr/bin/other"), "\(records)")
            let again = try DumpContents(ndjson: Array(records.output.utf8))
            #expect(again.ledger.processes.count == 1)
            let table = try folder.retinue("records", "--from", "late.ndjson", "--format", "csv")
            #expect(table.output.split(separator: "\n").count == 3, "\(table)")
        }
    }
}
