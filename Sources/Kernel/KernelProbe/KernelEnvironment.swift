import Glibc
import SystemCalls

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

    /// Looks.
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
