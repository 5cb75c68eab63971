import Glibc
import Procfs
import TestSupport
import Testing

@testable import MovePlan

@Suite("What a plan copies, and what it leaves")
struct ContentsTests {
    private func plan(_ entries: [(String, PlannedEntry.Kind, Treatment)]) -> HostPlan {
        var plan = HostPlan(id: "one")
        plan.entries = entries.map {
            PlannedEntry(Array($0.0.utf8), $0.1, $0.2, .exact, reason: "by hand")
        }
        return plan
    }

    private func paths(_ plan: HostPlan, _ root: String) -> [String] {
        PlanContents(plan, root: root).paths().map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func whatTheDestinationHasIsLeft() throws {
        try withTemporaryFolder { root in
            for folder in ["/srv", "/srv/app", "/srv/app/data", "/srv/app/database", "/srv/app/data/in"] {
                mkdir(root + folder, 0o755)
            }
            for file in ["/srv/app/a", "/srv/app/data/b", "/srv/app/data/in/c", "/srv/app/database/d"] {
                try write("x", to: root + file)
            }
            let all = plan([
                ("/srv/app", .tree, .finalCopy), ("/srv/app/data/in/c", .file, .preCopy),
                ("/srv/other", .tree, .leave),
            ])
            let left = all.leaving([Array("/srv/app/data".utf8)])
            #expect(
                paths(left, root) == [
                    "/srv/app", "/srv/app/a", "/srv/app/database", "/srv/app/database/d",
                ])
            #expect(
                left.entries.map(\.path)
                    == left.entries.map(\.path).sorted { $0.lexicographicallyPrecedes($1) })
            #expect(all.leaving([]) == all)
            // Of a point above what is copied nothing is left.
            #expect(paths(all.leaving([Array("/srv".utf8)]), root) == [])
            // The folder of another name that begins alike is another one.
            #expect(paths(all.leaving([Array("/srv/app/dat".utf8)]), root).contains("/srv/app/data/b"))
        }
    }

    /// What programs make when they start is not made anew by those that go on: it comes with them, in trees as well.
    @Test func whatRunningProcessesHaveMade() throws {
        try withTemporaryFolder { root in
            for folder in [
                "/srv", "/srv/app", "/srv/app/held.lock", "/run", "/dev", "/dev/shm", "/etc", "/etc/ssh",
            ] {
                mkdir(root + folder, 0o755)
            }
            for file in [
                "/srv/app/a", "/srv/app/postmaster.pid", "/srv/app/held.lock/owner", "/srv/app/mine.pid",
                "/run/app.pid", "/run/other.pid", "/dev/shm/app", "/etc/ssh/ssh_host_key", "/etc/ssh/more",
            ] {
                try write("1", to: root + file)
            }
            symlink("4711", root + "/srv/app/link.lock")
            mkfifo(root + "/srv/app/pipe.lock", 0o600)
            let plan = plan([
                ("/srv/app", .tree, .finalCopy), ("/srv/app/mine.pid", .file, .leave),
                ("/run/app.pid", .file, .makeAnew), ("/run", .folder, .makeAnew),
                ("/dev/shm/app", .file, .makeAnew), ("/etc/ssh", .tree, .preCopy),
            ])
            // What a rule keeps at its host stays there either way.
            #expect(paths(plan, root) == ["/etc/ssh", "/etc/ssh/more", "/srv/app", "/srv/app/a"])
            let live = PlanContents(plan, root: root, isLive: true).paths()
            #expect(
                live.map { String(decoding: $0, as: UTF8.self) } == [
                    "/etc/ssh", "/etc/ssh/more", "/run/app.pid", "/srv/app", "/srv/app/a",
                    "/srv/app/held.lock", "/srv/app/held.lock/owner", "/srv/app/link.lock",
                    "/srv/app/postmaster.pid",
                ])
        }
    }

    @Test func holesInTrees() {
        let lines = [
            "1 0 8:1 / / rw - ext4 /dev/sda1 rw", "2 1 8:2 / /srv/app/disk rw - xfs /dev/sdb1 rw",
            "3 1 8:1 /home /srv/app/bound rw - ext4 /dev/sda1 rw",
            "4 1 0:9 / /srv/app/memory rw - tmpfs none rw",
            "5 1 8:3 / /srv/own rw - ext4 /dev/sdc1 rw", "6 1 0:50 / /srv/app/far rw - nfs4 store:/a rw",
            "7 1 8:4 / /elsewhere rw - ext4 /dev/sdd1 rw", "8 1 8:5 / /srv/app/gone rw - ext4 /dev/sde1 rw",
        ]
        let plan = plan([
            ("/srv/app", .tree, .preCopy), ("/srv/own", .tree, .preCopy), ("/elsewhere", .folder, .preCopy),
        ])
        let devices: [String: dev_t] = [
            "/srv/app": 1, "/srv/app/disk": 2, "/srv/app/bound": 1, "/srv/app/memory": 9, "/srv/own": 3,
            "/srv/app/far": 50,
            "/elsewhere": 4,
        ]
        let found = plan.holes(in: Mount.parse(Array(lines.joined(separator: "\n").utf8))) {
            devices[String(decoding: $0, as: UTF8.self)]
        }
        #expect(found.map { String(decoding: $0.point, as: UTF8.self) } == ["/srv/app/disk", "/srv/app/far"])
        #expect(found.allSatisfy { $0.tree == Array("/srv/app".utf8) })
    }

    @Test(arguments: [
        ("/srv/app/data", "/srv/app"), ("/srv/app/kept", nil), ("/srv/app/kept/in", nil),
        ("/srv/app/own", nil), ("/srv/app/own/in", "/srv/app/own"), ("/srv/app", nil),
        ("/srv/application", nil),
        ("/srv/app/file", nil), ("/elsewhere", nil), ("/", nil),
    ]) func theTreeAroundAMount(_ point: String, _ tree: String?) {
        let plan = plan([
            ("/srv/app", .tree, .preCopy), ("/srv/app/kept", .tree, .leave),
            ("/srv/app/own", .tree, .finalCopy),
            ("/srv/app/file", .file, .finalCopy), ("/elsewhere", .folder, .makeAnew),
        ])
        #expect(plan.treeAround(Array(point.utf8)) == tree.map { Array($0.utf8) })
    }
}
