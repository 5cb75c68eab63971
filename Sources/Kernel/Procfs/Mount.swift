import Glibc
public import SystemCalls

/// A line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
public struct Mount: Equatable, Sendable {
    /// Identity of the mount.
    public var id: Int
    /// Device of the filesystem, `major:minor`.
    public var device: [UInt8]
    /// Which directory of the filesystem is mounted (`/` for a whole one).
    public var root: [UInt8]
    /// Where, relative to the process's root.
    public var point: [UInt8]
    /// Type of the filesystem (`ext4`).
    public var type: [UInt8]
    /// Options of the filesystem (for an overlay: its layers).
    public var superOptions: [UInt8]

    /// Whether its files are files: not one of the kernel's views of itself.
    public var isReal: Bool { !Self.pseudo.contains(String(decoding: type, as: UTF8.self)) }

    /// Filesystems without files of their own: nothing in them has to move.
    public static let pseudo: Set<String> = [
        "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "efivarfs",
        "fusectl", "hugetlbfs", "mqueue", "nsfs", "pipefs", "proc", "pstore", "rpc_pipefs", "securityfs",
        "selinuxfs", "sockfs", "sysfs", "tracefs",
    ]

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
                let dash = fields[6...].firstIndex(where: { $0.elementsEqual("-".utf8) }),
                fields.count >= dash + 3
            else { return nil }
            return Mount(
                id: id, device: Array(fields[2]), root: OctalEscapes.decode(fields[3]),
                point: OctalEscapes.decode(fields[4]), type: Array(fields[dash + 1]),
                superOptions: fields.count > dash + 3 ? OctalEscapes.decode(fields[dash + 3]) : [])
        }
    }
}
