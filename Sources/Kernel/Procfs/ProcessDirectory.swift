import CLinux
import Glibc
public import SystemCalls

/// One process under /proc, held by a descriptor of its directory.
///
/// Everything is read relative to that descriptor, so an answer is never about another process that
/// got the same pid meanwhile. A process that vanishes half-way shows as `nil` (ESRCH, ENOENT),
/// never as an error; so does what may not be read. See proc(5).
public struct ProcessDirectory: ~Copyable {
    let directory: FileDescriptor
    /// The process.
    public let pid: Int32

    /// Opens /proc/PID; `nil` when there is no such process.
    ///
    /// - Parameter procfs: where the procfs of another pid namespace is mounted, whose pid it is.
    public init?(_ pid: Int32, in procfs: String = "/proc") {
        do throws(SystemError) { try self.init(opening: pid, in: procfs) } catch { return nil }
    }

    /// Opens /proc/PID. Fails with ENOENT when there is no such process, and with what has nothing to do with it,
    /// such as EMFILE.
    public init(opening pid: Int32, in procfs: String = "/proc") throws(SystemError) {
        directory = try FileDescriptor.open("\(procfs)/\(pid)", O_PATH | O_DIRECTORY)
        self.pid = pid
    }

    /// Path of the executable (`exe`) without the mark of deletion; `nil` for kernel threads.
    public borrowing func executable() -> [UInt8]? {
        link("exe").map(Self.withoutMark)
    }

    private static let deletionMark = Array(" (deleted)".utf8)

    static func withoutMark(_ path: [UInt8]) -> [UInt8] {
        // Nearly no path ends like this.
        guard path.last == UInt8(ascii: ")"), path.suffix(deletionMark.count) == deletionMark[...] else {
            return path
        }
        return Array(path.dropLast(deletionMark.count))
    }

    /// What the executable is; `nil` for kernel threads. No server is asked.
    public borrowing func executableStatus() -> FileStatus? {
        FileStatus("exe", relativeTo: directory.number)
    }

    /// Arguments, without their NULs; empty for kernel threads and for a process that has no memory
    /// any more.
    public borrowing func arguments(limit: Int = 1 << 16) -> [[UInt8]] {
        Self.splitArguments(argumentBytes(limit: limit))
    }

    /// The last parts of the first two arguments: the name under which it was executed, without the hyphen of a login
    /// shell, and what stands behind it. Both empty where they cannot be read.
    public borrowing func firstArguments() -> (name: [UInt8], next: [UInt8]) {
        Self.firstArguments(in: argumentBytes(limit: 512))
    }

    /// The same of what `argumentBytes` has read.
    public static func firstArguments(in bytes: [UInt8]) -> (name: [UInt8], next: [UInt8]) {
        let parts = bytes.split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
        // One without its NUL was cut off.
        guard parts.count > 1 else { return ([], []) }
        let name = last(parts[0])
        return (
            Array(name.first == UInt8(ascii: "-") ? name.dropFirst() : name),
            parts.count > 2 ? Array(last(parts[1])) : []
        )
    }

    private static func last(_ path: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        path[((path.lastIndex(of: UInt8(ascii: "/")) ?? path.startIndex - 1) + 1)...]
    }

    /// The same as the kernel has them: NUL-terminated strings, or what the process has written over them.
    public borrowing func argumentBytes(limit: Int = 1 << 16) -> [UInt8] {
        do throws(SystemError) {
            let file = try directory.openRelative("cmdline", O_RDONLY)
            // Few have more: then one call brings them.
            return try file.readBrief(limit: limit)
        } catch { return [] }
    }

    /// Splits NUL-terminated strings.
    public static func splitArguments(_ bytes: [UInt8]) -> [[UInt8]] {
        var parts = bytes.split(separator: 0, omittingEmptySubsequences: false).map(Array.init)
        if bytes.last == 0 { parts.removeLast() }
        return bytes.isEmpty ? [] : parts
    }

    /// The control group below the root, without its leading slash; `nil` in the root group.
    ///
    /// On a host that has several hierarchies the unified one wins, unless the process is in its root, or systemd's own and
    /// the controllers agree on another group: a container's engine that knows the controllers alone leaves the process
    /// in the unified group of the service that started it.
    public borrowing func controlGroup() -> [UInt8]? {
        controlGroups().flatMap(Self.controlGroup(of:))
    }

    /// The bytes of `/proc/PID/cgroup`, for who has to distinguish the root group from a process that is gone: then `nil`.
    public borrowing func controlGroups() -> [UInt8]? {
        do throws(SystemError) {
            let file = try directory.openRelative("cgroup", O_RDONLY)
            // The kernel makes it in one piece: what has room in one read needs no second that says that this was all.
            return try file.readBrief(limit: 1 << 16)
        } catch { return nil }
    }

    /// Whether this kernel has control groups at all (`CONFIG_CGROUPS`).
    public static let hasControlGroups = ProcessDirectory(getpid())?.controlGroups() != nil

    /// The same from the bytes of `/proc/PID/cgroup`: lines `hierarchy:controllers:path`.
    public static func controlGroup(of bytes: [UInt8]) -> [UInt8]? {
        var unified: ArraySlice<UInt8>?
        var systemd: ArraySlice<UInt8>?
        // Mostly the unified hierarchy is all there is.
        var controllers: [ArraySlice<UInt8>] = []
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(
                separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3, fields[2].first == UInt8(ascii: "/") else { continue }
            let path = fields[2].dropFirst()
            if fields[0].elementsEqual("0".utf8) {
                if !path.isEmpty { unified = path }
            } else if fields[1].elementsEqual("name=systemd".utf8) {
                if !path.isEmpty { systemd = path }
            } else {
                controllers.append(path)
            }
        }
        if controllers.isEmpty { return (unified ?? systemd).map(Array.init) }
        let common = majority(of: controllers)
        if let systemd, unified == nil || systemd == common { return Array(systemd) }
        return (unified ?? common).map(Array.init)
    }

    /// The path that more than half of several controllers have, unless it is the root.
    private static func majority(of paths: [ArraySlice<UInt8>]) -> ArraySlice<UInt8>? {
        paths.count < 2
            ? nil
            : paths.first { path in
                !path.isEmpty && paths.filter { $0.elementsEqual(path) }.count * 2 > paths.count
            }
    }

    /// Parent and start time from `stat`.
    public borrowing func status() -> ProcessStatus? {
        // One line of numbers and a name of at most 63 bytes, made in one piece: one read brings it.
        guard let file = try? directory.openRelative("stat", O_RDONLY),
            let bytes = try? file.readBrief(limit: 4096)
        else { return nil }
        return ProcessStatus(parsing: bytes)
    }

    /// Open descriptors: number and what the link says (a path, `socket:[INODE]`, `pipe:[INODE]`, …).
    public borrowing func descriptors(_ body: (_ number: Int32, _ target: [UInt8]) -> Void) {
        descriptors(DescriptorScratch()) { body($0, Array($1)) }
    }

    /// The same for who reads many processes: nothing is allocated, and the target is lent for the call.
    public borrowing func descriptors(
        _ scratch: DescriptorScratch, _ body: (_ number: Int32, _ target: UnsafeRawBufferPointer) -> Void
    ) {
        if let folder = descriptorFolder() { folder.walk(scratch, body) }
    }

    /// Open flags and mount of a descriptor (`fdinfo/N`); `nil` if it is gone. No filesystem is asked.
    public borrowing func descriptorInformation(_ descriptor: Int32) -> DescriptorInformation? {
        // What is asked for stands in its first lines, and one read brings them.
        guard let file = try? directory.openRelative("fdinfo/\(descriptor)", O_RDONLY),
            let bytes = try? file.readOnce(limit: 512)
        else { return nil }
        return DescriptorInformation(parsing: bytes)
    }

    /// What a descriptor refers to, as far as this kernel knows; `nil` if it is gone. No server is asked.
    public borrowing func statistics(descriptor: Int32) -> FileStatus? {
        FileStatus("fd/\(descriptor)", relativeTo: directory.number)
    }

    /// The mount table of the process's mount namespace; empty if it may not be read.
    public borrowing func mounts() -> [Mount] { contents("mountinfo", limit: 1 << 24).map(Mount.parse) ?? [] }

    /// What is mapped, as the bytes of `maps`, for `MappedFile` and `SharedMapping`; empty for kernel threads
    /// and for what may not be read.
    public borrowing func maps() -> [UInt8] { contents("maps", limit: Self.mostMaps) ?? [] }

    private static let mostMaps = 1 << 24

    /// What of it could be shared with others, and the files, as `SharedMapping.parse` and `MappedFile.parse` give them: for who
    /// reads many processes.
    public borrowing func mappings(_ scratch: DescriptorScratch, sharedWritable: Bool = false)
        -> (shared: [SharedMapping], files: [MappedFile])
    {
        guard let file = try? directory.openRelative("maps", O_RDONLY) else { return ([], []) }
        let bytes = scratch.read(maps: file, limit: Self.mostMaps)
        return (SharedMapping.parse(bytes), MappedFile.parse(bytes, sharedWritable: sharedWritable))
    }

    /// Whether any file or System V segment is mapped shared: a cheap question before `maps` is read for such.
    /// `true` as well where the kernel does not say (before Linux 6.11).
    public borrowing func mayHaveSharedMappings() -> Bool {
        guard let file = try? directory.openRelative("maps", O_RDONLY) else { return false }
        return clinux_has_shared_mapping(file.number) == 0 || (errno != ENOENT && errno != ESRCH)
    }

    /// Paths of mapped files, each once, with whether any mapping of it is executable.
    ///
    /// - Parameter sharedWritable: only shared mappings that may be written.
    public borrowing func mappedFiles(sharedWritable: Bool = false) -> [MappedFile] {
        MappedFile.parse(maps(), sharedWritable: sharedWritable)
    }

    /// Working directory as a path.
    public borrowing func workingDirectory() -> [UInt8]? { link("cwd") }

    /// Identity of a namespace of the process (`net`, `mnt`, …): the inode behind `ns/NAME`.
    public borrowing func namespace(_ name: String) -> UInt64? {
        // The link says it, `net:[4026531840]`; for a status the kernel would have to make the inode.
        let directory = directory.number
        return withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { target in
            let room = target.baseAddress!.assumingMemoryBound(to: CChar.self)
            let count = "ns/\(name)".withCString { readlinkat(directory, $0, room, target.count) }
            guard count > 0, count < target.count,
                let start = target[..<count].firstIndex(of: UInt8(ascii: "[")),
                target[count - 1] == UInt8(ascii: "]")
            else { return nil }
            return UInt64(decimal: UnsafeRawBufferPointer(rebasing: target[(start + 1)..<(count - 1)]))
        }
    }

    /// The file of a namespace of the process, by which it can be entered or asked about.
    public borrowing func openNamespace(_ name: String) -> FileDescriptor? {
        do throws(SystemError) { return try directory.openRelative("ns/\(name)", O_RDONLY) } catch {
            return nil
        }
    }

    /// The process that a thread belongs to (`Tgid` in /proc/TID/status), the pid of its leader; `nil` if it is gone.
    public borrowing func threadGroup() -> Int32? {
        guard let bytes = contents("status", limit: 4096) else { return nil }
        return NumberLine.value("Tgid:\t", in: bytes).flatMap(Int32.init(exactly:))
    }

    /// How many reads and writes it has made; `nil` where the kernel does not count them.
    public borrowing func transferCalls() -> TransferCalls? {
        // Seven lines of a number each, made in one piece.
        guard let file = try? directory.openRelative("io", O_RDONLY),
            let bytes = try? file.readBrief(limit: 1024)
        else { return nil }
        return TransferCalls(parsing: bytes)
    }

    borrowing func link(_ name: String) -> [UInt8]? {
        SymbolicLink.read(name, relativeTo: directory.number)
    }

    borrowing func contents(_ name: String, limit: Int) -> [UInt8]? {
        do throws(SystemError) {
            let file = try directory.openRelative(name, O_RDONLY)
            return try file.readAll(limit: limit)
        } catch { return nil }
    }
}

/// How many reads and writes a process has made since it was forked (/proc/PID/io); `splice(2)` counts as neither.
public struct TransferCalls: Equatable, Sendable {
    /// Calls that read.
    public var reads: UInt64
    /// Calls that wrote.
    public var writes: UInt64

    /// Reads lines `syscr:` and `syscw:`; `nil` without both.
    public init?(parsing bytes: [UInt8]) {
        let reads = NumberLine.value("syscr: ", in: bytes)
        let writes = NumberLine.value("syscw: ", in: bytes)
        guard let reads, let writes else { return nil }
        self.reads = reads
        self.writes = writes
    }
}

/// What /proc/PID/stat says of a process.
public struct ProcessStatus: Equatable, Sendable {
    /// The parent process.
    public var parent: Int32
    /// Start, in clock ticks since boot.
    public var startTicks: UInt64
    /// Whether it is a kernel thread (`PF_KTHREAD` in `flags`).
    public var isKernelThread: Bool
    /// The state letter (`Z` is a zombie).
    public var state: UInt8
    /// What it is called, at most fifteen bytes: the name under which it was executed, unless it has set another.
    public var name: [UInt8]
    /// Its nice value, -20 to 19 (setpriority(2)).
    public var nice: Int

    /// Reads the line. The name in its second field may hold blanks and parentheses: the fields behind
    /// it start after the *last* closing parenthesis.
    public init?(parsing bytes: [UInt8]) {
        guard let close = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        // state ppid pgrp session tty tpgid flags …, starttime is the 20th behind the name.
        var (state, parent, flags): (UInt8?, Int64?, UInt64?)
        var (nice, start): (Int64?, UInt64?)
        bytes.withUnsafeBytes { bytes in
            var position = close + 1
            for field in 0..<20 {
                while position < bytes.count, Self.isBlank(bytes[position]) { position += 1 }
                let begin = position
                while position < bytes.count, !Self.isBlank(bytes[position]) { position += 1 }
                let text = UnsafeRawBufferPointer(rebasing: bytes[begin..<position])
                switch field {
                case 0: state = text.first
                case 1: parent = Int64(decimal: text)
                case 6: flags = UInt64(decimal: text)
                case 16: nice = Int64(decimal: text)
                case 19: start = UInt64(decimal: text)
                default: break
                }
            }
        }
        guard let state, let parent = parent.flatMap(Int32.init(exactly:)),
            let flags = flags.flatMap(UInt32.init(exactly:)), let start
        else { return nil }
        self.nice = nice.map(Int.init) ?? 0
        name =
            bytes.firstIndex(of: UInt8(ascii: "(")).map { $0 < close ? Array(bytes[($0 + 1)..<close]) : [] }
            ?? []
        self.state = state
        self.parent = parent
        isKernelThread = flags & 0x0020_0000 != 0
        startTicks = start
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\n")
    }
}

extension FixedWidthInteger {
    /// A number in decimal digits, with a minus before it if there may be one; `nil` for anything else and for what has no room.
    init?(decimal text: UnsafeRawBufferPointer) {
        let isNegative = Self.isSigned && text.first == UInt8(ascii: "-")
        let digits = isNegative ? UnsafeRawBufferPointer(rebasing: text.dropFirst()) : text
        guard !digits.isEmpty else { return nil }
        var value: Self = 0
        for byte in digits {
            let digit = byte &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            let (tens, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, isTooLargeNow) =
                isNegative
                ? tens.subtractingReportingOverflow(Self(digit)) : tens.addingReportingOverflow(Self(digit))
            if isTooLarge || isTooLargeNow { return nil }
            value = sum
        }
        self = value
    }
}

/// The processes there are.
public enum ProcessList {
    /// Pids under /proc at this moment, in no particular order; none if it cannot be read.
    ///
    /// - Parameter procfs: where that of another pid namespace is mounted.
    public static func pids(in procfs: String = "/proc") -> [Int32] { (try? read(procfs)) ?? [] }

    /// The same; fails with EMFILE and the like.
    public static func read(_ procfs: String = "/proc") throws(SystemError) -> [Int32] {
        guard let stream = opendir(procfs) else { throw SystemError("opendir") }
        defer { closedir(stream) }
        var result: [Int32] = []
        while let entry = readdir(stream) {
            let pid = withUnsafeBytes(of: &entry.pointee.d_name) { bytes -> Int32? in
                guard let first = bytes.first, (48...57).contains(first) else { return nil }
                return Int32(String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self))
            }
            if let pid { result.append(pid) }
        }
        return result
    }
}
