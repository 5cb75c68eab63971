import Records

/// Records that go: by request, by age, or since their folder's takes them in.
extension Observer {
    /// Forgets records, to be called between batches and not while a dump is being written; what the observation
    /// refers to gets the new numbers.
    ///
    /// Takes time in proportion to the whole ledger, about a fifth of a second for a million records.
    ///
    /// - Parameter positions: of the records, rising.
    public mutating func forget(_ positions: [Int]) {
        var uses = LedgerUses()
        var lines: Set<LineageID> = []
        processes.addUses(to: &uses, &lines)
        for (_, image) in formerLives {
            uses.programs.append(image.program)
            lines.insert(image.lineage)
        }
        heldNames.addUses(to: &uses, &lines)
        sockets.addUses(to: &uses)
        connects.addUses(to: &uses)
        datagrams.addUses(to: &uses)
        routes.addUses(to: &uses)
        let lineNumbers = lineages.reclaim(keeping: lines)
        let change = ledger.forget(positions, keeping: uses)
        processes.renumber(change, lineNumbers)
        heldNames.renumber(change, lineNumbers)
        lineages.renumber(change)
        sockets.renumber(change)
        connects.renumber(change)
        datagrams.renumber(change)
        routes.renumber(change)
        for pid in Array(formerLives.pids) { formerLives[pid]?.renumber(change, lineNumbers) }
        renumberCaches(change)
    }

    /// What can be asked for again goes where its name has gone.
    private mutating func renumberCaches(_ change: Renumbering) {
        tree.startEpoch()
        heads = Dictionary(
            uniqueKeysWithValues: heads.compactMap { path, head in
                change(path) == .none ? nil : (change(path), head)
            })
        chainParser.resolved = Dictionary(
            uniqueKeysWithValues: chainParser.resolved.compactMap { name, path in
                change(name) == .none || change(path) == .none ? nil : (change(name), change(path))
            })
        chainParser.likely = Set(
            chainParser.likely.compactMap { change($0) == .none ? nil : change($0) })
        groups = Set(
            groups.compactMap { group in
                let workload = change(group.workload)
                let isGone = workload == .none && group.workload != .none
                return isGone ? nil : GroupOfWorkload(number: group.number, workload: workload)
            })
        chainParser.loaders = Set(
            chainParser.loaders.compactMap { change($0) == .none ? nil : change($0) })
        recorded = Dictionary(
            uniqueKeysWithValues: recorded.compactMap { program, isRecorded in
                change(program) == .unknown ? nil : (change(program), isRecorded)
            })
        findOwn()
        var kept = [UInt8](repeating: 0, count: ledger.texts.count + 1)
        for former in 1..<max(min(kinds.count, change.formerTexts), 1) where kinds[former] != 0 {
            let number = Int(change(TextID(rawValue: UInt32(former))).rawValue)
            if number != 0 { kept[number] = kinds[former] }
        }
        kinds = kept
    }

    /// Lets folders' records take in those of what lies in them, and takes out names that nothing refers to any more.
    ///
    /// Not again before there is an eighth more than was left the last time: it looks at everything.
    mutating func reclaim() {
        let before = ledger.records.count
        guard !mustKeepNumbers, before + ledger.texts.count > reclaimedTo / 8 * 9 else { return }
        let taken = ledger.collapse(freeing: before / 4)
        if taken.isEmpty, pressure == .full { ledger.dropTombstones() }
        forget(taken)
        counters.collapsedRecords += UInt64(taken.count)
        reclaimedTo = ledger.records.count + ledger.texts.count
    }

    /// The key that an observation of a file counts under: that of the folder's record if this has taken in what lies
    /// below it.
    func kept(_ key: RecordKey) -> RecordKey {
        guard ledger.hasFolds, ledger.position(of: key) == nil, let folder = ledger.foldAbove(key) else {
            return key
        }
        return ledger.records[folder].key
    }
}
