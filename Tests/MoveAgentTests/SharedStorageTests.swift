import Glibc
import MovePlan
import Procfs
import Records
import SystemCalls
import TestSupport
import Testing

@testable import MoveAgent

@Suite("Filesystems that both hosts have mounted")
struct SharedStorageTests {
    @Test(arguments: [
        ("store:/export", "store"), ("10.0.0.5:/export/a b", "10.0.0.5"), ("user@store:/x", "store"),
        ("[2001:db8::1]:/x", "2001:db8::1"), ("//store/share", "store"), ("one,two:/", "one,two"),
        ("admin@fsid.cephfs=/", nil), ("localhost:/x", nil), ("LOCALHOST.localdomain:/x", nil),
        ("127.0.0.1:/x", nil), ("[::1]:/x", nil), ("//127.0.0.5/share", nil), ("/dev/sdb1", nil),
        ("share", nil),
        ("", nil), (":", nil), ("//", nil), ("[", nil), ("@:", nil), ("/a:b", nil),
    ]) func whoServesIt(_ source: String, _ server: String?) {
        #expect(SharedStorage.server(of: Array(source.utf8)) == server)
    }

    private func mounts(_ lines: [String]) -> [Mount] {
        Mount.parse(Array(lines.joined(separator: "\n").utf8))
    }

    @Test func onlyWhatIsNamedByItsServerAndSeen() {
        let found = SharedStorage.all(
            in: mounts([
                "1 0 8:1 / / rw - ext4 /dev/sda1 rw", "2 1 0:50 / /srv/a rw - nfs4 store:/a rw",
                "3 1 0:51 /sub /srv/b\\040c rw shared:1 - cifs //store/b rw",
                "4 1 0:52 / /srv/tag rw - 9p store rw", "5 1 0:53 / /srv/sd rw - ext4 store:/d rw",
                "6 1 0:54 / /mnt/below rw - nfs store:/e rw", "7 1 0:55 / /mnt rw - tmpfs none rw",
                "8 1 0:56 / /srv/own rw - nfs 127.0.0.1:/f rw",
            ]))
        #expect(found.map { String(decoding: $0.point, as: UTF8.self) } == ["/srv/a", "/srv/b c"])
        #expect(found[1].root == Array("/sub".utf8))
        #expect(found.map(\.value).compactMap { SharedStorage($0) } == found)
    }

    @Test(arguments: ["", "relative", "/", "/a\0b"]) func aPointThatCannotBe(_ point: String) {
        let value = JSONValue.object([
            .init("point", .string(PlanText.text(Array(point.utf8)))), .init("type", .string("nfs")),
            .init("source", .string("store:/a")), .init("root", .string("/")),
        ])
        #expect(SharedStorage(value) == nil)
    }

    @Test func theSameFilesAreSeen() throws {
        try withTemporaryFolder { folder in
            for name in ["one", "two", "three", "four"] { try write(name, to: folder + "/" + name) }
            mkdir(folder + "/folder", 0o755)
            var storage = try #require(
                SharedStorage(
                    mounts(["2 1 0:50 / \(folder) rw - nfs4 store:/a rw"])[0]))
            let sample = storage.sample
            #expect(Set(sample.map { String(decoding: $0.name, as: UTF8.self) }).count == 5)
            #expect(storage.has(sample))
            // One is being written.
            try write("longer than it was", to: folder + "/one")
            #expect(storage.has(sample))
            try write("longer than it was", to: folder + "/two")
            try write("longer than it was", to: folder + "/three")
            #expect(!storage.has(sample))
            for name in ["one", "two", "three"] { try write(name, to: folder + "/" + name) }
            #expect(storage.has(sample))
            unlink(folder + "/four")
            #expect(!storage.has(sample))
            storage.point = Array((folder + "/absent").utf8)
            #expect(storage.sample.isEmpty)
        }
    }
}
