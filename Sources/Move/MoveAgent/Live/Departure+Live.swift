import CLinux
import Glibc
import MovePlan
import Procfs
import Records
import SystemCalls
import Text
import Transfer

/// A move of running processes (`--live`), at the source.
extension Departure {
    var dump: LiveDump { LiveDump(folder: folder + "/live") }
    private func packetLock(_ within: UInt64? = nil, isLocal: Bool = false) -> LiveLock {
        LiveLock(name: order.name, ports: order.ports, within: within, isLocal: isLocal)
    }

    /// Why the programs cannot go on alive, before anybody is held.
    func liveProblems() -> [String] {
        guard order.isLive else { return [] }
        var problems: [String] = []
        if let obstacle = LiveTrial.obstacle() { problems.append(obstacle) }
        let trees = origin.liveLeaders()
        if trees.isEmpty { problems.append("--live: no program of the plan runs") }
        if trees.count > 1 { problems += self.problems(of: trees) }
        if order.fetchesMemory {
            let pages = origin.liveProcesses().reduce(UInt64(0)) { sum, process in
                sum + ((try? WrittenMemory.pages(of: process.pid))?.runs.reduce(0) { $0 + $1.pages } ?? 0)
            }
            if !LiveDump.mayLeave(pages * PageMap.page) {
                problems.append(
                    "\(pages * PageMap.page) bytes of memory take more descriptors of criu's than the agent may have: raise its RLIMIT_NOFILE, or leave --memory fetched out"
                )
            }
        }
        return problems + Self.words(against: survey(declared: []).verdicts, losing: order.lost)
    }

    /// What trees of processes cannot have in common that come one after the other.
    private func problems(of trees: [Members.Process]) -> [String] {
        var problems: [String] = []
        if order.fetchesMemory {
            problems.append(
                "--memory fetched is for one tree of processes, and the plan's programs are \(trees.count)")
        }
        do throws(MoveError) {
            if try SystemVObjects.areThere(inNamespaceOf: trees[0].pid) {
                problems.append(
                    "System V objects (ipcs) would come with each of \(trees.count) trees of processes: have one process start all, or use cold"
                )
            }
        } catch { problems.append("System V objects cannot be looked for: \(error)") }
        return problems + SharedPlaces.found(trees.map { LiveTrees.processes(below: [$0]).map(\.pid) })
    }

    /// Each thing for which a program that runs does not go on alive.
    ///
    /// - Parameter lost: kinds of what is lost that the move goes on without.
    static func words(against verdicts: [ProgramVerdict], losing lost: Set<String> = []) -> [String] {
        verdicts.filter { $0.processes > 0 && $0.way != .live }.flatMap { verdict in
            verdict.obstacles.filter {
                $0.rulesOut == .live && !($0.effect == .lost && lost.contains($0.kind))
            }.map { obstacle in
                let effect = obstacle.effect == .refused ? "CRIU refuses it" : "it would be lost"
                return "\(Printable.text(verdict.executable)) cannot move alive: process \(obstacle.pid): "
                    + "\(obstacle.kind), \(obstacle.what)\(obstacle.peer.map { " (\($0))" } ?? ""): \(effect); "
                    + obstacle.cure
            }
        }
    }

    /// What was found before the pre-copy may be otherwise by now.
    func refuseLive() throws(MoveError) {
        let problems = liveProblems()
        guard problems.isEmpty else { throw MoveError(problems.joined(separator: "; ")) }
    }

    /// Has the trees written down and kept stopped.
    func freezeLive() throws(MoveError) {
        try journal.write(.freeze, .begun)
        let leaders = origin.liveLeaders()
        guard !leaders.isEmpty else { throw MoveError("no program runs") }
        let cell = origin.cell.map { LiveCell(cell: $0) }
        try dump.prepare(leaders.count, within: order.within, table: packetLock().table, in: cell)
        // The keeper removes it earlier; this is for when that is killed as well.
        try packetLock(order.within + 60, isLocal: leaders.count > 1).load()
        var stopped: [Members.Process] = []
        for (number, leader) in leaders.enumerated() {
            try writeDown(dump.tree(number), leader.pid, in: cell, alone: leaders.count == 1)
            // Whoever kills criu does not wake them; the images do not have it.
            let processes = LiveTrees.processes(below: [leader])
            stopped += processes
            try dump.note(stopped.map { NamespaceNumber.of($0.pid) })
            for process in processes { Members.signal(process, SIGSTOP) }
            Fault.pass("tree-written")
        }
        let calls = try InterruptedCalls.renew(in: dump.images)
        let rest = PutBack(
            of: stopped.map(\.pid), congestion: SurveyedSockets.congestion(of: leaders[0].pid),
            losing: order.lost)
        try SafeFile.write(rest.value, to: dump.images + "/" + PutBack.name)
        Diagnostics.say(
            "\(order.name): \(stopped.count) processes are written down, \(calls) calls are made again")
        try journal.write(.freeze, .done)
    }

    private func writeDown(
        _ tree: LiveDump.Tree, _ leader: Int32, in cell: LiveCell?, alone: Bool
    ) throws(MoveError) {
        let hasObjects = alone && SystemVObjects.areThere(for: leader)
        func begin(_ leavesMemory: Bool) throws(MoveError) {
            try dump.begin(
                tree, leader, in: cell, alone: alone, hasObjects: hasObjects, leavesMemory: leavesMemory,
                seconds: min(order.within, 120))
        }
        guard !order.fetchesMemory else { return try begin(true) }
        guard let known = memoryAhead, LiveDump.mayLeave(known.bytes) else { return try begin(false) }
        do throws(MoveError) { try begin(true) } catch {
            guard !LiveDump.lives(tree) else { throw error }
            Diagnostics.say("\(order.name): \(error): once more, with all memory in the images")
            try dump.clear(tree)
            try begin(false)
        }
    }

    /// The inverse; a tree that was not stopped goes on as well.
    func thawLive() {
        dump.decide(ends: false)
        let processes = origin.liveProcesses()
        for process in processes {
            // A criu that was killed has left them so.
            TCPRepair.each(of: process.pid, isIn: true) { OpenConnection.thaw($0) }
            Members.signal(process, SIGCONT)
        }
        do throws(MoveError) { try packetLock().remove() } catch {
            Diagnostics.say("\(order.name): \(error)")
        }
    }

    /// Brings the images.
    ///
    /// - Returns: bytes that were sent.
    func sendImages(from folder: String) throws(MoveError) -> UInt64 {
        let (paths, _) = try LiveDump.files(below: folder)
        return try send(paths, below: folder, as: .images)
    }

    /// Brings the shared memory that has names, as it is.
    ///
    /// - Returns: bytes that were sent.
    func sendSharedMemory() throws(MoveError) -> UInt64 {
        // All see one root.
        guard let leader = origin.liveLeaders().first else { throw MoveError("no program runs") }
        let shared = origin.sharedMemory()
        let place = "/proc/\(leader.pid)/root\(SharedMemoryFiles.folder)"
        return try send(shared, below: place, as: .memory)
    }

    private func send(_ paths: [[UInt8]], below root: String, as kind: LivePart) throws(MoveError) -> UInt64 {
        let link = try connected()
        try link.ask("images", [.init("part", .string(kind.rawValue))])
        let sent = try round(paths, over: FileSender(over: link.channel, root: root, progress: progress))
        try link.ask("images-end")
        return sent
    }

    /// A round that whoever is called by its failure has to connect anew after.
    func round(
        _ paths: [[UInt8]], over sender: FileSender, syncsLater: Bool = true
    ) throws(MoveError) -> UInt64 {
        do throws(TransferError) {
            return try sender.send(paths, isMirror: true, syncsLater: syncsLater).sent
        } catch {
            self.link = nil
            self.sender = nil
            throw MoveError(error)
        }
    }

    /// Before the service is given up: from here on the keeper does not let the tree go on by itself.
    func claimLive(_ report: Report) throws(MoveError) {
        guard order.isLive, !dump.claim() else { return }
        try undo(report)
        throw MoveError("not committed within \(order.within) s: the programs went on here by themselves")
    }

    /// While it is not known whether the destination has let clients in: not even the kernel lets packets pass here.
    func keepLive() {
        guard order.isLive, journal.stands(.freeze), journal.state(.stop) != .done else { return }
        do throws(MoveError) { try packetLock().load() } catch { Diagnostics.say("\(order.name): \(error)") }
    }

    /// After clients were let in there: what was kept stopped here ends. May be done again.
    func endLive() throws(MoveError) {
        guard order.isLive, journal.stands(.freeze), journal.state(.stop) != .done else { return }
        try journal.write(.stop, .begun)
        let processes = origin.liveProcesses()
        if dump.leavesMemory { for process in processes { Members.signal(process, SIGKILL) } }
        dump.decide(ends: true)
        for process in processes { Members.signal(process, SIGKILL) }
        // Their connections are closed with them, and say so where they are not in repair mode any more.
        let limit = Clock.monotonic() + 10_000_000_000
        while processes.contains(where: Members.lives), Clock.monotonic() < limit { usleep(1_000) }
        // Its first process has none any more.
        origin.cell?.end(within: 10)
        try packetLock().remove()
        try journal.write(.stop, .done)
    }
}
