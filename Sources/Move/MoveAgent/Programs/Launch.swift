import CLinux
import Glibc
import SystemCalls
import Text

/// How a program is started: all that has to be set between fork and exec (`clinux_launch`).
struct Launch {
    /// What is executed; looked for in PATH where it has no slash.
    var file: [UInt8]
    /// Its name first.
    var arguments: [[UInt8]]
    var environment: [[UInt8]]
    var root: String?
    var folder: [UInt8]?
    var owner: (user: UInt32, group: UInt32, groups: [UInt32])?
    var limits: [ProcessLimit] = []
    var mask: UInt32?
    /// Descriptors that become its standard files; -1 for those of this process.
    var input: Int32 = -1
    var output: Int32 = -1
    /// Namespaces to join, by descriptors.
    var network: Int32 = -1
    var mounts: Int32 = -1
    var processes: Int32 = -1
    var ipc: Int32 = -1
    var hostName: Int32 = -1
    /// Namespaces that are made anew (`CLONE_NEW…`).
    var unshared: Int32 = 0
    /// Path of `cgroup.procs` of the control group it starts in.
    var controlGroup: String?
    var hasSession = true
    var diesWithParent = false

    static let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    init(_ words: [String]) {
        arguments = words.map { Array($0.utf8) }
        file = arguments[0]
        environment = [Array(Self.path.utf8), Array("LC_ALL=C.UTF-8".utf8)]
    }

    init(file: [UInt8], arguments: [[UInt8]], environment: [[UInt8]]) {
        (self.file, self.arguments, self.environment) = (file, arguments, environment)
    }

    /// Starts it; its pid.
    func start() throws(MoveError) -> pid_t {
        let strings = CStrings()
        var what = clinux_launch()
        what.file = UnsafePointer(strings.add(file))
        what.arguments = strings.list(arguments)
        what.environment = strings.list(environment)
        what.root = root.map { UnsafePointer(strings.add(Array($0.utf8))) }
        what.folder = folder.map { UnsafePointer(strings.add($0)) }
        (what.input, what.output, what.error) = (input, output, output)
        (what.network, what.mounts, what.processes, what.ipc, what.host_name) = (
            network, mounts, processes, ipc, hostName
        )
        what.unshared = UInt64(unshared)
        what.keeps_mask = mask == nil ? 1 : 0
        what.mask = mask ?? 0
        what.control_group = controlGroup.map { UnsafePointer(strings.add(Array($0.utf8))) }
        what.has_session = hasSession ? 1 : 0
        what.dies_with_parent = diesWithParent ? 1 : 0
        let groups = owner?.groups ?? []
        if let owner {
            what.changes_user = 1
            (what.user, what.group) = (owner.user, owner.group)
        }
        let limits = limits.map { clinux_limit(resource: $0.resource, soft: $0.soft, hard: $0.hard) }
        var failed: UnsafePointer<CChar>?
        let child = groups.withUnsafeBufferPointer { groups in
            limits.withUnsafeBufferPointer { limits in
                what.groups = groups.baseAddress
                what.groups_count = groups.count
                what.limits = limits.baseAddress
                what.limits_count = limits.count
                return clinux_launch(&what, &failed)
            }
        }
        guard child > 0 else {
            let code = errno
            throw MoveError(
                "cannot start \(Printable.text(file)): \(failed.map { String(cString: $0) } ?? "fork"): \(SystemError.text(of: code))"
            )
        }
        return child
    }
}

/// A resource limit of a process (setrlimit(2)).
struct ProcessLimit: Equatable, Sendable {
    /// `RLIMIT_NOFILE` and the like.
    var resource: Int32
    /// `RLIM_INFINITY` for none.
    var soft: UInt64
    /// See `soft`.
    var hard: UInt64

    /// The hard limits of this process, which it cannot hand on higher, by resource.
    static var ownHard: [Int32: UInt64] {
        var found: [Int32: UInt64] = [:]
        for limit in ProgramRun(of: getpid())?.limits ?? [] { found[limit.resource] = limit.hard }
        return found
    }
}

/// C strings that live as long as this value.
private final class CStrings {
    private var strings: [UnsafeMutablePointer<CChar>] = []
    private var lists: [UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>] = []

    deinit {
        for string in strings { string.deallocate() }
        for list in lists { list.deallocate() }
    }

    func add(_ bytes: [UInt8]) -> UnsafeMutablePointer<CChar> {
        let string = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
        for (index, byte) in bytes.enumerated() { string[index] = CChar(bitPattern: byte) }
        string[bytes.count] = 0
        strings.append(string)
        return string
    }

    func list(_ words: [[UInt8]]) -> UnsafePointer<UnsafeMutablePointer<CChar>?> {
        let list = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: words.count + 1)
        for (index, word) in words.enumerated() { list[index] = add(word) }
        list[words.count] = nil
        lists.append(list)
        return UnsafePointer(list)
    }
}
