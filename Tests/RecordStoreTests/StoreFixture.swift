import Glibc
import Records
import TestSupport
import Testing

@testable import RecordStore

/// Opens a store for the length of a call; closed when it returns.
func withStore<Result>(
    _ path: String, host: String = "", _ body: (inout RecordStore) throws -> Result
) throws -> Result {
    var store = try RecordStore(path: path, host: host)
    return try body(&store)
}

/// Opens a store and lends the ledger that it holds.
func withLoaded<Result>(
    _ path: String, _ body: (inout RecordStore, inout Ledger) throws -> Result
) throws -> Result {
    try withStore(path) { store throws in
        var ledger = Ledger()
        try store.load(into: &ledger)
        return try body(&store, &ledger)
    }
}

/// Makes a store with a ledger of some three hundred records.
func makeStore(_ path: String, seed: UInt64 = 1, observations: Int = 400) throws {
    try withStore(path) { store throws in
        var maker = RandomLedger(seed: seed)
        var ledger = Ledger()
        maker.fill(&ledger, observations: observations)
        try store.write(&ledger)
    }
}

/// Runs statements as another program would.
func tamper(_ path: String, _ sql: String) throws {
    let connection = try Connection(path: path)
    try connection.execute(sql)
}

/// What opening and loading a store says; `nil` if nothing is wrong.
func problem(_ path: String, host: String = "") -> StoreError? {
    do {
        var store = try RecordStore(path: path, host: host)
        var ledger = Ledger()
        try store.load(into: &ledger)
        return nil
    } catch { return error }
}

/// Everything that a ledger holds, with its numbers, in a form that can be compared.
struct LedgerImage: Equatable {
    var texts: [[UInt8]]
    var programs: [Program]
    var endpoints: [Endpoint]
    var keys: [RecordKey]
    var dump: [UInt8]
    var gaps: [Gap]

    init(_ ledger: borrowing Ledger) {
        texts = []
        for number in 0...ledger.texts.count {
            texts.append(ledger.texts.array(TextID(rawValue: UInt32(number))))
        }
        programs = ledger.programs
        endpoints = ledger.endpoints
        keys = ledger.records.map(\.key)
        // Times and counts; finer than a millisecond they are compared by `times`.
        dump = ledger.ndjson(DumpHeader())
        gaps = ledger.gaps
        times = []
        for (position, record) in ledger.records.enumerated() {
            let traffic = ledger.traffic(of: position)
            times.append([record.first, record.last, record.count, traffic.sent, traffic.received])
        }
    }

    var times: [[UInt64]]
}

extension LedgerImage {
    /// What a store holds.
    init(stored path: String) throws { self = try withLoaded(path) { LedgerImage($1) } }
}

/// Copies a file.
func copy(_ path: String, to target: String) throws { try put(bytes(ofFile: path), target) }

/// Writes bytes as a whole file.
func put(_ bytes: [UInt8], _ path: String) throws {
    let file = fopen(path, "w")
    guard let file else { throw Failure("fopen \(path)") }
    defer { fclose(file) }
    guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw Failure("fwrite \(path)") }
}
