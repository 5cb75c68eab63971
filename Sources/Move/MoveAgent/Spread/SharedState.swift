import MovePlan
import Procfs
import SocketDiagnostics
import Text

/// What programs have that would be one for all replicas, which forbids them, and what each has for itself, unseen by the others.
struct SharedState: Equatable {
    /// What forbids a spread, a sentence each with the cure.
    private(set) var problems: [String] = []
    /// What is not seen across replicas.
    private(set) var notes: [String] = []

    /// Of what the plan says is written.
    ///
    /// - Parameter own: files and folders that each replica may write for itself.
    init(planned plan: HostPlan, own: [[UInt8]]) {
        for entry in plan.entries where entry.treatment == .finalCopy {
            refuse(entry.path, own, "the plan has the programs write \(Printable.text(entry.path))")
        }
    }

    /// Adds what the programs have at this moment.
    mutating func add(_ plan: HostPlan, _ members: [Members.Process], own: [[UInt8]]) {
        let all = ProcessList.pids()
        var parents: [Int32: Int32] = [:]
        for pid in all { parents[pid] = ProcessDirectory(pid)?.status()?.parent }
        var processes = SurveyedProcess.all(of: members, parents: parents)
        for index in processes.indices {
            // All that a host has of the group is replicated together.
            processes[index].tree = 0
            if let directory = ProcessDirectory(processes[index].pid) { processes[index].read(directory) }
        }
        let local = plan.entries.filter { $0.treatment == .makeAnew || $0.treatment == .leave }.map(\.path)
        addFiles(processes, own: own, local: local)
        var wanted = Holders.Wanted()
        var sockets: SurveyedSockets?
        for process in processes {
            wanted.memory.formUnion(MemoryObstacles.wanted(of: process))
            if sockets == nil { sockets = try? SurveyedSockets(of: process.pid) }
            if let sockets {
                wanted.sockets.formUnion(SocketObstacles.wanted(of: process, in: sockets))
            }
        }
        let holders = Holders(of: wanted, among: all)
        let relations = Relations(processes)
        addMemory(processes, MemoryObstacles(relations: relations), holders)
        if let sockets { addSockets(processes, sockets, holders, relations) }
    }

    private mutating func refuse(_ path: [UInt8], _ own: [[UInt8]], _ what: String) {
        guard !own.contains(where: { path == $0 || path.isBelow($0) }) else { return }
        let words =
            "\(what), and each replica would write a copy of its own: --own \(Printable.text(path)) if it may, else leave the program at one host"
        if !problems.contains(words) { problems.append(words) }
    }

    private mutating func addFiles(_ processes: [SurveyedProcess], own: [[UInt8]], local: [[UInt8]]) {
        let rules = HandoverObstacles(registrations: [], declared: local)
        for process in processes {
            guard let directory = ProcessDirectory(process.pid) else { continue }
            for (place, path) in rules.writtenFiles(process, directory) {
                // What it says goes to the replica's log; what has no name any more, and memory, each makes for itself.
                if case .descriptor(0...2) = place { continue }
                if path.suffix(10).elementsEqual(" (deleted)".utf8) || path.starts(with: "/dev/shm/".utf8)
                    || path.starts(with: "/SYSV".utf8)
                {
                    continue
                }
                refuse(path, own, "process \(process.pid) writes \(Printable.text(path))")
            }
        }
    }

    private mutating func addMemory(
        _ processes: [SurveyedProcess], _ rules: MemoryObstacles, _ holders: Holders
    ) {
        var sharers: [Holders.SharedPlace: (path: [UInt8], pids: Set<Int32>)] = [:]
        for process in processes {
            guard let directory = ProcessDirectory(process.pid) else { continue }
            for obstacle in rules.found(process, directory, holders)
            where obstacle.kind == "shared-memory" {
                let words =
                    "\(obstacle.what) of process \(process.pid) is shared with \(obstacle.peer ?? "another process"), which is not replicated: have it belong to the group (retinue plan), or \(obstacle.cure.contains("unmap") ? "unmap it" : "end it")"
                if !problems.contains(words) { problems.append(words) }
            }
            for area in process.areas where area.isShared && area.isWritable {
                sharers[.init(area), default: (area.path, [])].pids.insert(process.pid)
            }
        }
        for (path, pids) in sharers.values.sorted(by: { $0.path.lexicographicallyPrecedes($1.path) })
        where pids.count > 1 {
            notes.append(
                "shared memory (\(Printable.text(path))) of \(pids.count) processes: each replica has its own, and none sees what another one writes to it"
            )
        }
    }

    /// A Unix socket of the programs' own by which others reach them.
    private mutating func addSockets(
        _ processes: [SurveyedProcess], _ sockets: SurveyedSockets, _ holders: Holders,
        _ relations: Relations
    ) {
        var listening: Set<[UInt8]> = []
        var connected: [UnixSocket] = []
        for process in processes {
            for descriptor in process.descriptors {
                guard case .socket(let inode) = descriptor.kind, let socket = sockets.unix[inode] else {
                    continue
                }
                if socket.state == .listen { listening.insert(socket.name) } else { connected.append(socket) }
            }
        }
        var seen: Set<[UInt8]> = []
        for socket in connected where socket.peer != 0 {
            guard
                let outsider = relations.outsider(
                    among: holders.sockets[UInt64(socket.peer)] ?? [], to: 0)
            else { continue }
            let name = listening.contains(socket.name) ? socket.name : sockets.unix[UInt64(socket.peer)]?.name
            guard let name, !name.isEmpty, seen.insert(name).inserted else { continue }
            if listening.contains(name) {
                problems.append(
                    "\(outsider.name) uses the Unix socket \(SocketObstacles.text(name)) of the programs, and would reach the source's alone: have it use TCP, or belong to the group (retinue plan)"
                )
            } else {
                notes.append(
                    "the programs use the Unix socket \(SocketObstacles.text(name)) of \(outsider.name), which a replica has not"
                )
            }
        }
    }
}
