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
    private var dump: LiveDump { LiveDump(folder: folder + "/live") }
    private func packetLock(_ within: UInt64? = nil) -> LiveLock {
        LiveLock(name: order.name, ports: order.ports, within: within)
    }

    /// Why the programs cannot go on alive, before anybody is held.
    func liveProblems() -> [String] {
        guard order.isLive else { return [] }
        guard origin.cell == nil else {
            return ["programs that an earlier move has brought here do not go on alive yet: leave --live out"]
        }
        var problems: [String] = []
        if let obstacle = LiveTrial.obstacle() { problems.append(obstacle) }
        let trees = order.members.leaders.count
        if trees != 1 {
            problems.append(
                trees == 0
                    ? "--live: no program of the plan runs"
                    : "--live moves one tree of processes, and the plan's programs are \(trees)")
        }
        return problems + Self.words(against: survey(declared: []).verdicts)
    }

    /// Each thing for which a program that runs does not go on alive.
    static func words(against verdicts: [ProgramVerdict]) -> [String] {
        verdicts.filter { $0.processes > 0 && $0.way != .live }.flatMap { verdict in
            verdict.obstacles.filter { $0.rulesOut == .live }.map { obstacle in
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

    /// Has the tree written down and kept stopped.
    func freezeLive() throws(MoveError) {
        try journal.write(.freeze, .begun)
        let dump = dump
        try dump.prepare(within: order.within, table: packetLock().table)
        // The keeper removes it earlier; this is for when that is killed as well.
        try packetLock(order.within + 60).load()
        guard let leader = order.members.leaders.first else { throw MoveError("no program runs") }
        try dump.begin(leader.pid, seconds: min(order.within, 120))
        // Whoever kills criu does not wake them; the images do not have it.
        let processes = origin.processes()
        try dump.note(processes.map(\.pid))
        for process in processes { Members.signal(process, SIGSTOP) }
        try journal.write(.freeze, .done)
    }

    /// The inverse; a tree that was not stopped goes on as well.
    func thawLive() {
        dump.decide(ends: false)
        let processes = origin.processes()
        for process in processes {
            Self.endRepair(process.pid)
            Members.signal(process, SIGCONT)
        }
        do throws(MoveError) { try packetLock().remove() } catch {
            Diagnostics.say("\(order.name): \(error)")
        }
    }

    /// A criu that was killed has left connections in repair mode, in which nothing is sent (pidfd_getfd(2), Linux 5.6).
    private static func endRepair(_ pid: Int32) {
        let handle = Int32(truncatingIfNeeded: clinux_pidfd_open(pid))
        guard handle >= 0 else { return }
        defer { close(handle) }
        ProcessDirectory(pid)?.descriptors { number, target in
            guard target.starts(with: "socket:".utf8) else { return }
            let copy = Int32(truncatingIfNeeded: clinux_pidfd_getfd(handle, number))
            guard copy >= 0 else { return }
            defer { close(copy) }
            var isInRepair: Int32 = 0
            var size = socklen_t(4)
            guard getsockopt(copy, Int32(IPPROTO_TCP), TCP_REPAIR, &isInRepair, &size) == 0, isInRepair == 1
            else { return }
            OpenConnection.thaw(copy)
        }
    }

    /// Brings the images.
    ///
    /// - Returns: their bytes.
    func sendImages() throws(MoveError) -> UInt64 {
        let (paths, bytes) = try dump.files()
        let link = try connected()
        try link.ask("images")
        let sender = FileSender(over: link.channel, root: dump.images, progress: progress)
        do throws(TransferError) { _ = try sender.send(paths, isMirror: true, syncsLater: true) } catch {
            self.link = nil
            self.sender = nil
            throw MoveError(error)
        }
        try link.ask("images-end")
        return bytes
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
        let processes = origin.processes()
        dump.decide(ends: true)
        for process in processes { Members.signal(process, SIGKILL) }
        // Their connections are closed with them, and say so where they are not in repair mode any more.
        let limit = Clock.monotonic() + 10_000_000_000
        while processes.contains(where: Members.lives), Clock.monotonic() < limit { usleep(1_000) }
        try packetLock().remove()
        try journal.write(.stop, .done)
    }
}
