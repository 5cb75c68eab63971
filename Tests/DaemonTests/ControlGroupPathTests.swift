import Procfs
import Testing

@testable import Daemon

@Suite struct ControlGroupPathTests {
    private static let unified = mounts("/ /sys/fs/cgroup rw - cgroup2 cgroup2 rw")
    private static let hybrid = mounts(
        "/ /sys/fs/cgroup rw - tmpfs tmpfs rw", "/ /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu",
        "/ /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd",
        "/ /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw")
    private static let inContainer = mounts("/machine.slice/c1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw")

    /// Lines of a mount table from the root on.
    private static func mounts(_ lines: String...) -> [Mount] {
        lines.flatMap { Mount.parse(Array("20 1 0:20 \($0)\n".utf8)) }
    }

    private func refusal(_ text: String, _ mounts: [Mount] = unified) -> String? {
        do throws(StartError) {
            _ = try ControlGroupPath(text, mounts: mounts)
            return nil
        } catch { return error.description }
    }

    @Test(arguments: [
        "app.slice/web", "/app.slice/web", "app.slice//web/", "/sys/fs/cgroup/app.slice/web",
        "/sys/fs/cgroup/app.slice/web/",
    ])
    func everyWayToNameOne(text: String) throws {
        let group = try ControlGroupPath(text, mounts: Self.unified)
        #expect(group.workload == "app.slice/web")
        #expect(group.folder?.hasPrefix("/sys/fs/cgroup/app.slice/web") == true)
    }

    @Test func hostsWithSeveralHierarchies() throws {
        for point in ["unified", "systemd"] {
            let group = try ControlGroupPath("/sys/fs/cgroup/\(point)/a.slice", mounts: Self.hybrid)
            #expect(group.workload == "a.slice")
        }
        let named = try ControlGroupPath("a.slice", mounts: Self.hybrid)
        #expect(named.folder == "/sys/fs/cgroup/unified/a.slice")
        // No hierarchy of controllers names a workload.
        #expect(refusal("/sys/fs/cgroup/cpu/a.slice", Self.hybrid)?.contains("no hierarchy") == true)
        #expect(refusal("/sys/fs/cgroup/a.slice", [])?.contains("no hierarchy") == true)
        #expect(try ControlGroupPath("a.slice", mounts: []).exists)
    }

    @Test func aMountOfAPart() throws {
        let group = try ControlGroupPath("/sys/fs/cgroup/x", mounts: Self.inContainer)
        #expect(group.workload == "machine.slice/c1/x")
    }

    @Test func whatNamesNone() {
        for root in ["/", "//", "/sys/fs/cgroup", "/sys/fs/cgroup/"] {
            #expect(refusal(root)?.contains("is the root") == true, "\(root)")
        }
        #expect(refusal("a/../b") == "the control group 'a/../b' must be named without '..'")
        #expect(refusal("/sys/fs/cgroup/./a")?.contains("without '.'") == true)
        // A name that only begins like the mount point's is none below it.
        #expect(refusal("/sys/fs/cgroupx/a") == nil)
    }
}
