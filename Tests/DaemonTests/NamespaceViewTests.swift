import Procfs
import Testing

@testable import Daemon

/// Where files of another mount namespace lie in this one.
@Suite struct NamespaceViewTests {
    private func view(_ foreign: String, _ host: String) -> NamespaceView {
        NamespaceView(Mount.parse(Array(foreign.utf8)), host: Mount.parse(Array(host.utf8)))
    }

    private func candidates(_ view: NamespaceView, _ path: String) -> [String] {
        view.candidates(for: Array(path.utf8)).map { String(decoding: $0, as: UTF8.self) }
    }

    private let host = """
        20 1 8:1 / / rw - ext4 /dev/sda1 rw
        21 20 8:2 / /srv rw - ext4 /dev/sdb1 rw
        22 20 8:2 /data /mnt/data rw - ext4 /dev/sdb1 rw
        """

    @Test func bindMounts() {
        let view = view(
            """
            40 39 8:2 /root / rw - ext4 /dev/sdb1 rw
            41 40 8:1 /etc/app /etc rw - ext4 /dev/sda1 rw
            42 40 8:2 /data/x /x rw - ext4 /dev/sdb1 rw
            43 40 0:50 / /tmp rw - tmpfs none rw
            """, host)
        #expect(candidates(view, "/bin/app") == ["/srv/root/bin/app"])
        #expect(candidates(view, "/etc/a.conf") == ["/etc/app/a.conf"])
        #expect(candidates(view, "/x/file") == ["/srv/data/x/file", "/mnt/data/x/file"])
        #expect(candidates(view, "/x") == ["/srv/data/x", "/mnt/data/x"])
        #expect(candidates(view, "/tmp/file") == [])
        #expect(candidates(view, "relative") == [])
        #expect(candidates(view, "") == [])
    }

    /// A directory whose name another's begins with is not above it.
    @Test func namesThatBeginAlike() {
        let view = view(
            "40 39 8:3 /database / rw - ext4 /dev/sdc1 rw", "22 20 8:3 /data /mnt rw - ext4 /dev/sdc1 rw")
        #expect(candidates(view, "/file") == [])
    }

    @Test func layers() {
        let view = view(
            "40 39 0:60 / / rw - overlay overlay rw,lowerdir=/l/2:/l/1,upperdir=/u,workdir=/w,xino=off", host)
        #expect(candidates(view, "/bin/sh") == ["/u/bin/sh", "/l/2/bin/sh", "/l/1/bin/sh"])
        // Also where the host shows the overlay itself: opens through it are reported on the layers.
        let shown = self.view(
            "40 39 0:60 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w",
            host + "\n23 20 0:60 / /merged rw - overlay overlay rw")
        #expect(candidates(shown, "/bin/sh") == ["/u/bin/sh", "/l/bin/sh", "/merged/bin/sh"])
    }

    @Test(arguments: [
        ("rw,lowerdir=/a:/b::/data", ["/a", "/b", "/data"]),
        (#"rw,lowerdir=/with\:colon:/with\,comma,upperdir=/u"#, ["/u", "/with:colon", "/with,comma"]),
        ("rw,lowerdir+=/a,lowerdir+=/b:c,upperdir=/u", ["/u", "/a", "/b:c"]),
        ("rw,lowerdir=l/AB:../x", []), ("rw", []), ("", []), ("lowerdir=", []), (#"lowerdir=/a\"#, ["/a"]),
    ])
    func overlayOptions(options: String, expected: [String]) {
        #expect(
            NamespaceView.layers(Array(options.utf8)).map { String(decoding: $0, as: UTF8.self) } == expected)
    }

    @Test func tablesThatMakeNoSense() {
        for table in [
            "", "40 40 8:1 / / rw - ext4 x rw", "1 2 8:1 / /a rw - ext4 x rw\n2 1 8:1 / /a rw - ext4 x rw",
        ] {
            _ = candidates(view(table, host), "/a/b")
        }
    }
}
