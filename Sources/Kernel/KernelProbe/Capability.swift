import CLinux
import Glibc

/// A privilege of this process (capabilities(7)).
public enum Capability: Int, CaseIterable, Sendable {
    case dacReadSearch = 2
    case netAdmin = 12
    case sysPtrace = 19
    case sysAdmin = 21
    case perfmon = 38

    /// The C name.
    public var name: String {
        switch self {
        case .dacReadSearch: "CAP_DAC_READ_SEARCH"
        case .netAdmin: "CAP_NET_ADMIN"
        case .sysPtrace: "CAP_SYS_PTRACE"
        case .sysAdmin: "CAP_SYS_ADMIN"
        case .perfmon: "CAP_PERFMON"
        }
    }

    /// What it is used for.
    public var purpose: String {
        switch self {
        case .dacReadSearch: "resolve directory handles"
        case .netAdmin: "process events, socket notices"
        case .sysPtrace: "read other users' processes in /proc"
        case .sysAdmin: "fanotify marks on filesystems"
        case .perfmon: "the tracepoint ring (CAP_SYS_ADMIN will do)"
        }
    }

    /// Whether the daemon does without it, and says so.
    public var isOptional: Bool { self == .perfmon }

    /// Those that the daemon needs and this process does not have.
    ///
    /// Asked before anything else: without `CAP_DAC_READ_SEARCH` or `CAP_SYS_PTRACE` every call would
    /// succeed and the records would silently be incomplete.
    public static func missing() -> [Capability] {
        let effective = effective()
        return allCases.filter { !$0.isOptional && !effective.contains($0) }
    }

    /// The effective set of this process. The corresponding C function is `capget`.
    static func effective() -> Set<Capability> {
        // struct __user_cap_header_struct; two of struct __user_cap_data_struct.
        var header: (UInt32, Int32) = (0x2008_0522, 0)
        var data = [UInt32](repeating: 0, count: 6)
        guard clinux_capget(&header, &data) == 0 else { return [] }
        return Set(
            allCases.filter { capability in
                data[capability.rawValue / 32 * 3] & (1 << UInt32(capability.rawValue % 32)) != 0
            })
    }
}
