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

/// What a dump can be asked of the kernel's socket diagnostics, each of them a module of its own.
public enum SocketTable: String, CaseIterable, Sendable {
    case tcp = "TCP"
    case udp = "UDP"
    case unix = "Unix"

    /// The kernel's module.
    public var module: String {
        switch self {
        case .tcp: "tcp_diag"
        case .udp: "udp_diag"
        case .unix: "unix_diag"
        }
    }

    /// What is missing from the records without it.
    public var consequence: String {
        switch self {
        case .tcp: "no TCP sockets from scans, no bytes of connections"
        case .udp: "no UDP sockets"
        case .unix: "no Unix sockets"
        }
    }
}

/// A table that cannot be dumped here, and why.
public struct UnavailableSocketTable: Error, Equatable, Sendable, CustomStringConvertible {
    /// Which.
    public let table: SocketTable
    /// Why.
    public let error: SocketQueryError

    /// Names one.
    public init(_ table: SocketTable, _ error: SocketQueryError) {
        self.table = table
        self.error = error
    }

    /// Whether the kernel has no such module, or may not load it.
    public var isModuleMissing: Bool { error.code == ENOENT }

    /// What is missing, why, and what to do.
    public var description: String {
        isModuleMissing
            ? "\(table.consequence): the kernel's module \(table.module) is not there; load it (modprobe \(table.module))"
            : "\(table.consequence): \(error)"
    }
}

extension SocketQuery {
    /// Asks for nothing of each table, to see which of them answer. A module that can be loaded is loaded by this.
    ///
    /// Without its module a dump is refused with ENOENT; that no destroy notice comes is reported nowhere.
    public mutating func unavailable() -> [UnavailableSocketTable] {
        var missing: [UnavailableSocketTable] = []
        for table in SocketTable.allCases {
            do throws(SocketQueryError) {
                switch table {
                case .tcp: _ = try inet(.v4, .tcp, states: [])
                case .udp: _ = try inet(.v4, .udp, states: [])
                case .unix: _ = try unix(states: [])
                }
            } catch { missing.append(UnavailableSocketTable(table, error)) }
        }
        return missing
    }
}
