import CLinux
import Glibc
import SystemCalls

/// Owner, mode, times, and what does not belong there.
extension FileReceiver {
    func settle(_ entry: FileEntry, _ descriptor: Int32?) throws(TransferError) {
        let owned = try root.withParent(of: entry.path) { folder, name throws(SystemError) in
            _ = try systemCall("fchownat") {
                fchownat(folder, name, entry.user, entry.group, AT_SYMLINK_NOFOLLOW)
            }
            // After the owner: a change of that takes set-user-ID and capabilities away.
            if entry.kind != .link {
                _ = try systemCall("fchmodat") { fchmodat(folder, name, mode_t(entry.mode), 0) }
            }
            let lost = Self.setAttributes(entry, folder, name)
            let time = timespec(
                tv_sec: Int(entry.modified / 1_000_000_000), tv_nsec: Int(entry.modified % 1_000_000_000))
            var times = [timespec(tv_sec: 0, tv_nsec: Int(clinux_UTIME_OMIT)), time]
            _ = try systemCall("utimensat") { utimensat(folder, name, &times, AT_SYMLINK_NOFOLLOW) }
            return lost
        }
        figures.attributesLost += owned
    }

    /// Sets the attributes, and removes those that are not of it; how many the filesystem does not have.
    static func setAttributes(_ entry: FileEntry, _ folder: Int32, _ name: UnsafePointer<CChar>)
        -> Int
    {
        guard entry.kind != .link else { return 0 }
        var lost = 0
        // Bytes that are no UTF-8 have to stay what they are.
        let bytes =
            Array("/proc/self/fd/\(folder)/".utf8CString.dropLast())
            + Array(UnsafeBufferPointer(start: name, count: strlen(name) + 1))
        var list = [CChar](repeating: 0, count: 65536)
        let count = llistxattr(bytes, &list, list.count)
        let wanted = Set(entry.attributes.map(\.name))
        for part in list[..<max(count, 0)].split(separator: 0) {
            let attribute = part.map { UInt8(bitPattern: $0) }
            guard !wanted.contains(attribute), !attribute.elementsEqual("security.selinux".utf8) else {
                continue
            }
            lremovexattr(bytes, Array(part) + [0])
        }
        for attribute in entry.attributes {
            let text = attribute.name.map { CChar(bitPattern: $0) } + [0]
            if lsetxattr(bytes, text, attribute.value, attribute.value.count, 0) != 0 { lost += 1 }
        }
        return lost
    }

    /// Folders last: what is made in them changes their times, and one without permission to write is still filled.
    /// Gives folders their owners, modes and times: of all those that were ever offered, which may be thousands, those that
    /// this round has touched.
    func settleFolders() throws(TransferError) {
        let sorted = touched.compactMap { folders[$0] }.sorted { $0.path.count > $1.path.count }
        touched = []
        for entry in sorted {
            if entry.path.count == 1 { continue }
            try settle(entry, nil)
        }
    }

    /// The folder of a path, as it is offered itself.
    static func folder(of path: [UInt8]) -> [UInt8] {
        let slash = path.lastIndex(of: UInt8(ascii: "/"))!
        return slash == 0 ? [UInt8(ascii: "/")] : Array(path[..<slash])
    }

    func removeOthers() throws(TransferError) {
        let others = root.listing().filter { !offered.contains($0) }.sorted {
            $0.lexicographicallyPrecedes($1)
        }
        var last: [UInt8]?
        for path in others {
            // Its folder is gone already.
            if let last, path.starts(with: last + [UInt8(ascii: "/")]) { continue }
            try root.remove(path)
            touched.insert(Self.folder(of: path))
            last = path
        }
    }
}
