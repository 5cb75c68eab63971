import Records

/// Processes that are moved to another control group after their exec, and their forks.
///
/// The same executable in another workload is another program: what it does from then on is that one's. What it was
/// before has started it, in the words of the records. The move has a time and the opens of a batch have none, so those
/// of the batch in which it happened are known no better than `inferred`, and are recorded for both.
extension Observer {
    /// Brings the moves of a batch in order; what is younger than the cutoff waits, since forks that came before it may
    /// be in the next batch.
    mutating func orderMoves(_ batch: borrowing EventBatch) {
        let moves = (heldMoves + batch.moves).sorted { $0.time > $1.time }
        heldMoves = moves.filter { $0.time > batch.cutoff }
        work.moves = moves.filter { $0.time <= batch.cutoff }
    }

    /// Applies the moves before a moment.
    mutating func applyMoves(before time: UInt64, _ batch: borrowing EventBatch) {
        while let move = work.moves.last, move.time < time {
            work.moves.removeLast()
            guard apply(move, isFound: false) else { continue }
            recentMoves.append((move.pid, processes[move.pid]?.start ?? 0, move.time, wall(move.time, batch)))
        }
    }

    /// For how long a process may go on to an exec, nanoseconds.
    private static var wayToExec: UInt64 { 20_000_000 }

    /// Records the moves of processes that go on as what they are. Of those that execute something at once, as a
    /// service manager's child or cgexec(1) does, the exec says who started what.
    mutating func settleMoves(before time: UInt64) {
        let moves = recentMoves
        recentMoves.removeAll()
        for move in moves {
            guard move.time <= time, time - move.time >= Self.wayToExec else {
                recentMoves.append(move)
                continue
            }
            guard let process = processes[move.pid], process.start == move.start else { continue }
            settleMove(move.pid, .exact, move.wall)
        }
    }

    private mutating func settleMove(_ pid: Int32, _ evidence: Evidence, _ wall: UInt64) {
        guard let process = processes[pid], process.movedFrom != .unknown else { return }
        processes[pid]?.movedFrom = .unknown
        noteMove(process.movedFrom, process.image, evidence, wall)
        if isLogging { logFoundImage(pid, process.image.program) }
    }

    /// Compares the control group that a scan has read with the one that is known: a move that was not reported, or a
    /// process that was made in another group than its parent's (`CLONE_INTO_CGROUP`).
    mutating func checkWorkload(_ facts: ProcessFacts, at time: UInt64, _ wall: UInt64) {
        let move = MoveEvent(pid: facts.pid, time: time, workload: facts.workload)
        if apply(move, isFound: true) { settleMove(facts.pid, .snapshot, wall) }
    }

    /// Makes a process the program that it is in its new group; says whether that is another one.
    private mutating func apply(_ move: MoveEvent, isFound: Bool) -> Bool {
        // A thread that is moved alone is no process. Whose it was is asked as long as it is there; else it may be anybody's.
        if !isFound, move.pid != ownPid, processes[move.pid] == nil { processes.distrustWorkloads() }
        guard move.pid != ownPid, let known = processes[move.pid], known.exit == 0,
            known.start <= move.time, known.image.since <= move.time, isFound || known.foundAt <= move.time
        else { return false }
        // What was read of it may be where the next one led.
        guard move.isKnown, isFound || move.isNamed || !isMovedLater(move.pid) else {
            processes[move.pid]?.hasMovedUnseen = true
            return false
        }
        if known.hasMovedUnseen { processes[move.pid]?.hasMovedUnseen = false }
        let workload = move.workload.map { text(workload: $0) } ?? .none
        note(group: move.group, of: workload)
        guard workload != known.workload else { return false }
        var process = known
        process.workload = workload
        process.hasMovedUnseen = false
        let old = process.image
        guard old.program != .unknown else {
            processes.put(process)
            return false
        }
        var program = ledger[old.program]
        program.workload = workload
        var new = old
        new.program = number(of: program)
        new.lineage = new.program == .unknown ? old.lineage : lineages.extend(old.lineage, with: new.program)
        new.since = move.time
        if process.movedFrom == .unknown { process.movedFrom = old.program }
        process.goOn(as: new)
        processes.put(process)
        if !isFound {
            var timeline = work.timelines[move.pid] ?? Timeline(old)
            timeline.move(new)
            work.timelines[move.pid] = timeline
        }
        return true
    }

    /// The program before has started the one behind, and the files that it runs are its own.
    private mutating func noteMove(
        _ old: ProgramID, _ new: Image, _ evidence: Evidence, _ time: UInt64
    ) {
        guard new.program != .unknown, new.program != old else { return }
        let evidence = new.isCertain ? evidence : .inferred
        let spawn = RecordKey.spawn(old, child: new.program)
        if isRecorded(old), admits(spawn) { ledger.note(spawn, evidence: evidence, time: time) }
        let program = ledger[new.program]
        noteFile(new.program, program.executable, .executed, .executed, evidence, time)
        if isPath(program.script) {
            noteFile(new.program, program.script, [.executed, .opened], .executed, evidence, time)
        }
    }
}
