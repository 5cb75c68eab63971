import Foundation

/// A filesystem of a test's own, so that nothing else on the host opens files in it.
package final class ScratchFilesystem {
    package enum Kind: String, Sendable, CaseIterable {
        /// In memory.
        case tmpfs
        /// In an image file, through a loop device.
        case ext4
    }

    /// The mount point.
    package let path: String
    private let folder: String
    private var isMounted = true

    /// Makes and mounts it.
    package init(_ kind: Kind = .tmpfs) throws {
        folder = try makeTemporaryFolder()
        path = folder + "/files"
        try makeFolder(path)
        switch kind {
        case .tmpfs:
            try run(["mount", "-t", "tmpfs", "-o", "size=512m,mode=755", "retinue-test", path])
        case .ext4:
            let image = folder + "/image"
            try run(["truncate", "--size=256M", image])
            try run(["mkfs.ext4", "-q", "-F", image])
            try run(["mount", "-o", "loop", image, path])
        }
    }

    deinit {
        if isMounted { _ = umount2(path, Int32(MNT_DETACH)) }
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Makes a folder in it.
    package func folder(_ name: String) throws -> String {
        let path = self.path + "/" + name
        try makeFolder(path)
        return path
    }

    /// Unmounts it and throws if anybody still uses it.
    package func unmount() throws {
        // Writing back an ext4 may take a moment, during which the kernel itself keeps it busy.
        let done: Bool? = eventually(within: 5, every: 0.1) { umount2(path, 0) == 0 ? true : nil }
        guard done == true else { throw Failure("\(path): \(String(cString: strerror(errno)))") }
        isMounted = false
    }
}
