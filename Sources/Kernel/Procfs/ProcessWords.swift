import Glibc
import SystemCalls

/// Reads numbers in a process's memory (/proc/PID/mem; see proc(5)), at addresses that the process itself has written down: whatever
/// stands there.
public struct ProcessWords: ~Copyable {
    private let memory: FileDescriptor

    /// Opens it; `nil` where there is no such process, or it may not be read (PTRACE_MODE_ATTACH_FSCREDS).
    public init?(_ pid: Int32) {
        do throws(SystemError) { memory = try FileDescriptor.open("/proc/\(pid)/mem", O_RDONLY) } catch {
            return nil
        }
    }

    /// So many 64-bit numbers from an address on; `nil` where not all of them can be read.
    public borrowing func at(_ address: UInt64, _ count: Int) -> [UInt64]? {
        var words = [UInt64](repeating: 0, count: count)
        guard let offset = off_t(exactly: address),
            pread(memory.number, &words, count * 8, offset) == count * 8
        else { return nil }
        return words
    }
}
