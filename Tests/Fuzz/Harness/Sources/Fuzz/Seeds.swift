@testable import Daemon
import EventTrace
import Glibc
import MoveGroup
import Observation
import RecordStore
import Records

/// Inputs of the forms that no hand writes: for a corpus to begin with.
enum Seeds {
    static func write(to folder: String) {
        var ledger = Self.ledger()
        var dump: [UInt8] = []
        ledger.writeNDJSON(header: header()) { dump.append(contentsOf: $0) }
        save(dump, folder, "dump")
        var list: [UInt8] = []
        ledger.writeCSV(host: "h") { list.append(contentsOf: $0) }
        save(list, folder, "list")
        save(listIndex(), folder, "list-index")
        save(recording(), folder, "recording")
        let path = folder + "/store/seed"
        mkdir(folder + "/store", 0o755)
        do {
            var store = try RecordStore(path: path, host: "h")
            try store.write(&ledger, header: header())
        } catch { fatalError("\(error)") }
    }

    private static func save(_ bytes: [UInt8], _ folder: String, _ target: String) {
        mkdir("\(folder)/\(target)", 0o755)
        guard let file = fopen("\(folder)/\(target)/seed", "w") else {
            fatalError("cannot write to \(folder)")
        }
        bytes.withUnsafeBytes { _ = fwrite($0.baseAddress, 1, $0.count, file) }
        fclose(file)
    }

    private static func listIndex() -> [UInt8] {
        let list = Array(String(repeating: "h,/a,h,/b\ng,/c,g,/d\ng,/c,g,/e\n", count: 12).utf8)
        let file = RecordTargets.temporary(list)
        defer { close(file) }
        var index: [UInt8] = []
        do {
            _ = try list.withUnsafeBytes { list in
                try ListIndex.make(of: file, head: list, at: 0, size: list.count) { index += $0 }
            }
        } catch { fatalError("\(error)") }
        return index
    }

    private static func header() -> DumpHeader {
        var header = DumpHeader()
        header.hostID = "h"
        header.hostName = "n"
        header.addresses = [NetworkAddress(v4: 0x0a00_0001)]
        header.sources = [.init(name: "fanotify", mode: "fid", received: 1, lost: 0)]
        return header
    }

    private static func ledger() -> Ledger {
        var ledger = Ledger()
        let time: UInt64 = 1_795_226_400_123_000_000
        let shell = ledger.intern(Program(executable: ledger.texts.intern("/bin/a")))
        let python = ledger.intern(
            Program(
                executable: ledger.texts.intern("/bin/p"), script: ledger.texts.intern("/a.py"),
                workload: ledger.texts.intern("a.service")))
        let remote = ledger.intern(Endpoint(NetworkAddress(v4: 0x0a00_0002), port: 5432))
        let local = ledger.intern(Endpoint(NetworkAddress(high: 0, low: 1), port: 80))
        let path = ledger.texts.intern("/etc/\u{1b},\"a")
        ledger.note(.file(python, path: path), access: .opened, evidence: .exact, time: time)
        ledger.note(.spawn(shell, child: python), evidence: .snapshot, time: time)
        ledger.note(.listen(shell, .tcp, local: local), evidence: .inferred, time: time)
        ledger.note(.connect(python, .tcp, remote: remote, peer: shell), evidence: .exact, time: time)
        ledger.gaps.append(
            Gap(source: "fanotify", cause: "overflow", from: 1, to: 2, lost: 3, resynchronised: 4))
        return ledger
    }

    private static func recording() -> [UInt8] {
        var writer = TraceWriter()
        writer.add(.host) { payload in
            for text in ["h", "n", "k", "b"] { payload.put(text) }
            payload.put(Int32(23))
            payload.put("1.0")
            payload.put(UInt64(1))
            payload.put([UInt8]([1] + (0..<22).map { $0 % 2 == 0 ? 8 : 0 }))
        }
        let facts = ProcessFacts(pid: 1, parent: 0, start: 1, executable: Array("/bin/a".utf8))
        let file = HeldFile(path: Array("/f".utf8), access: .opened, kind: .regular)
        writer.add(.snapshot) { payload in
            payload.put(UInt8(0))
            for _ in 0..<3 { payload.put(UInt64(1)) }
        }
        writer.add(.snapshotProcess) { $0.put(ProcessSnapshot(facts: facts, files: [file])) }
        writer.add(.snapshotAddresses) { $0.put([NetworkAddress(v4: 0x0a00_0001)]) }
        writer.add(.cycle) { payload in
            payload.put(UInt64(5_000_000_000))
            payload.put(UInt64(1_795_226_400_000_000_000))
        }
        writer.add(.descriptorEvent) { payload in
            payload.put(UInt64(0x20))
            payload.put(Int32(1))
            payload.put("/f")
        }
        writer.add(.processAnswer) { payload in
            payload.put(Int32(2))
            payload.put(true)
            payload.put(facts)
            payload.put(UInt64(0))
        }
        writer.add(.loss) { payload in
            payload.put("fanotify")
            payload.put("overflow")
            for number in 1...4 as ClosedRange<UInt64> { payload.put(number) }
        }
        writer.add(.dump) { $0.put(UInt64(9)) }
        return writer.bytes
    }
}
