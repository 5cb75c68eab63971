import Glibc
import SystemCalls

/// Whose a process is and what it may do: what /proc/PID/status says of it.
public struct ProcessCredentials: Equatable, Sendable {
    /// Numbers of its effective user and group, and of the supplementary groups.
    public var user: UInt32
    /// See `user`.
    public var group: UInt32
    /// See `user`.
    public var groups: [UInt32]
    /// Effective capabilities as hexadecimal digits (`CapEff`).
    public var capabilities: String

    /// Reads the lines `Uid:`, `Gid:`, `Groups:` and `CapEff:`; `nil` where one is missing or no such line.
    public init?(parsing bytes: [UInt8]) {
        var (user, group): (UInt32?, UInt32?)
        var (groups, capabilities): ([UInt32]?, String?)
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let words = line.split { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }
            guard let key = words.first else { continue }
            let values = words.dropFirst().map { String(decoding: $0, as: UTF8.self) }
            // Real, effective, saved, of the filesystem: the effective one.
            if key.elementsEqual("Uid:".utf8), values.count > 1 {
                user = UInt32(values[1])
            } else if key.elementsEqual("Gid:".utf8), values.count > 1 {
                group = UInt32(values[1])
            } else if key.elementsEqual("Groups:".utf8) {
                groups = values.compactMap { UInt32($0) }
            } else if key.elementsEqual("CapEff:".utf8), let digits = values.first,
                digits.count == 16, UInt64(digits, radix: 16) != nil
            {
                capabilities = digits
            }
        }
        guard let user, let group, let groups, let capabilities else { return nil }
        (self.user, self.group, self.groups, self.capabilities) = (user, group, groups, capabilities)
    }
}

/// A limit of a process (getrlimit(2)).
public struct ResourceLimit: Equatable, Sendable {
    /// What is limited, by the word of prlimit(1): `nofile`.
    public var resource: String
    /// What holds, and how far it may be raised; `nil` for no limit.
    public var soft: UInt64?
    /// See `soft`.
    public var hard: UInt64?

    /// Makes a limit.
    public init(resource: String, soft: UInt64?, hard: UInt64?) {
        (self.resource, self.soft, self.hard) = (resource, soft, hard)
    }

    /// How /proc/PID/limits calls them, and what they are called elsewhere.
    private static let titles: [(title: String, word: String)] = [
        ("Max cpu time", "cpu"), ("Max file size", "fsize"), ("Max data size", "data"),
        ("Max stack size", "stack"), ("Max core file size", "core"), ("Max resident set", "rss"),
        ("Max processes", "nproc"), ("Max open files", "nofile"), ("Max locked memory", "memlock"),
        ("Max address space", "as"), ("Max file locks", "locks"), ("Max pending signals", "sigpending"),
        ("Max msgqueue size", "msgqueue"), ("Max nice priority", "nice"),
        ("Max realtime priority", "rtprio"), ("Max realtime timeout", "rttime"),
    ]

    /// Reads /proc/PID/limits; what is not limited in either way is left out.
    public static func parse(_ bytes: [UInt8]) -> [ResourceLimit] {
        bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
            guard let (title, word) = titles.first(where: { line.starts(with: $0.title.utf8) }) else {
                return nil
            }
            let values = line.dropFirst(title.utf8.count).split(separator: UInt8(ascii: " "))
            guard values.count >= 2, let soft = value(values[0]), let hard = value(values[1]) else {
                return nil
            }
            return soft == nil && hard == nil
                ? nil : ResourceLimit(resource: word, soft: soft, hard: hard)
        }
    }

    private static func value(_ text: ArraySlice<UInt8>) -> UInt64?? {
        if text.elementsEqual("unlimited".utf8) { return .some(nil) }
        return UInt64(String(decoding: text, as: UTF8.self)).map { .some($0) }
    }
}

/// What a process was started with, and what it is held to.
extension ProcessDirectory {
    /// The namespaces that a process has of each kind (namespaces(7)).
    public static let namespaceKinds = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"]

    /// Users, groups and capabilities; `nil` if it is gone.
    public borrowing func credentials() -> ProcessCredentials? {
        // A process may have 65,536 groups, of ten digits each.
        contents("status", limit: 1 << 20).flatMap(ProcessCredentials.init(parsing:))
    }

    /// What it is limited to; empty if it is gone.
    public borrowing func limits() -> [ResourceLimit] {
        contents("limits", limit: 1 << 16).map(ResourceLimit.parse) ?? []
    }

    /// The environment that it was started with, as the kernel has it: NUL-terminated strings; empty if it may not be read
    /// (`PTRACE_MODE_READ`).
    public borrowing func environmentBytes(limit: Int = 1 << 16) -> [UInt8] {
        contents("environ", limit: limit) ?? []
    }

    /// Bytes that it has had written to storage, its threads that have ended included (`write_bytes` of proc_pid_io(5), Linux
    /// 2.6.20 with `CONFIG_TASK_IO_ACCOUNTING`); `nil` if that may not be read (`PTRACE_MODE_READ`) or it is gone.
    public borrowing func bytesWritten() -> UInt64? {
        let name = Array("write_bytes: ".utf8)
        return contents("io", limit: 4096)?.split(separator: UInt8(ascii: "\n"))
            .first { $0.starts(with: name) }
            .flatMap { UInt64(String(decoding: $0.dropFirst(name.count), as: UTF8.self)) }
    }

    /// How likely it is to be killed when memory is short, -1000 to 1000 (`oom_score_adj`); `nil` if it is gone.
    public borrowing func killPreference() -> Int? {
        contents("oom_score_adj", limit: 64).flatMap {
            Int(String(decoding: $0.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
        }
    }
}
