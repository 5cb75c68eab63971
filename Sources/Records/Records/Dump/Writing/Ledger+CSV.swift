extension Ledger {
    /// Writes the dependencies in the form of nine columns: host A, path A, relation, access, host B,
    /// path B, count, first, last. docs/record-format.md says what stands in them for each relation.
    ///
    /// Fields are quoted as in RFC 4180, bytes are written as they are, lines end with LF. Gaps, workloads,
    /// traffic and evidence have no column.
    ///
    /// - Parameters:
    ///   - host: the id of the host whose ledger this is.
    ///   - withHeader: whether a line with the columns' names comes first.
    ///   - chunk: bytes after which the next full line is handed over.
    ///   - sink: takes a piece, which is valid only during the call; its error ends the writing.
    public borrowing func writeCSV<Failure: Error>(
        host: String, withHeader: Bool = true, chunk: Int = 256 << 10,
        to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var out = OutputBuffer(chunk: chunk)
        if withHeader {
            out.bytes.append("host A,path A,relation,access,host B,path B,count,first,last")
            try out.endLine(sink)
        }
        var hostField: [UInt8] = []
        Array(host.utf8).withUnsafeBytes { CSVField.append($0, to: &hostField) }
        for record in records {
            append(record, host: hostField, to: &out.bytes)
            try out.endLine(sink)
        }
        try out.flush(sink)
    }

    private borrowing func append(_ record: Record, host: [UInt8], to out: inout [UInt8]) {
        out.append(contentsOf: host)
        out.append(",")
        appendPath(of: record.key.program, to: &out)
        out.append(",")
        out.append(record.key.relation.word)
        out.append(",")
        if record.key.relation == .file { out.append(record.access.letters) }
        out.append(",")
        appendOther(record.key, host: host, to: &out)
        out.append(",")
        out.append(decimal: record.count)
        out.append(",", time: record.first)
        out.append(",", time: record.last)
    }

    /// Host B and path B.
    private borrowing func appendOther(_ key: RecordKey, host: [UInt8], to out: inout [UInt8]) {
        // Nothing but the far end of a connection lies on another host. A program that is known as the
        // far end runs on this one, or the daemon could not know it.
        let isFar = (key.relation == .connect || key.relation == .accept) && key.peer == .unknown
        if isFar {
            let far = key.relation == .connect ? key.object : key.remote
            endpoints[Int(far)].address.append(to: &out)
        } else {
            out.append(contentsOf: host)
        }
        out.append(",")
        switch key.relation {
        case .file: appendField(TextID(rawValue: key.object), to: &out)
        case .spawn: appendPath(of: ProgramID(rawValue: key.object), to: &out)
        case .connect, .accept:
            if isFar {
                // The port of the service: the client's is a passing one, on either side.
                append(transport: key.detail, port: endpoints[Int(key.object)].port, to: &out)
            } else {
                appendPath(of: key.peer, to: &out)
            }
        case .listen:
            let local = endpoints[Int(key.object)]
            if let transport = Transport(rawValue: key.detail) { out.append(transport.word) }
            out.append(local.address.isV4 ? ":" : ":[")
            local.address.append(to: &out)
            out.append(local.address.isV4 ? ":" : "]:")
            out.append(decimal: UInt64(local.port))
        case .ipc:
            let name = TextID(rawValue: key.object)
            if texts.isEmpty(name), key.peer != .unknown {
                // A pipe has no name to meet under; what is at its other end is all there is to say.
                appendPath(of: key.peer, to: &out)
                return
            }
            var field: [UInt8] = []
            if let mechanism = Mechanism(rawValue: key.detail) { field.append(mechanism.word) }
            field.append(":")
            texts.withBytes(name) { field.append(contentsOf: $0) }
            field.withUnsafeBytes { CSVField.append($0, to: &out) }
        }
    }

    /// A program's path: the script's where there is one, since `python3` says nothing.
    private borrowing func appendPath(of number: ProgramID, to out: inout [UInt8]) {
        let program = self[number]
        appendField(texts.isEmpty(program.script) ? program.executable : program.script, to: &out)
    }

    private borrowing func appendField(_ text: TextID, to out: inout [UInt8]) {
        texts.withBytes(text) { CSVField.append($0, to: &out) }
    }

    private borrowing func append(transport: UInt8, port: UInt16, to out: inout [UInt8]) {
        if let transport = Transport(rawValue: transport) { out.append(transport.word) }
        out.append(":")
        out.append(decimal: UInt64(port))
    }
}

/// A field of a CSV line (RFC 4180).
package enum CSVField {
    /// Appends a field, in quotes where it holds a comma, a quote, CR or LF.
    package static func append(_ text: UnsafeRawBufferPointer, to out: inout [UInt8]) {
        let mustQuote = text.contains { $0 == 0x2c || $0 == 0x22 || $0 == 0x0a || $0 == 0x0d }
        if !mustQuote {
            out.append(contentsOf: text)
            return
        }
        out.append(UInt8(ascii: "\""))
        for byte in text {
            if byte == UInt8(ascii: "\"") { out.append(byte) }
            out.append(byte)
        }
        out.append(UInt8(ascii: "\""))
    }
}
