import Records

/// What a dump or store says: its host, its dependencies and its gaps.
///
/// Left out are processes, tombstones, counters and change numbers: they describe the daemon's run, not of what depends
/// on what.
enum DumpFacts {
    static func facts(of dump: borrowing DumpContents) -> [Fact] {
        var facts = [host(dump.header)]
        for gap in dump.ledger.gaps { facts.append(fact(gap)) }
        for position in dump.ledger.records.indices { facts.append(fact(at: position, in: dump.ledger)) }
        return facts
    }

    private static func host(_ header: DumpHeader) -> Fact {
        Fact(
            members: [("relation", Array("host".utf8))], text: "the host",
            traits: [
                ("id", header.hostID.printable), ("name", header.hostName.printable),
                (
                    "scope",
                    [header.scope.netns, header.scope.cgroup].compactMap { $0?.printable }.joined(
                        separator: " ")
                ),
            ],
            measures: [
                ("kernel", header.kernel.printable), ("boot", header.boot.printable),
                ("time", Timestamp.text(header.time)),
                ("addresses", header.addresses.map(\.description).sorted().joined(separator: " ")),
            ])
    }

    private static func fact(_ gap: Gap) -> Fact {
        let from = Timestamp.text(gap.from)
        return Fact(
            members: [
                ("relation", Array("gap".utf8)), ("source", Array(gap.source.utf8)),
                ("cause", Array(gap.cause.utf8)), ("from", Array(from.utf8)),
            ],
            text: "gap of \(gap.source.printable) from \(from)"
                + (gap.cause.isEmpty ? "" : ": \(gap.cause.printable)"),
            traits: [("lost", gap.lost.map { Quantity.grouped($0) } ?? "unknown")],
            // An open gap grows with every dump.
            measures: [
                ("to", Timestamp.text(gap.to)),
                ("resynchronised", gap.resynchronised == 0 ? "" : Timestamp.text(gap.resynchronised)),
            ])
    }

    private static func fact(at position: Int, in ledger: borrowing Ledger) -> Fact {
        let record = ledger.records[position]
        let row = RecordRow(position, in: ledger)
        let program = members(of: record.key.program, "", in: ledger)
        let (object, text) = object(of: record.key, in: ledger)
        let isFile = record.key.relation == .file
        var fact = Fact(
            members: program + [("relation", Array(row.relation.utf8))] + object,
            text: "\(Self.text(of: record.key.program, in: ledger)) \(row.relation) \(text)")
        if isFile {
            fact.traits = [("access", row.manner), ("kind", record.kind.word.description)]
        }
        fact.traits.append(("evidence", record.evidence.word.description))
        if record.isFolded { fact.traits.append(("folded", "yes")) }
        fact.measures = [
            ("count", Quantity.grouped(record.count)), ("first", Timestamp.text(record.first)),
            ("last", Timestamp.text(record.last)),
        ]
        if record.key.relation == .connect || record.key.relation == .accept {
            fact.measures += [
                ("sent", Quantity.grouped(row.traffic.sent)),
                ("received", Quantity.grouped(row.traffic.received)),
            ]
        }
        let times = record.count == 1 ? "once" : "\(Quantity.grouped(record.count)) times"
        fact.why =
            fact.traits.map(\.value).filter { $0 != "yes" }.joined(separator: ", ")
            + ", \(times), \(Timestamp.text(record.first)) to \(Timestamp.text(record.last))"
        return fact
    }

    /// What a record is about but for its program, and that in words.
    private static func object(
        of key: RecordKey, in ledger: borrowing Ledger
    ) -> ([(name: String, value: [UInt8])], String) {
        var members: [(name: String, value: [UInt8])] = []
        var text: String
        func endpoint(_ name: String, _ number: UInt32, in ledger: borrowing Ledger) -> String {
            let endpoint = ledger.endpoints[Int(number)]
            let address = endpoint.address.isV4 ? "\(endpoint.address)" : "[\(endpoint.address)]"
            let text = endpoint.port == 0 ? address : "\(address):\(endpoint.port)"
            members.append((name, Array(text.utf8)))
            return text
        }
        switch key.relation {
        case .file, .ipc:
            let name = ledger.texts.array(TextID(rawValue: key.object))
            if key.relation == .ipc {
                members.append(("mechanism", Array(key.mechanism.word.description.utf8)))
            }
            members.append((key.relation == .file ? "path" : "name", name))
            text =
                key.relation == .file ? Printable.text(name) : "\(key.mechanism.word):\(Printable.text(name))"
        case .spawn:
            let child = ProgramID(rawValue: key.object)
            members = Self.members(of: child, "child ", in: ledger)
            text = Self.text(of: child, in: ledger)
        case .connect, .listen, .accept:
            let transport = key.transport.word.description
            members.append(("transport", Array(transport.utf8)))
            text =
                "\(transport):\(endpoint(key.relation == .connect ? "remote" : "local", key.object, in: ledger))"
            if key.relation == .accept { text += " from \(endpoint("from", key.remote, in: ledger))" }
        }
        if key.peer != .unknown {
            members += Self.members(of: key.peer, "peer ", in: ledger)
            text += " (\(Self.text(of: key.peer, in: ledger)))"
        }
        return (members, text)
    }

    private static func members(
        of number: ProgramID, _ prefix: String, in ledger: borrowing Ledger
    ) -> [(name: String, value: [UInt8])] {
        let program = ledger[number]
        return [
            ("executable", program.executable), ("script", program.script), ("workload", program.workload),
        ]
        .filter { $0.0 == "executable" || !ledger.texts.isEmpty($0.1) }
        .map { (prefix + $0.0, ledger.texts.array($0.1)) }
    }

    /// `/usr/bin/python3 /srv/shop.py@system.slice/shop.service`
    private static func text(of number: ProgramID, in ledger: borrowing Ledger) -> String {
        let program = ledger[number]
        let (executable, script, workload) = (
            ledger.texts.array(program.executable), ledger.texts.array(program.script),
            ledger.texts.array(program.workload)
        )
        let path = executable.isEmpty ? "(unknown program)" : Printable.text(executable)
        return path + (script.isEmpty ? "" : " " + Printable.text(script))
            + (workload.isEmpty ? "" : "@" + Printable.text(workload))
    }
}
