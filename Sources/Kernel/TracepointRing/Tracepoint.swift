import CLinux
import Glibc
import SystemCalls

/// A tracepoint to attach to: its name, and which of its events to let through.
public struct Tracepoint: Sendable {
    /// The folder under tracefs' `events`, such as `sock`.
    public let group: String
    /// The name in that folder.
    public let name: String
    /// An expression over the tracepoint's fields that drops events in the kernel; `nil` lets all
    /// through. Where the kernel does not take it, all come: parsers must not rely on it.
    public let filter: String?

    /// Names a tracepoint.
    public init(group: String, name: String, filter: String? = nil) {
        self.group = group
        self.name = name
        self.filter = filter
    }

    /// `sock:inet_sock_set_state`, of TCP and MPTCP sockets (Linux 4.16).
    ///
    /// Without the change to `TCP_SYN_RECV`, from which nothing follows: one of the ten that a connection makes on a host that has
    /// both of its ends.
    public static let socketState = Tracepoint(
        group: "sock", name: "inet_sock_set_state",
        filter: "protocol == 6 && newstate != 3")

    /// `cgroup:cgroup_attach_task`: a process was moved to another control group (Linux 4.13). One that is made there
    /// with `CLONE_INTO_CGROUP` is not reported.
    public static let groupMove = Tracepoint(group: "cgroup", name: "cgroup_attach_task")

    /// `sched:sched_process_exec`: a program was executed (Linux 3.4).
    ///
    /// - Parameter filter: over its field `filename`.
    static func exec(_ filter: String? = nil) -> Tracepoint {
        Tracepoint(group: "sched", name: "sched_process_exec", filter: filter)
    }
}

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
    /// The kernel's functions have no addresses in `/proc/kallsyms`.
    case noSymbols
    /// `/proc/kallsyms` does not have the functions by which events are distinguished.
    case noFunctions
    /// Probes that only root can define are not there, or not as this version needs them.
    case undefined

    /// The `errno` value of the call that failed; `nil` where none did.
    public var code: Int32? {
        switch self {
        case .noTracefs(let error), .missing(let error), .refused(let error), .unmapped(let error),
            .system(let error):
            error.code
        case .undefined: EACCES
        case .format, .noSymbols, .noFunctions: nil
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
        case .noSymbols:
            return "/proc/kallsyms does not say where the kernel's functions lie: run with CAP_SYSLOG, "
                + "and with kernel.kptr_restrict below 2"
        case .noFunctions:
            return "this kernel has no functions of the names by which events are distinguished"
        case .undefined:
            return
                "only root may define probes of the kernel: retinued --prepare does before a daemon of another user"
        }
    }
}

/// The tracefs, wherever it is; if nowhere, a detached mount of it that only this process has.
struct TraceFileSystem: ~Copyable {
    private let root: FileDescriptor
    private let events: FileDescriptor

    /// Finds the folder of events.
    init() throws(TracepointError) {
        for path in ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"] {
            if let root = try? FileDescriptor.open(path, O_RDONLY | O_DIRECTORY),
                let events = try? root.openRelative("events", O_RDONLY | O_DIRECTORY)
            {
                self.root = root
                self.events = events
                return
            }
        }
        do throws(SystemError) {
            let root = try Self.detached()
            events = try root.openRelative("events", O_RDONLY | O_DIRECTORY)
            self.root = root
        } catch {
            throw .noTracefs(error)
        }
    }

    /// Opens a file beside the folder of events, such as `kprobe_events`.
    borrowing func open(_ name: String, _ flags: Int32) throws(SystemError) -> FileDescriptor {
        try root.openRelative(name, flags)
    }

    /// Whether there is an event of this name.
    borrowing func has(group: String, _ name: String) -> Bool {
        (try? events.openRelative("\(group)/\(name)/format", O_RDONLY)) != nil
    }

    /// Reads the `format` file of a tracepoint.
    borrowing func format(of tracepoint: Tracepoint) throws(TracepointError) -> TracepointFormat {
        let bytes: [UInt8]
        do throws(SystemError) {
            let path = "\(tracepoint.group)/\(tracepoint.name)/format"
            bytes = try events.openRelative(path, O_RDONLY).readAll(limit: 1 << 17)
        } catch {
            throw .missing(error)
        }
        do throws(FormatError) {
            return try TracepointFormat(bytes)
        } catch {
            throw .format(error)
        }
    }

    /// A mount that appears in no namespace and goes with its descriptor (Linux 5.2).
    /// The corresponding C functions are `fsopen`, `fsconfig` and `fsmount`.
    private static func detached() throws(SystemError) -> FileDescriptor {
        let flags = UInt32(clinux_FSOPEN_CLOEXEC)
        let context = FileDescriptor(owning: try systemCall("fsopen") { clinux_fsopen("tracefs", flags) })
        let number = context.number
        _ = try systemCall("fsconfig") {
            clinux_fsconfig(number, UInt32(clinux_FSCONFIG_CMD_CREATE), nil, nil, 0)
        }
        let mount = try systemCall("fsmount") { clinux_fsmount(number, UInt32(clinux_FSMOUNT_CLOEXEC), 0) }
        return FileDescriptor(owning: mount)
    }
}
