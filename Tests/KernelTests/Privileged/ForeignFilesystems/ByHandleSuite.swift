import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Filesystems whose objects can be named by handle only if they are asked in the right way.
    @Suite("by handle")
    struct ByHandleSuite {
        /// A btrfs of which a subvolume is mounted, alone or beside its top.
        @Test(.timeLimit(.minutes(2)), arguments: [false, true], [false, true])
        func subvolumes(besideTheTop: Bool, readOnly: Bool) throws {
            let space = try MountNamespace()
            let image = space.folder + "/image"
            let (top, one, two) = (
                try space.makeFolder("top"), try space.makeFolder("one"), try space.makeFolder("two")
            )
            try run(["truncate", "--size=300M", image])
            try run(["mkfs.btrfs", "--quiet", image])
            try space.run(["mount", "-o", "loop", image, top])
            for name in ["a", "b"] {
                try space.run(["btrfs", "subvolume", "create", top + "/" + name])
                try space.run(["bash", "-c", "mkdir \(top)/\(name)/deep; echo x > \(top)/\(name)/deep/f"])
            }
            try space.run(["umount", top])
            let options = readOnly ? "loop,ro" : "loop"
            if besideTheTop { try space.run(["mount", "-o", options, image, top]) }
            try space.run(["mount", "-o", options + ",subvol=a", image, one])
            let daemon = try DaemonUnderTest(stateFolder: space.folder + "/state", prefix: space.prefix)
            // The other one comes later, on the same filesystem.
            try space.run(["mount", "-o", options + ",subvol=b", image, two])
            let group = try ControlGroup()
            for folder in [one, two] {
                try space.run(group.command(["cat", folder + "/deep/f"]))
            }
            let dump = try daemon.dump()
            let records = dump.records(of: group.workload)
            // With the top mounted its path is as right as the subvolume's own.
            for (folder, other) in [(one, "a"), (two, "b")] {
                let found =
                    records.files(folder + "/deep/f") + records.files("\(top)/\(other)/deep/f")
                #expect(found.map(\.evidence) == ["exact"], "\(folder): \(records.map(\.short))")
            }
            #expect(dump.header.sources["fanotify"]?.mode == "fid")
            let mounts = try space.run(["cat", "/proc/self/mountinfo"])
            let states = mounts.split(separator: "\n").filter {
                $0.contains(space.folder) && $0.contains("btrfs")
            }
            #expect(states.allSatisfy { $0.contains(readOnly ? " ro," : " rw,") }, "nothing was remounted")
            for point in [two, one] + (besideTheTop ? [top] : []) { try space.run(["umount", point]) }
            try daemon.stop()
        }

        /// An overlay is seen on its layers, and nothing is wrong with that.
        @Test(.timeLimit(.minutes(2)))
        func overlaysAreNotDegraded() throws {
            let space = try MountNamespace()
            let point = try space.makeFolder("merged")
            let (lower, upper, work) = (
                try space.makeFolder("lower"), try space.makeFolder("upper"), try space.makeFolder("work")
            )
            let options = "lowerdir=\(lower),upperdir=\(upper),workdir=\(work)"
            try space.run(["mount", "-t", "overlay", "-o", options, "none", point])
            let daemon = try DaemonUnderTest(stateFolder: space.folder + "/state", prefix: space.prefix)
            let said = try run([
                try Products.path("retinue"), "status", "--format", "json", "--socket",
                daemon.stateFolder + ".sock",
            ])
            #expect(!said.contains("overlay"), "\(said)")
            try daemon.stop()
        }
    }
}
