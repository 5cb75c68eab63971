import Control
@testable import Daemon
import EventTrace
import Glibc
@testable import MoveGroup
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
        FuzzTarget(name: "list-index") { bytes in
            // As it came, which the checksums mostly refuse, and with such as fit.
            for bytes in [bytes, sealed(bytes)] {
                let file = temporary(bytes)
                defer { close(file) }
                guard let index = try? ListIndex(file) else { continue }
                _ = index.isCurrent(file)
                for name in ["h:/a", "/a", "10.0.0.1:/opt/ap/ap000001"] {
                    guard let rows = try? index.rows(for: NodePattern(name)) else { continue }
                    var end = 0
                    for range in rows.ranges {
                        require(range.lowerBound >= end && !range.isEmpty, "rows in order")
                        end = range.upperBound
                    }
                    // Of a list that is not what it was, here the index itself.
                    var builder = GraphBuilder()
                    var reader = ListReader("fuzz", into: &builder)
                    guard (try? reader.take(rows, file, into: &builder)) != nil else { continue }
                    _ = builder.finish()
                }
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

    /// A file without a name.
    static func temporary(_ bytes: [UInt8]) -> Int32 {
        let path = "/dev/shm/retinue-fuzz-\(getpid()).list"
        let file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
        guard file >= 0 else { fatalError("no \(path)") }
        unlink(path)
        _ = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
        return file
    }

    /// An index with the checksums that its bytes ask for; the bytes themselves if it is none that has a place for them.
    private static func sealed(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.count >= ListIndex.Head.size,
            let head = try? ListIndex.Head(Array(bytes[..<ListIndex.Head.size])),
            let layout = ListIndex.Layout(head), layout.end <= 1 << 20
        else { return bytes }
        // Cut off or filled up, so that sizes fit more often than by chance.
        var out = Array(bytes.prefix(layout.end))
        out += [UInt8](repeating: 0, count: layout.end - out.count)
        let payload = Array(out[layout.payload...])
        let hosts = out[ListIndex.Head.size...].prefix(Int(head.hostBytes)).split(
            separator: 0, omittingEmptySubsequences: false
        ).dropLast().map { String(decoding: $0, as: UTF8.self) }
        let start = payload.withUnsafeBytes { ListIndex.start(head, hosts, $0) }
        return start + payload
    }

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
