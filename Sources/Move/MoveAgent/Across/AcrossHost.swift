import Glibc
import PageFaults
import Records
import SystemCalls

/// One host's processes of a tree that runs at several: which of them run here and which only stand for those of other hosts.
///
/// All that is done with ptrace(2) is done by one thread.
final class AcrossHost {
    let order: AcrossOrder
    let index: Int
    let service: PageService
    private let keeper: DescriptorHolder
    /// Those that stand, and those that run.
    let standing: AcrossGroup
    let running: AcrossGroup
    /// This host's numbers by their own.
    private let pids: [Int32: Int32]
    private var stopped: [StoppedBox] = []
    /// Processes of other hosts that have ended, there or here.
    private var over: Set<Int32> = []
    /// Of which it was said that they wait for a lock.
    private var locked: Set<Int32> = []

    private final class StoppedBox {
        var process: StoppedProcess
        init(_ process: consuming StoppedProcess) { self.process = process }
    }

    /// - Parameters:
    ///   - standing: a frozen group that all processes of the tree are in.
    ///   - pids: this host's numbers of all processes of the tree, by the processes' own.
    init(
        _ order: AcrossOrder, index: Int, standing: AcrossGroup, running: AcrossGroup, pids: [Int32: Int32]
    ) throws(MoveError) {
        (self.order, self.index, self.standing, self.running, self.pids) = (
            order, index, standing, running, pids
        )
        keeper = try DescriptorHolder(running)
        service = try PageService(order, host: index, keeper: keeper)
    }

    private var own: [Int32] { order.hosts[index].pids }

    /// Has the faults of those that will run here reported. Not one of them has run when this returns.
    func arm() throws(MoveError) {
        for region in order.regions { try addRegion(region) }
        for pid in own {
            guard let number = pids[pid] else { throw MoveError("process \(pid) is not here") }
            do throws(SystemError) {
                stopped.append(StoppedBox(try StoppedProcess(number)))
            } catch { throw MoveError("process \(number) cannot be stopped: \(error)") }
            try running.add(number)
        }
        for (box, pid) in zip(stopped, own) {
            do throws(SystemError) {
                try box.process.renewCalls()
                let unprivileged = try UnprivilegedFaults.allow()
                let fault = try box.process.openUserFault()
                _ = consume unprivileged
                keeper.hold(fault.number)
                let process = service.processes.add(fault)
                for (region, known) in order.regions.enumerated() {
                    for mapping in known.mappings where mapping.pid == pid {
                        try service.processes.register(
                            process, mapping.range, region: region, offset: mapping.offset)
                    }
                }
            } catch { throw MoveError("faults of process \(pid): \(error)") }
        }
        guard index != 0 else { return }
        for region in service.processes.regions {
            do throws(SystemError) { try region.invalidateAll() } catch { throw MoveError("\(error)") }
        }
    }

    private func addRegion(_ region: AcrossOrder.Region) throws(MoveError) {
        for mapping in region.mappings {
            guard let number = pids[mapping.pid] else { continue }
            let areas = SharedArea.all(of: number)
            guard let area = areas.first(where: { $0.range == mapping.range && $0.offset == mapping.offset })
            else { throw MoveError("process \(mapping.pid) has \(region.name) at another place here") }
            _ = service.processes.addRegion(try area.open(of: number), bytes: region.bytes)
            return
        }
        throw MoveError("nobody has \(region.name) here")
    }

    /// Lets those that run here run.
    func go() throws(MoveError) {
        try service.start()
        stopped = []
    }

    // MARK: Afterwards

    /// How many run.
    var count: Int { running.members.count }

    /// Which of the tree's processes have ended that were to run here, each with how (as waitpid(2) reports it).
    func ended() -> [(pid: Int32, status: Int32)] {
        own.compactMap { pid in
            guard let number = pids[pid] else { return nil }
            let bytes = (try? FileDescriptor.open("/proc/\(number)/stat", O_RDONLY))?.bytes ?? []
            let text = String(decoding: bytes, as: UTF8.self)
            guard let close = text.lastIndex(of: ")") else { return (pid, 0) }
            let fields = text[text.index(after: close)...].split { $0 == " " || $0 == "\n" }
            guard fields.first == "Z" else { return nil }
            return (pid, fields.last.flatMap { Int32($0) } ?? 0)
        }
    }

    /// Has one that stands for a process of another host end as that has ended, so that its parent sees it.
    func replay(_ pid: Int32, _ status: Int32) {
        guard let number = pids[pid], over.insert(pid).inserted, standing.members.contains(number) else {
            return
        }
        if status & 0x7f == 0, let process = try? StoppedProcess(number) {
            try? running.add(number)
            if (try? process.exit(status >> 8)) != nil { return }
        }
        kill(number, SIGKILL)
    }

    /// What was done here to processes that stand for those of other hosts, to be done there: each signal, by a process's own number.
    /// One that was ended here has got a SIGKILL.
    func signals() -> [(pid: Int32, signal: Int32)] {
        let there = Set(standing.members)
        var found: [(pid: Int32, signal: Int32)] = []
        for pid in order.hosts.enumerated().filter({ $0.offset != index }).flatMap(\.element.pids) {
            guard let number = pids[pid], !over.contains(pid) else { continue }
            guard there.contains(number) else {
                over.insert(pid)
                found.append((pid, SIGKILL))
                continue
            }
            // That its child at this host has ended is reported by that end itself.
            let bits = Self.pending(number) & ~(1 << UInt64(SIGCHLD - 1))
            guard bits != 0 else { continue }
            take(bits, of: number)
            for signal in 1...64 as ClosedRange<Int32> where bits >> UInt64(signal - 1) & 1 == 1 {
                found.append((pid, signal))
            }
        }
        return found
    }

    /// Signals that wait for a process as a whole, as bits (proc_pid_status(5)).
    private static func pending(_ number: Int32) -> UInt64 {
        let bytes = (try? FileDescriptor.open("/proc/\(number)/status", O_RDONLY))?.bytes ?? []
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").filter {
            $0.hasPrefix("ShdPnd:")
        }.compactMap { UInt64($0.split(separator: "\t").last ?? "", radix: 16) }.first ?? 0
    }

    /// Takes signals away from one that stands, so that the next of the same kind is seen too: it has them itself by
    /// rt_sigtimedwait(2), and does not run otherwise.
    private func take(_ bits: UInt64, of number: Int32) {
        guard var process = try? StoppedProcess(number) else { return }
        guard (try? running.add(number)) != nil else { return }
        try? process.takeSignals(bits)
        // Stopped still, it stands again before it can run.
        try? standing.add(number)
    }

    /// Says of processes that wait for a lock which those of other hosts may have, once of each: nobody there can wake them.
    func sayLocks() {
        for pid in own where !locked.contains(pid) {
            guard let number = pids[pid] else { continue }
            let ranges = order.regions.flatMap(\.mappings).filter { $0.pid == pid }.map(\.range)
            guard !AcrossSurvey.waiters(number, in: ranges).isEmpty else { continue }
            locked.insert(pid)
            Diagnostics.say(
                "across \(order.name): process \(number) waits for a process-shared lock (futex(2) without FUTEX_PRIVATE_FLAG): if one of another host has it, it waits for ever"
            )
        }
    }

    func signal(_ pid: Int32, _ number: Int32) {
        guard own.contains(pid), let process = pids[pid], running.members.contains(process) else { return }
        kill(process, number)
    }

    static let folder = "/run/retinue-across"

    func writeFigures() {
        sayLocks()
        mkdir(Self.folder, 0o700)
        try? SafeFile.write(service.figures, to: "\(Self.folder)/\(order.name).json")
    }

    /// Ends what is here.
    func end() {
        writeFigures()
        service.finish()
        running.end()
        standing.end()
        keeper.end()
    }

    /// Lets everything go on here alone: what was not begun is taken back.
    func takeBack() {
        service.finish()
        stopped = []
        keeper.end()
    }
}
