import Foundation

/// A control group (version 2) of its own for a workload, so that its records can be distinguished from those of
/// everything else that happens on the host.
package final class ControlGroup {
    /// The folder of the group.
    package let folder: String
    /// What a dump calls it: the path below the root, without the leading slash.
    package let workload: String

    /// Makes a group that nobody else has.
    package init() throws {
        let mount = try ControlGroup.mount.get()
        let name = "retinue-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        folder = mount.point + "/" + name
        workload = String((mount.root == "/" ? "/" + name : mount.root + "/" + name).dropFirst())
        guard mkdir(folder, 0o755) == 0 else {
            throw Failure("\(folder): \(String(cString: strerror(errno)))")
        }
    }

    deinit { remove() }

    /// The command that runs another one in this group from its first instruction.
    package func command(_ command: [String]) throws -> [String] {
        [try Products.path("enter"), folder] + command
    }

    /// Kills what is left in the group and removes it.
    package func remove() {
        guard access(folder, F_OK) == 0 else { return }
        try? write("1", to: folder + "/cgroup.kill")
        // The group can only go when the last process in it is wholly gone.
        _ = eventually(within: 10) { rmdir(folder) == 0 ? true : nil }
    }

    /// The mount of cgroup2; where there is none, one is made that lasts as long as the test run.
    private static let mount: Result<MountLine, any Error> = Result {
        if let found = try MountLine.all().first(where: { $0.filesystem == "cgroup2" }) { return found }
        let point = try makeTemporaryFolder()
        try run(["mount", "-t", "cgroup2", "none", point])
        ownPoint.value = point
        atexit { ControlGroup.unmountOwn() }
        return MountLine(root: "/", point: point, filesystem: "cgroup2")
    }

    private static func unmountOwn() {
        guard let point = ownPoint.value else { return }
        _ = umount2(point, Int32(MNT_DETACH))
        _ = rmdir(point)
    }

    private final class OwnPoint: @unchecked Sendable { var value: String? }
    private static let ownPoint = OwnPoint()
}
