import CLinux
import Glibc
public import SystemCalls

/// One process under /proc, held by a descriptor of its directory.
///
/// Everything is read relative to that descriptor, so an answer is never about another process that
/// got the same pid meanwhile. A process that vanishes half-way shows as `nil` (ESRCH, ENOENT),
/// never as an error; so does what may not be read. See proc(5).
public struct ProcessDirectory: ~Copyable {
    private let directory: FileDescriptor
    /// The process.
    public let pid: Int32

    /// Opens /proc/PID; `nil` when there is no such process.
    public init?(_ pid: Int32) {
        do throws(SystemError) { try self.init(opening: pid) } catch { return nil }
    }

    /// Opens /proc/PID. Fails with ENOENT when there is no such process, and with what has nothing to do with it,
    /// such as EMFILE.
    public init(opening pid: Int32) throws(SystemError) {
        directory = try FileDescriptor.open("/proc/\(pid)", O_PATH | O_DIRECTORY)
        self.pid = pid
    }

    /// Path of the executable (`exe`) without the mark of deletion; `nil` for kernel threads.
    public borrowing func executable() -> [UInt8]? {
        link("exe").map(Self.withoutMark)
    }

    private static func withoutMark(_ path: [UInt8]) -> [UInt8] {
        let mark = Array(" (deleted)".utf8)
        return path.suffix(mark.count) == mark[...] ? Array(path.dropLast(mark.count)) : path
    }

    /// Arguments, without their NULs; empty for kernel threads and for a process that has no memory
    /// any more.
    public borrowing func arguments(limit: Int = 1 << 16) -> [[UInt8]] {
        guard let bytes = contents("cmdline", limit: limit) else { return [] }
        return Self.splitArguments(bytes)
    }

    /// Splits NUL-terminated strings.
    public static func splitArguments(_ bytes: [UInt8]) -> [[UInt8]] {
        var parts = bytes.split(separator: 0, omittingEmptySubsequences: false).map(Array.init)
        if bytes.last == 0 { parts.removeLast() }
        return bytes.isEmpty ? [] : parts
    }

    /// The control group below the root, without its leading slash; `nil` in the root group.
    ///
    /// The unified hierarchy wins; on a host that still has several, systemd's own names the unit.
    public borrowing func controlGroup() -> [UInt8]? {
        contents("cgroup", limit: 1 << 16).flatMap(Self.controlGroup(of:))
    }

    /// The same from the bytes of `/proc/PID/cgroup`: lines `hierarchy:controllers:path`.
    public static func controlGroup(of bytes: [UInt8]) -> [UInt8]? {
        var systemd: [UInt8]?
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(
                separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3, fields[2].first == UInt8(ascii: "/"), fields[2].count > 1 else {
                continue
            }
            let path = Array(fields[2].dropFirst())
            if fields[0].elementsEqual("0".utf8) { return path }
            if fields[1].elementsEqual("name=systemd".utf8) { systemd = path }
        }
        return systemd
    }

    /// Parent and start time from `stat`.
    public borrowing func status() -> ProcessStatus? {
        contents("stat", limit: 4096).flatMap(ProcessStatus.init(parsing:))
    }

    /// Open descriptors: number and what the link says (a path, `socket:[INODE]`, `pipe:[INODE]`, …).
    public borrowing func descriptors(_ body: (_ number: Int32, _ target: [UInt8]) -> Void) {
        descriptors(DescriptorScratch()) { body($0, Array($1)) }
    }

    /// The same for who reads many processes: nothing is allocated, and the target is lent for the call.
    public borrowing func descriptors(
        _ scratch: DescriptorScratch, _ body: (_ number: Int32, _ target: UnsafeRawBufferPointer) -> Void
    ) {
        let number = clinux_openat(directory.number, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        guard number >= 0 else { return }
        scratch.walk(FileDescriptor(owning: number), body)
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
    public borrowing func maps() -> [UInt8] { contents("maps", limit: 1 << 24) ?? [] }

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

    /// The path that a name has for this process, symbolic links in its directories resolved: the path
    /// under which the kernel reports opens of it. The last component is left as it is.
    ///
    /// Resolved through the process's own root and working directory, so it is right for a process in
    /// a container or chroot as well. `O_PATH` opens are reported to nobody.
    ///
    /// - Parameter uncached: looks up the directory, given as NUL-terminated bytes, where the kernel would have to ask
    ///   a filesystem for it: gives an `O_PATH` descriptor, -1 if there is no such directory, or `nil` if nobody
    ///   answered; then the name is put together as a text. By default it waits as long as it takes.
    public borrowing func resolve(
        _ name: [UInt8],
        uncached: (_ start: borrowing FileDescriptor, _ directory: [UInt8]) -> Int32? = Self.waitingLookup
    ) -> [UInt8]? {
        guard !name.isEmpty, !name.contains(0) else { return nil }
        let isAbsolute = name[0] == UInt8(ascii: "/")
        let base = isAbsolute ? "root" : "cwd"
        let slash = name.lastIndex(of: UInt8(ascii: "/"))
        let leaf = slash.map { Array(name[($0 + 1)...]) } ?? name
        guard !leaf.isEmpty, leaf != Array(".".utf8), leaf != Array("..".utf8) else { return nil }
        var parent = slash.map { Array(name[..<$0]) } ?? []
        if isAbsolute { parent = Array(parent.drop { $0 == UInt8(ascii: "/") }) }
        if parent.isEmpty { parent = [UInt8(ascii: ".")] }
        let file = directory.number
        let root = openat(file, base)
        guard root >= 0 else { return nil }
        let start = FileDescriptor(owning: root)
        guard var path = Self.path(of: parent, from: start, uncached) else { return nil }
        if path.last != UInt8(ascii: "/") { path.append(UInt8(ascii: "/")) }
        path += leaf
        // `/dev/fd/63` and the like name an open file, not a place.
        guard path.starts(with: "/proc/".utf8) else { return path }
        return openFile(path).flatMap { $0.first == UInt8(ascii: "/") ? Self.withoutMark($0) : nil }
    }

    /// Where a directory lies, symbolic links resolved.
    private static func path(
        of parent: [UInt8], from start: borrowing FileDescriptor,
        _ uncached: (_ start: borrowing FileDescriptor, _ directory: [UInt8]) -> Int32?
    ) -> [UInt8]? {
        let found: FileDescriptor
        switch CachedLookup.open(parent + [0], relativeTo: start.number, flags: O_DIRECTORY) {
        case .found(let directory): found = directory
        case .absent: return nil
        case .uncached:
            guard let number = uncached(start, parent + [0]) else {
                guard let base = SymbolicLink.read("/proc/self/fd/\(start.number)") else { return nil }
                return join(base, parent)
            }
            guard number >= 0 else { return nil }
            found = FileDescriptor(owning: number)
        }
        return SymbolicLink.read("/proc/self/fd/\(found.number)")
    }

    /// A path from a path and a name below it, `.` and `..` taken out; symbolic links stay.
    static func join(_ base: [UInt8], _ name: [UInt8]) -> [UInt8] {
        let slash = UInt8(ascii: "/")
        var parts = base.split(separator: slash)
        for part in name.split(separator: slash) where !part.elementsEqual(".".utf8) {
            if part.elementsEqual("..".utf8) { _ = parts.popLast() } else { parts.append(part) }
        }
        return parts.isEmpty ? [slash] : parts.flatMap { [slash] + $0 }
    }

    /// Looks a directory up and waits for it.
    public static func waitingLookup(_ start: borrowing FileDescriptor, _ directory: [UInt8]) -> Int32? {
        directory.withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                clinux_openat(start.number, $0.baseAddress!, O_PATH | O_DIRECTORY | O_CLOEXEC, 0)
            }
        }
    }

    /// What a link below /proc leads to. `self` and `thread-self` were followed as this process and
    /// thread, but the name meant the process's own.
    private borrowing func openFile(_ path: [UInt8]) -> [UInt8]? {
        let own = "/proc/\(getpid())/"
        for own in [own + "task/\(gettid())/", own] where path.starts(with: own.utf8) {
            return link(String(decoding: path.dropFirst(own.utf8.count), as: UTF8.self))
        }
        return SymbolicLink.read(String(decoding: path, as: UTF8.self))
    }

    /// Identity of a namespace of the process (`net`, `mnt`, …): the inode behind `ns/NAME`.
    public borrowing func namespace(_ name: String) -> UInt64? {
        var result = stat()
        let directory = directory.number
        guard fstatat(directory, "ns/\(name)", &result, 0) == 0 else { return nil }
        return UInt64(result.st_ino)
    }

    /// How many reads and writes it has made; `nil` where the kernel does not count them.
    public borrowing func transferCalls() -> TransferCalls? {
        contents("io", limit: 4096).flatMap(TransferCalls.init(parsing:))
    }

    private func openat(_ directory: Int32, _ name: String) -> Int32 {
        clinux_openat(directory, name, O_PATH | O_CLOEXEC, 0)
    }

    private borrowing func link(_ name: String) -> [UInt8]? {
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
        func value(_ key: StaticString) -> UInt64? {
            let key = Array(String(describing: key).utf8)
            let line = bytes.split(separator: UInt8(ascii: "\n")).first { $0.starts(with: key) }
            return line.flatMap { UInt64(String(decoding: $0.dropFirst(key.count), as: UTF8.self)) }
        }
        guard let reads = value("syscr: "), let writes = value("syscw: ") else { return nil }
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

    /// Reads the line. The name in its second field may hold blanks and parentheses: the fields behind
    /// it start after the *last* closing parenthesis.
    public init?(parsing bytes: [UInt8]) {
        guard let close = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = bytes[(close + 1)...].split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
        // state ppid pgrp session tty tpgid flags …, starttime is the 20th behind the name.
        guard fields.count >= 20, let state = fields[0].first,
            let parent = Int32(String(decoding: fields[1], as: UTF8.self)),
            let flags = UInt32(String(decoding: fields[6], as: UTF8.self)),
            let start = UInt64(String(decoding: fields[19], as: UTF8.self))
        else { return nil }
        self.state = state
        self.parent = parent
        isKernelThread = flags & 0x0020_0000 != 0
        startTicks = start
    }
}

/// The processes there are.
public enum ProcessList {
    /// Pids under /proc at this moment, in no particular order; none if it cannot be read.
    public static func pids() -> [Int32] { (try? read()) ?? [] }

    /// The same; fails with EMFILE and the like.
    public static func read() throws(SystemError) -> [Int32] {
        guard let stream = opendir("/proc") else { throw SystemError("opendir") }
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
