import Foundation
import MovePlan
import TestSupport
import Testing

/// What has to be at the destination though no record has it.
@Suite struct CompletionTests {
    private let root: PlanRoot

    init() throws {
        root = try PlanRoot()
        try root.file("/usr/bin/python3")
        try root.package("python3", ["/usr", "/usr/bin", "/usr/bin/python3"])
    }

    /// Thirty files were never opened: they move with the folder in which the program writes, and the plan says so.
    @Test func foldersInWhichAMemberWrites() throws {
        try root.file("/srv/app/app.py")
        for number in 0..<30 { try root.file("/srv/uploads/\(number)") }
        let plan = root.plan("/srv/app/app.py", writes: ["/srv/uploads/3"])
        #expect(
            plan.lines == [
                "/srv folder pre-copy implied", "/srv/app tree pre-copy likely",
                "/srv/uploads tree pre-copy implied",
            ])
        let uploads = try #require(plan.entry("/srv/uploads"))
        #expect(uploads.files == 30 && uploads.unopened == 29 && uploads.bytes == 30)
        #expect(
            plan.unknown.contains {
                $0.hasPrefix("in /srv/uploads, 29 more files (29 bytes) were not opened")
            })
    }

    /// What is fetched first: large files by the time of their first use, not by name.
    @Test func largeFilesInTheOrderOfTheirFirstUse() throws {
        func file(_ name: String, first: UInt64, _ size: Int) throws -> ObservedHost.File {
            var file = ObservedHost.File(path: try root.file(name, String(repeating: "x", count: size)))
            (file.first, file.isWritten) = (first, true)
            return file
        }
        let large = 64 << 10
        var loaded = try file("/srv/db/module", first: 1, large)
        loaded.isExecuted = true
        let files = [
            try file("/srv/db/a", first: 30, large), try file("/srv/db/b", first: 10, large), loaded,
            try file("/srv/db/c", first: 10, large), try file("/srv/db/small", first: 2, large - 1),
            try file("/srv/db/never", first: 0, large), try file("/run/db.cache", first: 5, large),
        ]
        let plan = PlanBuilder.plan(ObservedHost(plan: HostPlan(id: "host"), files: files), root: root.path)
        #expect(plan.firstUsed.map(PlanText.text) == ["/srv/db/b", "/srv/db/c", "/srv/db/a"])
    }

    /// The folders above are the program's as long as they are the same user's, and nobody else's.
    @Test func theTopOfADataFolder() throws {
        let file = "/var/lib/db/15/main/base/1/1234"
        try root.file(file)
        try root.file("/var/lib/db/15/main/PG_VERSION")
        #expect(root.plan("/usr/bin/x", busy: [file]).entry("/var/lib/db")?.treatment == .finalCopy)
        // Two packages have it: it is not one program's.
        for name in ["db-common", "db-client"] { try root.package(name, ["/var/lib/db"]) }
        let plan = root.plan("/usr/bin/x", busy: [file])
        #expect(plan.entry("/var/lib/db") == nil, "the packages bring it")
        #expect(plan.entry("/var/lib/db/15")?.kind == .tree)
        chmod(root.path + "/var/lib/db/15", 0o1777)
        #expect(root.plan("/usr/bin/x", busy: [file]).entry("/var/lib/db/15/main")?.kind == .tree)
    }

    /// Two instances of a server have the same user, and lie beside each other: only the one whose folder the member calls
    /// by its name moves, or that in whose folder no other program writes.
    @Test func twoInstancesOfAServer() throws {
        for name in ["main", "test"] {
            try root.file("/var/lib/db/15/\(name)/VERSION")
            try root.file("/var/lib/db/15/\(name)/base/1/1234")
        }
        try root.file("/var/lib/db/15/main/never-opened")
        let busy = ["/var/lib/db/15/main/base/1/1234"]
        func trees(_ plan: HostPlan) -> [String] {
            plan.entries.filter { $0.kind == .tree }.map { PlanText.text($0.path) }
        }
        #expect(trees(root.plan("/usr/bin/x", busy: busy)) == ["/var/lib/db"])
        var process = PlannedProcess()
        process.arguments = ["x", "-D", "/var/lib/db/15/main"].map { Array($0.utf8) }
        process.folder = Array("/".utf8)
        let plan = root.plan("/usr/bin/x", busy: busy, process: process)
        #expect(trees(plan) == ["/var/lib/db/15/main"])
        #expect(plan.entry("/var/lib/db/15/main")?.files == 3)
        process.arguments = []
        process.folder = Array("/var/lib/db/15/main".utf8)
        #expect(trees(root.plan("/usr/bin/x", busy: busy, process: process)) == ["/var/lib/db/15/main"])
        // Settings likewise: those of the other instance would bring its data.
        for name in ["main", "test"] {
            try root.file("/etc/db/15/\(name)/db.conf", "data = /var/lib/db/15/\(name)\n")
        }
        try root.file("/usr/bin/dbserver")
        try root.package("dbserver", ["/etc/db", "/usr/bin/dbserver"])
        process.arguments = ["x", "--config=/etc/db/15/main/db.conf"].map { Array($0.utf8) }
        let settings = root.plan("/usr/bin/x", reads: ["/usr/bin/dbserver"], busy: busy, process: process)
        #expect(trees(settings) == ["/etc/db/15/main", "/var/lib/db/15/main"])
        let other = root.plan("/usr/bin/x", busy: busy, others: ["/var/lib/db/15/test/base/1/1234"])
        #expect(trees(other) == ["/var/lib/db/15/main"])
    }

    /// Whoever loads it: the library reads its settings before the program runs.
    @Test func settingsOfCryptography() throws {
        try root.file("/etc/ssl/openssl.cnf")
        try root.link("/usr/lib/ssl/openssl.cnf", to: "/etc/ssl/openssl.cnf")
        try root.package("openssl", ["/usr/lib/ssl/openssl.cnf", "/etc/ssl/openssl.cnf"])
        try root.file("/usr/lib/libcrypto.so.3")
        #expect(root.plan("/usr/bin/x").entry("/etc/ssl/openssl.cnf") == nil)
        let plan = root.plan("/usr/bin/x", reads: ["/usr/lib/libcrypto.so.3"])
        for path in ["/etc/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf"] {
            #expect(plan.entry(path)?.reason == "read by libcrypto")
        }
        #expect(!plan.packages.contains { $0.name == "openssl" })
    }

    @Test func sharedFoldersNeverMoveWhole() throws {
        for folder in ["/var/log", "/tmp", "/etc", "/home/anna"] { try root.file(folder + "/others") }
        try root.file("/etc/passwd", "anna:x:1000:1000::/home/anna:/bin/sh\n")
        for name in ["/var/log/app.log", "/etc/app.conf", "/home/anna/notes"] { try root.file(name) }
        let plan = root.plan(
            "/usr/bin/x", writes: ["/var/log/app.log", "/etc/app.conf", "/home/anna/notes", "/tmp/app.1"])
        #expect(!plan.entries.contains { $0.kind == .tree }, "\(plan.lines)")
        #expect(plan.entry("/var/log/app.log")?.treatment == .preCopy)
        #expect(plan.entry("/tmp/app.1")?.treatment == .leave)
        // It is gone by now.
        #expect(!plan.unknown.contains { $0.contains("in /tmp") })
        try root.file("/tmp/app.1")
        #expect(
            root.plan("/usr/bin/x", writes: ["/tmp/app.1"]).unknown.contains {
                $0.hasPrefix("1 files in /tmp that members wrote stay (/tmp/app.1)")
            })
    }

    @Test func linksOnTheWay() throws {
        try root.file("/opt/app/releases/5/run.py")
        try root.link("/opt/app/current", to: "releases/5")
        try root.link("/opt/tool", to: "/etc/alternatives/tool")
        try root.link("/etc/alternatives/tool", to: "/opt/app/releases/5/run.py")
        try root.link("/srv/elsewhere", to: "/opt/nothing")
        try root.link("/opt/round", to: "round")
        let plan = root.plan("/opt/app/releases/5/run.py")
        #expect(plan.entry("/opt/app")?.kind == .tree, "with the link `current`")
        #expect(plan.entry("/opt/tool")?.target == Array("/etc/alternatives/tool".utf8))
        #expect(plan.entry("/etc/alternatives/tool")?.kind == .link)
        #expect(plan.entry("/srv/elsewhere") == nil && plan.entry("/opt/round") == nil)
        let files = PlanContents(plan, root: root.path).paths().map { String(decoding: $0, as: UTF8.self) }
        #expect(
            files == [
                "/etc", "/etc/alternatives", "/etc/alternatives/tool", "/opt", "/opt/app", "/opt/app/current",
                "/opt/app/releases", "/opt/app/releases/5", "/opt/app/releases/5/run.py", "/opt/tool",
            ])
    }

    /// A configuration that was read before anybody watched is named in the script.
    @Test func whatTextsName() throws {
        try root.file("/etc/shop.conf", "data=/var/shop-data\nurl=http://example/etc/shop/other\n")
        try root.file("/etc/shop/other")
        try root.file("/var/shop-data/1")
        try root.file("/srv/shop/shop.py", "open('/etc/shop.conf'); open('/nowhere'); open('/etc/passwd')\n")
        let plan = root.plan("/srv/shop/shop.py")
        #expect(plan.entry("/etc/shop.conf")?.ground == .likely)
        #expect(plan.entry("/etc/shop.conf")?.reason == "named in /srv/shop/shop.py")
        #expect(plan.entry("/etc/shop/other") == nil && plan.entry("/nowhere") == nil)
        #expect(plan.entry("/etc/passwd") == nil)
    }

    /// Settings that a program keeps with its data.
    @Test func whatSettingsBesideDataName() throws {
        try root.folder("/srv/db/run")
        try root.file("/srv/db/data/own.conf", "sockets = '/srv/db/run'\n")
        try root.file("/srv/db/data/deep/other.conf", "at /srv/elsewhere/x\n")
        try root.file("/srv/db/data/notes", "at /srv/elsewhere/x\n")
        try root.file("/srv/elsewhere/x")
        try root.file("/srv/db/data/1")
        var process = PlannedProcess()
        process.folder = Array("/srv/db/data".utf8)
        let plan = root.plan("/usr/bin/x", writes: ["/srv/db/data/1"], process: process)
        #expect(plan.entry("/srv/db/data")?.kind == .tree)
        #expect(plan.entry("/srv/db/run")?.reason == "named in /srv/db/data/own.conf", "\(plan.lines)")
        #expect(plan.entry("/srv/elsewhere/x") == nil)
    }

    /// Where a file is a package's, the package moves; what was changed is copied beside it.
    @Test func packagesInPlaceOfTheirFiles() throws {
        for name in [
            "/usr/sbin/served", "/usr/lib/served/module.so", "/etc/served/served.conf", "/etc/served/site",
        ] {
            try root.file(name)
        }
        try root.package(
            "served",
            [
                "/etc/served", "/etc/served/served.conf", "/usr/sbin/served", "/usr/lib/served",
                "/usr/lib/served/module.so",
            ],
            configuration: ["/etc/served/served.conf"])
        try root.file("/usr/share/unused")
        try root.package("unused", ["/usr/share/unused"])
        try root.file("/usr/lib/served/module.so", "patched")
        let plan = root.plan("/usr/bin/x", reads: ["/usr/sbin/served", "/usr/lib/served/module.so"])
        #expect(plan.packages.map(\.name) == ["python3", "served"])
        #expect(
            plan.packages.last?.reason == "/usr/sbin/served was used by /usr/bin/x, and 1 more of its files")
        #expect(
            plan.lines == [
                "/etc folder pre-copy implied", "/etc/served/served.conf file pre-copy likely",
                "/etc/served/site file pre-copy likely", "/usr/lib folder pre-copy implied",
                "/usr/lib/served/module.so file pre-copy exact",
            ])
    }

    @Test func whatStays() throws {
        for name in [
            "/srv/app/app.py", "/srv/app/app.pid", "/srv/app/data", "/srv/app/deep/x.lock", "/etc/machine-id",
        ] {
            try root.file(name)
        }
        try run(["mkfifo", root.path + "/srv/app/fifo"])
        let plan = root.plan(
            "/srv/app/app.py", reads: ["/etc/machine-id", "/proc/1/stat"], busy: ["/srv/app/app.pid"])
        #expect(plan.entry("/srv/app/app.pid")?.treatment == .makeAnew)
        #expect(plan.entry("/etc/machine-id")?.treatment == .leave)
        #expect(plan.entry("/proc/1/stat") == nil)
        let files = PlanContents(plan, root: root.path).paths().map { String(decoding: $0, as: UTF8.self) }
        #expect(
            files == [
                "/srv", "/srv/app", "/srv/app/app.py", "/srv/app/data", "/srv/app/deep", "/srv/app/fifo",
            ],
            "neither the number of a process nor a lock, whether a record has it or not")
    }

    @Test func accountsOfWhatMoves() throws {
        try root.file("/srv/app/app.py")
        try root.file("/srv/data/1")
        try root.file("/etc/passwd", "root:x:0:0::/root:/bin/sh\nshop:x:990:991::/srv:/bin/false\n")
        try root.file("/etc/group", "shop:x:991:\nmail:x:8:other,shop\n")
        guard geteuid() == 0 else { return }
        chown(root.path + "/srv/data/1", 990, 991)
        let plan = root.plan("/srv/app/app.py", writes: ["/srv/data/1"])
        #expect(
            plan.accounts.map { "\($0.isUser) \($0.name) \($0.number)" } == [
                "true shop 990", "false mail 8", "false shop 991",
            ])
        #expect(plan.accounts[0].home == Array("/srv".utf8))
    }

    @Test func unitsTimersAndCron() throws {
        try root.file("/srv/app/app.py")
        try root.file(
            "/etc/systemd/system/app@.service",
            "[Service]\nEnvironmentFile=-/etc/app.env\nExecStart=/srv/app/app.py\n")
        try root.file(
            "/etc/systemd/system/app@1.service.d/more.conf",
            "[Service]\nEnvironmentFile=/etc/app-\\\nmore.env\n")
        try root.file("/etc/systemd/system/app@1.timer")
        try root.file("/etc/app.env")
        try root.file(
            "/etc/cron.d/app", "# /srv/app/app.py\n0 * * * * root cd /; /srv/app/app.py >/dev/null\n")
        try root.file("/etc/cron.d/other", "0 * * * * root /srv/app/app.python\n")
        var host = HostPlan(id: "host")
        var program = PlannedProgram(executable: Array("/srv/app/app.py".utf8))
        program.workload = Array("system.slice/app@1.service".utf8)
        host.programs = [program]
        let plan = PlanBuilder.plan(ObservedHost(plan: host, files: []), root: root.path)
        #expect(
            plan.services.map { "\($0.kind) \($0.name)" } == [
                "unit app@1.service", "timer app@1.timer", "cron /etc/cron.d/app:2",
            ])
        for path in [
            "/etc/systemd/system/app@.service", "/etc/systemd/system/app@1.service.d/more.conf",
            "/etc/app.env",
            "/etc/cron.d/app",
        ] {
            #expect(plan.entry(path)?.ground == .likely, "\(path)")
        }
        #expect(plan.entry("/etc/cron.d/other") == nil)
    }

    /// Files of a host that is not here: the records alone, and it says so.
    @Test func filesThatAreNotHere() {
        var file = ObservedHost.File(path: Array("/srv/x".utf8))
        file.ground = .snapshot
        let plan = PlanBuilder.plan(ObservedHost(plan: HostPlan(id: "far"), files: [file]), root: nil)
        #expect(plan.lines == ["/srv/x file pre-copy snapshot"])
        #expect(plan.unknown.count == 1)
    }
}

/// What interpreters and the C library read before anybody watched, and show no more.
@Suite struct EarlyReadingTests {
    private let root: PlanRoot

    init() throws {
        root = try PlanRoot()
        try root.file("/usr/bin/python3")
        try root.package("python3", ["/usr", "/usr/bin", "/usr/bin/python3"])
    }

    /// A module of a package is that package; one of nobody is copied, with what it imports in turn.
    @Test func modulesThatSourcesImport() throws {
        let site = "/usr/local/lib/python3.11/dist-packages"
        try root.file("/usr/lib/python3/dist-packages/flask/__init__.py", "import werkzeug\n")
        try root.package("python3-flask", ["/usr/lib/python3/dist-packages/flask/__init__.py"])
        try root.file(site + "/stripe/__init__.py", "from . import deep\nimport money\n")
        try root.file(site + "/stripe/deep.py", "import pricing.table as t\n")
        try root.file(site + "/money.py")
        try root.file(site + "/pricing/table.py")
        try root.file(site + "/unused.py")
        try root.file(
            "/srv/app/app.py",
            "from flask import Flask, request\nimport os, stripe\n# import unused\nimport nowhere\n")
        let plan = root.plan("/srv/app/app.py")
        #expect(plan.packages.map(\.name) == ["python3", "python3-flask"])
        #expect(
            plan.packages.last?.reason
                == "/usr/lib/python3/dist-packages/flask/__init__.py was used by /srv/app/app.py")
        let found = plan.lines.filter { $0.contains("dist-packages/") }
        #expect(
            found == [
                "\(site)/money.py file pre-copy likely", "\(site)/pricing tree pre-copy likely",
                "\(site)/stripe tree pre-copy likely",
            ])
        #expect(plan.entry(site + "/pricing")?.reason == "imported by \(site)/stripe/deep.py")
    }

    @Test func modulesOfTheNameServices() throws {
        try root.file(
            "/etc/nsswitch.conf",
            "passwd: files systemd # nothing\nhosts: files mdns4 [NOTFOUND=return] dns\n")
        for name in ["systemd", "mdns4", "nothing"] {
            try root.file("/usr/lib/x86_64-linux-gnu/libnss_\(name).so.2")
        }
        try root.package("libnss-systemd", ["/usr/lib/x86_64-linux-gnu/libnss_systemd.so.2"])
        try root.file("/srv/app/app.py")
        let plan = root.plan("/srv/app/app.py")
        #expect(plan.packages.map(\.name) == ["libnss-systemd", "python3"])
        #expect(plan.entry("/usr/lib/x86_64-linux-gnu/libnss_mdns4.so.2")?.ground == .implied)
        #expect(plan.entry("/usr/lib/x86_64-linux-gnu/libnss_nothing.so.2") == nil)
    }

    /// A file of settings includes others by names relative to it, and a link leads to what has to be there.
    @Test func settingsBesideSettings() throws {
        try root.file("/etc/db/main/db.conf", "include_dir 'conf.d'\n")
        try root.folder("/etc/db/main/conf.d")
        try root.file("/etc/db/other/db.conf")
        try root.file("/srv/app/app.py", "open('/etc/db/main/db.conf')\n")
        let plan = root.plan("/srv/app/app.py")
        #expect(
            plan.lines.filter { $0.hasPrefix("/etc/db") } == [
                "/etc/db folder pre-copy implied", "/etc/db/main tree pre-copy likely",
            ])
        try root.file("/usr/bin/served")
        try root.file("/usr/share/mod/echo.conf")
        try root.link("/etc/served/modules/echo.conf", to: "/usr/share/mod/echo.conf")
        try root.package("served", ["/etc/served", "/etc/served/modules", "/usr/bin/served"])
        try root.package("served-echo", ["/usr/share/mod/echo.conf"])
        let served = root.plan("/srv/app/app.py", reads: ["/usr/bin/served"])
        #expect(served.entry("/etc/served/modules/echo.conf")?.kind == .link)
        #expect(served.packages.map(\.name) == ["python3", "served", "served-echo"])
    }

    /// A folder of settings is a package's own where no other one lists it, and what others have in it is theirs.
    @Test func settingsOfOthers() throws {
        try root.file("/usr/bin/served")
        for name in ["own", "shared", "single", "own/theirs", "own/both", "own/nobodys"] {
            try root.file("/etc/\(name)/local.conf")
        }
        try root.package("served", ["/etc/own", "/etc/shared", "/usr/bin/served"])
        try root.package("other", ["/etc/shared", "/etc/own/theirs", "/etc/own/both"])
        try root.package("third", ["/etc/own/both", "/etc/single"])
        let plan = root.plan("/srv/app/app.py", reads: ["/usr/bin/served"])
        #expect(plan.entry("/etc/own/local.conf")?.reason == "in the configuration folder of served")
        #expect(plan.entry("/etc/own/nobodys")?.kind == .tree)
        #expect(plan.entry("/etc/own/theirs") == nil && plan.entry("/etc/own/both") == nil)
        #expect(!plan.entries.contains { $0.path.starts(with: "/etc/shared".utf8) })
        // Named, it moves alone: what lies beside it in a folder that packages list is somebody's.
        try root.file("/srv/app/app.py", "open('/etc/shared/local.conf')\nopen('/etc/single/local.conf')\n")
        for name in ["shared", "single"] { try root.file("/etc/\(name)/theirs.conf") }
        let named = root.plan("/srv/app/app.py", reads: ["/usr/bin/served"])
        for folder in ["/etc/shared", "/etc/single"] {
            #expect(named.entry(folder + "/local.conf")?.kind == .file)
            #expect(named.entry(folder + "/theirs.conf") == nil && named.entry(folder)?.kind != .tree)
        }
    }

    /// A folder at the top that is the administrator's may hold anything.
    @Test func foldersAtTheTop() throws {
        guard geteuid() == 0 else { return }
        try root.file("/data/shop/app/app.py")
        try root.file("/data/films/1")
        let plan = root.plan("/data/shop/app/app.py")
        #expect(plan.lines == ["/data folder pre-copy implied", "/data/shop tree pre-copy likely"])
    }
}
