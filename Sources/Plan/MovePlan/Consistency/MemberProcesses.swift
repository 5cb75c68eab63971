import CLinux
import Glibc
import Procfs
import SystemCalls

/// A process of a member: one life of a pid.
public struct MemberProcess: Hashable, Sendable {
    /// Its number.
    public var pid: Int32
    /// Its start, in clock ticks since boot.
    public var start: UInt64

    /// Makes one.
    public init(pid: Int32, start: UInt64) { (self.pid, self.start) = (pid, start) }

    /// The life that a pid has now; `nil` where it has none, or has ended.
    public init?(living pid: Int32) {
        guard let status = ProcessDirectory(pid)?.status(), status.state != UInt8(ascii: "Z") else {
            return nil
        }
        self.init(pid: pid, start: status.startTicks)
    }

    /// Whether it is stopped, by a signal or by who traces it; `nil` where it has ended.
    public var isStopped: Bool? {
        guard let status = ProcessDirectory(pid)?.status(), status.startTicks == start,
            status.state != UInt8(ascii: "Z")
        else { return nil }
        return status.state == UInt8(ascii: "T") || status.state == UInt8(ascii: "t")
    }

    /// Sends it a signal, and no later life of its number (pidfd_send_signal(2), Linux 5.3); whether it got it.
    public func send(_ signal: Int32) -> Bool {
        let number = clinux_pidfd_open(pid)
        guard number >= 0 else { return false }
        let descriptor = FileDescriptor(owning: number)
        // The descriptor is of the life that the number has now: of this one, if the start is the same after that.
        guard MemberProcess(living: pid) == self else { return false }
        return clinux_pidfd_send_signal(descriptor.number, signal) == 0
    }
}

extension HostPlan {
    /// The processes on this machine that run the plan's programs at this moment, tools and launchers left out, by control
    /// group (below the root, empty for that).
    public func memberProcesses() -> [[UInt8]: Set<MemberProcess>] {
        let members = programs.filter { !$0.isStop }
        let executables = Set(members.map(\.executable))
        var found: [[UInt8]: Set<MemberProcess>] = [:]
        for pid in ProcessList.pids() where pid != getpid() {
            guard let directory = ProcessDirectory(pid), let executable = directory.executable(),
                executables.contains(executable), let status = directory.status(),
                status.state != UInt8(ascii: "Z")
            else { continue }
            let workload = directory.controlGroup() ?? []
            let (arguments, folder) = (directory.arguments(), directory.workingDirectory())
            guard
                members.contains(where: {
                    $0.isRun(
                        by: executable, arguments, in: workload, at: folder, among: members)
                })
            else { continue }
            found[workload, default: []].insert(MemberProcess(pid: pid, start: status.startTicks))
        }
        return found
    }
}

extension PlannedProgram {
    /// Whether a process runs this program.
    ///
    /// - Parameters:
    ///   - folder: its working directory, where that is known.
    ///   - others: all programs that may be meant, this one among them.
    public func isRun(
        by executable: [UInt8], _ arguments: [[UInt8]], in workload: [UInt8], at folder: [UInt8]? = nil,
        among others: [PlannedProgram]
    ) -> Bool {
        // Another one of the same executable may be anybody's.
        guard self.executable == executable, self.workload.isEmpty || self.workload == workload else {
            return false
        }
        // A script stands in its arguments, perhaps by a link or relative to its folder; that of an application is the only
        // one of its interpreter in its control group (`gunicorn shop:app`).
        let isOnly =
            !self.workload.isEmpty
            && others.count { ($0.executable, $0.workload) == (executable, self.workload) } == 1
        let name = script.lastName
        return script.isEmpty || isOnly
            || arguments.contains { $0.lastName == name && isNotAnother($0, at: folder) }
    }

    /// Whether an argument that has the script's last name is not the path of another file: two programs may have scripts of
    /// one name in two folders. What leads nowhere from here may have been the script when the process began.
    private func isNotAnother(_ argument: [UInt8], at folder: [UInt8]?) -> Bool {
        let slash = UInt8(ascii: "/")
        guard script.first == slash, argument != script else { return true }
        guard argument.first == slash || folder != nil else { return true }
        let path = argument.first == slash ? argument : (folder ?? []) + [slash] + argument
        guard let found = Self.resolved(path) else { return true }
        return found == script || found == Self.resolved(script)
    }

    /// Without symbolic links; `nil` if nothing is there (realpath(3)).
    private static func resolved(_ path: [UInt8]) -> [UInt8]? {
        (path + [0]).withUnsafeBufferPointer { path in
            path.withMemoryRebound(to: CChar.self) { path in
                guard let found = realpath(path.baseAddress, nil) else { return nil }
                defer { free(found) }
                return (0..<strlen(found)).map { UInt8(bitPattern: found[$0]) }
            }
        }
    }
}
