import Glibc
import TestSupport
import Testing

/// The tests' own machinery.
@Suite("test support")
struct SupportTests {
    @Test func childTellsHowItEnded() throws {
        let child = try Child(["sh", "-c", "echo out; echo err >&2; exit 3"])
        #expect(try child.wait() == .exited(3))
        #expect(child.outputText == "out\n")
        #expect(child.errorText == "err\n")
        let other = try Child(["sh", "-c", "kill -9 $$"])
        #expect(try other.wait() == .killed(signal: 9))
    }

    @Test func childRunsInItsFolder() throws {
        try withTemporaryFolder { folder in
            let said = try run(["pwd"], folder: folder)
            #expect(said == folder + "\n")
        }
    }

    @Test func childDiesWithItsValue() throws {
        var child: Child? = try Child(["sleep", "1000"])
        let pid = try #require(child?.pid)
        child = nil
        #expect(kill(pid, 0) == -1)
    }

    @Test func readsMountinfo() {
        let lines = MountLine.parse(
            """
            38 31 0:35 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
            40 31 0:36 /sub /mnt rw,relatime shared:1 master:2 - ext4 /dev/vda rw
            broken
            """)
        #expect(
            lines == [
                MountLine(root: "/", point: "/sys/fs/cgroup/unified", filesystem: "cgroup2"),
                MountLine(root: "/sub", point: "/mnt", filesystem: "ext4"),
            ])
    }

    @Test func missingPrivilegeIsASkipOnALaptopAndAFailureInCI() {
        let root = Privilege.capabilities(in: "Name:\tx\nCapEff:\t000001ffffffffff\n")
        #expect(root == 0x1ff_ffff_ffff)
        func verdict(_ effective: UInt64, _ environment: [String: String]) -> Privilege.Verdict {
            Privilege.verdict(effective: effective, environment: environment, hasProgram: { $0 != "nginx" })
        }
        #expect(
            Privilege.verdict(effective: root, environment: [:], hasProgram: { _ in true }) == .run)
        #expect(verdict(root, [:]) == .skip("missing here: nginx"))
        #expect(
            verdict(1 << 2 | 1 << 12 | 1 << 19, [:]) == .skip("missing here: CAP_SYS_ADMIN, nginx"))
        #expect(verdict(root, ["CI": "true"]) == .fail("missing here: nginx"))
        #expect(verdict(root, ["RETINUE_REQUIRE_PRIVILEGED": "1"]) == .fail("missing here: nginx"))
    }
}
