import CLinux
import Glibc
import SystemCalls

/// A privilege of this process (capabilities(7)).
public enum Capability: Int, CaseIterable, Sendable {
    case dacReadSearch = 2
    case netBroadcast = 11
    case netAdmin = 12
    case sysPtrace = 19
    case sysAdmin = 21
    case perfmon = 38

    /// The C name.
    public var name: String {
        switch self {
        case .dacReadSearch: "CAP_DAC_READ_SEARCH"
        case .netBroadcast: "CAP_NET_BROADCAST"
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
        case .netBroadcast: "socket notices of other network namespaces"
        case .netAdmin: "process events, socket notices"
        case .sysPtrace: "read other users' processes in /proc"
        case .sysAdmin: "fanotify marks on filesystems"
        case .perfmon: "the tracepoint ring (CAP_SYS_ADMIN will do)"
        }
    }

    /// Whether the daemon does without it, and says so.
    public var isOptional: Bool { self == .perfmon || self == .netBroadcast }

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

/// Where this process stands: what makes kernel interfaces refuse it, whatever its privileges.
///
/// A capability of another user namespace looks like any other to the process that has it; the kernel refuses with the
/// same EPERM as without it. So a sentence that says "needs CAP_SYS_ADMIN" would be no help there.
public struct KernelEnvironment: Equatable, Sendable {
    /// How the kernel is locked against root (kernel_lockdown(7)).
    public enum Lockdown: String, Sendable {
        /// Not at all.
        case none
        /// The running kernel may not be changed.
        case integrity
        /// Nor read: tracefs and perf's tracepoints are closed.
        case confidentiality
    }

    /// Whether this is the user namespace that the machine started with.
    public var isInitialUserNamespace: Bool
    /// Whether this is the pid namespace that the machine started with.
    public var isInitialPidNamespace: Bool
    /// How the kernel is locked.
    public var lockdown: Lockdown

    /// Puts one together.
    public init(isInitialUserNamespace: Bool, isInitialPidNamespace: Bool, lockdown: Lockdown) {
        self.isInitialUserNamespace = isInitialUserNamespace
        self.isInitialPidNamespace = isInitialPidNamespace
        self.lockdown = lockdown
    }

    /// Reads that of this process.
    public static func read() -> KernelEnvironment {
        // The initial namespaces have these inodes since Linux 3.8 (PROC_USER_INIT_INO, PROC_PID_INIT_INO).
        KernelEnvironment(
            isInitialUserNamespace: namespace("user") == 0xEFFF_FFFD,
            isInitialPidNamespace: namespace("pid") == 0xEFFF_FFFC,
            lockdown: lockdown(of: text("/sys/kernel/security/lockdown")))
    }

    /// The chosen word of `none [integrity] confidentiality`; `none` where there is no such file.
    static func lockdown(of text: String) -> Lockdown {
        guard let open = text.firstIndex(of: "["), let close = text[open...].firstIndex(of: "]") else {
            return .none
        }
        return Lockdown(rawValue: String(text[text.index(after: open)..<close])) ?? .none
    }

    /// The interfaces of which a refusal can be explained.
    public enum Interface: String, Sendable {
        case fanotify
        case procConnector = "the proc connector"
        case socketDiagnostics = "socket diagnostics"
        case tracepoints = "tracepoints"
    }

    /// Why an interface refuses, if the surroundings are the cause, and what to do; `nil` if they are not.
    ///
    /// - Parameter code: the `errno` with which it was refused; ENOMSG where nothing is reported although nothing was
    ///   refused.
    public func explanation(of interface: Interface, code: Int32) -> String? {
        let isPermission = code == EPERM || code == EACCES
        switch interface {
        case .fanotify, .socketDiagnostics:
            guard isPermission, !isInitialUserNamespace else { return nil }
        case .procConnector:
            if code == ECONNREFUSED {
                return
                    "\(interface.rawValue) speaks in the initial network namespace only, and this is another one: "
                    + "run retinued on the host itself, with --netns for the sockets of a namespace"
            }
            guard isPermission || code == ENOMSG else { return nil }
            if !isInitialPidNamespace {
                return
                    "\(interface.rawValue) speaks in the initial pid namespace only, and this is another one: "
                    + "run retinued on the host itself, not in a container"
            }
            guard !isInitialUserNamespace else { return nil }
        case .tracepoints:
            // A kernel that is locked down from its start leaves the tracefs empty: then its folders are not there.
            if isPermission || code == ENOENT, lockdown == .confidentiality {
                return
                    "the kernel is locked down (lockdown=confidentiality), which closes tracefs and perf events: "
                    + "short connections are inferred"
            }
            guard isPermission, !isInitialUserNamespace else { return nil }
        }
        return
            "\(interface.rawValue) asks for privileges of the initial user namespace, and this is another one, where "
            + "root is not the host's: run retinued on the host itself, not in a container or under unshare --user"
    }

    private static func namespace(_ name: String) -> UInt64? {
        var status = stat()
        guard stat("/proc/self/ns/\(name)", &status) == 0 else { return nil }
        return UInt64(status.st_ino)
    }

    private static func text(_ path: String) -> String {
        guard let bytes = try? FileDescriptor.open(path, O_RDONLY).readAll(limit: 256) else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }
}
