import Records

extension Ledger {
    /// A ledger of some of this one's records and of all its gaps.
    borrowing func selection(_ positions: [Int]) -> Ledger {
        var selection = Ledger()
        for position in positions {
            var record = records[position]
            record.key = translate(record.key, into: &selection)
            selection.restore(record, traffic: traffic(of: position), fold: fold(of: position))
        }
        selection.gaps = gaps
        return selection
    }

    private borrowing func translate(_ key: RecordKey, into other: inout Ledger) -> RecordKey {
        let program = translate(key.program, into: &other)
        let peer = translate(key.peer, into: &other)
        switch key.relation {
        case .file:
            return .file(program, path: translate(TextID(rawValue: key.object), into: &other))
        case .spawn:
            return .spawn(program, child: translate(ProgramID(rawValue: key.object), into: &other))
        case .connect:
            return .connect(
                program, key.transport, remote: other.intern(endpoints[Int(key.object)]), peer: peer)
        case .accept:
            return .accept(
                program, key.transport, local: other.intern(endpoints[Int(key.object)]),
                remote: other.intern(endpoints[Int(key.remote)]), peer: peer)
        case .listen:
            return .listen(program, key.transport, local: other.intern(endpoints[Int(key.object)]))
        case .ipc:
            let name = translate(TextID(rawValue: key.object), into: &other)
            return .ipc(program, key.mechanism, name: name, peer: peer)
        }
    }

    private borrowing func translate(_ number: ProgramID, into other: inout Ledger) -> ProgramID {
        if number == .unknown { return .unknown }
        let program = self[number]
        return other.intern(
            Program(
                executable: translate(program.executable, into: &other),
                script: translate(program.script, into: &other),
                workload: translate(program.workload, into: &other)))
    }

    private borrowing func translate(_ text: TextID, into other: inout Ledger) -> TextID {
        if text == .none { return .none }
        return texts.withBytes(text) { other.texts.intern($0) }
    }
}

extension RecordKey {
    /// connect, accept, listen: the transport.
    var transport: Transport { Transport(rawValue: detail) ?? .tcp }
    /// ipc: the mechanism.
    var mechanism: Mechanism { Mechanism(rawValue: detail) ?? .unix }
}
