import MoveGroup
import Records

/// A dependency as a row of the fleet's store: its line of the dump, and what it is found by.
struct FleetRow {
    var subject: Int64
    var identity: Int64
    var relation: Int16
    var access: Int16
    var object: Int64
    /// connect, accept, ipc: the program at the other end; of an unknown one, for connect, the address; file: the innermost
    /// folder with a folded record that it lies in.
    var far: Int64?
    var first: Int64
    var last: Int64
    var change: Int64
    var line: ArraySlice<UInt8>
}

/// A dump as rows.
struct FleetRows {
    let header: DumpHeader
    let host: Int64
    private(set) var rows: [FleetRow] = []
    private(set) var processes: [(program: Int64, line: ArraySlice<UInt8>)] = []
    private(set) var gaps: [UInt8] = []
    /// The programs that records name, by key.
    private(set) var programs: [Int64: (name: ProgramName, aliases: [[UInt8]])] = [:]
    /// The earliest that anything was seen, as `GraphBuilder` takes it.
    private(set) var first: UInt64
    private var text: [UInt8] = []

    /// Takes a dump apart.
    ///
    /// - Parameters:
    ///   - changedAfter: only records that changed later are taken; `nil` for all of them. Those below a folder that was
    ///     folded since are taken as well, as they are found by it from now on.
    ///   - folds: folders that the server has folded records of, for a dump that has only what changed.
    ///   - goneFolds: folders of which folded records went; what lies below them is taken as well, as it is found otherwise now.
    init(
        _ dump: borrowing DumpContents, changedAfter: UInt32?, folds known: Set<[UInt8]> = [],
        goneFolds: Set<[UInt8]> = []
    ) {
        header = dump.header
        host = StoreKey.host(header.hostID)
        first = dump.ledger.records.reduce(dump.header.time) { min($0, $1.first) }
        var bytes: [UInt8] = []
        dump.ledger.writeNDJSON(header: dump.header) { (piece: UnsafeRawBufferPointer) in bytes += piece }
        let lines = bytes.split(separator: UInt8(ascii: "\n"))
        // The order in which a ledger writes itself.
        let records = dump.ledger.records.count
        let processes = dump.ledger.processes
        let keys = Self.programs(of: dump.ledger)
        let subjects = keys.map(\.key)
        var folds = Self.folds(of: dump.ledger)
        for folder in known { folds[folder] = 0 }
        var mentioned: Set<Int> = []
        for position in 0..<records {
            let record = dump.ledger.records[position]
            let key = record.key
            let below = Self.folder(above: record, folds, dump.ledger)
            if let changedAfter, record.change <= changedAfter,
                below.map({ folds[$0] ?? 0 <= changedAfter }) ?? true,
                goneFolds.isEmpty || !Self.lies(record, below: goneFolds, dump.ledger)
            {
                continue
            }
            mentioned.insert(Int(key.program.rawValue))
            if key.peer != .unknown { mentioned.insert(Int(key.peer.rawValue)) }
            if key.relation == .spawn { mentioned.insert(Int(key.object)) }
            rows.append(Self.row(record, below, subjects, dump.ledger, lines[1 + position]))
        }
        for (number, process) in processes.enumerated() {
            let name = ProgramName(
                executable: process.executable, script: process.script, workload: process.workload)
            self.processes.append((StoreKey.program(name), lines[1 + records + number]))
            // One that has no record any more can be named, too.
            if programs[StoreKey.program(name)] == nil { programs[StoreKey.program(name)] = (name, []) }
        }
        for line in lines.dropFirst(1 + records + processes.count).prefix(dump.ledger.gaps.count) {
            gaps += line
            gaps.append(UInt8(ascii: "\n"))
        }
        for number in mentioned {
            programs[keys[number].key] = (
                keys[number].name, dump.ledger.names(of: ProgramID(rawValue: UInt32(number)))
            )
        }
    }

    private static func programs(of ledger: borrowing Ledger) -> [(key: Int64, name: ProgramName)] {
        var programs: [(key: Int64, name: ProgramName)] = []
        for program in ledger.programs {
            let name = ProgramName(
                executable: ledger.texts.array(program.executable),
                script: ledger.texts.array(program.script),
                workload: ledger.texts.array(program.workload))
            programs.append((StoreKey.program(name), name))
        }
        return programs
    }

    /// The paths of files, each without a slash at its end.
    static func paths(of ledger: borrowing Ledger) -> [[UInt8]] {
        ledger.records.lazy.filter { $0.key.relation == .file }.map { Self.path(of: $0, ledger) }
    }

    /// The folders that a dump has folded records of, and those that its files lie in.
    static func folders(of ledger: borrowing Ledger) -> (folded: Set<[UInt8]>, above: Set<[UInt8]>) {
        var above: Set<[UInt8]> = []
        for path in paths(of: ledger) {
            above.insert(path)
            above.formUnion(FoldedFolder.folders(above: path))
        }
        return (Set(folds(of: ledger).keys), above)
    }

    private static func path(of record: Record, _ ledger: borrowing Ledger) -> [UInt8] {
        FoldedFolder.trimmed(ledger.texts.array(TextID(rawValue: record.key.object)))
    }

    private static func lies(
        _ record: Record, below folders: Set<[UInt8]>, _ ledger: borrowing Ledger
    ) -> Bool {
        guard record.key.relation == .file else { return false }
        let path = path(of: record, ledger)
        return folders.contains(path) || FoldedFolder.folders(above: path).contains { folders.contains($0) }
    }

    /// Folders with folded records, and when the latest of these changed.
    private static func folds(of ledger: borrowing Ledger) -> [[UInt8]: UInt32] {
        var folds: [[UInt8]: UInt32] = [:]
        for record in ledger.records where record.isFolded && record.key.relation == .file {
            let folder = path(of: record, ledger)
            folds[folder] = max(folds[folder] ?? 0, record.change)
        }
        return folds
    }

    /// The innermost folder with a folded record that a file lies in; a folded one does not lie in its own.
    private static func folder(
        above record: Record, _ folds: [[UInt8]: UInt32], _ ledger: borrowing Ledger
    ) -> [UInt8]? {
        guard !folds.isEmpty, record.key.relation == .file else { return nil }
        let path = path(of: record, ledger)
        if !record.isFolded, folds[path] != nil { return path }
        return FoldedFolder.folders(above: path).last { folds[$0] != nil }
    }

    private static func row(
        _ record: Record, _ below: [UInt8]?, _ programs: [Int64], _ ledger: borrowing Ledger,
        _ line: ArraySlice<UInt8>
    ) -> FleetRow {
        let key = record.key
        var object: Int64
        var far = key.peer == .unknown ? nil : programs[Int(key.peer.rawValue)]
        var parts: [[UInt8]] = [[key.relation.rawValue, key.detail], far.map { StoreKey.bytes($0) } ?? []]
        func endpoint(_ number: UInt32) -> Endpoint { ledger.endpoints[Int(number)] }
        switch key.relation {
        case .file:
            let path = ledger.texts.array(TextID(rawValue: key.object))
            object = record.isFolded ? StoreKey.fold(FoldedFolder.trimmed(path)) : StoreKey.file(path)
            far = below.map { StoreKey.below($0) }
            parts.append(path)
        case .spawn:
            object = programs[Int(key.object)]
            parts.append(StoreKey.bytes(object))
        case .connect:
            let remote = endpoint(key.object)
            object = StoreKey.destination(key.detail, remote.port)
            if far == nil { far = StoreKey.target(key.detail, remote) }
            parts.append(StoreKey.bytes(remote))
        case .accept, .listen:
            let local = endpoint(key.object)
            object = StoreKey.service(key.detail, local.port)
            parts.append(StoreKey.bytes(local))
            parts.append(StoreKey.bytes(endpoint(key.remote)))
        case .ipc:
            let name = ledger.texts.array(TextID(rawValue: key.object))
            object = StoreKey.channel(key.detail, name)
            parts.append(name)
        }
        return FleetRow(
            subject: programs[Int(key.program.rawValue)], identity: StoreKey.identity(parts),
            relation: Int16(key.relation.rawValue), access: Int16(record.access.rawValue), object: object,
            far: far, first: Int64(clamping: record.first), last: Int64(clamping: record.last),
            change: Int64(record.change), line: line)
    }
}

/// Folders of folded records as keys: without the slash at their end, the root as nothing.
enum FoldedFolder {
    static func trimmed(_ path: [UInt8]) -> [UInt8] {
        var path = path
        while path.last == UInt8(ascii: "/") { path.removeLast() }
        return path
    }

    /// The folders above a path, the root first.
    static func folders(above path: [UInt8]) -> [[UInt8]] {
        path.indices.filter { path[$0] == UInt8(ascii: "/") }.map { Array(path[..<$0]) }
    }
}
