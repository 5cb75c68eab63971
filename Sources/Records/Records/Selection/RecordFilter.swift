/// Which records are meant: those to which everything that is named applies.
public struct RecordFilter: Sendable {
    /// The program that depends.
    public var program: NamePattern?
    /// Empty for any.
    public var relations: Set<Relation> = []
    /// A path that the record is about.
    public var path: Glob?
    /// The workload of the program that depends; one without a workload is not meant.
    public var workload: NamePattern?
    /// Last seen before this, nanoseconds since 1970.
    public var lastBefore: UInt64?

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
        var names: [TextID: Bool] = [:]
        var positions: [Int] = []
        for (position, record) in ledger.records.enumerated() {
            let key = record.key
            guard relations.isEmpty || relations.contains(key.relation) else { continue }
            if let lastBefore, record.last >= lastBefore { continue }
            if program != nil || workload != nil {
                let number = Int(key.program.rawValue)
                let isMeant = programs[number] ?? matches(ledger[key.program], in: ledger)
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

    private func matches(_ program: Program, in ledger: borrowing Ledger) -> Bool {
        if let pattern = self.program, !pattern.matches(ledger.texts.array(program.executable)),
            !pattern.matches(ledger.texts.array(program.script))
        {
            return false
        }
        return workload?.matches(ledger.texts.array(program.workload)) ?? true
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
