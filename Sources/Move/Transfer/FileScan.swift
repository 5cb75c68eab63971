import CLinux
import Glibc
public import SystemCalls

/// What a file was when it was looked at: as long as it is equal, the content is taken to be.
public struct FileIdentity: Equatable, Sendable {
    /// Which inode.
    public var device: UInt64
    /// See `device`.
    public var inode: UInt64
    /// Bytes.
    public var size: UInt64
    /// Nanoseconds since 1970.
    public var modified: Int64
    /// Nanoseconds since 1970; no program can set it.
    public var changed: Int64

    /// Makes one of what was kept of it.
    package init(device: UInt64, inode: UInt64, size: UInt64, modified: Int64, changed: Int64) {
        (self.device, self.inode, self.size) = (device, inode, size)
        (self.modified, self.changed) = (modified, changed)
    }

    init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = UInt64(max(status.st_size, 0))
        modified = Self.nanoseconds(status.st_mtim)
        changed = Self.nanoseconds(status.st_ctim)
    }

    /// What a descriptor is open on.
    public init?(descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    static func nanoseconds(_ time: timespec) -> Int64 {
        Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }
}

/// Looks at the files of the source: what each is, and what may have been changed since it was copied.
public struct FileScan: Sendable {
    /// An entry and the inode behind it.
    public struct Found: Sendable {
        /// What it is.
        public var entry: FileEntry
        /// Which inode, and as of when.
        public var identity: FileIdentity
        /// Nanoseconds since 1970, right before it was looked at.
        var looked: Int64 = 0

        /// Whether a later change of it shows in its times: those that it has are so old that the clock has moved since.
        var isSettled: Bool { max(identity.changed, identity.modified) < looked - FileScan.uncertainty }
    }

    /// How long a change may leave the time of a file as it is: a tick of the slowest clock of a filesystem (ext3, FAT: whole
    /// seconds have been given up; 10 ms is a kernel of 100 Hz), and the time from the look to the first byte that is read.
    static let uncertainty: Int64 = 20_000_000

    /// Where the files lie: before each path. Empty for this host's own.
    public let prefix: [UInt8]
    /// Paths that could not be looked at, with the reason.
    public private(set) var failures: [(path: [UInt8], error: SystemError)] = []
    private var names: [Inode: [UInt8]] = [:]

    private struct Inode: Hashable { var device: UInt64, inode: UInt64 }

    /// - Parameter root: where the source's files lie on this machine.
    public init(root: String) {
        var bytes = Array(root.utf8)
        while bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
        prefix = bytes
    }

    /// Looks at a path; `nil` where there is nothing any more, and for sockets, which their servers make.
    public mutating func look(at path: [UInt8]) -> Found? { look(at: path, knowing: nil) }

    /// The same, with what was seen there before.
    ///
    /// Where its inode and times are still those, and settled by then, so is the rest: owner, mode, extended attributes, a
    /// link's target cannot change without the time of change (stat(2)). It is not read again, which in the last round, while
    /// clients are held, is the half of what a file that was not changed costs.
    mutating func look(at path: [UInt8], knowing known: Found?) -> Found? {
        let name = prefix + path + [0]
        return name.withUnsafeBufferPointer { name in
            name.withMemoryRebound(to: CChar.self) { look($0.baseAddress!, path, known) }
        }
    }

    private mutating func look(_ name: UnsafePointer<CChar>, _ path: [UInt8], _ known: Found?) -> Found? {
        let looked = Int64(Clock.wall())
        var status = stat()
        guard lstat(name, &status) == 0 else {
            if errno != ENOENT && errno != ENOTDIR { failures.append((path, SystemError("lstat"))) }
            return nil
        }
        let kind: FileEntry.Kind
        switch status.st_mode & S_IFMT {
        case S_IFREG: kind = .file
        case S_IFDIR: kind = .folder
        case S_IFLNK: kind = .link
        case S_IFIFO: kind = .pipe
        case S_IFCHR: kind = .character
        case S_IFBLK: kind = .block
        default: return nil
        }
        let identity = FileIdentity(status)
        // Which of several names of a file comes first depends on the others, so it is found out anew.
        if let known, known.identity == identity, known.isSettled, known.entry.kind == kind,
            kind == .folder || status.st_nlink == 1
        {
            return known
        }
        var entry = FileEntry(path, kind)
        entry.mode = status.st_mode & 0o7777
        (entry.user, entry.group, entry.modified) = (status.st_uid, status.st_gid, identity.modified)
        switch kind {
        case .file:
            entry.size = identity.size
            if status.st_nlink > 1 {
                let inode = Inode(device: identity.device, inode: identity.inode)
                if let first = names[inode] {
                    entry.kind = .hardLink
                    entry.target = first
                } else {
                    names[inode] = path
                }
            }
        case .link:
            var target = [UInt8](repeating: 0, count: Int(PATH_MAX))
            let count = target.withUnsafeMutableBytes {
                readlink(name, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
            }
            guard count > 0 else { return nil }
            entry.target = Array(target[..<count])
        case .character, .block: entry.device = UInt64(status.st_rdev)
        default: break
        }
        if kind != .link { entry.attributes = Self.attributes(name) }
        return Found(entry: entry, identity: identity, looked: looked)
    }

    /// Extended attributes, by name; those of a security module's label stay: the destination labels its own files.
    private static func attributes(_ name: UnsafePointer<CChar>) -> [FileEntry.Attribute] {
        var list = [CChar](repeating: 0, count: 4096)
        var count = llistxattr(name, &list, list.count)
        if count < 0 && errno == ERANGE {
            list = [CChar](repeating: 0, count: 65536)
            count = llistxattr(name, &list, list.count)
        }
        guard count > 0 else { return [] }
        var found: [FileEntry.Attribute] = []
        for part in list[..<count].split(separator: 0) {
            let attribute = part.map { UInt8(bitPattern: $0) }
            if attribute.elementsEqual("security.selinux".utf8) { continue }
            var value = [UInt8](repeating: 0, count: 65536)
            let length = (part + [0]).withUnsafeBufferPointer {
                lgetxattr(name, $0.baseAddress!, &value, value.count)
            }
            if length >= 0 { found.append(.init(name: attribute, value: Array(value[..<length]))) }
        }
        return found.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }
}
