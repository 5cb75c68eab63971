import Records

extension Observer {
    /// Splits the opens for execution of each process into chains, those carried over first.
    mutating func collectExecs(_ batch: borrowing EventBatch) {
        // Chains that were carried over, where this batch shows how they went: by the exec, by the exit,
        // or by an open of the image that would be gone had they succeeded.
        if !pendingExecs.isEmpty {
            let reported =
                Array(work.lengths.pids) + endedWithPendingExec + held.filter { $0.kind == .exec }.map(\.pid)
                + batch.lifecycle.filter { $0.kind != .fork }.map(\.pid)
            for pid in reported where pendingExecs.contains(pid) && work.elements[pid] == nil {
                work.elements[pid] = []
            }
        }
        endedWithPendingExec.removeAll()
        // One array for all of them: a list that is changed where it lies in the table would be copied.
        var all = work.elementsOfOne
        work.elementsOfOne = []
        for (pid, elements) in work.elements {
            all.removeAll(keepingCapacity: true)
            let process = processes[pid]
            if let process, !process.pendingExec.isEmpty {
                for path in process.pendingExec { all.append(.init(path: path, position: -1)) }
                processes[pid]?.pendingExec = []
                pendingExecs.remove(pid)
            }
            all += elements
            for index in all.indices { all[index].head = head(of: all[index].path) }
            // What was reported of an exec that was worked off says nothing of what stands here.
            let reports = ReportedPaths(
                images: images, pid: pid, after: process?.image.since ?? 0, elements: all)
            work.chains[pid] = chainParser.chains(of: all, reports, &ledger.texts)
        }
        if all.capacity <= 1 << 10 { work.elementsOfOne = all }
    }

    /// Step 2: forks, execs and exits in the order of time.
    ///
    /// An exec that is younger than the cutoff and whose chain is not in the batch, or stands at its very
    /// end and may be cut off, waits for the next one, and with it everything later of that process: the
    /// events of the new image and of the children it forks are all in a later batch too.
    mutating func applyLifecycle(_ batch: borrowing EventBatch) {
        var events = held
        held.removeAll(keepingCapacity: true)
        events.append(contentsOf: batch.lifecycle)
        events.sort { ($0.time, $0.kind.rawValue) < ($1.time, $1.kind.rawValue) }
        var execs = PidTable<Int>()
        for event in events where event.kind == .exec { execs[event.pid, default: 0] += 1 }
        var blocked: Set<Int32> = []
        if !batch.moves.isEmpty || !heldMoves.isEmpty { orderMoves(batch) }
        for event in events {
            if !work.moves.isEmpty { applyMoves(before: event.time, batch) }
            switch event.kind {
            case .fork:
                if blocked.contains(event.parent) || blocked.contains(event.pid) {
                    blocked.insert(event.pid)
                    held.append(event)
                } else {
                    fork(event, batch.cutoff)
                }
            case .exec:
                let (chain, isGuess) = blocked.contains(event.pid) ? (nil, false) : findChain(event, execs)
                let isYoung = event.time > batch.cutoff && !isFollowed(chain, event.pid)
                if blocked.contains(event.pid) || isYoung {
                    blocked.insert(event.pid)
                    held.append(event)
                } else {
                    if let chain { work.chains[event.pid]?[chain].isConfirmed = true }
                    execs[event.pid, default: 1] -= 1
                    exec(
                        event, chain, isGuess: isGuess, isOnlyExec: execs[event.pid, default: 0] == 0, batch)
                }
            case .exit:
                if blocked.contains(event.pid) || event.time > batch.cutoff {
                    held.append(event)
                } else if let process = processes[event.pid], process.exit == 0, process.start <= event.time {
                    processes.end(event.pid, at: event.time)
                }
            }
        }
        if !work.moves.isEmpty { applyMoves(before: .max, batch) }
        if !recentMoves.isEmpty { settleMoves(before: batch.cutoff) }
    }

    private mutating func fork(_ event: LifecycleEvent, _ cutoff: UInt64) {
        let former = processes[event.pid]
        // Found in /proc after this fork: what was found is newer.
        if let former, former.foundAt > event.time { return }
        if processes[event.parent] == nil { adopt(event.parent) }
        let parent = processes[event.parent]
        var image = parent?.image ?? .unknown
        image.since = event.time
        var child = Process(
            pid: event.pid, start: event.time, image: image, workload: parent?.workload ?? .none,
            hasExecuted: false)
        child.script = parent?.script ?? .none
        child.hasMovedUnseen = parent?.hasMovedUnseen ?? false
        child.forkedBy = event.parent
        work.forked.append(event.pid)
        processes.put(child)
        if isLogging { logFork(event, cutoff) }
        // The pid was used again while events of its former life are in this batch, or will be in the next one. Of
        // one that had ended before the last batch was read every event was in that.
        guard let former else { return }
        if work.lengths[event.pid] != nil, former.exit == 0 || former.exit > lastCutoff {
            var timeline = work.timelines[event.pid] ?? Timeline(former.image)
            timeline.fork(image)
            work.timelines[event.pid] = timeline
        }
        if former.exit == 0 || former.exit > cutoff { formerLives[event.pid] = former.image }
    }

    /// Begins the timelines of pids that were used again before the events of their former life had all been read.
    mutating func recallFormerLives() {
        for (pid, former) in formerLives where work.lengths[pid] != nil {
            guard let process = processes[pid] else { continue }
            var timeline = Timeline(former)
            timeline.fork(process.image)
            work.timelines[pid] = timeline
        }
        if !formerLives.isEmpty { formerLives.removeAll() }
    }

    /// Hands the gaps of parents on to the children of this batch, in the order of their forks.
    mutating func settleForks() {
        for pid in work.forked {
            guard var process = processes[pid], process.forkedBy != 0 else { continue }
            if let gaps = processes[process.forkedBy]?.gapsForChild, !gaps.isEmpty {
                process.inheritedGap = gaps
            }
            process.forkedBy = 0
            processes.put(process)
        }
    }

    /// - Parameters:
    ///   - isGuess: whether another chain may be the one that was executed.
    ///   - isOnlyExec: whether the batch has no further exec of the process, which what was read of it might be of.
    private mutating func exec(
        _ event: LifecycleEvent, _ chosen: Int?, isGuess: Bool, isOnlyExec: Bool,
        _ batch: borrowing EventBatch
    ) {
        if processes[event.pid] == nil { adopt(event.pid) }
        var process =
            processes[event.pid]
            ?? Process(
                pid: event.pid, start: 0, image: .unknown, workload: .none, hasExecuted: true)
        var chain = chosen.flatMap { work.chains[event.pid]?[$0] }
        let time = wall(event.time, batch)
        // Whatever its former life did stands before this chain.
        if chain != nil, !formerLives.isEmpty { formerLives[event.pid] = nil }
        if process.foundAt > event.time {
            // What /proc showed already contains this exec.
            if let chain {
                noteChain(chain, process.image.program, script: .none, time, process.image.evidence)
                if isLogging { logFoundChain(chain, event.pid, process.image.program, time) }
            }
            return
        }
        if let seen = chain { chain = withoutLoaderAlone(seen, event, isOnly: isOnlyExec) }
        let facts = facts(for: event, chain, isGuess: isGuess, isLast: isOnlyExec)
        if let chosen, let found = chain {
            chain = withForeignFile(found, event.pid, at: chosen, facts, isLast: isOnlyExec)
        }
        let old = process.image
        let wasFork = !process.hasExecuted
        let isRepeated = work.timelines[event.pid].map { $0.execs > 0 } ?? false
        let starter = process.movedFrom == .unknown ? old.program : process.movedFrom
        let (program, isDoubtful) = program(
            of: &process, chain, facts, isRepeated: isRepeated, isLast: isOnlyExec)
        let lineage = program == .unknown ? old.lineage : lineages.extend(old.lineage, with: program)
        var image = Image(program: program, lineage: lineage, since: event.time)
        // A chain that lacks a part names the wrong file, unless what was read of the process says the same.
        // Of one that is only reported it is the chain that names the file.
        let isRead = facts.map { !$0.isReported || !isGuess && fits($0, chain) } ?? false
        image.isCertain = lossyBatches == 0 ? chain != nil || isRead : isRead
        if let facts, facts.isReported, !isRead, isGuess || facts.isResolved { image.isCertain = false }
        if facts == nil, let chain, isGuess || isAnother(chain, than: self.image(of: event)) {
            image.isCertain = false
        }
        if isGuess, let chain, let facts, !facts.isReported, !isReadWhole(facts, chain) {
            image.isCertain = false
        }
        if let chain, chain.isDoubtful, !isSettled(chain, facts, event, isLast: isOnlyExec) {
            image.isCertain = false
        }
        if isDoubtful || facts?.reading == .guessed || facts?.isGuessed == true { image.isCertain = false }
        image.network =
            if let network = facts?.network, network != 0 {
                NetworkPlace(read: network)
            } else {
                old.network.carriedOver
            }
        process.become(image)
        if let name = facts?.name, !name.isEmpty, ledger[program].script == .none {
            ledger.note(name: name, of: program)
        }
        if let chain {
            noteChain(chain, program, script: ledger[program].script, time, image.evidence)
        }
        if starter != .unknown, program != .unknown, isRecorded(starter), !isOwn(program) {
            let isCertain = old.isCertain && image.isCertain
            let key = RecordKey.spawn(starter, child: program)
            if admits(key) {
                ledger.note(key, evidence: isCertain ? .exact : .inferred, time: time)
            }
        }
        if wasFork, program != .unknown {
            for index in process.gap.indices {
                process.gap[index].successor = program
                noteFile(
                    program, process.gap[index].path, process.gap[index].access, [], image.evidence, time)
            }
        }
        extendTimeline(event.pid, old, process.image, chain)
        processes.put(process)
        if isLogging { logExec(event.pid, chain, from: starter, program, time) }
    }

    /// A file of a format that the kernel does not execute by itself, and the program that runs it, opened at once and
    /// named to it as its first argument: registered with binfmt_misc, or executed by execvp(3), which hands to a shell
    /// what is no program. The one that was executed is the file.
    private mutating func withForeignFile(
        _ chain: ExecChain, _ pid: Int32, at place: Int, _ facts: ImageFacts?, isLast: Bool
    ) -> ExecChain {
        guard place > 0, chain.scripts.isEmpty, let former = work.chains[pid]?[place - 1],
            !former.isConfirmed, former.seen.count == 1, former.executable != .none,
            head(of: former.executable) == .other,
            former.events.map({ $0.upperBound + 1 == chain.events?.lowerBound }) ?? true
        else { return chain }
        guard let facts = facts.flatMap({ $0.isReported ? (isLast ? readLate($0) : nil) : $0 }),
            facts.argument != 0
        else {
            // Or the first one could not be executed, and another one was.
            counters.unknownScripts += 1
            return chain
        }
        let name = ledger.texts.withBytes(former.executable) { NameHash.of(lastComponent($0)) }
        guard facts.argument == name else { return chain }
        work.chains[pid]?[place - 1].isConfirmed = true
        var chain = chain
        chain.scripts = [former.executable]
        return chain
    }

    /// A chain of which only the ELF interpreter was seen names no executable: that lies on a filesystem that is not
    /// watched. What was read of the process names it, or nothing does.
    private mutating func withoutLoaderAlone(
        _ chain: ExecChain, _ event: LifecycleEvent, isOnly: Bool
    ) -> ExecChain {
        guard chain.seen.count == 1, chain.scripts.isEmpty, chain.executable != .none, chain.loader == .none,
            head(of: chain.executable) == .plain
        else { return chain }
        if let facts = image(of: event), !facts.isReported {
            let read = facts.executable
            // An interpreter that was executed itself is no loader here. What was read may be of a later image.
            if fits(read, chain) || !(chain.isLoaderAlone || isOnly) { return chain }
        } else if !chain.isLoaderAlone {
            return chain
        } else if isOnly, let facts = surroundings.process(event.pid, unlessExecutedAfter: event.time),
            fits(facts.executable, chain)
        {
            return chain
        }
        var chain = chain
        chain.loader = chain.executable
        chain.executable = .none
        return chain
    }

    private mutating func extendTimeline(
        _ pid: Int32, _ old: Image, _ new: Image, _ chain: ExecChain?
    ) {
        var timeline = work.timelines[pid] ?? Timeline(old)
        if let chain, chain.events == nil {
            timeline.execBefore(new)
        } else {
            timeline.exec(new, chain: chain?.events)
        }
        work.timelines[pid] = timeline
    }

    private mutating func program(
        of process: inout Process, _ chain: ExecChain?, _ facts: ImageFacts?, isRepeated: Bool, isLast: Bool
    ) -> (ProgramID, isDoubtful: Bool) {
        var executable = chain?.executable ?? .none
        // Of one that this mount namespace does not show, the name alone was read.
        if executable == .none, let facts, facts.executable.first == UInt8(ascii: "/") {
            executable = text(facts.executable)
        }
        if executable == .none, let chain, let name = chain.scripts.first { executable = name }
        // The kernel merges the opens of a program that executes itself again within one batch. Anything else
        // without a chain was lost, or lies where nothing is watched: what it became is not known.
        if executable == .none, chain == nil, isRepeated, lossyBatches == 0 {
            executable = ledger[process.image.program].executable
        }
        guard executable != .none else {
            counters.unknownExecutables += 1
            return (.unknown, false)
        }
        var isDoubtful = findWorkload(of: &process, facts, isLast: isLast)
        let carried = process.script
        process.script = .none
        var script = chain?.scripts.first ?? .none
        let (isEnv, isInterpreter) = ledger.texts.withBytes(executable) { path in
            let name = UnsafeRawBufferPointer(rebasing: lastComponent(path))
            return (name.elementsEqual("env".utf8), Interpreter.isKnown(name))
        }
        if isEnv {
            // `#!/usr/bin/env python3`: env is on its way to the interpreter, the script is that one's.
            process.script = script
            script = .none
        } else if let path = facts?.script, script == .none || facts?.reading == .application {
            script = text(path)
        } else if script == .none, isInterpreter || facts?.reading == .unknown {
            if carried != .none {
                // Its line may name another one to the interpreter (`env -S`), which only the arguments show.
                script = carried
                if facts == nil || facts?.reading == .unknown { isDoubtful = true }
            } else if facts == nil || facts?.reading == .unknown {
                counters.unknownScripts += 1
            }
        }
        let program = Program(executable: executable, script: script, workload: process.workload)
        return (number(of: program), isDoubtful)
    }

    /// The files of a chain are the program's own.
    private mutating func noteChain(
        _ chain: ExecChain, _ program: ProgramID, script: TextID, _ time: UInt64, _ evidence: Evidence
    ) {
        guard program != .unknown else { return }
        chain.forEachFile { noteFile(program, $0, .executed, .executed, evidence, time) }
        // The interpreter reads its script; the kernel merges that open with the exec's own.
        if isPath(script) {
            noteFile(program, script, [.executed, .opened], .executed, evidence, time, count: 0)
        }
    }

    /// Whether a script is a file: else it is the name of a module or a class.
    func isPath(_ script: TextID) -> Bool {
        script != .none && ledger.texts.withBytes(script) { $0.first == UInt8(ascii: "/") }
    }

    /// Chains at the very end of a process's events may be confirmed by the next batch.
    mutating func keepPendingExecs() {
        for (pid, chains) in work.chains {
            guard let last = chains.last, !last.isConfirmed, mayStillExecute(pid) else { continue }
            let length = Int(work.lengths[pid] ?? 0)
            guard (last.events?.upperBound ?? -1) + 1 >= length else { continue }
            // Carried over once already and still not confirmed, although the connector was drained
            // behind it: it failed.
            if last.events == nil, !held.contains(where: { $0.pid == pid && $0.kind == .exec }) { continue }
            processes[pid]?.pendingExec = last.seen
            pendingExecs.insert(pid)
            if processes[pid]?.exit != 0 { endedWithPendingExec.append(pid) }
        }
    }

    /// Whether an exec of a process may be reported yet: one by a thread that is not the leader comes behind the leader's end.
    func mayStillExecute(_ pid: Int32) -> Bool {
        guard let exit = processes[pid]?.exit else { return false }
        return exit == 0 || exit > lastCutoff
    }

    /// Takes in a process that was there before its events.
    @discardableResult
    mutating func adopt(_ pid: Int32) -> Bool {
        guard pid > 0, !work.missing.contains(pid) else { return false }
        guard let facts = surroundings.process(pid) else {
            work.missing.insert(pid)
            return false
        }
        adopt(facts, at: 0)
        return true
    }

    /// Takes in what was read from /proc at a time (`CLOCK_MONOTONIC`; 0 for a process that was asked for
    /// because an event of it was met: then no event is contained in the answer).
    ///
    /// What events said of a process stands where nothing is missing of them: /proc is read a moment later, and
    /// in a container it gives another path. Events that are younger than what was read stand as well.
    mutating func adopt(_ facts: ProcessFacts, at time: UInt64) {
        if time != 0, let known = processes[facts.pid] {
            if known.start > time || known.image.since > time || known.exit != 0 { return }
            if known.image.isCertain, known.image.program != .unknown, known.start != 0 || known.foundAt != 0
            {
                return
            }
        }
        var program = ProgramID.unknown
        let workload = facts.workload.map { text(workload: $0) } ?? .none
        if facts.executable.first == UInt8(ascii: "/") {
            let executable = text(facts.executable)
            let script = facts.script.map { text($0) } ?? .none
            if executable != .none {
                program = number(of: Program(executable: executable, script: script, workload: workload))
                // Of an interpreter the script is the name.
                if script == .none { ledger.note(name: facts.name, of: program) }
                // One that is read again is no other.
                if facts.reading == .unknown, processes[facts.pid]?.image.program != program {
                    counters.unknownScripts += 1
                }
            }
        }
        let origin = processes[facts.parent]?.image.lineage ?? .none
        var process = Process(
            pid: facts.pid, start: 0,
            image: Image(
                program: program,
                lineage: program == .unknown ? origin : lineages.extend(origin, with: program),
                since: 0),
            workload: workload, hasExecuted: true)
        if facts.network != 0 { process.image.network = NetworkPlace(read: facts.network) }
        process.foundAt = time
        processes.put(process)
        if isLogging { logFound(facts.pid, program) }
    }
}

/// What follows the last slash of a path; of one that ends with slashes, what stands before them.
public func lastComponent(_ path: UnsafeRawBufferPointer) -> Swift.Slice<UnsafeRawBufferPointer> {
    let slash = UInt8(ascii: "/")
    let end = path.lastIndex { $0 != slash }.map { $0 + 1 } ?? 0
    let start = path[..<end].lastIndex(of: slash).map { $0 + 1 } ?? 0
    return path[start..<end]
}
