import Foundation
import MoveGroup
import Records
import TestSupport
import Testing

@testable import RetinueCommands

/// `retinue advise`, run as a user runs it, on a small system in a folder.
@Suite("retinue advise")
struct AdviseTests {
    private static let start = """
        {"type":"header","schema":"retinue/2","time":"2026-11-21T02:00:00.123Z","host":"0badcafe","machine":{"name":"web",\
        "addresses":["10.0.0.1"],"kernel":"6.1","boot":"b"},"daemon":{"version":"1",\
        "started":"2026-11-21T01:00:00.123Z"},"sources":{}}

        """

    private static func line(_ rest: String) -> String {
        """
        {"type":"dependency","host":"0badcafe","program":{"executable":"/usr/bin/app"},\(rest),"count":1,\
        "first":"2026-11-21T01:30:00.123Z","last":"2026-11-21T01:30:00.123Z","evidence":"exact"}

        """
    }

    private static func file(_ path: String, _ access: String = "r", _ more: String = "") -> String {
        line(#""relation":"file","path":"\#(path)","kind":"regular","access":"\#(access)"\#(more)"#)
    }

    private static let listener = line(
        #""relation":"listen","transport":"tcp","local":{"address":"0.0.0.0","port":8080}"#)

    /// What the fixture has, and one file that is gone.
    private static let files =
        file("/usr/bin/app", "rx") + file("/usr/lib/liba.so") + file("/etc/app.conf")
        + file("/opt/own.dat", "rw") + file("/tmp/gone") + file("/usr/share/app/plain")

    private func inFolder(
        _ dump: String = files, hasDpkg: Bool = true, _ body: (String) throws -> Void
    ) throws {
        try withTemporaryFolder { folder in
            try write(Self.start + dump, to: folder + "/web.ndjson")
            let root = folder + "/root"
            for part in [
                "/usr/bin", "/usr/lib", "/usr/share/app", "/etc", "/opt", "/var/lib/dpkg/info",
            ] { try makeFolder(root + part) }
            try write("app, changed", to: root + "/usr/bin/app")
            try write("library bytes", to: root + "/usr/lib/liba.so")
            try write("mine", to: root + "/etc/app.conf")
            try write("own data", to: root + "/opt/own.dat")
            try write("plain", to: root + "/usr/share/app/plain")
            try write("base files", to: root + "/usr/bin/base")
            if hasDpkg { try Self.putDatabase(root + "/var/lib/dpkg") }
            try body(folder)
        }
    }

    /// The digests are those of "app", "library bytes", "theirs" and "base files".
    private static func putDatabase(_ folder: String) throws {
        try write(
            """
            Package: app
            Status: install ok installed
            Architecture: all
            Version: 2:1.0~rc1-1
            Depends: liba
            Conffiles:
             /etc/app.conf ce97a90ef59e9c768263754682f68bd6

            Package: base
            Essential: yes
            Status: install ok installed
            Architecture: all
            Version: 1
            Depends: liba

            Package: liba
            Status: install ok installed
            Architecture: all
            Version: 3.1-2

            """, to: folder + "/status")
        let lists = [
            "app": "/.\n/usr\n/usr/bin\n/usr/bin/app\n/etc\n/etc/app.conf\n/usr/share/app/plain\n",
            "base": "/.\n/usr/bin/base\n", "liba": "/.\n/usr/lib/liba.so\n/usr/lib/other.so\n",
        ]
        for (package, list) in lists { try write(list, to: "\(folder)/info/\(package).list") }
        try write("d2a57dc1d883fd21fb9951699df71cc7  usr/bin/app\n", to: folder + "/info/app.md5sums")
        try write("a6500d03b6bad31776dcce5ab8fe3153  usr/lib/liba.so\n", to: folder + "/info/liba.md5sums")
        try write("b8a6dc0dd4f979a4af2d42d64c449001  usr/bin/base\n", to: folder + "/info/base.md5sums")
    }

    private func advise(_ folder: String, _ arguments: String...) throws -> ProgramTests.Outcome {
        let child = try Child(
            [try Products.path("retinue"), "advise"] + arguments + ["--from", "web.ndjson"], folder: folder)
        guard case .exited(let status) = try child.wait() else { throw TestSupport.Failure("it was killed") }
        return .init(status: status, output: child.outputText, errors: child.errorText)
    }

    private func json(_ folder: String, _ arguments: String...) throws -> String {
        let child = try Child(
            [try Products.path("retinue"), "advise", "app", "--format", "json"] + arguments
                + ["--from", "web.ndjson"], folder: folder)
        guard case .exited(0) = try child.wait() else { throw TestSupport.Failure(child.errorText) }
        #expect(try JSONSchema.answer("advice").problems(in: child.outputText) == [])
        return child.outputText
    }

    @Test func sizesPackagesAndWhatToCopyByHand() throws {
        try inFolder { folder in
            let outcome = try advise(folder, "app", "--root", "web=root")
            #expect(outcome.status == 0)
            #expect(outcome.errors.isEmpty)
            let page = outcome.output
            #expect(page.hasPrefix("web: 1 program, 6 files (1 written)\n"))
            #expect(page.contains("Files alone: any of the three isolates them, a chroot is the lightest."))
            #expect(page.split(separator: "\n").allSatisfy { $0.count <= 80 })
            // 12 + 13 + 4 + 8 + 5 bytes, and with the base system 10 more: liba counts once.
            #expect(page.contains("chroot            42 B  5 files of the group, measured below root\n"))
            #expect(page.contains("container         52 B  with a minimal base system, 2 packages\n"))
            #expect(page.contains("virtual machine      -  not measured\n"))
            let flat = page.split { $0 == " " || $0 == "\n" }.joined(separator: " ")
            #expect(
                flat.contains(
                    "Virtual machine: root is no filesystem of its own; --walk looks at every file."))
            #expect(page.contains("    app      2:1.0~rc1-1      3   3   21 B  21 B\n"))
            #expect(page.contains("    liba     3.1-2            1   2   13 B  13 B\n"))
            #expect(page.contains("  files of no package, to be copied\n    /opt/own.dat\n"))
            #expect(page.contains("  changed files of packages, to be copied\n    /usr/bin/app\n"))
            #expect(page.contains("  changed configuration of packages, to be copied\n    /etc/app.conf\n"))
            #expect(page.contains("cannot be compared, to be copied\n    /usr/share/app/plain\n"))
            #expect(page.contains("  files that are no longer there\n    /tmp/gone\n"))
            // All but the library: 12 + 4 + 8 + 5 bytes.
            #expect(flat.contains("4 files with 29 B remain to be copied."))
        }
    }

    /// What is executed or loaded and is equal at the destination is taken from there; settings and data never are.
    @Test func whatTheDestinationHas() throws {
        try inFolder { folder in
            let there =
                folder + "/destination-of-a-name-that-is-longer-than-a-line-of-a-terminal-would-be-in-a-table"
            for part in ["/usr/bin", "/usr/lib", "/etc"] { try makeFolder(there + part) }
            for (path, here, its) in [
                ("/usr/bin/app", "\u{7f}ELF one", "\u{7f}ELF two"),
                ("/usr/lib/liba.so", "\u{7f}ELF library", "\u{7f}ELF library"),
                ("/etc/app.conf", "mine", "mine"),
            ] {
                try write(here, to: folder + "/root" + path)
                try write(its, to: there + path)
            }
            let name = (there as NSString).lastPathComponent
            let page = try advise(folder, "app", "--root", "web=root", "--destination", name).output
            // 8 + 12 + 4 + 8 + 5 bytes, without the 12 of the library. No line is cut where no terminal shows it.
            #expect(page.contains("chroot            37 B  5 files of the group"))
            #expect(
                page.contains(
                    "chroot there      25 B  without 1 executable or library (12 B) that \(name) has equal\n"),
                "\(page)")
            let document = try json(folder, "--root", "web=root", "--destination", name)
            #expect(document.contains(#""destination":"\#(name)","equal_there":{"bytes":12,"#))
            #expect(try advise(folder, "app", "--destination", "none").status == 2)
        }
    }

    @Test func theWholeSystemIsMeasuredByAWalk() throws {
        try inFolder { folder in
            let page = try advise(folder, "app", "--root", "10.0.0.1=root", "--walk").output
            #expect(page.contains("13 files below root, "))
            let document = try json(folder, "--root", "0badcafe=root", "--walk")
            #expect(document.contains(#""virtual_machine":{"measured":"walk","bytes":"#))
        }
    }

    @Test func json() throws {
        try inFolder(Self.files + Self.listener) { folder in
            let document = try json(folder, "--root", "web=root")
            #expect(document.hasPrefix(#"{"schema":"retinue-advice/1","mode":"directed","hosts":["#))
            #expect(document.contains(#""advice":"container""#))
            #expect(document.contains(#""chroot":{"bytes":42,"#))
            #expect(document.contains(#""container":{"bytes":52,"#))
            #expect(document.contains(#""virtual_machine":null"#))
            #expect(
                document.contains(
                    #"{"name":"liba","version":"3.1-2","files":1,"owned":2,"bytes":13,"owned_bytes":13}"#))
            #expect(document.contains("\"modified_configuration\":[\n{\"path\":\"/etc/app.conf\"}]"))
            // The same again: nothing hangs on the order of tables in memory.
            #expect(try json(folder, "--root", "web=root") == document)
        }
    }

    @Test func whatRulesAChrootOutIsNamed() throws {
        try inFolder(Self.files + Self.listener) { folder in
            let page = try advise(folder, "app", "--root", "web=root").output
            #expect(page.contains("A container, with namespaces of its own: mount, network."))
            #expect(
                page.contains(
                    """
                        chroot: no
                          a chroot shares its host's network
                            /usr/bin/app: tcp:0.0.0.0:8080
                        container: yes
                    """))
        }
    }

    @Test func anotherHostsFilesAreNotGuessedAt() throws {
        try inFolder { folder in
            let outcome = try advise(folder, "app")
            #expect(outcome.status == 0)
            #expect(
                outcome.output.contains("6 files of this host not measured: run there, or give --root."))
            #expect(!outcome.output.contains(" B "))
            let document = try json(folder)
            #expect(document.contains(#""sizes":{"paths":6,"root":null}"#))
        }
    }

    @Test func withoutDpkgThereAreStillSizes() throws {
        try inFolder(hasDpkg: false) { folder in
            let outcome = try advise(folder, "app", "--root", "web=root")
            #expect(outcome.status == 0)
            #expect(outcome.output.contains("chroot            42 B  5 files"))
            #expect(outcome.output.contains("container            -  not measured"))
            #expect(outcome.output.contains("no dpkg or rpm database below root\n"))
            #expect(try json(folder, "--root", "web=root").contains(#""packages":null"#))
        }
    }

    @Test func aDamagedDatabaseIsSaid() throws {
        try inFolder { folder in
            try write("/usr/bin/base\nno path\n", to: folder + "/root/var/lib/dpkg/info/base.list")
            let page = try advise(folder, "app", "--root", "web=root").output
            #expect(page.contains("dpkg's database is damaged: /var/lib/dpkg/info/base.list:2:"))
            try write("garbage", to: folder + "/root/var/lib/dpkg/status")
            let outcome = try advise(folder, "app", "--root", "web=root")
            #expect(outcome.status == 0)
            #expect(outcome.output.contains("dpkg's database cannot be read: "))
        }
    }

    @Test func hostileNamesSteerNoTerminal() throws {
        let name: [UInt8] = [0x2f, 0x1b, 0x5b, 0x32, 0x4a, 0x0a, 0xff, 0x22]
        var encoded: [UInt8] = []
        name.withUnsafeBytes { Base64.append($0, to: &encoded) }
        let raw = String(decoding: encoded, as: UTF8.self)
        let hostile =
            Self.file("/x", "r", #","path_raw":"\#(raw)""#)
            + Self.line(
                #""relation":"ipc","mechanism":"shm","name":"\u001b[31m\nchroot: yes""#)
        try inFolder(Self.files + hostile) { folder in
            let page = try advise(folder, "app", "--root", "web=root").output
            #expect(page.utf8.allSatisfy { $0 >= 0x20 || $0 == 0x0a })
            #expect(page.contains(#"/usr/bin/app: shm:\x1b[31m\nchroot: yes"#))
            #expect(page.contains(#"/\x1b[2J\n\xff""#))
            let document = try json(folder, "--root", "web=root")
            #expect(document.contains(#""path_raw":"\#(raw)""#))
            #expect(document.utf8.allSatisfy { $0 >= 0x20 || $0 == 0x0a })
        }
    }

    @Test func wrongCommandLines() throws {
        try inFolder { folder in
            var outcome = try advise(folder, "ap")
            #expect(outcome.status == 2)
            #expect(
                outcome.errors.hasPrefix(
                    "retinue: \"ap\" is in none of the records; the nearest names are:\n"))
            #expect(outcome.errors.contains("/usr/bin/app"))
            outcome = try advise(folder, "app", "--root", "nobody=root")
            #expect(outcome.errors.contains("no input has a host of that id, name or address"))
            outcome = try advise(folder, "app", "--root", "web=nowhere")
            #expect(outcome.errors == "retinue: --root web=nowhere: no such directory\n")
            for arguments in [
                ["--root", "web"], ["--root", "=x"], ["--root", "web="], ["--format", "xml"],
            ] {
                outcome = try advise(folder, "app", arguments[0], arguments[1])
                #expect(outcome.status == 1)
                #expect(outcome.output.isEmpty)
            }
            try write("launcher", to: folder + "/rules")
            outcome = try advise(folder, "app", "--policy", "rules")
            #expect(outcome.status == 2)
            #expect(outcome.errors.hasPrefix("retinue: rules, line 1: "))
        }
    }
}

@Suite("Where a host's files are")
struct HostRootsTests {
    @Test func thisMachineHasThemInTheRoot() {
        let roots = HostRoots(given: [], machineID: "me")
        #expect(roots.root(of: .init(id: "me")) == "/")
        #expect(roots.root(of: .init(id: "me/web")) == "/")
        #expect(roots.root(of: .init(id: "me2")) == nil)
        #expect(HostRoots(given: [], machineID: "").root(of: .init(id: "")) == nil)
        #expect(HostRoots(given: [], machineID: nil).root(of: .init(id: "/a")) == nil)
    }

    @Test func whatIsGivenComesFirst() {
        let roots = HostRoots(given: [HostRoot(argument: "me=/a=b")!], machineID: "me")
        #expect(roots.root(of: .init(id: "me")) == "/a=b")
    }
}
