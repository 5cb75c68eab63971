import MoveGroup
import RecordStore
import Records

/// A host's records for tests, to be written in any of the forms that are read.
struct HostDump: ~Copyable {
    /// 2026-11-21T02:00:00Z
    static let time: UInt64 = 1_795_226_400_000_000_000

    var ledger = Ledger()
    var header = DumpHeader()

    init(_ name: String, id: String, _ addresses: String...) {
        header.time = Self.time + 3_600_000_000_000
        header.hostID = id
        header.hostName = name
        header.addresses = addresses.compactMap { NetworkAddress($0) }
        header.version = "0.1.0"
    }

    mutating func program(_ executable: [UInt8], script: [UInt8] = [], workload: [UInt8] = []) -> ProgramID {
        ledger.intern(
            Program(
                executable: ledger.texts.intern(executable),
                script: script.isEmpty ? .none : ledger.texts.intern(script),
                workload: workload.isEmpty ? .none : ledger.texts.intern(workload)))
    }

    mutating func program(_ executable: String, script: String = "", workload: String = "") -> ProgramID {
        program(Array(executable.utf8), script: Array(script.utf8), workload: Array(workload.utf8))
    }

    mutating func file(_ program: ProgramID, _ path: String, _ access: Access) {
        let path = ledger.texts.intern(path)
        ledger.note(.file(program, path: path), access: access, evidence: .exact, time: Self.time)
    }

    mutating func spawn(_ parent: ProgramID, _ child: ProgramID) {
        ledger.note(.spawn(parent, child: child), evidence: .exact, time: Self.time)
    }

    mutating func connect(_ program: ProgramID, _ address: String, _ port: UInt16) {
        let remote = ledger.intern(Endpoint(NetworkAddress(address)!, port: port))
        let key = RecordKey.connect(program, .tcp, remote: remote, peer: .unknown)
        ledger.note(key, evidence: .exact, time: Self.time)
    }

    mutating func accept(_ program: ProgramID, _ address: String, _ port: UInt16, from client: String) {
        let local = ledger.intern(Endpoint(NetworkAddress(address)!, port: port))
        let remote = ledger.intern(Endpoint(NetworkAddress(client)!, port: 0))
        let key = RecordKey.accept(program, .tcp, local: local, remote: remote, peer: .unknown)
        ledger.note(key, evidence: .exact, time: Self.time)
    }

    mutating func share(_ program: ProgramID, unix name: String) {
        let key = RecordKey.ipc(program, .unix, name: ledger.texts.intern(name), peer: .unknown)
        ledger.note(key, evidence: .exact, time: Self.time)
    }

    /// Adds it to a graph.
    func add(to builder: inout GraphBuilder) throws {
        builder.add(try DumpContents(ndjson: ndjson), from: header.hostID)
    }

    /// The dump, a line each, without its ends.
    var lines: [String] {
        String(decoding: ndjson, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    var ndjson: [UInt8] {
        var bytes: [UInt8] = []
        ledger.writeNDJSON(header: header) { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// As CSV of nine columns, the host named by `host`.
    func csv(host: String? = nil) -> [UInt8] {
        var bytes: [UInt8] = []
        ledger.writeCSV(host: host ?? header.hostID) { bytes.append(contentsOf: $0) }
        return bytes
    }

    consuming func writeStore(to path: String) throws {
        var store = try RecordStore(path: path, host: header.hostID)
        try store.write(&ledger, header: header)
    }
}
