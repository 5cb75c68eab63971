import Records

extension GroupReport {
    /// Writes the members as CSV (RFC 4180), one a line: host, kind, path, workload; bytes as they are.
    ///
    /// - Parameters:
    ///   - explain: whether the reason of each member follows: distance, reason, the host, kind and path of
    ///     the member that it came by, evidence, count, first, last.
    ///   - withHeader: whether a line with the columns' names comes first.
    ///   - chunk: bytes after which the next full line is handed over.
    ///   - sink: takes a piece, which is valid only during the call; its error ends the writing.
    public func writeCSV<Failure: Error>(
        explain: Bool = false, withHeader: Bool = true, chunk: Int = 256 << 10,
        to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var rows = RowBuffer(chunk: chunk)
        if withHeader {
            var header = Array("host,kind,path,workload".utf8)
            if explain {
                header.append(",distance,reason,via host,via kind,via path,evidence,count,first,last")
            }
            header.withUnsafeBytes {
                rows.reserve($0.count + 1)
                rows.put($0)
            }
            try rows.endRow(sink)
        }
        let reasons = explain ? Reasons(self) : nil
        var explanation: [UInt8] = []
        for part in order.parts {
            let start = start(of: part)
            var touched = part.range.lowerBound
            for position in part.range {
                let node = NodeID(rawValue: order.nodes[position])
                if position == touched {
                    let (next, bits) = order.touch(from: position, to: part.range.upperBound)
                    touched = next
                    rows.reserve(1)
                    rows.scribble(bits)
                }
                order.withText(at: position, part.kind) { text in
                    rows.reserve(start.count + 2 * text.count + 8)
                    start.withUnsafeBytes { rows.put($0) }
                    rows.putField(text)
                }
                rows.put(UInt8(ascii: ","))
                if part.kind == .program { putWorkload(of: node, &rows) }
                if let reasons {
                    explanation.removeAll(keepingCapacity: true)
                    append(reasons, of: node, to: &explanation)
                    explanation.withUnsafeBytes {
                        rows.reserve($0.count + 1)
                        rows.put($0)
                    }
                }
                try rows.endRow(sink)
            }
        }
        try rows.flush(sink)
    }

    /// Host and kind, the same for all of a part.
    private func start(of part: MemberOrder.Part) -> [UInt8] {
        var start: [UInt8] = []
        Self.appendField(order.hosts.labels[Int(part.host.rawValue)], to: &start)
        start.append(",")
        start.append(part.kind.word)
        start.append(",")
        return start
    }

    private func putWorkload(of node: NodeID, _ rows: inout RowBuffer) {
        graph.nodes.withText(node.rawValue) { text in
            let workload = ProgramText(text).workload
            rows.reserve(2 * workload.count + 8)
            rows.putField(workload)
        }
    }

    private func append(_ reasons: Reasons, of node: NodeID, to out: inout [UInt8]) {
        out.append(",")
        out.append(decimal: UInt64(reasons.distance(of: node)))
        guard let reason = reasons[node] else {
            out.append(",start,,,,,,,")
            return
        }
        out.append(",")
        out.append(reason.follow.word)
        out.append(",")
        Self.appendField(hostLabel(of: reason.from), to: &out)
        out.append(",")
        out.append(graph.kind(reason.from).word)
        out.append(",")
        graph[reason.from].shownText.withUnsafeBytes { CSVField.append($0, to: &out) }
        out.append(",")
        let dependency = reason.dependency
        if let evidence = dependency.evidence { out.append(evidence.word) }
        out.append(",")
        if dependency.count != 0 { out.append(decimal: dependency.count) }
        out.append(",")
        if dependency.first != 0 { Timestamp.append(dependency.first, to: &out) }
        out.append(",")
        if dependency.last != 0 { Timestamp.append(dependency.last, to: &out) }
    }

    static func appendField(_ text: String, to out: inout [UInt8]) {
        var text = text
        text.withUTF8 { CSVField.append(UnsafeRawBufferPointer($0), to: &out) }
    }
}
