import CLinux
import Glibc
import Procfs
import SystemCalls
import TestSupport
import Testing

@Suite struct FilesystemKindTests {
    @Test(
        arguments: [
            ("ext4", FilesystemKind.local), ("tmpfs", .local), ("overlay", .local), ("proc", .pseudo),
            ("cgroup2", .pseudo), ("fuse", .foreign), ("fuse.sshfs", .foreign), ("fuseblk", .foreign),
            ("fusectl", .pseudo), ("nfs4", .foreign), ("9p", .foreign), ("virtiofs", .foreign),
            ("", .unknown), ("ext4x", .unknown),
        ])
    func kinds(type: String, kind: FilesystemKind) {
        #expect(FilesystemKind(type: Array(type.utf8)) == kind)
    }
}

@Suite struct DescriptorTextTests {
    @Test func wholeText() {
        let text = "pos:\t0\nflags:\t02100001\nmnt_id:\t29\nino:\t3\n"
        let information = DescriptorInformation(parsing: Array(text.utf8))
        #expect(information?.flags == 0o2100001)
        #expect(information?.mount == 29)
    }

    @Test(arguments: ["mnt_id:\t-1\n", "mnt_id:\t99999999999999999999999\n", "mnt_id:\n", ""])
    func mountThatIsNone(line: String) {
        #expect(DescriptorInformation(parsing: Array("flags:\t0\n\(line)".utf8))?.mount == 0)
    }
}

/// Lookups that never leave the kernel's memory.
@Suite struct CachedLookupTests {
    private func name(_ answer: consuming CachedLookup.Answer) -> String {
        switch consume answer {
        case .found(let file):
            SymbolicLink.read("/proc/self/fd/\(file.number)").map { String(decoding: $0, as: UTF8.self) }
                ?? "?"
        case .absent: "absent"
        case .uncached: "uncached"
        }
    }

    @Test func foundAndAbsent() throws {
        try withTemporaryFolder { folder in
            try write("x", to: folder + "/file")
            symlink("file", folder + "/link")
            #expect(CachedLookup.isAvailable, "Linux 5.12")
            // While somebody renames a file anywhere, the kernel walks no path without a lock, and says that it does not know.
            func lookUp(_ path: String, _ flags: Int32 = 0) -> String {
                let known: String? = eventually(within: 5) {
                    let name = name(CachedLookup.open(Array(path.utf8) + [0], flags: flags))
                    return name == "uncached" ? nil : name
                }
                return known ?? "uncached"
            }
            // What was opened a moment ago is in memory.
            #expect(lookUp(folder + "/file") == folder + "/file")
            #expect(lookUp(folder + "/link") == folder + "/file")
            #expect(lookUp(folder + "/link", O_NOFOLLOW) == folder + "/link")
            let nothing = name(CachedLookup.open(Array("\(folder)/nothing".utf8) + [0]))
            #expect(["absent", "uncached"].contains(nothing))
            #expect(name(CachedLookup.open(Array("/".utf8))) == "uncached", "not terminated")
        }
    }

    @Test func neverOutOfTheMount() throws {
        try withTemporaryFolder { folder in
            try write("x", to: folder + "/file")
            symlink("/proc", folder + "/link")
            let directory = try FileDescriptor.open(folder, O_PATH)
            let file = try CachedLookup.openInside(directory, Array("file".utf8) + [0])
            #expect((FileStatus(descriptor: file.number)?.mode ?? 0) & S_IFMT == S_IFREG)
            func failure(_ directory: borrowing FileDescriptor, _ path: String) -> Int32? {
                do {
                    _ = try CachedLookup.openInside(directory, Array(path.utf8) + [0])
                    return nil
                } catch { return error.code }
            }
            #expect(failure(directory, "link/self") == ELOOP)
            #expect(failure(directory, "nothing") == ENOENT)
            #expect(failure(try FileDescriptor.open("/", O_PATH), "proc/self") == EXDEV)
        }
    }
}
