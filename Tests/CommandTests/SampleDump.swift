import Glibc
import Records

@testable import RetinueCommands

/// A small host, as a ledger and as a dump.
enum SampleDump {
    /// 2026-11-21T02:00:00Z
    static let time: UInt64 = 1_795_226_400_000_000_000
    /// What a hostile program calls its file: it would clear the terminal, forge a line and write backwards.
    static let hostileName: [UInt8] =
        Array("/tmp/\u{1b}[2J\nroot\r\u{7f}\u{9b}31m\u{202e}\u{2028}\\x1b".utf8) + [0xff, 0xc3]

    static func ledger() -> Ledger {
        var ledger = Ledger()
        let nginx = program("/usr/sbin/nginx", workload: "system.slice/nginx.service", in: &ledger)
        let report = program("/usr/bin/python3.11", script: "/opt/app/report.py", in: &ledger)
        let shell = program("/usr/bin/dash", in: &ledger)
        let web = Endpoint(NetworkAddress(v4: 0x0a00_0002), port: 80)
        let database = Endpoint(NetworkAddress(v4: 0x0a00_0009), port: 5432)
        let database9 = Endpoint(NetworkAddress(v4: 0x0a00_0009), port: 543)
        let six = Endpoint(NetworkAddress("2001:db8::1")!, port: 443)
        let client = Endpoint(NetworkAddress(v4: 0x0a00_0007), port: 0)

        file(nginx, "/etc/nginx/nginx.conf", .opened, in: &ledger)
        file(nginx, "/etc/ssl/private/host.key", .opened, in: &ledger)
        file(nginx, "/var/log/nginx/access.log", [.opened, .written], in: &ledger)
        file(report, "/opt/app/report.py", [.opened, .executed], in: &ledger)
        file(report, "/etc/ssl/certs/ca.pem", .opened, in: &ledger)
        let odd = ledger.texts.intern(hostileName)
        ledger.note(.file(report, path: odd), access: .opened, evidence: .exact, time: time)
        ledger.note(.spawn(shell, child: report), evidence: .exact, time: time - 86_400_000_000_000)
        ledger.note(.listen(nginx, .tcp, local: ledger.intern(web)), evidence: .snapshot, time: time)
        ledger.note(
            .accept(nginx, .tcp, local: ledger.intern(web), remote: ledger.intern(client), peer: .unknown),
            evidence: .exact, time: time)
        for remote in [database, database9, six] {
            let key = RecordKey.connect(report, .tcp, remote: ledger.intern(remote), peer: .unknown)
            ledger.addTraffic(
                at: ledger.note(key, evidence: .exact, time: time), sent: 1009, received: 10_007)
        }
        let socket = ledger.texts.intern("/run/app.sock")
        ledger.note(.ipc(report, .unix, name: socket, peer: nginx), evidence: .inferred, time: time)
        ledger.gaps.append(
            Gap(source: "fanotify", cause: "queue overflow", from: time, to: time + 1, lost: 23))
        return ledger
    }

    static var header: DumpHeader {
        var header = DumpHeader()
        header.time = time + 3_600_000_000_000
        header.hostID = "0123456789abcdef0123456789abcdef"
        header.hostName = "web1"
        header.version = "0.1.0"
        return header
    }

    /// The lines of `retinue/1`.
    static var ndjson: [UInt8] {
        var bytes: [UInt8] = []
        ledger().writeNDJSON(header: header) { bytes.append(contentsOf: $0) }
        return bytes
    }

    static var csv: [UInt8] {
        var bytes: [UInt8] = []
        ledger().writeCSV(host: header.hostID) { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// The table that `records` shows of some of it.
    static func table(_ filter: RecordFilter, width: Int = 80) -> String {
        let ledger = ledger()
        var rows: [RecordRow] = []
        for position in filter.positions(in: ledger) {
            rows.append(RecordRow(position, in: ledger))
        }
        return RecordTable(rows: RecordRow.sorted(rows), time: header.time).text(width: width)
    }

    private static func program(
        _ executable: String, script: String = "", workload: String = "", in ledger: inout Ledger
    ) -> ProgramID {
        let program = Program(
            executable: ledger.texts.intern(executable),
            script: script.isEmpty ? .none : ledger.texts.intern(script),
            workload: workload.isEmpty ? .none : ledger.texts.intern(workload))
        return ledger.intern(program)
    }

    private static func file(
        _ program: ProgramID, _ path: String, _ access: Access, in ledger: inout Ledger
    ) {
        let path = ledger.texts.intern(path)
        ledger.note(.file(program, path: path), access: access, evidence: .exact, time: time)
    }
}
