import Procfs
import Testing

@testable import Daemon

/// Where a path lies, by the text of mountinfo alone.
@Suite struct MountTableTests {
    private static let text = """
        20 1 8:1 / / rw - ext4 /dev/sda1 rw
        21 20 0:5 / /dev rw - devtmpfs none rw
        22 20 0:6 / /proc rw - proc none rw
        23 20 0:40 / /mnt rw - fuse.sshfs host:/ rw
        24 23 0:41 / /mnt/in rw - tmpfs none rw
        25 20 0:42 / /srv rw - tmpfs none rw
        26 25 0:43 / /srv rw - nfs4 host:/srv rw
        27 20 0:44 / /new rw - neverheard none rw
        28 20 8:1 /a /mnt2 rw - ext4 /dev/sda1 rw

        """
    private let table = MountTable(Mount.parse(Array(Self.text.utf8)))

    @Test(
        arguments: [
            ("/", 20, FilesystemKind.local, false, 1), ("/etc/a.conf", 20, .local, false, 1),
            ("/dev/null", 21, .local, false, 4), ("/proc/1/fd", 22, .pseudo, false, 5),
            ("/mnt", 23, .foreign, true, 4), ("/mnt/a/b", 23, .foreign, true, 4),
            ("/mntx/a", 20, .local, false, 1), ("/mnt2/a", 28, .local, false, 5),
            // Local, but the way to it is not.
            ("/mnt/in/a", 24, .local, true, 7),
            // Of two at one place the upper one.
            ("/srv/a", 26, .foreign, true, 4),
            ("/new/a", 27, .unknown, true, 4),
            ("//etc//a", 20, .local, false, 1), ("/dev/", 21, .local, false, 4),
        ])
    func places(path: String, mount: Int, kind: FilesystemKind, isForeign: Bool, point: Int) throws {
        let place = try #require(table.place(of: Array(path.utf8)))
        #expect(place == MountTable.Place(mount: mount, point: point, kind: kind, isForeign: isForeign))
    }

    @Test func whatIsNoPlace() {
        #expect(table.place(of: []) == nil)
        #expect(table.place(of: Array("relative".utf8)) == nil)
        #expect(MountTable().place(of: Array("/".utf8)) == nil)
        #expect(
            MountTable(Mount.parse(Array("7 7 0:1 / /elsewhere rw - tmpfs none rw\n".utf8))).place(of: [47])
                == nil)
    }

    @Test func kindsByIdentity() {
        #expect(table.kind(ofMount: 23) == .foreign)
        #expect(table.kind(ofMount: 20) == .local)
        #expect(table.kind(ofMount: 99) == nil)
        #expect(table.kind(ofMount: .max) == nil)
        #expect(table.hasForeign)
    }

    /// Mounts that are each other's parents: a table may say what it likes.
    @Test func circles() {
        let text = "1 2 0:1 / / rw - tmpfs a rw\n2 1 0:2 / / rw - tmpfs b rw\n3 3 0:3 / / rw - tmpfs c rw\n"
        let table = MountTable(Mount.parse(Array(text.utf8)))
        _ = table.place(of: Array("/a/b".utf8))
    }
}
