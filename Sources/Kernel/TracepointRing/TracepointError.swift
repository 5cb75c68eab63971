import Glibc
import SystemCalls

/// Why tracepoints cannot be read here.
public enum TracepointError: Error, Equatable, Sendable, CustomStringConvertible {
    /// There is no tracefs, neither mounted nor to be had: the kernel lacks `CONFIG_FTRACE`, or
    /// `CAP_SYS_ADMIN` is missing.
    case noTracefs(SystemError)
    /// The kernel does not have the tracepoint, or its `format` file cannot be read.
    case missing(SystemError)
    /// The `format` file is not what this program understands.
    case format(FormatError)
    /// `perf_event_open` was refused.
    case refused(SystemError)
    /// The ring could not be mapped.
    case unmapped(SystemError)
    /// Another system call failed on the way.
    case system(SystemError)

    /// The `errno` value of the call that failed; `nil` where none did.
    public var code: Int32? {
        switch self {
        case .noTracefs(let error), .missing(let error), .refused(let error), .unmapped(let error),
            .system(let error):
            error.code
        case .format: nil
        }
    }

    /// What happened, and what to do.
    public var description: String {
        switch self {
        case .noTracefs(let error):
            return "no tracefs (\(error)): run as root, on a kernel with CONFIG_FTRACE"
        case .missing(let error):
            return "no such tracepoint in this kernel (\(error)): it needs Linux 4.16 and CONFIG_INET"
        case .format(let error): return "the tracepoint's format is not understood: \(error)"
        case .refused(let error):
            let hint =
                error.code == EACCES || error.code == EPERM
                ? "needs CAP_PERFMON or CAP_SYS_ADMIN, and no security module against it"
                : "the kernel needs CONFIG_PERF_EVENTS"
            return "perf events refused (\(error)): \(hint)"
        case .unmapped(let error):
            return "the event ring cannot be mapped (\(error)): use a smaller one, "
                + "raise kernel.perf_event_mlock_kb, or run with CAP_IPC_LOCK"
        case .system(let error): return "tracepoint: \(error)"
        }
    }
}
