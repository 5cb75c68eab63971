import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Nobody's umount is refused because of the daemon.
    @Suite("umount")
    struct UnmountSuite {
        enum Filesystem: String, CaseIterable, Sendable {
            case ramfs, tmpfs, btrfs, subvolume, ext4, squashfs, overlay, fuse, bind
        }

        /// Mounts, reads a file and unmounts while its events wait to be read: 23 rounds each. The daemon stands still
        /// meanwhile, so that its own lookups, microseconds that keep a mount busy as anybody's do, are no matter of
        /// chance here.
        @Test(.timeLimit(.minutes(5)), arguments: Filesystem.allCases)
        func umountIsNeverRefused(filesystem: Filesystem) throws {
            let space = try MountNamespace()
            let folder = space.folder
            let point = try space.makeFolder("point")
            let mount = try Self.prepare(filesystem, space, point)
            let daemon = try DaemonUnderTest(stateFolder: folder + "/state", prefix: space.prefix)
            try write(
                """
                busy=0
                for i in $(seq 23); do
                    \(mount)
                    sleep 0.05
                    kill -STOP \(daemon.process.pid)
                    read x < \(point)/f
                    umount \(point) || { busy=$((busy + 1)); sleep 0.1; umount \(point) || umount --lazy \(point); }
                    kill -CONT \(daemon.process.pid)
                done
                echo $busy
                """, to: folder + "/rounds")
            let refused = try space.run(["bash", folder + "/rounds"])
            #expect(refused == "0\n", "\(filesystem): refused, of 23")
            _ = try daemon.dump()
            try daemon.stop()
        }

        /// The shell's command that mounts it, with a file `f`.
        private static func prepare(
            _ filesystem: Filesystem, _ space: MountNamespace, _ point: String
        ) throws -> String {
            let folder = space.folder
            let source = try space.makeFolder("source")
            try write("x\n", to: source + "/f")
            let image = folder + "/image"
            func fill(_ more: [String] = []) throws {
                try space.run(["mount", "-o", "loop", image, point])
                for command in more { try space.run(["bash", "-c", command]) }
                try space.run(["cp", source + "/f", point + "/f"])
                try space.run(["umount", point])
            }
            switch filesystem {
            case .ramfs, .tmpfs: return "mount -t \(filesystem) none \(point); echo x > \(point)/f"
            case .btrfs, .subvolume:
                try run(["truncate", "--size=300M", image])
                try run(["mkfs.btrfs", "--quiet", image])
                try fill(["btrfs subvolume create \(point)/sub && echo x > \(point)/sub/f"])
                return "mount -o loop\(filesystem == .subvolume ? ",subvol=sub" : "") \(image) \(point)"
            case .ext4:
                try run(["truncate", "--size=50M", image])
                try run(["mkfs.ext4", "-q", image])
                try fill()
                return "mount -o loop \(image) \(point)"
            case .squashfs:
                try run(["mksquashfs", source, image, "-quiet", "-no-progress"])
                return "mount -o loop,ro \(image) \(point)"
            case .overlay:
                let (upper, work) = (try space.makeFolder("upper"), try space.makeFolder("work"))
                return
                    "mount -t overlay -o lowerdir=\(source),upperdir=\(upper),workdir=\(work) none \(point)"
            case .fuse:
                return "\(try Products.path("fileserver")) \(point) >\(folder)/said & "
                    + "until grep -q serving \(folder)/said; do sleep 0.01; done; : >\(folder)/said"
            case .bind: return "mount --bind \(source) \(point)"
            }
        }
    }
}
