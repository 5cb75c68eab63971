import Glibc
import ProcessReading
import Procfs
public import Records
import SystemCalls

/// What the members that run on this machine at this moment run with: what no record has, and a start needs.
struct RunningProcesses {
    private var found: [[UInt8]: PlannedProcess] = [:]
    /// What the processes of each program have had written.
    private var writes: [[UInt8]: PlannedWrites] = [:]
    /// The names of the processes, by their executables.
    private(set) var names: [[UInt8]: Set<[UInt8]>] = [:]
    /// Longer names are cut off (`TASK_COMM_LEN`, its NUL not counted).
    static let nameLength = 15

    /// Looks for the programs of a plan among all processes; of several that run one program the oldest.
    init(_ programs: [PlannedProgram]) {
        let wanted = Set(programs.map(\.executable))
        let accounts = AccountNames.ofThisMachine()
        let pids = HostTree("/").names(in: Array("/proc".utf8)).compactMap {
            Int32(String(decoding: $0, as: UTF8.self))
        }
        for pid in pids.sorted() {
            guard let directory = ProcessDirectory(pid), let executable = directory.executable(),
                wanted.contains(executable)
            else { continue }
            let arguments = directory.arguments()
            let workload = directory.controlGroup()
            for program in programs {
                guard
                    program.isRun(
                        by: executable, arguments, in: workload ?? [], at: directory.workingDirectory(),
                        among: programs)
                else { continue }
                note(directory, of: program)
                guard found[program.key] == nil else { continue }
                var comm = HostTree("/").contents(Array("/proc/\(pid)/comm".utf8)) ?? []
                if comm.last == UInt8(ascii: "\n") { comm.removeLast() }
                names[executable, default: []].insert(comm)
                found[program.key] = ProcessSettings(directory, accounts).map { PlannedProcess($0) }
            }
        }
    }

    private mutating func note(_ process: borrowing ProcessDirectory, of program: PlannedProgram) {
        guard let bytes = process.bytesWritten(), let status = process.status() else { return }
        let tick = 1_000_000_000 / UInt64(max(1, sysconf(Int32(_SC_CLK_TCK))))
        let (now, start) = (Clock.sinceBoot(), status.startTicks &* tick)
        let seconds = (now > start ? now - start : 0) / 1_000_000_000
        let former = writes[program.key] ?? PlannedWrites(bytes: 0, seconds: 0)
        writes[program.key] = PlannedWrites(
            bytes: former.bytes &+ bytes, seconds: max(former.seconds, seconds))
    }

    /// What a program has had written; `nil` where it does not run, or that could not be read.
    func writes(of program: PlannedProgram) -> PlannedWrites? { writes[program.key] }

    subscript(program: PlannedProgram) -> PlannedProcess? { found[program.key] }
}

/// What a process runs with.
public struct PlannedProcess: Equatable, Sendable {
    /// Its arguments, the name first; what looks like a secret or is program text is replaced.
    public var arguments: [[UInt8]] = []
    /// Its working directory.
    public var folder: [UInt8] = []
    /// Numbers of its effective user and group, and of the supplementary groups.
    public var user: UInt32 = 0
    /// See `user`.
    public var group: UInt32 = 0
    /// See `user`.
    public var groups: [UInt32] = []
    /// Effective capabilities, in hexadecimal digits (`CapEff`).
    public var capabilities = ""
    /// Its environment: `NAME=value` where the value is known to be none of a secret, else `NAME`.
    public var environment: [[UInt8]] = []

    /// What is limited; a resource that is missing is not.
    public var limits: [ProcessSettings.Limit] = []

    /// Nothing known.
    public init() {}

    /// What was read of a process, here or by the daemon of its host.
    init(_ settings: ProcessSettings) {
        (arguments, environment, folder) = (settings.arguments, settings.environment, settings.folder)
        (user, group) = (settings.user?.number ?? 0, settings.group?.number ?? 0)
        groups = settings.groups.map(\.number)
        (capabilities, limits) = (settings.capabilities, settings.limits)
    }
}
