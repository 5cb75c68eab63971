import CLinux
import Glibc
import MovePlan
import Procfs
import Records
import SystemCalls
import Text

/// Which process is meant, by pid and start: another one that gets its pid is none.
struct ProcessIdentity: Equatable, Sendable {
    var pid: Int32
    /// Clock ticks since the host's start.
    var start: UInt64

    var value: JSONValue {
        .object([.init("pid", .integer(Int128(pid))), .init("start", .integer(Int128(start)))])
    }

    init(pid: Int32, start: UInt64) { (self.pid, self.start) = (pid, start) }

    init?(_ value: JSONValue) {
        guard let pid = value["pid"]?.integer.flatMap({ Int32(exactly: $0) }), pid > 0,
            let start = value["start"]?.integer.flatMap({ UInt64(exactly: $0) })
        else { return nil }
        (self.pid, self.start) = (pid, start)
    }
}

extension MoveOrder {
    /// The processes of this host that move, unless they are in a cell.
    var members: Members { process.map { Members(below: $0) } ?? Members(of: plan) }
}

/// Has one process moved that nobody has planned: the plan is what it has open and mapped at this moment.
enum ProcessOrder {
    /// Steps that may be asked for so.
    private static let steps = ["check", "run"]

    /// Of a request with a pid what the same is with an order.
    ///
    /// - Parameter host: what this host is called.
    static func request(_ asked: JSONValue, as host: String) throws(MoveError) -> JSONValue {
        guard let pid = asked["pid"]?.integer.flatMap({ Int32(exactly: $0) }) else {
            throw MoveError("no pid")
        }
        let step = asked["step"]?.string ?? "run"
        guard steps.contains(step) else {
            throw MoveError("one process is moved by \(steps.joined(separator: " or "))")
        }
        guard case .object(var members)? = asked["order"] else { throw MoveError("no destination") }
        let subject = try ContextSubject(pid)
        guard !subject.isApart, let status = ProcessDirectory(pid)?.status() else {
            throw MoveError(
                "process \(pid) is in a cell, or was restored from a file: it does not move on alive yet")
        }
        let executable = ProcessDirectory(pid)?.executable() ?? []
        members.removeAll { ["plan", "process", "live", "isolation"].contains($0.key) }
        if asked["order"]?["name"]?.string == nil {
            members.removeAll { $0.key == "name" }
            members.append(.init("name", .string(name(executable, pid))))
        }
        members += [
            .init(
                "plan",
                PlanDocument.value(
                    Plan(
                        program: Printable.text(executable), made: 0, hosts: [plan(subject, executable, host)]
                    ))),
            .init("live", .boolean(true)), .init("isolation", .string("chroot")),
            .init("process", ProcessIdentity(pid: pid, start: status.startTicks).value),
        ]
        return .object([.init("verb", .string(step)), .init("order", .object(members))])
    }

    /// Of the executable's last name and the pid: two of one program move by two moves.
    private static func name(_ executable: [UInt8], _ pid: Int32) -> String {
        let last = executable.suffix { $0 != UInt8(ascii: "/") }.prefix(40).filter { byte in
            (48...57).contains(byte) || (97...122).contains(byte | 32) || "._-".utf8.contains(byte)
        }
        let name = String(decoding: last, as: UTF8.self) + "-\(pid)"
        return MoveOrder.isName(name) ? name : "process-\(pid)"
    }

    private static func plan(_ subject: ContextSubject, _ executable: [UInt8], _ host: String) -> HostPlan {
        var program = PlannedProgram(executable: executable)
        program.reason = "process \(subject.pid)"
        var plan = HostPlan(id: MachineID.read())
        plan.name = host
        plan.programs = [program]
        plan.isolation = .init(choice: "chroot", reasons: [])
        let written = written(subject)
        plan.entries = subject.files().filter { $0.path.count > 1 }.map { file in
            PlannedEntry(
                file.path, file.size == nil ? .folder : .file,
                written.contains(file.path) ? .finalCopy : .preCopy,
                .exact, reason: "process \(subject.pid) has it open or mapped")
        }
        plan.ports = ports(subject).map {
            PlannedPort(address: "\($0.isTCP ? "tcp" : "udp"):0.0.0.0:\($0.number)", program: executable)
        }
        return plan
    }

    /// What it may write to.
    private static func written(_ subject: ContextSubject) -> Set<[UInt8]> {
        var found: Set<[UInt8]> = []
        for pid in subject.pids {
            guard let directory = ProcessDirectory(pid) else { continue }
            var open: [(Int32, [UInt8])] = []
            directory.descriptors { open.append(($0, $1)) }
            for (number, path) in open
            where (directory.descriptorInformation(number)?.flags ?? 0) & O_ACCMODE != O_RDONLY {
                found.insert(path)
            }
            for area in directory.memoryAreas() where area.isShared && area.isWritable {
                found.insert(area.path)
            }
        }
        return found
    }

    private static func ports(_ subject: ContextSubject) -> [ServicePort] {
        let members = subject.pids.map { Members.Process(pid: $0, parent: 0, start: 0, program: 0) }
        var processes = SurveyedProcess.all(of: members, parents: [:])
        for index in processes.indices {
            guard let directory = ProcessDirectory(processes[index].pid) else { continue }
            processes[index].read(directory)
        }
        let sockets = try? SurveyedSockets(of: subject.pid)
        return HandoverObstacles.ports(of: processes) { _ in sockets }
    }
}
