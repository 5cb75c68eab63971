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

/// Which programs are meant: those whose executable or script has this path, or this name.
struct ProgramPattern: Sendable {
    private let text: [UInt8]
    private let glob: Glob
    private let isPath: Bool

    /// Makes a pattern: with a slash it stands for whole paths, without one for the last part.
    init(_ pattern: String) {
        text = Array(pattern.utf8)
        glob = Glob(pattern)
        isPath = text.contains(UInt8(ascii: "/"))
    }

    /// Whether a path is meant. A path that is spelled like the pattern always is.
    func matches(_ path: [UInt8]) -> Bool {
        if path.isEmpty { return false }
        if path == text { return true }
        if isPath { return glob.matches(path) }
        let name = path.suffix(from: path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0)
        return glob.matches(name)
    }
}

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
