import Foundation
import MovePlan
import TestSupport
import Testing

/// What a trial's root gets, and what is learned from it.
@Suite struct TrialTests {
    private let root: PlanRoot

    init() throws {
        root = try PlanRoot()
        try root.file("/usr/bin/python3")
        try root.package("python3", ["/usr", "/usr/bin", "/usr/bin/python3"])
        try root.file("/srv/app/app.py", "import lib\n")
    }

    private func paths(_ plan: HostPlan) -> [String] {
        TrialContents(plan, root: root.path).paths.map { String(decoding: $0, as: UTF8.self) }
    }

    /// A package that dpkg knows by its architecture as well, and what packages' scripts have made.
    @Test func whatPackagesBring() throws {
        try root.file("/usr/lib/python3/dist-packages/lib.py")
        try root.file("/usr/lib/python3/dist-packages/__pycache__/lib.cpython-311.pyc")
        try root.file("/usr/lib/python3/dist-packages/__pycache__/other.cpython-311.pyc")
        try root.package("lib", ["/usr/lib/python3/dist-packages/lib.py"], isMultiArch: true)
        let plan = root.plan("/srv/app/app.py")
        #expect(plan.packages.map(\.name) == ["lib:amd64", "python3"])
        let paths = paths(plan)
        #expect(paths.contains("/usr/lib/python3/dist-packages/lib.py"))
        #expect(paths.contains("/usr/lib/python3/dist-packages/__pycache__/lib.cpython-311.pyc"))
        #expect(!paths.contains("/usr/lib/python3/dist-packages/__pycache__/other.cpython-311.pyc"))
        #expect(TrialContents(plan, root: root.path).remarks == [])
    }

    /// Every system has the folders of hier(7), and empty ones below /usr/local; links among them lead where they lead here.
    @Test func foldersThatEverySystemHas() throws {
        try root.folder("/var/cache")
        try root.folder("/usr/local/lib/python3.11/dist-packages")
        try root.folder("/usr/local/share/fonts/own")
        try root.file("/usr/local/share/own/deep/file")
        try root.folder("/run")
        try root.link("/var/run", to: "/run")
        let contents = TrialContents(root.plan("/srv/app/app.py"), root: root.path)
        let folders = contents.folders.map { String(decoding: $0, as: UTF8.self) }
        for name in [
            "/var/cache", "/usr/local/lib/python3.11/dist-packages", "/usr/local/share", "/run", "/proc",
            "/usr/local/share/fonts/own",
        ] {
            #expect(folders.contains(name), "\(name)")
        }
        #expect(!folders.contains { $0.hasPrefix("/usr/local/share/own") } && !folders.contains("/var/run"))
        #expect(contents.paths.contains(Array("/var/run".utf8)))
        #expect(String(decoding: contents.hosts, as: UTF8.self).hasPrefix("127.0.0.1 localhost\n"))
    }

    /// What the trial has, or removed of a folder that moves whole, and what the host lacks are no additions.
    @Test func whatIsLearned() throws {
        try root.file("/etc/app.conf")
        try root.file("/etc/there")
        try root.file("/srv/app/temporary")
        try root.file("/usr/share/zone/file")
        try root.link("/etc/zone", to: "/usr/share/zone/file")
        let trial = try PlanRoot()
        try trial.file("/etc/there")
        let log = [
            "/etc/app.conf", "/etc/there", "/srv/app/temporary", "/etc/nowhere", "/etc/zone", "/run/x",
        ].map {
            "7 openat(AT_FDCWD</>, \"\($0)\", O_RDONLY) = -1 ENOENT (No such file or directory)\n"
        }
        let lookups = FailedLookups(
            Array("7 execve(\"/usr/bin/x\", [\"x\"]) = 0\n".utf8) + Array(log.joined().utf8), root: [])
        var plan = root.plan("/srv/app/app.py")
        let added = plan.take(lookups, root: root.path, trial: trial.path)
        #expect(
            added.map { String(decoding: $0.path, as: UTF8.self) } == [
                "/etc/app.conf", "/etc/zone", "/usr/share/zone/file",
            ])
        #expect(added.allSatisfy { $0.program == Array("/usr/bin/x".utf8) })
        #expect(plan.take(lookups, root: root.path, trial: trial.path).isEmpty)
    }

    /// What was changed, made or removed in a root since it was filled is as it was; nothing else is copied again.
    @Test func rootsThatWereUsed() throws {
        try root.file("/srv/app/data/1", "one")
        try root.file("/srv/app/data/2", "two")
        try root.file("/srv/other/file")
        let contents = TrialContents(
            root.plan("/srv/app/app.py", reads: ["/srv/other/file"]), root: root.path)
        let place = try makeTemporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: place) }
        try contents.makeOwn(in: place)
        for path in contents.paths {
            let name = String(decoding: path, as: UTF8.self)
            if access(place + name, F_OK) != 0 { try run(["cp", "-a", root.path + name, place + name]) }
        }
        func renewal(_ time: timespec) -> TrialContents.Renewal {
            var renewal = contents.renewal(of: place, filledAt: time)
            renewal.gone.removeAll { $0.starts(with: "/etc".utf8) }
            return renewal
        }
        usleep(20_000)
        try write("", to: place + ".mark")
        var status = stat()
        #expect(stat(place + ".mark", &status) == 0)
        unlink(place + ".mark")
        let unused = renewal(status.st_ctim)
        #expect(unused.gone.isEmpty && unused.missing.isEmpty)
        usleep(20_000)
        try write("other", to: place + "/srv/app/data/1")
        unlink(place + "/srv/app/data/2")
        try write("new", to: place + "/srv/other/new")
        try run(["mkdir", place + "/deep"])
        let found = renewal(status.st_ctim)
        #expect(
            found.gone.map { String(decoding: $0, as: UTF8.self) } == [
                "/deep", "/srv/app/data/1", "/srv/other/new",
            ])
        #expect(
            found.missing.map { String(decoding: $0, as: UTF8.self) } == [
                "/srv", "/srv/app", "/srv/app/data", "/srv/app/data/1", "/srv/app/data/2", "/srv/other",
            ])
    }

    /// A link of the root is one of the root: what it leads to on this machine is not touched.
    @Test func linksOutOfTheRoot() throws {
        let outside = try makeTemporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: outside) }
        try root.link("/var/data", to: outside)
        try root.folder("/var/data/x")
        var plan = root.plan("/srv/app/app.py")
        plan.entries.append(
            PlannedEntry(
                Array("/var/data/made".utf8), .folder, .makeAnew, .implied, reason: ""))
        let place = try makeTemporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: place) }
        try run(["ln", "-s", outside, place + "/etc"])
        try run(["mkdir", place + "/var"])
        try run(["ln", "-s", outside, place + "/var/data"])
        try? TrialContents(plan, root: root.path).makeOwn(in: place)
        #expect(try FileManager.default.contentsOfDirectory(atPath: outside) == ["x"])
    }
}
