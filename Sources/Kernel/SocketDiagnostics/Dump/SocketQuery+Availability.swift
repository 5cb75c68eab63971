import CLinux
import SystemCalls

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
    /// Without its module a dump is refused with ENOENT; that no destroy notice comes, nothing tells.
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
