import Glibc
import SystemCalls

/// For how long a thread has run, and has waited for a processor while it could run: /proc/PID/task/TID/schedstat
/// (`CONFIG_SCHED_INFO`, Linux 2.6.9; in stock kernels of all distributions).
///
/// The time in which the quota of a control group keeps it from running counts as waiting.
public struct ScheduledTime: Equatable, Sendable {
    /// Nanoseconds on a processor.
    public var ran: UInt64
    /// Nanoseconds in a queue.
    public var waited: UInt64

    /// Of numbers.
    public init(ran: UInt64, waited: UInt64) { (self.ran, self.waited) = (ran, waited) }

    /// Reads the line: nanoseconds run, nanoseconds waited, how often; `nil` if it is none.
    public init?(parsing bytes: [UInt8]) {
        let words = bytes.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
        guard words.count == 3, let ran = UInt64(String(decoding: words[0], as: UTF8.self)),
            let waited = UInt64(String(decoding: words[1], as: UTF8.self))
        else { return nil }
        self.init(ran: ran, waited: waited)
    }
}

extension ProcessDirectory {
    /// Numbers of its threads; empty if it is gone.
    public borrowing func threads() -> [Int32] {
        guard let folder = fdopendir(openat(directory.number, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        else { return [] }
        defer { closedir(folder) }
        var found: [Int32] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let thread = Int32(name) { found.append(thread) }
        }
        return found
    }

    /// Of each thread, by its number; empty if the process is gone or the kernel does not count.
    public borrowing func scheduledTimes() -> [Int32: ScheduledTime] {
        var found: [Int32: ScheduledTime] = [:]
        for thread in threads() {
            found[thread] = contents("task/\(thread)/schedstat", limit: 256).flatMap(
                ScheduledTime.init(parsing:))
        }
        return found
    }

    /// Bytes of memory that are the process's own or shared with few: its resident pages without those of files (`statm`).
    public borrowing func ownMemory() -> UInt64 {
        let words = (contents("statm", limit: 256) ?? []).split(separator: UInt8(ascii: " "))
        guard words.count >= 3, let resident = UInt64(String(decoding: words[1], as: UTF8.self)),
            let shared = UInt64(String(decoding: words[2], as: UTF8.self))
        else { return 0 }
        return (resident - min(shared, resident)) * UInt64(max(1, sysconf(Int32(_SC_PAGESIZE))))
    }
}
