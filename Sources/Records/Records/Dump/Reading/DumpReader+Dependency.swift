extension DumpReader {
    /// Reads the line of a dependency into the ledger.
    mutating func readDependency(_ text: UnsafeRawBufferPointer, host: String) throws(JSONError) {
        var parser = JSONParser(text)
        var fields = DependencyFields()
        var seen = SeenKeys()
        names.object.clear()
        try parser.beginObject()
        while let word = try parser.nextKey() {
            switch try seen.insert(word, at: parser.offset) {
            case .host: try parser.host(host, word)
            case .program: fields.program = try program(&parser)
            case .child: fields.child = try program(&parser)
            case .peer: fields.peer = try program(&parser)
            case .path, .name: try names.object.read(&parser)
            case .pathRaw: try names.object.readRaw(&parser, key: .pathRaw)
            case .nameRaw: try names.object.readRaw(&parser, key: .nameRaw)
            case let key?: try fields.read(key, &parser)
            case nil: try parser.skip()
            }
        }
        try parser.end()
        try seen.require(.dependency, at: parser.offset)
        try seen.require(.of(fields.relation), at: parser.offset)
        try fields.requirePorts(at: parser.offset)
        restore(fields)
    }

    /// Puts the record into the ledger.
    mutating func restore(_ fields: DependencyFields) {
        ledger.restore(
            record(fields), traffic: Traffic(sent: fields.sent, received: fields.received),
            fold: fields.relation == .file ? fields.fold : nil)
    }

    mutating func program(_ parser: inout JSONParser) throws(JSONError) -> ProgramID {
        var seen = SeenKeys()
        names.executable.clear()
        names.script.clear()
        names.workload.clear()
        var called: [[UInt8]] = []
        try parser.beginObject()
        while let word = try parser.nextKey() {
            switch try seen.insert(word, at: parser.offset) {
            case .executable: try names.executable.read(&parser)
            case .executableRaw: try names.executable.readRaw(&parser, key: .executableRaw)
            case .script: try names.script.read(&parser)
            case .scriptRaw: try names.script.readRaw(&parser, key: .scriptRaw)
            case .workload: try names.workload.read(&parser)
            case .workloadRaw: try names.workload.readRaw(&parser, key: .workloadRaw)
            case .called: called = try parser.names()
            default: try parser.skip()
            }
        }
        try seen.require(.program, at: parser.offset)
        let program = Program(
            executable: ledger.texts.intern(names.executable), script: ledger.texts.intern(names.script),
            workload: ledger.texts.intern(names.workload))
        // Nothing known of it: the ledger has a number for that.
        if program == Program(executable: .none) { return .unknown }
        let number = ledger.intern(program)
        for name in called { ledger.note(name: name, of: number) }
        return number
    }

    private mutating func record(_ fields: DependencyFields) -> Record {
        let program = fields.program
        let key: RecordKey
        switch fields.relation {
        case .file: key = .file(program, path: ledger.texts.intern(names.object))
        case .spawn: key = .spawn(program, child: fields.child)
        case .connect:
            key = .connect(
                program, fields.transport, remote: ledger.intern(fields.remote), peer: fields.peer)
        case .accept:
            let remote = ledger.intern(Endpoint(fields.remote.address, port: 0))
            key = .accept(
                program, fields.transport, local: ledger.intern(fields.local), remote: remote,
                peer: fields.peer)
        case .listen: key = .listen(program, fields.transport, local: ledger.intern(fields.local))
        case .ipc:
            key = .ipc(
                program, fields.mechanism, name: ledger.texts.intern(names.object), peer: fields.peer)
        }
        var record = Record(key, evidence: fields.evidence, time: fields.first)
        record.last = fields.last
        record.count = fields.count
        record.access = fields.access
        record.kind = fields.kind
        record.change = fields.change
        record.isLowerBound =
            fields.isLowerBound && (fields.relation == .connect || fields.relation == .accept)
        return record
    }
}

/// The values of a dependency's line; which of them count depends on the relation.
struct DependencyFields {
    var program = ProgramID.unknown
    var child = ProgramID.unknown
    var peer = ProgramID.unknown
    var relation = Relation.file
    var access: Access = []
    var kind = FileKind.regular
    var evidence = Evidence.exact
    var transport = Transport.tcp
    var mechanism = Mechanism.unix
    var local = Endpoint(NetworkAddress(high: 0, low: 0), port: 0)
    var remote = Endpoint(NetworkAddress(high: 0, low: 0), port: 0)
    var localHasPort = true
    var remoteHasPort = true
    var count: UInt64 = 0
    var first: UInt64 = 0
    var last: UInt64 = 0
    var sent: UInt64 = 0
    var received: UInt64 = 0
    var isLowerBound = false
    var change: UInt32 = 0
    var fold: Fold?

    /// Throws unless every endpoint that must have a port has one.
    func requirePorts(at offset: Int) throws(JSONError) {
        guard localHasPort, remoteHasPort || relation == .accept else {
            throw JSONError(.missing(key: LineKey.port.rawValue), at: offset)
        }
    }

    /// Reads the value of a key that needs no ledger.
    mutating func read(_ key: LineKey, _ parser: inout JSONParser) throws(JSONError) {
        switch key {
        case .relation: relation = try parser.word(key, Relation.init(word:))
        case .access: access = try parser.word(key, Access.init(letters:))
        case .kind: kind = try parser.word(key, FileKind.init(word:))
        case .evidence: evidence = try parser.word(key, Evidence.init(word:))
        case .transport: transport = try parser.word(key, Transport.init(word:))
        case .mechanism: mechanism = try parser.word(key, Mechanism.init(word:))
        case .local: (local, localHasPort) = try parser.endpoint()
        case .remote: (remote, remoteHasPort) = try parser.endpoint()
        case .count: count = try parser.count()
        case .first: first = try parser.time(key)
        case .last: last = try parser.time(key)
        case .sent: sent = try parser.unsigned()
        case .received: received = try parser.unsigned()
        case .lowerBound: isLowerBound = try parser.boolean()
        // A ledger counts no further.
        case .change: change = UInt32(clamping: try parser.unsigned())
        case .folded: fold = try parser.fold()
        default: try parser.skip()
        }
    }
}

extension SeenKeys.Requirement {
    fileprivate static let dependency = Self(.host, .program, .relation, .count, .first, .last, .evidence)
    static let program = Self(.executable)

    /// What a relation has beside what all have.
    fileprivate static func of(_ relation: Relation) -> Self {
        switch relation {
        case .file: file
        case .spawn: spawn
        case .connect: connect
        case .accept: accept
        case .listen: listen
        case .ipc: ipc
        }
    }

    private static let file = Self(.path, .kind, .access)
    private static let spawn = Self(.child)
    private static let connect = Self(.transport, .remote, .sent, .received)
    private static let accept = Self(.transport, .local, .remote, .sent, .received)
    private static let listen = Self(.transport, .local)
    private static let ipc = Self(.mechanism, .name)
}
