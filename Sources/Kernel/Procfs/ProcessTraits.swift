import CLinux
import Glibc
import SystemCalls

/// What /proc/PID/status reports of who watches a process and where it may run (proc_pid_status(5)).
public struct ProcessTraits: Equatable, Sendable {
    /// Who traces it (ptrace(2)); 0 for nobody.
    public var tracer: Int32
    /// The processors that it may run on (`Cpus_allowed_list`), such as `0-3,8`.
    public var processors: String

    /// Reads the lines `TracerPid:` and `Cpus_allowed_list:`; `nil` where one is missing or no such line.
    public init?(parsing bytes: [UInt8]) {
        var (tracer, processors): (Int32?, String?)
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let words = line.split { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }
            guard words.count == 2 else { continue }
            let value = String(decoding: words[1], as: UTF8.self)
            if words[0].elementsEqual("TracerPid:".utf8) {
                tracer = Int32(value)
            } else if words[0].elementsEqual("Cpus_allowed_list:".utf8),
                words[1].allSatisfy({ Self.isOfList($0) })
            {
                processors = value
            }
        }
        guard let tracer, tracer >= 0, let processors else { return nil }
        (self.tracer, self.processors) = (tracer, processors)
    }

    private static func isOfList(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: ",")
            || byte == UInt8(ascii: "-")
    }
}

extension ProcessDirectory {
    /// Who watches it and where it may run; `nil` if it is gone.
    public borrowing func traits() -> ProcessTraits? {
        contents("status", limit: 1 << 20).flatMap(ProcessTraits.init(parsing:))
    }

    /// Its execution domain (personality(2), Linux 2.6.28); `nil` if it is gone or may not be read (`PTRACE_MODE_ATTACH`).
    public borrowing func personality() -> UInt32? {
        contents("personality", limit: 64).flatMap { UInt32(Self.line($0), radix: 16) }
    }

    /// How late its timers may be, in nanoseconds (`PR_SET_TIMERSLACK` of prctl(2), Linux 4.6); `nil` if it is gone or may not
    /// be read.
    public borrowing func timerSlack() -> UInt64? {
        contents("timerslack_ns", limit: 64).flatMap { UInt64(Self.line($0)) }
    }

    /// Class (upper three of sixteen bits) and level of its I/O (ioprio_get(2), Linux 2.6.13); 0 unless it was set, `nil` if
    /// it is gone.
    public borrowing func ioPriority() -> UInt16? {
        let value = clinux_io_priority(pid)
        return value < 0 ? nil : UInt16(truncatingIfNeeded: value)
    }

    private static func line(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }
}
