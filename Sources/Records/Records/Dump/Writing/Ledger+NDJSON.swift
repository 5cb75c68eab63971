extension Ledger {
    /// Writes a dump in the form `retinue/1`: the header's line, a line for each dependency in the order in
    /// which they were first seen, a line for each gap.
    ///
    /// - Parameters:
    ///   - header: the first line; its host is named on every dependency.
    ///   - chunk: bytes after which the next full line is handed over.
    ///   - sink: takes a piece, which is valid only during the call; its error ends the writing.
    public borrowing func writeNDJSON<Failure: Error>(
        header: DumpHeader, chunk: Int = 256 << 10,
        to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var lines = DumpLines(host: header.hostID, chunk: chunk)
        var header = header
        header.contents = DumpHeader.Contents(
            dependencies: UInt64(records.count), gaps: UInt64(gaps.count))
        lines.append { header.appendLine(to: &$0) }
        try lines.endLine(sink)
        for position in records.indices {
            append(records[position], at: position, to: &lines)
            try lines.endLine(sink)
        }
        for gap in gaps {
            lines.append { gap.appendLine(to: &$0) }
            try lines.endLine(sink)
        }
        try lines.flush(sink)
    }

    private borrowing func append(_ record: Record, at position: Int, to lines: inout DumpLines) {
        let key = record.key
        lines.appendStart()
        append(key.program, to: &lines)
        lines.out.append(",\"relation\":\"")
        lines.out.append(key.relation.word)
        lines.out.append("\"")
        appendObject(of: record, to: &lines)
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
        }
        lines.appendEnd(of: record)
    }

    /// What the program depends on.
    private borrowing func appendObject(of record: Record, to lines: inout DumpLines) {
        let key = record.key
        switch key.relation {
        case .file:
            append(",\"path\":", ",\"path_raw\":", TextID(rawValue: key.object), to: &lines)
            lines.out.append(",\"kind\":\"")
            lines.out.append(record.kind.word)
            lines.out.append("\",\"access\":\"")
            lines.out.append(record.access.letters)
            lines.out.append("\"")
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
        lines.out.append("}")
        lines.keep(number, from: start)
    }

    /// A byte string, and beside it the bytes themselves where they are not UTF-8.
    private borrowing func append(
        _ key: StaticString, _ rawKey: StaticString, _ text: TextID, to lines: inout DumpLines
    ) {
        let bytes = lines.speller.spell(text, in: texts)
        lines.out.append(key)
        if lines.out.appendPlain(bytes) { return }
        lines.append { out in
            if !JSONText.append(bytes, to: &out) {
                out.append(rawKey)
                out.append("\"")
                Base64.append(bytes, to: &out)
                out.append("\"")
            }
        }
    }
}
