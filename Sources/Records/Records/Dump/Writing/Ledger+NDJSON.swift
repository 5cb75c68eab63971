extension Ledger {
    /// Writes a dump in the form `retinue/2`: the header's line, a line for each dependency in the order in
    /// which they were first seen, a line for each process, each gap and each tombstone.
    ///
    /// - Parameters:
    ///   - header: the first line; its host is named on every dependency.
    ///   - chunk: bytes after which the next full line is handed over.
    ///   - sink: takes a piece, which is valid only during the call; its error ends the writing.
    public borrowing func writeNDJSON<Failure: Error>(
        header: DumpHeader, chunk: Int = 256 << 10,
        to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var progress = DumpProgress(of: self, header: header, chunk: chunk)
        while try !advance(&progress, most: .max, to: sink) {}
    }

    /// Writes the lines of some records, and no header.
    ///
    /// - Parameters:
    ///   - positions: of the records, in the order of the lines.
    ///   - host: the id that every line names.
    package borrowing func writeLines<Failure: Error>(
        of positions: [Int], host: String, to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var lines = DumpLines(host: host, chunk: 256 << 10)
        for position in positions {
            append(records[position], at: position, to: &lines)
            try lines.endLine(sink)
        }
        try lines.flush(sink)
    }

    /// Writes a piece of a dump that was begun: about so many lines. Records and gaps that came after the
    /// beginning are not in it; of a record that has changed since, the line has what is known now.
    ///
    /// - Returns: whether it is whole now.
    public borrowing func advance<Failure: Error>(
        _ progress: inout DumpProgress, most: Int, to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) -> Bool {
        if !progress.hasHeader {
            progress.hasHeader = true
            let header = progress.header
            progress.lines.append { header.appendLine(to: &$0) }
            try progress.lines.endLine(sink)
        }
        let end = min(
            progress.recordCount,
            progress.position.addingReportingOverflow(most).overflow
                ? progress.recordCount : progress.position + most)
        while progress.position < end {
            let position = progress.positions.map { Int($0[progress.position]) } ?? progress.position
            append(records[position], at: position, to: &progress.lines)
            progress.position += 1
            try progress.lines.endLine(sink)
        }
        guard progress.position == progress.recordCount else { return false }
        // One takes as long as dozens of records.
        let lastProcess = min(progress.processes.count, progress.processPosition + max(most / 64, 1))
        while progress.processPosition < lastProcess {
            let (host, process) = (progress.header.hostID, progress.processes[progress.processPosition])
            progress.processPosition += 1
            progress.lines.append { process.appendLine(host: host, to: &$0) }
            try progress.lines.endLine(sink)
        }
        guard progress.processPosition == progress.processes.count else { return false }
        for gap in progress.gaps {
            progress.lines.append { gap.appendLine(to: &$0) }
            try progress.lines.endLine(sink)
        }
        for tombstone in progress.tombstones {
            append(tombstone, to: &progress.lines)
            try progress.lines.endLine(sink)
        }
        try progress.lines.flush(sink)
        return true
    }

    private borrowing func append(_ record: Record, at position: Int, to lines: inout DumpLines) {
        let key = record.key
        lines.appendStart()
        append(key.program, to: &lines)
        lines.out.append(",\"relation\":\"")
        lines.out.append(key.relation.word)
        lines.out.append("\"")
        appendObject(of: key, to: &lines)
        if key.relation == .file {
            lines.out.append(",\"kind\":\"")
            lines.out.append(record.kind.word)
            lines.out.append("\",\"access\":\"")
            lines.out.append(record.access.letters)
            lines.out.append("\"")
        }
        if let fold = fold(of: position) {
            lines.out.append(",\"folded\":{\"paths\":")
            lines.out.append(decimal: max(fold.paths, 1))
            if !fold.names.isEmpty { lines.append { fold.appendNames(to: &$0) } }
            lines.out.append("}")
        }
        if key.peer != .unknown {
            lines.out.append(",\"peer\":")
            append(key.peer, to: &lines)
        }
        if key.relation == .connect || key.relation == .accept {
            let traffic = traffic(of: position)
            lines.out.append(",\"sent\":")
            lines.out.append(decimal: traffic.sent)
            lines.out.append(",\"received\":")
            lines.out.append(decimal: traffic.received)
            if record.isLowerBound { lines.out.append(",\"lower_bound\":true") }
        }
        lines.out.append(",\"change\":")
        lines.out.append(decimal: UInt64(record.change))
        lines.appendEnd(of: record)
    }

    private borrowing func append(_ tombstone: Tombstone, to lines: inout DumpLines) {
        let key = tombstone.key
        lines.appendTombstoneStart()
        append(key.program, to: &lines)
        lines.out.append(",\"relation\":\"")
        lines.out.append(key.relation.word)
        lines.out.append("\"")
        appendObject(of: key, to: &lines)
        if key.peer != .unknown {
            lines.out.append(",\"peer\":")
            append(key.peer, to: &lines)
        }
        lines.out.append(",\"change\":")
        lines.out.append(decimal: UInt64(tombstone.change))
        lines.out.append("}")
    }

    /// What the program depends on.
    private borrowing func appendObject(of key: RecordKey, to lines: inout DumpLines) {
        switch key.relation {
        case .file:
            let path = TextID(rawValue: key.object)
            if append(",\"path\":", ",\"path_raw\":", path, to: &lines) {
                appendNamespace(of: path, to: &lines)
            }
        case .spawn:
            lines.out.append(",\"child\":")
            append(ProgramID(rawValue: key.object), to: &lines)
        case .connect:
            lines.append(transport: key.detail)
            lines.append(",\"remote\":", endpoints[Int(key.object)])
        case .accept:
            lines.append(transport: key.detail)
            lines.append(",\"local\":", endpoints[Int(key.object)])
            lines.out.append(",\"remote\":{\"address\":\"")
            lines.append(endpoints[Int(key.remote)].address)
            lines.out.append("\"}")
        case .listen:
            lines.append(transport: key.detail)
            lines.append(",\"local\":", endpoints[Int(key.object)])
        case .ipc:
            lines.out.append(",\"mechanism\":\"")
            if let mechanism = Mechanism(rawValue: key.detail) { lines.out.append(mechanism.word) }
            lines.out.append("\"")
            append(",\"name\":", ",\"name_raw\":", TextID(rawValue: key.object), to: &lines)
        }
    }

    /// Where a file lies that only another mount namespace shows, in readable form: the path itself has the bytes.
    private borrowing func appendNamespace(of path: TextID, to lines: inout DumpLines) {
        guard let place = MountNamespacePath(lines.speller.spell(path, in: texts)) else { return }
        lines.append { out in
            out.append(",\"mount_namespace\":")
            _ = place.namespace.withUnsafeBytes { JSONText.append($0, to: &out) }
            out.append(",\"container_path\":")
            _ = place.path.withUnsafeBytes { JSONText.append($0, to: &out) }
        }
    }

    private static func append(_ names: [[UInt8]], to out: inout [UInt8]) {
        out.append(",\"called\":[")
        for (index, name) in names.enumerated() {
            if index > 0 { out.append(",") }
            _ = name.withUnsafeBytes { JSONText.append($0, to: &out) }
        }
        out.append("]")
    }

    private borrowing func append(_ number: ProgramID, to lines: inout DumpLines) {
        if lines.programs.append(number, to: &lines.out) { return }
        let start = lines.out.count
        let program = self[number]
        append("{\"executable\":", ",\"executable_raw\":", program.executable, to: &lines)
        if !texts.isEmpty(program.script) {
            append(",\"script\":", ",\"script_raw\":", program.script, to: &lines)
        }
        if !texts.isEmpty(program.workload) {
            append(",\"workload\":", ",\"workload_raw\":", program.workload, to: &lines)
        }
        let names = names(of: number)
        if !names.isEmpty { lines.append { Self.append(names, to: &$0) } }
        lines.out.append("}")
        lines.keep(number, from: start)
    }

    /// A byte string, and beside it the bytes themselves where they are not UTF-8.
    ///
    /// - Returns: whether it may be the path of a file that only another mount namespace shows.
    @discardableResult
    private borrowing func append(
        _ key: StaticString, _ rawKey: StaticString, _ text: TextID, to lines: inout DumpLines
    ) -> Bool {
        let bytes = lines.speller.spell(text, in: texts)
        let isElsewhere = MountNamespacePath.mayBegin(bytes)
        lines.out.append(key)
        if lines.out.appendPlain(bytes) { return isElsewhere }
        lines.append { out in
            if !JSONText.append(bytes, to: &out) {
                out.append(rawKey)
                out.append("\"")
                Base64.append(bytes, to: &out)
                out.append("\"")
            }
        }
        return isElsewhere
    }
}

extension Fold {
    /// The names as a list, and beside it one of the bytes of each as soon as one of them is not UTF-8.
    fileprivate func appendNames(to out: inout [UInt8]) {
        out.append(",\"names\":")
        if out.appendList(names) { return }
        out.append(",\"names_raw\":")
        out.appendRawList(names)
    }
}

extension Gap {
    /// Its line in a dump, without the end.
    package func appendLine(to out: inout [UInt8]) {
        out.append("{\"type\":\"gap\",\"source\":")
        JSONText.append(source, to: &out)
        out.append(",\"cause\":")
        JSONText.append(cause, to: &out)
        out.append(",\"from\":\"", time: from)
        out.append("\",\"to\":\"", time: to)
        out.append("\"")
        if let lost, lost != 0 {
            out.append(",\"lost\":")
            out.append(decimal: lost)
        }
        if resynchronised != 0 {
            out.append(",\"resynchronised\":\"", time: resynchronised)
            out.append("\"")
        }
        out.append("}")
    }
}
