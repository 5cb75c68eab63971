import DebianPackages
import Foundation
import PackageFiles
import Procfs
import SystemCalls
import TestSupport
import Testing

@Suite struct WalkTests {
    @Test func wholeTree() throws {
        try withTemporaryFolder { folder in
            let system = Fixture(root: folder)
            try system.put("/a/b/c/file", [UInt8](repeating: 0, count: 5000))
            try system.put(Array("/a/x\n".utf8) + [0xff], "xyz".utf8)
            link(folder + "/a/b/c/file", folder + "/a/again")
            // Leads round in a circle where it is followed.
            try system.link("/a/b/up", to: "../..")
            let walk = try SystemWalk(root: folder, mounts: [])
            #expect(walk.isComplete)
            #expect(walk.sizes.regular.count == 2)
            #expect(walk.sizes.regular.apparent == 5003)
            #expect(walk.sizes.repeated == 1)
            #expect(walk.sizes.directories.count == 4)
            #expect(walk.sizes.symbolicLinks.count == 1)
            let allocated = try allocatedByDu(folder)
            #expect(walk.sizes.total.allocated == allocated)
            #expect(walk.sizes.unreadable == [])
            #expect(throws: SystemError.self) { try SystemWalk(root: folder + "/none") }
            #expect(throws: SystemError.self) { try SystemWalk(root: folder + "/a/again", mounts: []) }
        }
    }

    @Test func mountsAreLeftOut() throws {
        try withTemporaryFolder { folder in
            let system = Fixture(root: folder)
            for name in ["/proc/1", "/proc.d/2", "/data/3", "/data/cache/4"] {
                try system.put(name, "x".utf8)
            }
            let mounts = Mount.parse(
                Array(
                    """
                    1 0 8:1 / / rw - ext4 /dev/a rw
                    2 1 0:5 / \(folder)/proc rw - proc proc rw
                    3 1 8:2 / \(folder)/data rw - xfs /dev/b rw
                    4 3 0:9 / \(folder)/data/cache rw - tmpfs tmpfs rw

                    """.utf8))
            let walk = try SystemWalk(root: folder + "/", mounts: mounts)
            #expect(walk.sizes.regular.count == 2)
            #expect(walk.leftOut.map(\.reason) == [.pseudo, .memory])
        }
    }

    @Test func progressAndStop() throws {
        try withTemporaryFolder { folder in
            for number in 0..<5000 { try write("", to: "\(folder)/\(number)") }
            var calls: [Int] = []
            let walk = try SystemWalk(root: folder, mounts: []) {
                calls.append($0.regular.count)
                return true
            }
            #expect(walk.isComplete && walk.sizes.regular.count == 5000)
            #expect(calls == [4096])
            let stopped = try SystemWalk(root: folder, mounts: []) { _ in false }
            #expect(!stopped.isComplete && stopped.sizes.regular.count == 4096)
        }
    }
}

@Suite struct MountPlanTests {
    private func plan(_ lines: String, root: String = "/") -> MountPlan {
        MountPlan(Mount.parse(Array(lines.utf8)), root: Array(root.utf8))
    }

    private func texts(_ points: [[UInt8]]) -> [String] { points.map { String(decoding: $0, as: UTF8.self) } }

    @Test func usualHost() {
        let plan = plan(
            """
            22 1 8:1 / / rw - ext4 /dev/sda1 rw
            23 22 0:21 / /proc rw - proc proc rw
            24 22 0:22 / /sys rw - sysfs sysfs rw
            25 22 0:6 / /dev rw - devtmpfs udev rw
            26 22 0:23 / /run rw - tmpfs tmpfs rw
            27 22 8:2 / /boot/efi rw - vfat /dev/sda2 rw
            28 22 9:0 / /srv\\040data rw - xfs /dev/md0 rw
            29 22 0:40 / /mnt/share rw - nfs4 nas:/x rw
            30 22 7:0 / /snap/core rw - squashfs /dev/loop0 ro
            31 22 0:50 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
            """)
        #expect(texts(plan.carried) == ["/boot/efi", "/srv data"])
        #expect(
            plan.leftOut.map(\.reason) == [.pseudo, .pseudo, .memory, .memory, .remote, .repeated, .repeated])
        #expect(plan.leftOut.last?.type == "overlay")
    }

    /// A file is carried once, however often its directory is mounted.
    @Test func bindMounts() {
        let plan = plan(
            """
            1 0 8:1 / / rw - ext4 /dev/a rw
            2 1 8:1 /var/www /srv/www rw - ext4 /dev/a rw
            3 1 8:2 /part /opt/part rw - ext4 /dev/b rw
            4 1 8:2 / /data rw - ext4 /dev/b rw
            5 1 8:3 /one /one rw - ext4 /dev/c rw
            6 1 8:3 /two /two rw - ext4 /dev/c rw
            7 1 8:3 /one/more /more rw - ext4 /dev/c rw
            8 1 8:3 /oneself /oneself rw - ext4 /dev/c rw
            """)
        #expect(texts(plan.carried) == ["/data", "/one", "/two", "/oneself"])
        #expect(texts(plan.leftOut.map(\.point)) == ["/srv/www", "/opt/part", "/more"])
    }

    /// `ip netns` mounts its folder on itself: what is in there is nowhere else.
    @Test func mountedOnItself() {
        let lines = """
            1 0 8:1 / / rw - ext4 /dev/a rw
            2 1 8:1 /run/netns /run/netns rw - ext4 /dev/a rw
            3 1 8:2 /sub /data rw - ext4 /dev/b rw
            4 3 8:2 /sub/x /data/x rw - ext4 /dev/b rw
            5 3 8:2 /sub/x /data/y rw - ext4 /dev/b rw
            """
        #expect(texts(plan(lines).carried) == ["/run/netns", "/data", "/data/x"])
        #expect(texts(plan(lines, root: "/data").carried) == ["/data/x"])
        #expect(texts(plan(lines, root: "/run").carried) == ["/run/netns"])
    }

    /// Subvolumes of btrfs: one device, and nothing that is in two of them.
    @Test func subvolumes() {
        let plan = plan(
            """
            1 0 0:30 /@ / rw - btrfs /dev/a rw
            2 1 0:30 /@home /home rw - btrfs /dev/a rw
            3 1 0:30 /@/var/x /mnt/x rw - btrfs /dev/a rw
            """)
        #expect(texts(plan.carried) == ["/home"])
    }

    /// In a container the root itself is an overlay, and single files are mounted from the host.
    @Test func container() {
        let plan = plan(
            """
            1 0 0:60 / / rw - overlay overlay rw
            2 1 8:1 /x/hosts /etc/hosts rw - ext4 /dev/a rw
            3 1 8:1 /x/volume /data rw - ext4 /dev/a rw
            """)
        #expect(texts(plan.carried) == ["/etc/hosts", "/data"])
    }

    @Test func folderAsRoot() {
        let mounts = """
            1 0 8:1 / / rw - ext4 /dev/a rw
            2 1 0:5 / /proc rw - proc proc rw
            3 1 8:1 /srv/jail/etc /srv/jail/conf rw - ext4 /dev/a rw
            4 1 8:1 /other /srv/jail/other rw - ext4 /dev/a rw
            5 1 0:6 / /srv/jail/proc rw - proc proc rw
            6 1 0:7 / /srv/jailer rw - tmpfs tmpfs rw
            """
        let plan = plan(mounts, root: "/srv/jail")
        #expect(texts(plan.carried) == ["/srv/jail/other"])
        #expect(texts(plan.leftOut.map(\.point)) == ["/srv/jail/conf", "/srv/jail/proc"])
    }

    /// Only what is mounted last at a place is seen there.
    @Test func hiddenMounts() {
        let plan = plan(
            """
            1 0 8:1 / / rw - ext4 /dev/a rw
            2 1 0:5 / /data rw - tmpfs t rw
            3 2 8:2 / /data rw - ext4 /dev/b rw
            """)
        #expect(texts(plan.carried) == ["/data"])
        #expect(plan.leftOut == [])
    }

    @Test func noMounts() {
        #expect(plan("").carried == [] && plan("nonsense\n").leftOut == [])
    }
}
