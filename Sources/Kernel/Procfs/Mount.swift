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
