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
        var out = OutputBuffer(chunk: chunk)
        var header = header
        header.contents = DumpHeader.Contents(
            dependencies: UInt64(records.count), gaps: UInt64(gaps.count))
        header.appendLine(to: &out.bytes)
        try out.endLine(sink)
        var start: [UInt8] = []
        start.append("{\"type\":\"dependency\",\"host\":")
        JSONText.append(header.hostID, to: &start)
        for record in records {
            out.bytes.append(contentsOf: start)
            append(record, to: &out.bytes)
            try out.endLine(sink)
        }
        for gap in gaps {
            gap.appendLine(to: &out.bytes)
            try out.endLine(sink)
        }
        try out.flush(sink)
    }

    /// What follows the host, to the end of the object.
    private borrowing func append(_ record: Record, to out: inout [UInt8]) {
        let key = record.key
        out.append(",\"program\":")
        append(key.program, to: &out)
        out.append(",\"relation\":\"")
        out.append(key.relation.word)
        out.append("\"")
        switch key.relation {
        case .file:
            append(",\"path\":", ",\"path_raw\":", TextID(rawValue: key.object), to: &out)
            out.append(",\"kind\":\"")
            out.append(record.kind.word)
            out.append("\",\"access\":\"")
            out.append(record.access.letters)
            out.append("\"")
        case .spawn:
            out.append(",\"child\":")
            append(ProgramID(rawValue: key.object), to: &out)
        case .connect:
            append(transport: key.detail, to: &out)
            append(",\"remote\":", endpoints[Int(key.object)], to: &out)
        case .accept:
            append(transport: key.detail, to: &out)
            append(",\"local\":", endpoints[Int(key.object)], to: &out)
            out.append(",\"remote\":{\"address\":\"")
            endpoints[Int(key.remote)].address.append(to: &out)
            out.append("\"}")
        case .listen:
            append(transport: key.detail, to: &out)
            append(",\"local\":", endpoints[Int(key.object)], to: &out)
        case .ipc:
            out.append(",\"mechanism\":\"")
            if let mechanism = Mechanism(rawValue: key.detail) { out.append(mechanism.word) }
            out.append("\"")
            append(",\"name\":", ",\"name_raw\":", TextID(rawValue: key.object), to: &out)
        }
        if key.peer != .unknown {
            out.append(",\"peer\":")
            append(key.peer, to: &out)
        }
        if key.relation == .connect || key.relation == .accept {
            out.append(",\"sent\":")
            out.append(decimal: record.sent)
            out.append(",\"received\":")
            out.append(decimal: record.received)
        }
        out.append(",\"count\":")
        out.append(decimal: record.count)
        out.append(",\"first\":\"", time: record.first)
        out.append("\",\"last\":\"", time: record.last)
        out.append("\",\"evidence\":\"")
        out.append(record.evidence.word)
        out.append("\"}")
    }

    private borrowing func append(_ number: ProgramID, to out: inout [UInt8]) {
        let program = self[number]
        append("{\"executable\":", ",\"executable_raw\":", program.executable, to: &out)
        if !texts.isEmpty(program.script) {
            append(",\"script\":", ",\"script_raw\":", program.script, to: &out)
        }
        if !texts.isEmpty(program.workload) {
            append(",\"workload\":", ",\"workload_raw\":", program.workload, to: &out)
        }
        out.append("}")
    }

    /// A byte string, and beside it the bytes themselves where they are not UTF-8.
    private borrowing func append(
        _ key: StaticString, _ rawKey: StaticString, _ text: TextID, to out: inout [UInt8]
    ) {
        texts.withBytes(text) { bytes in
            out.append(key)
            if !JSONText.append(bytes, to: &out) {
                out.append(rawKey)
                out.append("\"")
                Base64.append(bytes, to: &out)
                out.append("\"")
            }
        }
    }

    private borrowing func append(transport: UInt8, to out: inout [UInt8]) {
        out.append(",\"transport\":\"")
        if let transport = Transport(rawValue: transport) { out.append(transport.word) }
        out.append("\"")
    }

    private borrowing func append(_ key: StaticString, _ endpoint: Endpoint, to out: inout [UInt8]) {
        out.append(key)
        out.append("{\"address\":\"")
        endpoint.address.append(to: &out)
        out.append("\",\"port\":")
        out.append(decimal: UInt64(endpoint.port))
        out.append("}")
    }
}
