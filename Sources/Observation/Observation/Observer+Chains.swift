import Records

/// Which of the files that a process opened for execution an exec stands for.
extension Observer {
    /// The chain that an exec stands for: the first that was not taken. Failed attempts leave chains
    /// without an exec, so where there are more chains than execs those that the kernel cannot have
    /// executed go first, then those that differ from what was read of the process.
    ///
    /// - Returns: its place, and whether it may be another one that was executed.
    mutating func findChain(
        _ event: LifecycleEvent, _ execs: PidTable<Int>
    ) -> (place: Int?, isGuess: Bool) {
        guard let chains = work.chains[event.pid] else { return (nil, false) }
        let remaining = execs[event.pid, default: 1]
        if chains.count == 1, remaining <= 1 {
            // One that was carried over may be an attempt that failed, and what was executed lie where nothing is watched.
            let isGuess = chains[0].events == nil && isAnother(chains[0], than: image(of: event))
            return (chains[0].isConfirmed ? nil : 0, isGuess)
        }
        var isGuess = false
        let free = chains.indices.filter { !chains[$0].isConfirmed }
        var candidates = free
        if free.count > remaining {
            let possible = free.filter { chains[$0].isPossible }
            if !possible.isEmpty { candidates = possible }
            if candidates.count > remaining, var facts = image(of: event) {
                var match = facts.executed.isEmpty ? nil : named(by: facts, chains, candidates)
                if facts.isReported, match?.isSure != true, remaining <= 1, let late = readLate(facts) {
                    facts = late
                    // Where both agree, that is it.
                    if let found = match, isRead(facts, chains[found.place]) { match?.isSure = true }
                }
                if match?.isSure != true, !facts.isReported {
                    let executable = ledger.texts.intern(facts.executable)
                    let read = candidates.first { chains[$0].executable == executable }
                    match = read.map { ($0, true) } ?? match
                }
                isGuess = match.map { !$0.isSure } ?? facts.isReported
                if let match { candidates = [match.place] }
            }
        }
        // A file that was executed again has left no events of that, and a failed attempt may have made up the number.
        if free.count < chains.count, let facts = image(of: event),
            !candidates.contains(where: { fit(facts, chains[$0]) != .none })
        {
            if mergedChain(of: event.pid, facts) != nil { return (nil, false) }
            if facts.isReported { isGuess = true }
        }
        // Of more execs than chains one has none: its file lies where nothing is watched. What was read of the process
        // says which.
        if free.count < remaining, let first = candidates.first, let facts = image(of: event),
            !chains[first].isLoaderAlone, !fits(facts, chains[first])
        {
            return (nil, false)
        }
        return (candidates.first, isGuess)
    }

    /// Which of several chains is the one of the path that was executed: that of this very file, else the only one whose path
    /// ends with it.
    ///
    /// Neither is sure by itself. Where a link leads was looked up later, and it may have been switched; and a path that ends like the
    /// one that was executed in another root may be that of an attempt before, while what was executed there is a link. What
    /// was read of the process has to agree, or there is no link.
    private func named(
        by facts: ImageFacts, _ chains: [ExecChain], _ candidates: [Int]
    ) -> (place: Int, isSure: Bool)? {
        var found: Int?
        var isOnly = true
        for candidate in candidates {
            let fit = fit(facts.executed, chains[candidate])
            if fit == .whole {
                if !facts.isReported { return (candidate, isRead(facts, chains[candidate])) }
                return (candidate, isSure(facts, chains[candidate]))
            }
            guard fit == .end else { continue }
            if found != nil { isOnly = false }
            found = found ?? candidate
        }
        guard isOnly, let found else { return nil }
        return (found, !facts.isReported && isReadWhole(facts, chains[found]))
    }

    /// Whether no link on the path that was executed may have led elsewhere than to a chain's file by then.
    func isSure(_ facts: ImageFacts, _ chain: ExecChain) -> Bool {
        !facts.isReported || facts.path.isEmpty || fit(facts.path, chain) != .none
    }

    /// Whether what was read of a process is the executable of a chain: the very path, or its name where no more was read.
    func isRead(_ facts: ImageFacts, _ chain: ExecChain) -> Bool {
        guard chain.executable != .none, facts.executable.first == UInt8(ascii: "/") else {
            return fits(facts.executable, chain)
        }
        return isReadWhole(facts, chain)
    }

    /// The same of the very path: a name alone may be that of an attempt that failed, too.
    func isReadWhole(_ facts: ImageFacts, _ chain: ExecChain) -> Bool {
        guard chain.executable != .none else { return false }
        return ledger.texts.withBytes(chain.executable) { $0.elementsEqual(facts.executable) }
    }

    /// Whether a chain fits neither the path that was executed nor what was read of the process.
    func isAnother(_ chain: ExecChain, than facts: ImageFacts?) -> Bool {
        guard let facts, chain.executable != .none, !facts.executed.isEmpty, !facts.executable.isEmpty else {
            return false
        }
        return fit(facts, chain) == .none
    }

    /// Whether a chain that may be no single one is the exec's own, by what was read of the process.
    mutating func isSettled(
        _ chain: ExecChain, _ facts: ImageFacts?, _ event: LifecycleEvent, isLast: Bool
    ) -> Bool {
        var read = facts.flatMap { $0.isReported || $0.executable.isEmpty ? nil : $0 }
        if read == nil, isLast {
            read = readLate(facts ?? ImageFacts(pid: event.pid, time: event.time, executable: []))
        }
        guard let read, fits(read.executable, chain) else { return false }
        // A name alone may be that of an attempt, too; of a script the arguments decide.
        guard let script = chain.scripts.first else { return isReadWhole(read, chain) }
        // The kernel hands the script to its interpreter.
        let isHanded = ledger.texts.withBytes(script) { path in
            if let own = read.script { return path.elementsEqual(own) }
            return chain.scripts.count == 1 && read.argument == NameHash.of(lastComponent(path))
        }
        guard isHanded else { return false }
        if chain.scripts.count == 1, case .script(let interpreter) = head(of: script) {
            chainParser.learn(ledger.texts.intern(interpreter), chain.executable, .certain)
        }
        return true
    }

    /// Whether something of the process stands behind a chain: then the chain is whole.
    ///
    /// fanotify was drained before the proc connector, so of an exec younger than the cutoff the batch can
    /// hold the executable and not yet the ELF interpreter.
    func isFollowed(_ chain: Int?, _ pid: Int32) -> Bool {
        guard let chain, let last = work.chains[pid]?[chain].events?.upperBound else { return false }
        return last + 1 < Int(work.lengths[pid] ?? 0)
    }
}
