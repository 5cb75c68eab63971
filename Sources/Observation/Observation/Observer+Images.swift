import Records

/// What is known of a new image beside its file: what was read of the process, or the kernel has reported.
extension Observer {
    /// What was read of the process after this exec, if it fits what the events say; else what the kernel has reported.
    ///
    /// - Parameters:
    ///   - isGuess: whether another chain may be the one that was executed.
    ///   - isLast: whether the batch has no later exec of the process; of an earlier one nothing can be asked any more.
    mutating func facts(
        for event: LifecycleEvent, _ chain: ExecChain?, isGuess: Bool, isLast: Bool
    ) -> ImageFacts? {
        var known = image(of: event)
        if let facts = known {
            if !facts.isReported {
                if fits(facts, chain) { return facts }
            } else if let applet = applet(chain, facts) {
                // It goes by `argv[0]`, which almost always is the link's name.
                surroundings.needsLooks()
                if isLast, let late = readLate(facts), fits(late, chain) { return late }
                if case .named(let named) = applet { known?.script = named.name }
                known?.reading = .guessed
                return known
            } else if !isGuess, !asksForArguments(chain, executedAs: facts.executable),
                fits(facts, chain) || !facts.isResolved
            {
                return facts
            }
        }
        if isLast {
            let late = readLate(known ?? ImageFacts(pid: event.pid, time: event.time, executable: []))
            if let late, fits(late, chain), !isGuess || chain.map({ isRead(late, $0) }) != false {
                return late
            }
        }
        // An executable that nothing names is not known by where it runs.
        guard var known, known.isReported else { return nil }
        guard let chain else {
            guard let merged = mergedChain(of: event.pid, known) else { return nil }
            known.executable = ledger.texts.array(merged.chain.executable)
            known.isReported = false
            if asksForArguments(merged.chain, executedAs: known.executable) {
                known.reading = .unknown
            } else if let script = merged.chain.scripts.first {
                known.script = ledger.texts.array(script)
            }
            known.isGuessed = !merged.isOnly
            return known
        }
        guard chain.executable != .none else { return nil }
        if asksForArguments(chain, executedAs: known.executable) { known.reading = .unknown }
        return known
    }

    /// The chain of an earlier exec of the same file in this batch: the kernel merges the second one's events into the first one's.
    ///
    /// One that was executed under the very path goes before those whose path ends with it; of these it has to be the only file. It is
    /// no more than likely where such a one was executed later: by then the process may have had another root.
    func mergedChain(of pid: Int32, _ facts: ImageFacts) -> (chain: ExecChain, isOnly: Bool)? {
        guard let chains = work.chains[pid] else { return nil }
        var found: ExecChain?
        var isOnly = true
        for chain in chains.reversed() where chain.isConfirmed && chain.executable != .none {
            let fit = fit(facts, chain)
            let isSame =
                found.map { $0.executable == chain.executable && $0.scripts == chain.scripts } ?? true
            if fit == .whole { return (chain, isSame && isOnly && isSure(facts, chain)) }
            guard fit == .end else { continue }
            isOnly = isOnly && isSame
            found = found ?? chain
        }
        return isOnly ? found.map { ($0, true) } : nil
    }

    /// Asks a process now for what was not read of it right after its exec; `nil` if it has executed something since.
    mutating func readLate(_ known: ImageFacts) -> ImageFacts? {
        guard let facts = surroundings.process(known.pid, unlessExecutedAfter: known.time),
            !facts.executable.isEmpty
        else { return nil }
        var found = ImageFacts(
            pid: known.pid, time: known.time, executable: facts.executable, script: facts.script,
            reading: facts.reading, workload: facts.workload, network: facts.network)
        found.argument = facts.argument
        // No group: it may have been moved since the exec, and that may not be reported yet.
        return found
    }

    /// Which of the commands of a file of many a chain is, where the name says so under which it was executed.
    private func applet(_ chain: ExecChain?, _ facts: ImageFacts) -> Interpreted? {
        guard let chain, chain.executable != .none, chain.scripts.isEmpty else { return nil }
        let name = ledger.texts.withBytes(chain.executable) { Array(lastComponent($0)) }
        return Interpreter.applet(of: name, called: facts.name)
    }

    /// Whether the arguments say what program a chain is: those of an interpreter that was not executed by a `#!` file, which
    /// outside the system's folders may have any name, and those of a script that is there to run what they name.
    ///
    /// - Parameter path: what was executed; a link to a file outside the system's folders may lie inside.
    private func asksForArguments(_ chain: ExecChain?, executedAs path: [UInt8]) -> Bool {
        guard let chain, chain.executable != .none else { return true }
        if let script = chain.scripts.first {
            return ledger.texts.withName(of: script) { Interpreter.runsApplications(Array($0)) }
        }
        return ledger.texts.withBytes(chain.executable) {
            !SystemFolder.holds($0, executedAs: path)
                || Interpreter.isKnown(UnsafeRawBufferPointer(rebasing: lastComponent($0)))
        }
    }

    /// Whether a path from /proc can be the chain's executable: the same file name, since through an
    /// overlay or in a container the directories differ. Whether it is the path that the kernel has reported.
    func fits(_ facts: ImageFacts, _ chain: ExecChain?) -> Bool {
        facts.isReported ? fit(facts, chain) != .none : fits(facts.executable, chain)
    }

    /// How far a chain is that of the path that was executed, where that was reported; else of what was read.
    func fit(_ facts: ImageFacts, _ chain: ExecChain?) -> PathFit {
        guard let chain else { return .none }
        let fit = fit(facts.executed, chain)
        if fit != .none || facts.isReported { return fit }
        guard !facts.executable.isEmpty, chain.executable != .none, fits(facts.executable, chain) else {
            return .none
        }
        let isWhole = ledger.texts.withBytes(chain.executable) { $0.elementsEqual(facts.executable) }
        return isWhole ? .whole : .end
    }

    /// How far a chain is that of a path that was executed. Of a `#!` file its own name was. A link has another one than its file.
    func fit(_ path: [UInt8], _ chain: ExecChain) -> PathFit {
        let first = chain.scripts.first ?? chain.executable
        guard !path.isEmpty, first != .none else { return .none }
        return ledger.texts.withBytes(first) { SystemFolder.fit(of: $0, to: path) }
    }

    func fits(_ executable: [UInt8], _ chain: ExecChain?) -> Bool {
        guard let chain, chain.executable != .none else { return true }
        return ledger.texts.withBytes(chain.executable) { own in
            executable.withUnsafeBytes { lastComponent(own).elementsEqual(lastComponent($0)) }
        }
    }

    /// Step 2: the control group of a new image.
    ///
    /// - Returns: whether it is that of the process before for want of anything better, although something speaks against it.
    mutating func findWorkload(of process: inout Process, _ facts: ImageFacts?, isLast: Bool) -> Bool {
        guard let facts else {
            counters.inheritedWorkloads += 1
            return false
        }
        guard facts.hasWorkload else {
            if isInherited(process, facts.group) { return false }
            if isLast, let late = readLate(facts) { return findWorkload(of: &process, late, isLast: isLast) }
            counters.inheritedWorkloads += 1
            return true
        }
        process.workload = facts.workload.map { text(workload: $0) } ?? .none
        process.hasMovedUnseen = false
        // It may have been moved between its exec, of which the number is, and the look.
        if !isMovedLater(process.pid) { note(group: facts.group, of: process.workload) }
        return false
    }

    /// Whether the batch has a later move of a process than what was worked off of it. Moves are drained behind the images.
    func isMovedLater(_ pid: Int32) -> Bool {
        work.moves.contains { $0.pid == pid } || heldMoves.contains { $0.pid == pid }
    }

    /// Takes note that a process of a workload was met in a group, unless that is 0.
    mutating func note(group: UInt64, of workload: TextID) {
        guard group != 0 else { return }
        if groups.count >= Self.mostGroups { groups.removeAll() }
        groups.insert(GroupOfWorkload(number: group, workload: workload))
    }

    /// Whether a new image has the workload of the process before: it was not moved, since that would have been reported, and its
    /// group in the one hierarchy in which a process can be made (`CLONE_INTO_CGROUP`) is one in which that workload was met.
    private func isInherited(_ process: Process, _ group: UInt64) -> Bool {
        group != 0 && !process.hasMovedUnseen
            && groups.contains(GroupOfWorkload(number: group, workload: process.workload))
    }

    /// Pairs of groups and workloads that are kept.
    private static var mostGroups: Int { 4096 }

    /// What was read of the image that an exec has made, if something was.
    func image(of event: LifecycleEvent) -> ImageFacts? {
        var low = 0
        var high = images.count
        while low < high {
            let middle = (low + high) / 2
            if images[middle].time < event.time { low = middle + 1 } else { high = middle }
        }
        return images[low...].prefix { $0.time == event.time }.last { $0.pid == event.pid }
    }

    /// Puts what was read of new images behind what is known already; both come almost in order.
    mutating func keep(_ new: [ImageFacts]) {
        for facts in new {
            var place = images.count
            while place > 0, images[place - 1].time > facts.time { place -= 1 }
            images.insert(facts, at: place)
        }
    }

    /// What was read of an image is handed over when it is there: its exec may be among those that wait, or
    /// come behind the drain that this batch is of. Both have their turn in the next one.
    mutating func keepImages(_ batch: borrowing EventBatch) {
        let last = lastCutoff
        images.removeAll { $0.time <= last }
        lastCutoff = batch.cutoff
    }
}

/// A control group by its number, and the workload of a process that was met in it.
struct GroupOfWorkload: Hashable {
    var number: UInt64
    var workload: TextID
}
