/// Which records are meant: those to which everything that is named applies.
public struct RecordFilter: Sendable {
    /// The program that depends.
    public var program: NamePattern?
    /// Whether a program is meant by a name under which it was executed, too.
    public var takesNames = false
    /// Empty for any.
    public var relations: Set<Relation> = []
    /// A path that the record is about.
    public var path: Glob?
    /// The workload of the program that depends; one without a workload is not meant.
    public var workload: NamePattern?
    /// Last seen before this, nanoseconds since 1970.
    public var lastBefore: UInt64?
    /// Seen within this span, its ends included, nanoseconds since 1970: first not after it, last not before it.
    public var seen: ClosedRange<UInt64>?

    /// Names what is meant.
    public init(
        program: NamePattern? = nil, relations: Set<Relation> = [], path: Glob? = nil,
        workload: NamePattern? = nil, lastBefore: UInt64? = nil
    ) {
        self.program = program
        self.relations = relations
        self.path = path
        self.workload = workload
        self.lastBefore = lastBefore
    }

    /// Positions of the records that are meant, in the ledger's order.
    public func positions(in ledger: borrowing Ledger) -> [Int] {
        // Programs and names come again and again: each is looked at once.
        var programs = [Bool?](repeating: nil, count: ledger.programs.count)
        var names = [Bool?](repeating: nil, count: path == nil ? 0 : ledger.texts.count + 1)
        var positions: [Int] = []
        for (position, record) in ledger.records.enumerated() {
            let key = record.key
            guard relations.isEmpty || relations.contains(key.relation) else { continue }
            if let lastBefore, record.last >= lastBefore { continue }
            if let seen, record.first > seen.upperBound || record.last < seen.lowerBound { continue }
            if program != nil || workload != nil {
                let number = Int(key.program.rawValue)
                let isMeant = programs[number] ?? matches(key.program, in: ledger)
                programs[number] = isMeant
                if !isMeant { continue }
            }
            if let path, !matches(key, path, in: ledger, &names) { continue }
            positions.append(position)
        }
        return positions
    }

    /// The paths that a record is about: the file; the started program's executable and script; the name of an IPC
    /// object. Connections have none.
    private func matches(
        _ key: RecordKey, _ path: Glob, in ledger: borrowing Ledger, _ known: inout [Bool?]
    ) -> Bool {
        switch key.relation {
        case .file, .ipc: return matches(TextID(rawValue: key.object), path, in: ledger, &known)
        case .spawn:
            let child = ledger[ProgramID(rawValue: key.object)]
            return matches(child.executable, path, in: ledger, &known)
                || matches(child.script, path, in: ledger, &known)
        case .connect, .accept, .listen: return false
        }
    }

    private func matches(
        _ name: TextID, _ path: Glob, in ledger: borrowing Ledger, _ known: inout [Bool?]
    ) -> Bool {
        if let isMeant = known[Int(name.rawValue)] { return isMeant }
        let isMeant = ledger.texts.withBytes(name) { path.matches($0) }
        known[Int(name.rawValue)] = isMeant
        return isMeant
    }

    private func matches(_ number: ProgramID, in ledger: borrowing Ledger) -> Bool {
        let program = ledger[number]
        if let pattern = self.program, !pattern.matches(ledger.texts.array(program.executable)),
            !pattern.matches(ledger.texts.array(program.script)),
            !takesNames || !ledger.names(of: number).contains(where: { pattern.matches($0) })
        {
            return false
        }
        return workload?.matches(ledger.texts.array(program.workload)) ?? true
    }
}

/// Which programs or workloads are meant: those of which a path is this, or ends in this name.
public struct NamePattern: Sendable {
    private let text: [UInt8]
    private let glob: Glob
    private let isPath: Bool

    /// Makes a pattern: with a slash it stands for whole paths, without one for the last part.
    public init(_ pattern: String) {
        text = Array(pattern.utf8)
        glob = Glob(pattern)
        isPath = text.contains(UInt8(ascii: "/"))
    }

    /// Whether a path is meant. A path that is spelled like the pattern always is.
    public func matches(_ path: [UInt8]) -> Bool {
        if path.isEmpty { return false }
        if path == text { return true }
        if isPath { return glob.matches(path) }
        let name = path.suffix(from: path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0)
        return glob.matches(Array(name))
    }
}
