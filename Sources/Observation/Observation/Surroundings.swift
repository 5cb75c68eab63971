public import Records

/// What the observation may ask about the host while it interprets events.
///
/// The daemon answers from /proc and the filesystems; a replay answers from its recording; a test
/// plays the host. Every question is about something that the events did not report.
public protocol Surroundings: AnyObject {
    /// Where a directory lies, given its identity (`fsid`, then a `struct file_handle`); `nil` if it is
    /// no longer there or cannot be reached.
    ///
    /// - Parameter isKnown: whether the asker knows the place of a directory: of those above it none needs be named.
    func directory(
        _ identity: [UInt8], isKnown: (UnsafeRawBufferPointer) -> Bool
    ) -> DirectoryAnswer?
    /// What is known of a process at this moment; `nil` if it is gone.
    func process(_ pid: Int32) -> ProcessFacts?
    /// The same, or `nil` if it has executed anything after a moment (`CLOCK_MONOTONIC`, nanoseconds), as far as that can be known.
    func process(_ pid: Int32, unlessExecutedAfter time: UInt64) -> ProcessFacts?
    /// Takes note that programs run of which only a look says what they are: for a while all are looked at.
    func needsLooks()
    /// How the kernel would execute a file.
    func head(ofFile path: [UInt8]) -> ExecutableHead
    /// The type of a file; `nil` if it is gone.
    func kind(ofFile path: [UInt8]) -> FileKind?
    /// The host's addresses at this moment, loopback left out; those of the network namespace that the
    /// observation keeps to.
    func addresses() -> [NetworkAddress]
}

extension Surroundings {
    /// What is known at this moment, where nobody can say what was executed since.
    public func process(_ pid: Int32, unlessExecutedAfter time: UInt64) -> ProcessFacts? { process(pid) }
    /// Nobody looks at programs.
    public func needsLooks() {}
}

/// Where a directory lies.
public struct DirectoryAnswer: Hashable, Sendable {
    /// Its path: from the root, or where that is longer than anybody could read, from the last of its ancestors.
    public var path: [UInt8]
    /// Identities of the directories that it lies in, the nearest first. They may end early: with one that the asker
    /// knows, or where one has no identity.
    public var ancestors: [[UInt8]]

    /// Makes an answer; without ancestors the directories above are known by their names alone.
    public init(path: [UInt8], ancestors: [[UInt8]] = []) {
        self.path = path
        self.ancestors = ancestors
    }
}

/// What can be read of a running process.
public struct ProcessFacts: Sendable {
    /// The process.
    public var pid: Int32
    /// The process that it belongs to as a child.
    public var parent: Int32
    /// Start, nanoseconds since boot.
    public var start: UInt64
    /// The executable: its path in the daemon's mount namespace, or its name alone where that does not show it; empty for
    /// kernel threads and for what may not be read.
    public var executable: [UInt8]
    /// The script that the arguments name, as a path with its directories resolved; or the name of what it runs, a
    /// module or a class, which does not begin with a slash.
    public var script: [UInt8]?
    /// How far that could be read.
    public var reading: ScriptReading
    /// The control group.
    public var workload: [UInt8]?
    /// The network namespace, by its inode; 0 if it was not read.
    public var network: UInt64
    /// What the process is called (`comm`), for one that was there before; empty if it was not read.
    public var name: [UInt8] = []
    /// `ImageFacts.argument`, of one that was asked for by itself; 0 if it was not read.
    public var argument: UInt64 = 0

    /// Makes facts.
    public init(
        pid: Int32, parent: Int32, start: UInt64 = 0, executable: [UInt8], script: [UInt8]? = nil,
        reading: ScriptReading = .known, workload: [UInt8]? = nil, network: UInt64 = 0
    ) {
        self.pid = pid
        self.parent = parent
        self.start = start
        self.executable = executable
        self.script = script
        self.reading = reading
        self.workload = workload
        self.network = network
    }
}

/// The first bytes of an executable, understood.
public enum ExecutableHead: Hashable, Sendable {
    /// An ELF file that names an interpreter (`PT_INTERP`).
    case dynamic(loader: [UInt8])
    /// An ELF file that does not: static, or itself an ELF interpreter.
    case plain
    /// A `#!` file; the path of the interpreter.
    case script(interpreter: [UInt8])
    /// Something that the kernel does not execute by itself (ENOEXEC).
    case other
    /// It could not be read any more.
    case unknown

    /// Understands a file from its first bytes (a page is enough for what linkers write).
    ///
    /// See elf(5) and execve(2); never reads past what it was given.
    public init(parsing bytes: [UInt8]) {
        if bytes.starts(with: "#!".utf8) {
            let line = bytes.dropFirst(2).prefix { $0 != UInt8(ascii: "\n") && $0 != 0 }
                .drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
            let path = Array(line.prefix { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") })
            self = path.isEmpty ? .other : .script(interpreter: path)
            return
        }
        guard bytes.count >= 20, bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46]) else {
            self = .other
            return
        }
        // A machine that this one is not: an emulator runs it. Byte order is that of the file's own header.
        let machine =
            bytes[5] == 2
            ? UInt16(bytes[18]) << 8 | UInt16(bytes[19]) : UInt16(bytes[19]) << 8 | UInt16(bytes[18])
        guard Self.machines.isEmpty || machine == 0 || Self.machines.contains(machine) else {
            self = .other
            return
        }
        self = Self.loader(in: bytes).map { .dynamic(loader: $0) } ?? .plain
    }

    /// `e_machine` of what this machine executes (elf.h); empty where that is not known here.
    private static let machines: [UInt16] = {
        #if arch(x86_64)
            [62, 3]
        #elseif arch(arm64)
            [183, 40]
        #else
            []
        #endif
    }()

    private static func loader(in bytes: [UInt8]) -> [UInt8]? {
        let is64 = bytes[4] == 2
        let isLittle = bytes[5] == 1
        func number(_ offset: Int, _ size: Int) -> Int? {
            guard offset >= 0, offset <= bytes.count - size else { return nil }
            var value: UInt64 = 0
            for index in 0..<size {
                value = value << 8 | UInt64(bytes[offset + (isLittle ? size - 1 - index : index)])
            }
            return Int(exactly: value)
        }
        guard let table = number(is64 ? 32 : 28, is64 ? 8 : 4), table <= bytes.count,
            let size = number(is64 ? 54 : 42, 2), let count = number(is64 ? 56 : 44, 2)
        else { return nil }
        for index in 0..<count {
            let entry = table + index * size
            guard let type = number(entry, 4) else { return nil }
            guard type == 3 else { continue }  // PT_INTERP
            guard let offset = number(entry + (is64 ? 8 : 4), is64 ? 8 : 4),
                let length = number(entry + (is64 ? 32 : 16), is64 ? 8 : 4),
                offset <= bytes.count, length <= bytes.count - offset
            else { return nil }
            return Array(bytes[offset..<offset + length].prefix { $0 != 0 })
        }
        return nil
    }
}
