import MoveGroup
import Records

/// Which records are asked for.
struct RecordFilter {
    var program: ProgramPattern?
    /// Empty for any.
    var relations: Set<Relation> = []
    var path: Glob?

    /// Positions of the records that are meant, in the ledger's order.
    func positions(in ledger: borrowing Ledger) -> [Int] {
        // Programs and names come again and again: each is looked at once.
        var programs = [Bool?](repeating: nil, count: ledger.programs.count)
        var names: [TextID: Bool] = [:]
        var positions: [Int] = []
        for (position, record) in ledger.records.enumerated() {
            let key = record.key
            guard relations.isEmpty || relations.contains(key.relation) else { continue }
            if let program {
                let number = Int(key.program.rawValue)
                let isMeant = programs[number] ?? program.matches(ledger[key.program], in: ledger)
                programs[number] = isMeant
                if !isMeant { continue }
            }
            if let path {
                let isMeant = key.names(in: ledger).contains { name in
                    if let known = names[name] { return known }
                    let isMeant = path.matches(ledger.texts.array(name))
                    names[name] = isMeant
                    return isMeant
                }
                if !isMeant { continue }
            }
            positions.append(position)
        }
        return positions
    }
}

extension ProgramPattern {
    fileprivate func matches(_ program: Program, in ledger: borrowing Ledger) -> Bool {
        matches(ledger.texts.array(program.executable)) || matches(ledger.texts.array(program.script))
    }
}

extension RecordKey {
    /// The paths that a record is about: the file; the started program's executable and script; the name
    /// of an IPC object. Connections have none.
    fileprivate func names(in ledger: borrowing Ledger) -> [TextID] {
        switch relation {
        case .file, .ipc: return [TextID(rawValue: object)]
        case .spawn:
            let child = ledger[ProgramID(rawValue: object)]
            return [child.executable, child.script]
        case .connect, .accept, .listen: return []
        }
    }
}
