import Control
@testable import Daemon
import EventTrace
import Glibc
import MoveGroup
import RecordStore
import Records

/// Records in all the forms that they are kept and passed on in.
enum RecordTargets {
    static let all = [
        FuzzTarget(name: "dump") { bytes in
            guard let contents = try? DumpContents(ndjson: bytes) else { return }
            readsAgain(contents.ledger, contents.header)
        },
        FuzzTarget(name: "list") { bytes in
            for strictness in [ListReader.Strictness.strict, .lenient] {
                var builder = GraphBuilder()
                var reader = ListReader("fuzz", into: &builder, strictness: strictness)
                do {
                    // In pieces, as a pipe gives them.
                    var start = 0
                    while start < bytes.count {
                        let piece = Array(bytes[start..<min(bytes.count, start + 100)])
                        try piece.withUnsafeBytes { try reader.feed($0, into: &builder) }
                        start += 100
                    }
                    try reader.finish(into: &builder)
                } catch { continue }
                let graph = builder.finish()
                for number in 0..<UInt32(graph.edgeCount) { _ = graph[EdgeID(rawValue: number)] }
            }
        },
        FuzzTarget(name: "recording") { bytes in
            guard var replay = try? Replay(bytes) else { return }
            _ = replay.run()
            readsAgain(replay.ledger, DumpHeader())
        },
        FuzzTarget(name: "store") { bytes in
            let path = "/dev/shm/retinue-fuzz-\(getpid()).db"
            defer { for suffix in ["", "-wal", "-shm", "-journal"] { unlink(path + suffix) } }
            guard let file = fopen(path, "w") else { fatalError("no \(path)") }
            bytes.withUnsafeBytes { _ = fwrite($0.baseAddress, 1, $0.count, file) }
            fclose(file)
            if let contents = try? RecordStore.read(path) { readsAgain(contents.ledger, contents.header) }
            do {
                var store = try RecordStore(path: path)
                var ledger = Ledger()
                try store.load(into: &ledger)
                readsAgain(ledger, DumpHeader())
                try store.write(&ledger)
            } catch {}
        },
    ]

    /// What was read can be written, what was written is read with as many records, and from then on stays the same
    /// (times lose what is below a millisecond once).
    static func readsAgain(_ ledger: borrowing Ledger, _ header: DumpHeader) {
        let written = dump(ledger, header)
        do {
            let second = try DumpContents(ndjson: written)
            let twice = dump(second.ledger, second.header)
            require(
                second.ledger.records.count == ledger.records.count,
                "\(second.ledger.records.count) of \(ledger.records.count) records: "
                    + difference(written, twice))
            let third = try DumpContents(ndjson: twice)
            let thrice = dump(third.ledger, third.header)
            require(thrice == twice, "a dump that is written as it was read: \(difference(twice, thrice))")
        } catch { fatalError("broken: \(error) in what was written") }
        ledger.writeCSV(host: header.hostID) { _ in }
    }

    private static func dump(_ ledger: borrowing Ledger, _ header: DumpHeader) -> [UInt8] {
        var bytes: [UInt8] = []
        ledger.writeNDJSON(header: header) { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// The first line that differs, in both.
    private static func difference(_ one: [UInt8], _ other: [UInt8]) -> String {
        for (a, b) in zip(one.split(separator: 0x0a), other.split(separator: 0x0a)) where a != b {
            return String(decoding: a, as: UTF8.self) + "\n" + String(decoding: b, as: UTF8.self)
        }
        return "\(one.count) and \(other.count) bytes"
    }
}
