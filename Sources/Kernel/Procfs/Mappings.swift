import Glibc

/// A file that a process has mapped into its memory (/proc/PID/maps).
public struct MappedFile: Equatable, Sendable {
    /// The path.
    public var path: [UInt8]
    /// Whether a mapping of it may be executed.
    public var isExecutable: Bool
    /// Whether a shared mapping of it may be written.
    public var isSharedWritable: Bool

    /// Reads `maps`: lines `address perms offset dev inode path`; the path keeps its blanks, a newline
    /// in it shows as `\012`. Anonymous memory, deleted files and `[heap]` and the like are left out.
    ///
    /// A file is mapped in several pieces, one line after the other: their path is taken apart once.
    ///
    /// - Parameter sharedWritable: leave out all but shared mappings that may be written, at little cost.
    public static func parse(_ bytes: [UInt8], sharedWritable: Bool = false) -> [MappedFile] {
        bytes.withUnsafeBytes { parse($0, sharedWritable: sharedWritable) }
    }

    static func parse(_ bytes: UnsafeRawBufferPointer, sharedWritable: Bool) -> [MappedFile] {
        var files: [MappedFile] = []
        var places = FilePlaces()
        var last: (path: Range<Int>, position: Int)?
        var start = 0
        while start < bytes.count {
            let end = MapsLine.end(bytes, start)
            defer { start = end + 1 }
            guard let line = MapsLine(bytes, start..<end), !sharedWritable || line.isSharedWritable else {
                continue
            }
            let position: Int
            if let last, isSame(bytes, last.path, line.path) {
                position = last.position
            } else {
                let text = UnsafeRawBufferPointer(rebasing: bytes[line.path])
                if SharedMapping.isDeleted(text) { continue }
                let path = OctalEscapes.decodeNewlines(text)
                position = places.position(of: path, in: files)
                if position == files.count {
                    files.append(MappedFile(path: path, isExecutable: false, isSharedWritable: false))
                }
                last = (line.path, position)
            }
            if line.isExecutable { files[position].isExecutable = true }
            if line.isSharedWritable { files[position].isSharedWritable = true }
        }
        return files
    }

    private static func isSame(_ bytes: UnsafeRawBufferPointer, _ one: Range<Int>, _ other: Range<Int>)
        -> Bool
    {
        one.count == other.count
            && memcmp(bytes.baseAddress! + one.lowerBound, bytes.baseAddress! + other.lowerBound, one.count)
                == 0
    }
}

/// Which file has a path: most processes have few, and need no table for it.
private struct FilePlaces {
    private var known: [[UInt8]: Int] = [:]
    private static let few = 8

    /// The position of the file with the path, or that behind the last one.
    mutating func position(of path: [UInt8], in files: [MappedFile]) -> Int {
        if files.count < Self.few { return files.firstIndex { $0.path == path } ?? files.count }
        if known.isEmpty {
            for (position, file) in files.enumerated() { known[file.path] = position }
        }
        if let position = known[path] { return position }
        known[path] = files.count
        return files.count
    }
}

/// Where a line of /proc/PID/maps has what is asked of it.
struct MapsLine {
    let isExecutable: Bool
    let isSharedWritable: Bool
    /// From its slash to the end of the line.
    let path: Range<Int>

    /// The end of the line that begins there.
    static func end(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> Int {
        memchr(bytes.baseAddress! + start, Int32(UInt8(ascii: "\n")), bytes.count - start)
            .map { bytes.baseAddress!.distance(to: UnsafeRawPointer($0)) } ?? bytes.count
    }

    /// Whether bytes that were read end with the line of the vsyscall page, which is the last one where there is such a page: its
    /// address is the kernel's, above all others (x86-64). No further read is needed to learn that this was all.
    static func isLast(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.last == UInt8(ascii: "\n") else { return false }
        let start = bytes.dropLast().lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let address: StaticString = "ffffffffff600000-"
        return bytes.count - start > address.utf8CodeUnitCount
            && memcmp(bytes.baseAddress! + start, address.utf8Start, address.utf8CodeUnitCount) == 0
    }

    /// `nil` for what is no line of a file.
    init?(_ bytes: UnsafeRawBufferPointer, _ line: Range<Int>) {
        // Most lines without one are of memory without a file.
        guard memchr(bytes.baseAddress! + line.lowerBound, Int32(UInt8(ascii: "/")), line.count) != nil else {
            return nil
        }
        var position = line.lowerBound
        var permissions = 0..<0
        for field in 0..<5 {
            while position < line.upperBound, bytes[position] == UInt8(ascii: " ") { position += 1 }
            let start = position
            while position < line.upperBound, bytes[position] != UInt8(ascii: " ") { position += 1 }
            if field == 1 { permissions = start..<position }
        }
        while position < line.upperBound, bytes[position] == UInt8(ascii: " ") { position += 1 }
        guard permissions.count == 4, position < line.upperBound, bytes[position] == UInt8(ascii: "/") else {
            return nil
        }
        path = position..<line.upperBound
        let first = permissions.lowerBound
        isExecutable = bytes[first + 2] == UInt8(ascii: "x")
        isSharedWritable = bytes[first + 1] == UInt8(ascii: "w") && bytes[first + 3] == UInt8(ascii: "s")
    }
}

/// Memory that a process has mapped and that others can map as well: a System V segment, or a file in the
/// folder of POSIX shared memory (/proc/PID/maps).
public struct SharedMapping: Hashable, Sendable {
    /// Where shm_open(3) and sem_open(3) of the C library have their files.
    public static let folder = Array("/dev/shm/".utf8)
    private static let segment = Array("/SYSV".utf8)
    private static let mark = Array(" (deleted)".utf8)

    /// Major number of the device of its filesystem.
    public var major: UInt32
    /// Minor number of the same.
    public var minor: UInt32
    /// The inode; of a segment its id.
    public var inode: UInt64
    /// The path as the kernel writes it, the mark of deletion included.
    public var path: [UInt8]

    /// Makes a mapping.
    public init(major: UInt32, minor: UInt32, inode: UInt64, path: [UInt8]) {
        self.major = major
        self.minor = minor
        self.inode = inode
        self.path = path
    }

    /// The key that a segment was made with, if it looks like one: `/SYSV`, the key in eight digits, the mark
    /// of deletion, a filesystem without a device.
    public var segmentKey: UInt32? {
        guard path.starts(with: Self.segment), major == 0,
            path.count == Self.segment.count + 8 + Self.mark.count,
            path.suffix(Self.mark.count) == Self.mark[...]
        else { return nil }
        let digits = path[Self.segment.count..<Self.segment.count + 8]
        guard digits.allSatisfy(Self.isDigit) else { return nil }
        return UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }

    /// Reads `maps`, each mapping once; everything that begins with neither path is left out.
    ///
    /// A scan reads the maps of every process for the few lines that matter: only from slash to slash is
    /// looked at, and only lines that matter are taken apart.
    public static func parse(_ bytes: [UInt8]) -> [SharedMapping] { bytes.withUnsafeBytes { parse($0) } }

    static func parse(_ bytes: UnsafeRawBufferPointer) -> [SharedMapping] {
        var found: [SharedMapping] = []
        var known: Set<SharedMapping> = []
        var start = 0
        while start < bytes.count {
            let end = MapsLine.end(bytes, start)
            defer { start = end + 1 }
            // No field before the path has a slash.
            guard let slash = memchr(bytes.baseAddress! + start, Int32(UInt8(ascii: "/")), end - start) else {
                continue
            }
            let position = bytes.baseAddress!.distance(to: UnsafeRawPointer(slash))
            let path = UnsafeRawBufferPointer(rebasing: bytes[position..<end])
            if matches(path),
                let mapping = SharedMapping(
                    Array(bytes[start..<position]), path: Array(path)),
                known.insert(mapping).inserted
            {
                found.append(mapping)
            }
        }
        return found
    }

    private static func matches(_ path: UnsafeRawBufferPointer) -> Bool {
        isIn(path, "/SYSV") || isIn(path, "/dev/shm/")
    }

    private static func isIn(_ path: UnsafeRawBufferPointer, _ start: StaticString) -> Bool {
        path.count >= start.utf8CodeUnitCount
            && memcmp(path.baseAddress!, start.utf8Start, start.utf8CodeUnitCount) == 0
    }

    /// Whether the kernel's mark of a deleted file is at its end.
    static func isDeleted(_ path: UnsafeRawBufferPointer) -> Bool {
        let mark: StaticString = " (deleted)"
        let start = path.count - mark.utf8CodeUnitCount
        return start >= 0 && memcmp(path.baseAddress! + start, mark.utf8Start, mark.utf8CodeUnitCount) == 0
    }

    /// `address perms offset dev inode`, then blanks up to the path.
    private init?(_ head: [UInt8], path: [UInt8]) {
        let fields = head.split(separator: UInt8(ascii: " "))
        guard fields.count == 5, fields[1].count == 4 else { return nil }
        let device = fields[3].split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard device.count == 2,
            let major = UInt32(String(decoding: device[0], as: UTF8.self), radix: 16),
            let minor = UInt32(String(decoding: device[1], as: UTF8.self), radix: 16),
            let inode = UInt64(String(decoding: fields[4], as: UTF8.self))
        else { return nil }
        self.init(major: major, minor: minor, inode: inode, path: OctalEscapes.decodeNewlines(path))
    }
}
