import Glibc

/// An archive for the kernel's initramfs (`Documentation/driver-api/early-userspace/buffer-format.rst`, cpio "newc").
struct MachineArchive {
    private(set) var bytes: [UInt8] = []
    private var folders: Set<String> = []
    private var number: UInt32 = 0

    /// A file; the folders above it are made.
    ///
    /// - Parameter path: without a slash in front.
    mutating func add(_ path: String, _ content: [UInt8], mode: UInt32) {
        let parts = path.split(separator: "/")
        for count in 1..<max(parts.count, 1) {
            let folder = parts.prefix(count).joined(separator: "/")
            if folders.insert(folder).inserted { entry(folder, [], UInt32(S_IFDIR) | 0o755) }
        }
        entry(path, content, UInt32(S_IFREG) | mode)
    }

    /// The whole of it.
    mutating func close() -> [UInt8] {
        entry("TRAILER!!!", [], 0)
        return bytes
    }

    private mutating func entry(_ name: String, _ content: [UInt8], _ mode: UInt32) {
        number += 1
        let name = Array(name.utf8) + [0]
        // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
        let fields: [UInt32] = [
            number, mode, 0, 0, 1, 0, UInt32(content.count), 0, 0, 0, 0, UInt32(name.count), 0,
        ]
        bytes += "070701".utf8
        for field in fields {
            let digits = String(field, radix: 16)
            bytes += String(repeating: "0", count: 8 - digits.count).utf8
            bytes += digits.utf8
        }
        bytes += name
        align()
        bytes += content
        align()
    }

    private mutating func align() {
        while bytes.count % 4 != 0 { bytes.append(0) }
    }
}
