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
