import CLinux
import Glibc
public import SystemCalls

/// A line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
public struct Mount: Equatable, Sendable {
    /// Identity of the mount; no two of all namespaces have the same at one moment.
    public var id: Int
    /// Identity of the mount that it is mounted on; its own for the root of a mount namespace.
    public var parent: Int
    /// Device of the filesystem, `major:minor`.
    public var device: [UInt8]
    /// Which directory of the filesystem is mounted (`/` for a whole one).
    public var root: [UInt8]
    /// Where, relative to the process's root.
    public var point: [UInt8]
    /// Type of the filesystem (`ext4`).
    public var type: [UInt8]
    /// What is mounted, in the words of its filesystem: a block device, `host:/export`, or any text.
    public var source: [UInt8]
    /// Options of the filesystem (for an overlay: its layers).
    public var superOptions: [UInt8]

    /// Who answers for its files.
    public var kind: FilesystemKind { FilesystemKind(type: type) }

    /// Whether it has files of its own that outlast its being unmounted: neither in memory, nor layers over others or images of them.
    public var holdsFiles: Bool {
        isReal
            && !["devtmpfs", "erofs", "overlay", "ramfs", "rootfs", "squashfs", "tmpfs"].contains {
                type.elementsEqual($0.utf8)
            }
    }

    /// Whether its files are files: not one of the kernel's views of itself.
    public var isReal: Bool { kind != .pseudo }

    /// Whether the filesystem, and not this mount of it alone, is read-only.
    public var isReadOnlyFilesystem: Bool {
        superOptions.split(separator: UInt8(ascii: ",")).first?.elementsEqual("ro".utf8) ?? false
    }

    /// The device as a number, as `st_dev` of its files has it; of btrfs another than that of its files.
    public var deviceNumber: UInt64? {
        let numbers = device.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            .map { UInt32(String(decoding: $0, as: UTF8.self)) }
        guard numbers.count == 2, let major = numbers[0], let minor = numbers[1] else { return nil }
        return UInt64(clinux_makedev(major, minor))
    }

    /// Reads the whole table.
    public static func all() throws(SystemError) -> [Mount] {
        try all(in: FileDescriptor.open("/proc/self/mountinfo", O_RDONLY))
    }

    /// Reads the whole table from an open `/proc/PID/mountinfo`, from its start: no descriptor is needed.
    public static func all(in table: borrowing FileDescriptor) throws(SystemError) -> [Mount] {
        let number = table.number
        _ = try systemCall("lseek") { lseek(number, 0, SEEK_SET) }
        return parse(try table.readAll())
    }

    /// Reads lines `id parent device root point options [optional…] - type source super-options`;
    /// a line that is not of that form is left out.
    public static func parse(_ bytes: [UInt8]) -> [Mount] {
        bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let fields = line.split(separator: UInt8(ascii: " "))
            guard fields.count >= 10, let id = Int(String(decoding: fields[0], as: UTF8.self)),
                let parent = Int(String(decoding: fields[1], as: UTF8.self)),
                let dash = fields[6...].firstIndex(where: { $0.elementsEqual("-".utf8) }),
                fields.count >= dash + 3
            else { return nil }
            return Mount(
                id: id, parent: parent, device: Array(fields[2]), root: OctalEscapes.decode(fields[3]),
                point: OctalEscapes.decode(fields[4]), type: Array(fields[dash + 1]),
                source: OctalEscapes.decode(fields[dash + 2]),
                superOptions: fields.count > dash + 3 ? OctalEscapes.decode(fields[dash + 3]) : [])
        }
    }
}

/// Who answers for a filesystem: what decides whether its files may be touched.
public enum FilesystemKind: Equatable, Sendable {
    /// One of the kernel's views of itself: nothing in it has to move.
    case pseudo
    /// The kernel alone answers, from memory or a block device: a call comes back.
    case local
    /// A program or another machine answers (FUSE, NFS, CIFS, 9p, …). A call may wait for it for ever, it sees
    /// each open, and in some states not even SIGKILL ends the wait.
    case foreign
    /// A type that is not known here. It is touched only where a call may be given up.
    case unknown

    /// Sorts by the type that /proc/self/mountinfo names, such as `ext4` or `fuse.sshfs`.
    public init(type: [UInt8]) {
        let name = String(decoding: type, as: UTF8.self)
        if Self.pseudoTypes.contains(name) {
            self = .pseudo
        } else if Self.localTypes.contains(name) {
            self = .local
        } else if Self.foreignTypes.contains(name) || name.hasPrefix("fuse.") {
            self = .foreign
        } else {
            self = .unknown
        }
    }

    /// Whether no filesystem that this kernel has asks anybody when a status is wanted as the kernel knows it
    /// (`AT_STATX_DONT_SYNC`): all are pseudo ones, local ones, or FUSE, which then answers from its cache. Filesystems that came
    /// with a module are not among them before it is loaded, and what is mounted stays among them.
    ///
    /// - Parameter types: /proc/filesystems, lines of `nodev` or nothing, a tabulator and the type.
    public static func answersAtOnce(types: [UInt8]) -> Bool {
        let names = types.split(separator: UInt8(ascii: "\n")).map { line in
            String(decoding: line.split(separator: UInt8(ascii: "\t")).last ?? [], as: UTF8.self)
        }
        return !names.isEmpty && names.allSatisfy(typesThatAnswerAtOnce.contains)
    }

    /// The same of this kernel at this moment.
    public static func answersAtOnce() -> Bool {
        guard let file = try? FileDescriptor.open("/proc/filesystems", O_RDONLY),
            let types = try? file.readAll(limit: 1 << 16)
        else { return false }
        return answersAtOnce(types: types)
    }

    private static let typesThatAnswerAtOnce = pseudoTypes.union(localTypes).union(["fuse", "fuseblk"])
    /// Filesystems without files of their own.
    static let pseudoTypes: Set<String> = [
        "anon_inodefs", "autofs", "bdev", "binder", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs",
        "cpuset", "dax", "debugfs", "devpts", "drm", "efivarfs", "fusectl", "hugetlbfs", "mqueue", "nfsd",
        "nsfs", "pidfs", "pipefs", "proc", "pstore", "resctrl", "rpc_pipefs", "secretmem", "securityfs",
        "selinuxfs", "smackfs", "sockfs", "sysfs", "tracefs",
    ]
    /// In memory, on a block device, or a layer over such.
    static let localTypes: Set<String> = [
        "affs", "bcachefs", "befs", "btrfs", "cramfs", "devtmpfs", "efs", "erofs", "exfat", "ext2", "ext3",
        "ext4", "f2fs", "hfs", "hfsplus", "hpfs", "iso9660", "jffs2", "jfs", "minix", "msdos", "nilfs2",
        "ntfs", "ntfs3", "omfs", "overlay", "qnx4", "qnx6", "ramfs", "reiserfs", "romfs", "rootfs",
        "squashfs",
        "sysv", "tmpfs", "ubifs", "udf", "ufs", "vfat", "xfs", "zfs", "zonefs",
    ]
    /// Answered by a program, another machine or the host of a virtual machine.
    static let foreignTypes: Set<String> = [
        "9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuse", "fuseblk", "gfs2", "glusterfs", "gpfs",
        "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "pvfs2", "smb3", "smbfs", "vboxsf",
        "virtiofs", "vmhgfs", "wekafs",
    ]
}

/// The kernel's way of keeping blanks and newlines out of lines: `\040` and the like.
public enum OctalEscapes {
    /// Turns `\ooo` into the byte that it stands for; anything else is left as it is.
    public static func decode(_ text: some Sequence<UInt8>) -> [UInt8] {
        let text = Array(text)
        guard text.contains(UInt8(ascii: "\\")) else { return text }
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            if text[index] == UInt8(ascii: "\\"), index + 3 < text.count {
                let digits = text[(index + 1)...(index + 3)].map { Int($0) - 48 }
                if digits.allSatisfy({ (0...7).contains($0) }), digits[0] <= 3 {
                    result.append(UInt8(digits[0] * 64 + digits[1] * 8 + digits[2]))
                    index += 4
                    continue
                }
            }
            result.append(text[index])
            index += 1
        }
        return result
    }

    /// Turns `\012` into a newline, and nothing else: in /proc/PID/maps the kernel escapes the newline
    /// alone, so that any other backslash stands for itself.
    static func decodeNewlines(_ text: some Sequence<UInt8>) -> [UInt8] {
        let text = Array(text)
        guard text.contains(UInt8(ascii: "\\")) else { return text }
        let escape = Array(#"\012"#.utf8)
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            let isEscape = text[index...].starts(with: escape)
            result.append(isEscape ? UInt8(ascii: "\n") : text[index])
            index += isEscape ? escape.count : 1
        }
        return result
    }
}
