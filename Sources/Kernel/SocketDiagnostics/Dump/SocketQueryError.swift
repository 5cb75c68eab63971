import CLinux
import CNl
import SystemCalls
import Wire

/// A dump of sockets that failed.
public enum SocketQueryError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A system call failed.
    case system(SystemError)
    /// The kernel refused: its error number, and its own sentence if it gave one (extended error).
    case refused(code: Int32, reason: String)
    /// libnl gave up; the number is one of its `NLE_` constants.
    case library(code: Int32)
    /// The kernel's tables changed during each of so many attempts (`NLM_F_DUMP_INTR`).
    case interrupted(attempts: Int)
    /// The kernel's answer does not hold together.
    case malformed(WireError)

    /// The `errno` value that comes closest.
    public var code: Int32 {
        switch self {
        case .system(let error): error.code
        case .refused(let code, _): code
        case .library: EIO
        case .interrupted: EINTR
        case .malformed: EBADMSG
        }
    }

    /// What happened, and what to do where something can be done.
    public var description: String {
        switch self {
        case .system(let error): return "socket dump: \(error)"
        case .refused(let code, let reason):
            let hint =
                code == ENOENT
                ? "; the kernel lacks the diagnostics module (inet_diag, tcp_diag, udp_diag or unix_diag)"
                : ""
            let reason = reason.isEmpty ? "" : ": \(reason)"
            return "socket dump: the kernel refused: \(SystemError.text(of: code))\(reason)\(hint)"
        case .library(let code):
            return "socket dump: \(nl_geterror(code).map { String(cString: $0) } ?? "libnl error \(code)")"
        case .interrupted(let attempts):
            return "socket dump: interrupted by changes, \(attempts) times in a row"
        case .malformed(let error): return "socket dump: the kernel's answer is malformed: \(error)"
        }
    }
}
