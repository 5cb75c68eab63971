import Records

/// The statements of a write, prepared once.
struct WriteStatements: ~Copyable {
    let text: Statement
    let program: Statement
    let endpoint: Statement
    let dependency: Statement
    let gap: Statement
    let forgetGaps: Statement
    let count: Statement
    let header: Statement

    init(_ connection: borrowing Connection) throws(StoreError) {
        let text = try Statement(connection, "INSERT INTO text VALUES(?1, ?2, ?3)")
        let program = try Statement(connection, "INSERT INTO program VALUES(?1, ?2, ?3, ?4)")
        let endpoint = try Statement(connection, "INSERT INTO endpoint VALUES(?1, ?2, ?3, ?4)")
        let dependency = try Statement(
            connection,
            "REPLACE INTO dependency VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, "
                + "?16, ?17)"
        )
        let gap = try Statement(connection, "REPLACE INTO gap VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")
        let forgetGaps = try Statement(connection, "DELETE FROM gap WHERE id > ?1")
        let count = try Statement(
            connection, "UPDATE meta SET value = value + 1 WHERE name = 'writes' AND value = ?1")
        let header = try Statement(connection, "REPLACE INTO meta VALUES('header', ?1)")
        // Only now: what is not copyable must be whole before an error could leave it half made.
        self.text = text
        self.program = program
        self.endpoint = endpoint
        self.dependency = dependency
        self.gap = gap
        self.forgetGaps = forgetGaps
        self.count = count
        self.header = header
    }
}

extension WriteStatements {
    /// Writes a whole ledger into empty tables.
    func stageAll(_ ledger: borrowing Ledger) throws(StoreError) {
        try stageNames(ledger, after: .none, upTo: StoredCounts(ledger))
        for position in ledger.records.indices { try stage(ledger, position) }
        try stage(ledger.gaps, over: [])
    }

    /// Writes texts, programs and endpoints, in the order of their numbers.
    func stageNames(
        _ ledger: borrowing Ledger, after stored: StoredCounts, upTo reached: StoredCounts
    ) throws(StoreError) {
        for number in stride(from: stored.texts + 1, through: reached.texts, by: 1) {
            text.bind(1, Int64(number))
            // The loan's closure cannot carry a typed error.
            var failure: StoreError?
            let node = TextID(rawValue: UInt32(number))
            text.bind(2, Int64(ledger.texts.parent(of: node).rawValue))
            ledger.texts.withName(of: node) { bytes in
                do throws(StoreError) {
                    try text.bind(3, bytes: bytes)
                } catch { failure = error }
            }
            if let failure { throw failure }
            try text.run()
        }
        for number in stride(from: stored.programs + 1, through: reached.programs, by: 1) {
            let row = ledger.programs[number]
            program.bind(1, Int64(number))
            program.bind(2, Int64(row.executable.rawValue))
            program.bind(3, Int64(row.script.rawValue))
            program.bind(4, Int64(row.workload.rawValue))
            try program.run()
        }
        for number in stride(from: stored.endpoints + 1, through: reached.endpoints, by: 1) {
            let row = ledger.endpoints[number]
            endpoint.bind(1, Int64(number))
            endpoint.bind(2, row.address.high)
            endpoint.bind(3, row.address.low)
            endpoint.bind(4, Int64(row.port))
            try endpoint.run()
        }
    }

    /// Writes a record.
    func stage(_ ledger: borrowing Ledger, _ position: Int) throws(StoreError) {
        let record = ledger.records[position]
        let key = record.key
        // Rows are numbered from 1, as everything in the store.
        dependency.bind(1, Int64(position) + 1)
        dependency.bind(2, Int64(key.program.rawValue))
        dependency.bind(3, Int64(key.relation.rawValue))
        dependency.bind(4, Int64(key.detail))
        dependency.bind(5, Int64(key.object))
        dependency.bind(6, Int64(key.remote))
        dependency.bind(7, Int64(key.peer.rawValue))
        dependency.bind(8, Int64(record.access.rawValue))
        dependency.bind(9, Int64(record.kind.rawValue))
        dependency.bind(10, Int64(record.evidence.rawValue))
        dependency.bind(11, record.count)
        dependency.bind(12, record.first)
        dependency.bind(13, record.last)
        let traffic = ledger.traffic(of: position)
        dependency.bind(14, traffic.sent)
        dependency.bind(15, traffic.received)
        dependency.bind(16, Int64(record.change))
        // Nothing where the record is not folded.
        if let fold = ledger.fold(of: position) {
            dependency.bind(17, fold.paths)
        } else {
            dependency.bindNull(17)
        }
        try dependency.run()
    }

    /// Writes gaps where they differ from those that are stored.
    func stage(_ gaps: [Gap], over storedGaps: [Gap]) throws(StoreError) {
        for (index, gap) in gaps.enumerated() where index >= storedGaps.count || storedGaps[index] != gap {
            self.gap.bind(1, Int64(index) + 1)
            try self.gap.bind(2, text: gap.source)
            try self.gap.bind(3, text: gap.cause)
            self.gap.bind(4, gap.from)
            self.gap.bind(5, gap.to)
            self.gap.bind(6, gap.lost)
            self.gap.bind(7, gap.resynchronised)
            try self.gap.run()
        }
        if gaps.count < storedGaps.count {
            forgetGaps.bind(1, Int64(gaps.count))
            try forgetGaps.run()
        }
    }
}
