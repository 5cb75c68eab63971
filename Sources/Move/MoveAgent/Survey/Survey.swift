import Glibc
import MovePlan
import Procfs
import Records
import SocketDiagnostics
import SunRPC
import Text

/// What the programs of a plan that run here have, and how lively each can move: read once, and changed by nothing.
///
/// What is refused is what CRIU 4.2 refuses; lost is what it restores without, as nobody notices. A process that ends meanwhile
/// has nothing.
struct Survey {
    /// In the order of the plan.
    private(set) var verdicts: [ProgramVerdict] = []
    /// Why something could not be looked at.
    private(set) var remarks: [String] = []

    /// - Parameters:
    ///   - members: the programs' processes, those of one program with its place in the plan.
    ///   - programs: the plan's.
    ///   - address: the address that moves along; empty where none does.
    ///   - ports: TCP ports of the plan.
    ///   - registrations: what rpcbind knows.
    ///   - declared: files that a server declares as its data.
    ///   - prefix: what paths of the programs' root begin with as seen from the host.
    ///   - putsBack: whether what `PutBack` sets again is no obstacle.
    init(
        of members: [Members.Process], programs: [PlannedProgram], address: String = "",
        ports: Set<UInt16> = [],
        registrations: [Registration] = [], declared: [[UInt8]] = [], prefix: [UInt8] = [],
        putsBack: Bool = false
    ) {
        let all = ProcessList.pids()
        var parents: [Int32: Int32] = [:]
        for pid in all { parents[pid] = ProcessDirectory(pid)?.status()?.parent }
        var processes = SurveyedProcess.all(of: members, parents: parents)
        for index in processes.indices {
            guard let directory = ProcessDirectory(processes[index].pid) else { continue }
            processes[index].read(directory)
        }
        // A dump for each namespace, whatever the number of descriptors.
        var networks: [Int32: UInt64] = [:]
        var sockets: [UInt64: SurveyedSockets] = [:]
        for process in processes {
            guard let network = ProcessDirectory(process.pid)?.namespace("net") else { continue }
            networks[process.pid] = network
            guard sockets[network] == nil else { continue }
            do throws(MoveError) { sockets[network] = try SurveyedSockets(of: process.pid) } catch {
                remarks.append("no verdict on sockets: \(error)")
            }
        }
        let socketsOf = { (pid: Int32) in networks[pid].flatMap { sockets[$0] } }
        var wanted = Holders.Wanted()
        for process in processes {
            DescriptorObstacles.addWanted(of: process, to: &wanted)
            wanted.memory.formUnion(MemoryObstacles.wanted(of: process))
            guard let sockets = socketsOf(process.pid) else { continue }
            wanted.sockets.formUnion(SocketObstacles.wanted(of: process, in: sockets))
            // Who listens, where a connection is not accepted yet.
            wanted.sockets.formUnion(sockets.unix.filter { $0.value.state == .listen }.map(\.key))
        }
        let holders = Holders(of: wanted, among: all)
        let relations = Relations(processes)
        let attributes = AttributeObstacles()
        let descriptors = DescriptorObstacles(relations: relations)
        let memory = MemoryObstacles(relations: relations)
        let ends = SocketObstacles(
            relations: relations, holders: holders.sockets, address: address, ports: ports)
        let handover = HandoverObstacles(registrations: registrations, declared: declared, prefix: prefix)
        for (number, program) in programs.enumerated() where !program.isStop {
            let own = processes.filter { $0.program == number }
            var obstacles: [Obstacle] = []
            for process in own {
                guard let directory = ProcessDirectory(process.pid) else { continue }
                if let top = ProcessDirectory(process.tree) {
                    obstacles += attributes.found(process, directory, top)
                }
                obstacles += descriptors.found(process, directory, holders)
                obstacles += memory.found(process, directory, holders)
                guard let sockets = socketsOf(process.pid) else { continue }
                obstacles += ends.found(process, directory, in: sockets)
                obstacles += SocketOptions(sockets: sockets).found(process)
            }
            if putsBack { obstacles.removeAll { PutBack.kinds.contains($0.kind) } }
            let serves = handover.serves(HandoverObstacles.ports(of: own, in: socketsOf))
            obstacles += handover.found(own, serves: serves)
            verdicts.append(
                ProgramVerdict(
                    executable: program.executable, script: program.script, processes: own.count,
                    serves: serves, obstacles: obstacles))
        }
    }

    /// For `retinue move check`.
    var value: JSONValue { .array(verdicts.map(\.value)) }
}

extension Departure {
    /// How lively each program can move.
    func survey(declared: [String]) -> Survey {
        var members = origin.processes()
        if let cell = origin.cell {
            // Those of a cell are named from outside of its root, and are all of one program but for what they execute.
            let prefix = Array(cell.root.utf8)
            // What has started them is the agent's.
            members.removeAll { $0.pid == cell.state.pid }
            for index in members.indices {
                guard let directory = ProcessDirectory(members[index].pid), let path = directory.executable()
                else { continue }
                let inside = path.starts(with: prefix) ? Array(path.dropFirst(prefix.count)) : path
                let arguments = directory.arguments()
                let found = order.plan.programs.firstIndex {
                    !$0.isStop && $0.executable == inside
                        && ($0.script.isEmpty || arguments.contains($0.script))
                }
                members[index].program = found ?? members[index].program
            }
        }
        return Survey(
            of: members, programs: order.plan.programs,
            address: order.serviceAddress.flatMap { ServiceAddress($0)?.address } ?? "",
            ports: Set(order.ports.filter(\.isTCP).map(\.number)),
            registrations: (try? RPCBind().registrations()) ?? [],
            declared: (declared + (order.handover?.data ?? [])).map { Array($0.utf8) },
            prefix: origin.prefix, putsBack: true)
    }
}
