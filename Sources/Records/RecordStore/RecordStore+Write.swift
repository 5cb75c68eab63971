import CSQLite
import Records

extension RecordStore {
    /// Writes what is new or changed in the ledger, in one transaction, and marks clean what it has written.
    ///
    /// On an error nothing is written and nothing is marked: the next call tries the same again.
    ///
    /// A slice (`most`) leaves a store that is whole in itself: names go before what refers to them, new rows
    /// in the order of their numbers. Texts come first, then programs and endpoints once no text waits, then
    /// records once no name does. `holds` tells when nothing is left.
    ///
    /// - Parameters:
    ///   - most: rows of texts, programs, endpoints and records to write at most.
    ///   - ledger: the one that `load` filled, or for a new store an empty one to begin with.
    ///   - header: what a dump's first line would say now, for those who read the file instead of a dump.
    /// - Returns: how many dependency records were written.
    @discardableResult
    public mutating func write(
        _ ledger: inout Ledger, header: DumpHeader? = nil, most: Int = .max
    ) throws(StoreError) -> Int {
        guard isLoaded else { throw .notLoaded }
        guard ledger.texts.count >= stored.texts, ledger.programs.count > stored.programs,
            ledger.endpoints.count > stored.endpoints, ledger.records.count >= stored.records
        else { throw .otherLedger }
        if holds(ledger) { return 0 }
        let (reached, written) = slice(of: ledger, most)

        try connection.execute("BEGIN IMMEDIATE")
        do throws(StoreError) {
            try stage(ledger, upTo: reached, written)
            if let header { try stage(header) }
            try connection.execute("COMMIT")
        } catch {
            // A full disk may have rolled back already. Where even that fails, the next BEGIN tells.
            if !connection.isIdle { try? connection.execute("ROLLBACK") }
            throw error
        }
        stored = reached
        storedGaps = ledger.gaps
        ledger.markClean(written)
        return written
    }

    /// Whether everything in the ledger is written.
    public func holds(_ ledger: borrowing Ledger) -> Bool {
        stored.texts == ledger.texts.count && stored.programs == ledger.programs.count - 1
            && stored.endpoints == ledger.endpoints.count - 1 && ledger.dirty.isEmpty
            && ledger.gaps == storedGaps
    }

    /// Rows of texts, programs, endpoints and records that are not written yet.
    public func pending(_ ledger: borrowing Ledger) -> Int {
        ledger.texts.count - stored.texts + ledger.programs.count - 1 - stored.programs
            + ledger.endpoints.count - 1 - stored.endpoints + ledger.dirty.count
    }

    /// What the next transaction shall reach, and how many of the dirty records go into it.
    func slice(
        of ledger: borrowing Ledger, _ most: Int = .max
    ) -> (reached: StoredCounts, records: Int) {
        precondition(most > 0, "a slice of nothing never ends")
        var room = most
        func advance(_ count: Int, to end: Int) -> Int {
            let step = min(room, end - count)
            room -= step
            return count + step
        }
        var reached = stored
        reached.writes += 1
        reached.gaps = ledger.gaps.count
        reached.texts = advance(stored.texts, to: ledger.texts.count)
        // With no room left these stay where they are.
        reached.programs = advance(stored.programs, to: ledger.programs.count - 1)
        reached.endpoints = advance(stored.endpoints, to: ledger.endpoints.count - 1)
        let records = min(room, ledger.dirty.count)
        for position in ledger.dirty[..<records] { reached.records = max(reached.records, Int(position) + 1) }
        return (reached, records)
    }

    /// What stands between BEGIN and COMMIT.
    func stage(
        _ ledger: borrowing Ledger, upTo reached: StoredCounts, _ records: Int
    ) throws(StoreError) {
        statements.count.bind(1, stored.writes)
        try statements.count.run()
        guard sqlite3_changes(connection.handle) == 1 else { throw .changedByAnother }
        try stageNames(ledger, upTo: reached)
        try stageRecords(ledger, records)
        try stageGaps(ledger.gaps)
    }

    private func stage(_ header: DumpHeader) throws(StoreError) {
        var failure: StoreError?
        header.line.withUnsafeBytes { bytes in
            do throws(StoreError) {
                try statements.header.bind(1, bytes: bytes)
            } catch { failure = error }
        }
        if let failure { throw failure }
        try statements.header.run()
    }

    private func stageNames(_ ledger: borrowing Ledger, upTo reached: StoredCounts) throws(StoreError) {
        for number in stride(from: stored.texts + 1, through: reached.texts, by: 1) {
            statements.text.bind(1, Int64(number))
            // The loan's closure cannot carry a typed error.
            var failure: StoreError?
            ledger.texts.withBytes(TextID(rawValue: UInt32(number))) { bytes in
                do throws(StoreError) {
                    try statements.text.bind(2, bytes: bytes)
                } catch { failure = error }
            }
            if let failure { throw failure }
            try statements.text.run()
        }
        for number in stride(from: stored.programs + 1, through: reached.programs, by: 1) {
            let program = ledger.programs[number]
            statements.program.bind(1, Int64(number))
            statements.program.bind(2, Int64(program.executable.rawValue))
            statements.program.bind(3, Int64(program.script.rawValue))
            statements.program.bind(4, Int64(program.workload.rawValue))
            try statements.program.run()
        }
        for number in stride(from: stored.endpoints + 1, through: reached.endpoints, by: 1) {
            let endpoint = ledger.endpoints[number]
            statements.endpoint.bind(1, Int64(number))
            statements.endpoint.bind(2, endpoint.address.high)
            statements.endpoint.bind(3, endpoint.address.low)
            statements.endpoint.bind(4, Int64(endpoint.port))
            try statements.endpoint.run()
        }
    }

    private func stageRecords(_ ledger: borrowing Ledger, _ count: Int) throws(StoreError) {
        for position in ledger.dirty[..<count] {
            let record = ledger.records[Int(position)]
            let key = record.key
            // Rows are numbered from 1, as everything in the store.
            statements.dependency.bind(1, Int64(position) + 1)
            statements.dependency.bind(2, Int64(key.program.rawValue))
            statements.dependency.bind(3, Int64(key.relation.rawValue))
            statements.dependency.bind(4, Int64(key.detail))
            statements.dependency.bind(5, Int64(key.object))
            statements.dependency.bind(6, Int64(key.remote))
            statements.dependency.bind(7, Int64(key.peer.rawValue))
            statements.dependency.bind(8, Int64(record.access.rawValue))
            statements.dependency.bind(9, Int64(record.kind.rawValue))
            statements.dependency.bind(10, Int64(record.evidence.rawValue))
            statements.dependency.bind(11, record.count)
            statements.dependency.bind(12, record.first)
            statements.dependency.bind(13, record.last)
            statements.dependency.bind(14, record.sent)
            statements.dependency.bind(15, record.received)
            try statements.dependency.run()
        }
    }

    private func stageGaps(_ gaps: [Gap]) throws(StoreError) {
        for (index, gap) in gaps.enumerated() where index >= storedGaps.count || storedGaps[index] != gap {
            statements.gap.bind(1, Int64(index) + 1)
            try statements.gap.bind(2, text: gap.source)
            try statements.gap.bind(3, text: gap.cause)
            statements.gap.bind(4, gap.from)
            statements.gap.bind(5, gap.to)
            statements.gap.bind(6, gap.lost)
            statements.gap.bind(7, gap.resynchronised)
            try statements.gap.run()
        }
        if gaps.count < storedGaps.count {
            statements.forgetGaps.bind(1, Int64(gaps.count))
            try statements.forgetGaps.run()
        }
    }
}
