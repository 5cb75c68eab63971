import SystemCalls

/// A mapping of a file, or of memory that can be shared, as a line of /proc/PID/maps reports it (proc_pid_maps(5)).
public struct MemoryArea: Equatable, Sendable {
    /// The first address, and the one behind the last.
    public var range: Range<UInt64>
    /// Whether it may be written.
    public var isWritable: Bool
    /// Whether what is written is seen by others that have the same mapped (`MAP_SHARED`).
    public var isShared: Bool
    /// Major number of the device of its filesystem.
    public var major: UInt32
    /// Minor number of the same.
    public var minor: UInt32
    /// The inode; 0 where no file is mapped.
    public var inode: UInt64
    /// The path as the kernel writes it, the mark of deletion included; `[uprobes]` and the like; a newline in it shows as `\012`.
    public var path: [UInt8]

    private static let mark = Array(" (deleted)".utf8)

    /// Whether the file has been deleted, or never had a name.
    public var isDeleted: Bool { path.suffix(Self.mark.count) == Self.mark[...] }

    /// Reads `maps`: lines `address perms offset dev inode path`. Anonymous memory and lines that are not of that form are
    /// left out.
    public static func parse(_ bytes: [UInt8]) -> [MemoryArea] {
        bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
            guard fields.count == 6, fields[1].count == 4 else { return nil }
            let ends = numbers(fields[0], UInt8(ascii: "-"))
            let device = numbers(fields[3], UInt8(ascii: ":"))
            let path = fields[5].drop { $0 == UInt8(ascii: " ") }
            guard ends.count == 2, ends[0] <= ends[1], device.count == 2,
                let major = UInt32(exactly: device[0]), let minor = UInt32(exactly: device[1]),
                let inode = UInt64(String(decoding: fields[4], as: UTF8.self)), !path.isEmpty
            else { return nil }
            let permissions = Array(fields[1])
            return MemoryArea(
                range: ends[0]..<ends[1], isWritable: permissions[1] == UInt8(ascii: "w"),
                isShared: permissions[3] == UInt8(ascii: "s"), major: major, minor: minor, inode: inode,
                path: OctalEscapes.decodeNewlines(path))
        }
    }

    /// Hexadecimal numbers with one byte between them; none where one is no number.
    private static func numbers(_ text: ArraySlice<UInt8>, _ separator: UInt8) -> [UInt64] {
        let parts = text.split(separator: separator, omittingEmptySubsequences: false)
        let found = parts.compactMap { UInt64(String(decoding: $0, as: UTF8.self), radix: 16) }
        return found.count == parts.count ? found : []
    }
}

extension ProcessDirectory {
    /// Files and shared memory that are mapped; empty for kernel threads and for what may not be read.
    public borrowing func memoryAreas() -> [MemoryArea] { MemoryArea.parse(maps()) }

    /// The file of a mapping, whatever became of its name (`map_files`, Linux 3.3; needs `CAP_SYS_ADMIN` or
    /// `CAP_CHECKPOINT_RESTORE`). No server is asked.
    public borrowing func statistics(of area: MemoryArea) -> FileStatus? {
        let ends = [area.range.lowerBound, area.range.upperBound].map { String($0, radix: 16) }
        return FileStatus("map_files/\(ends[0])-\(ends[1])", relativeTo: directory.number)
    }
}
