import MoveGroup
import Records
import Testing

/// Two small hosts: nginx on one, the application and its importer on the other, a database that nobody
/// watches, and names that would break out of any format that does not quote them.
enum TwoHosts {
    /// 2026-11-21T02:00:00Z
    static let time: UInt64 = 1_795_226_400_000_000_000
    static let hostile: [UInt8] =
        Array("/srv/a \"b\",\\c\n-->];</svg>&amp;#35;`\u{1b}[2J\u{202e}".utf8) + [0xff, 0x80]

    /// The dump of one host, what it says up to a moment.
    struct Sample: ~Copyable {
        var ledger = Ledger()
        var header = DumpHeader()

        init(_ id: String, name: String, address: UInt32) {
            header.hostID = id
            header.hostName = name
            header.addresses = [NetworkAddress(v4: address), NetworkAddress("fd00::\(address & 0xf)")!]
            header.time = TwoHosts.time + 3_600_000_000_000
        }

        mutating func program(_ path: String, script: String = "", in workload: String = "") -> ProgramID {
            ledger.intern(
                Program(
                    executable: ledger.texts.intern(path),
                    script: script.isEmpty ? .none : ledger.texts.intern(script),
                    workload: workload.isEmpty ? .none : ledger.texts.intern(workload)))
        }

        mutating func file(
            _ program: ProgramID, _ path: [UInt8], _ access: Access, times: Int = 1,
            _ evidence: Evidence = .exact
        ) {
            let path = ledger.texts.intern(path)
            for time in 0..<times {
                ledger.note(
                    .file(program, path: path), access: access, evidence: evidence,
                    time: TwoHosts.time + UInt64(time) * 1_000_000_000)
            }
        }

        mutating func file(_ program: ProgramID, _ path: String, _ access: Access, times: Int = 1) {
            file(program, Array(path.utf8), access, times: times)
        }

        func ndjson() -> [UInt8] {
            var bytes: [UInt8] = []
            ledger.writeNDJSON(header: header) { bytes.append(contentsOf: $0) }
            return bytes
        }
    }

    static func web() -> [UInt8] {
        var web = Sample("aaaa", name: "web1", address: 0x0a00_0001)
        let nginx = web.program("/usr/sbin/nginx", in: "system.slice/nginx.service")
        let manager = web.program("/usr/lib/systemd/systemd")
        web.file(nginx, "/usr/sbin/nginx", [.opened, .executed])
        web.file(nginx, "/etc/nginx/nginx.conf", .opened, times: 3)
        web.file(nginx, "/var/log/nginx/access.log", [.opened, .written], times: 7)
        web.file(nginx, hostile, .opened)
        web.ledger.note(.spawn(manager, child: nginx), evidence: .exact, time: time)
        let app = web.ledger.intern(Endpoint(NetworkAddress(v4: 0x0a00_0002), port: 8000))
        let key = RecordKey.connect(nginx, .tcp, remote: app, peer: .unknown)
        for second in 0..<42 {
            let at = web.ledger.note(key, evidence: .exact, time: time + UInt64(second) * 14_714_000_000)
            web.ledger.addTraffic(at: at, sent: 100, received: 2000)
        }
        let own = web.ledger.intern(Endpoint(NetworkAddress(v4: 0), port: 80))
        web.ledger.note(.listen(nginx, .tcp, local: own), evidence: .snapshot, time: time)
        let client = web.ledger.intern(Endpoint(NetworkAddress(v4: 0xc000_0207), port: 0))
        let taken = RecordKey.accept(nginx, .tcp, local: own, remote: client, peer: .unknown)
        web.ledger.addTraffic(
            at: web.ledger.note(taken, evidence: .exact, time: time), sent: 5000, received: 300)
        web.ledger.gaps.append(
            Gap(source: "fanotify", cause: "queue overflow", from: time, to: time + 2_000_000_000, lost: 1))
        return web.ndjson()
    }

    static func app() -> [UInt8] {
        var app = Sample("bbbb", name: "app1", address: 0x0a00_0002)
        let server = app.program(
            "/usr/bin/python3.11", script: "/opt/app/app.py", in: "system.slice/app.service")
        let importer = app.program("/usr/bin/importer", in: "system.slice/import.service")
        let installer = app.program("/usr/bin/dpkg")
        app.file(server, "/opt/app/app.py", [.opened, .executed])
        app.file(server, "/srv/x.db", .opened, times: 5)
        app.file(importer, "/srv/x.db", [.opened, .written], times: 2)
        app.file(importer, "/usr/bin/importer", [.opened, .executed])
        app.file(installer, "/usr/bin/importer", [.opened, .written])
        let local = app.ledger.intern(Endpoint(NetworkAddress(v4: 0), port: 8000))
        let from = app.ledger.intern(Endpoint(NetworkAddress(v4: 0x0a00_0001), port: 0))
        app.ledger.note(.listen(server, .tcp, local: local), evidence: .snapshot, time: time)
        app.ledger.note(
            .accept(server, .tcp, local: local, remote: from, peer: .unknown), evidence: .exact, time: time)
        let database = app.ledger.intern(Endpoint(NetworkAddress(v4: 0x0a00_0009), port: 5432))
        for program in [server, importer] {
            app.ledger.addTraffic(
                at: app.ledger.note(
                    .connect(program, .tcp, remote: database, peer: .unknown), evidence: .exact, time: time),
                sent: 1009, received: 10_007)
        }
        let socket = app.ledger.texts.intern("/run/app.sock")
        app.ledger.note(.ipc(server, .unix, name: socket, peer: importer), evidence: .snapshot, time: time)
        return app.ndjson()
    }

    /// The graph of dumps in the order in which they are given.
    static func graph(_ dumps: [[UInt8]]) throws -> DependencyGraph {
        var builder = GraphBuilder()
        for (number, dump) in dumps.enumerated() {
            builder.add(try DumpContents(ndjson: dump), from: "dump \(number)")
        }
        return builder.finish()
    }

    /// The group of nginx, with reasons.
    static func report(
        _ dumps: [[UInt8]] = [web(), app()], symmetric: Bool = false, excluding: [String] = []
    ) throws -> GroupReport {
        let graph = try graph(dumps)
        var options = ClosureOptions()
        options.prefersEvidence = true
        options.isSymmetric = symmetric
        options.exclude = excluding.map { NodePattern($0) }
        return GroupReport(graph.moveGroup(of: nodes("/usr/sbin/nginx", in: graph), options))
    }

    static func nodes(_ path: String, in graph: DependencyGraph, _ kind: NodeKind = .program) -> [NodeID] {
        (0..<UInt32(graph.nodeCount)).map { NodeID(rawValue: $0) }.filter { node in
            guard graph.kind(node) == kind else { return false }
            switch graph[node] {
            case .program(let name): return name.path == Array(path.utf8)
            case .file(let file), .entry(let file): return file == Array(path.utf8)
            default: return false
            }
        }
    }
}

/// The formats by name, each as a function that writes all of a group.
struct Format: CustomTestStringConvertible, Sendable {
    var name: String
    var write: @Sendable (GroupReport) -> [UInt8]
    var testDescription: String { name }

    func text(_ report: GroupReport) -> String { String(decoding: write(report), as: UTF8.self) }

    static let all: [Format] = [
        csv, explained, list, records, json, dot, mermaid, svg, provenance, summary,
    ]

    static let csv = Format(name: "csv") { report in
        collect { take in report.writeCSV(chunk: 64) { take($0) } }
    }
    static let explained = Format(name: "csv --explain") { report in
        collect { take in report.writeCSV(explain: true) { take($0) } }
    }
    static let list = Format(name: "list") { report in
        collect { take in report.writeList { take($0) } }
    }
    static let records = Format(name: "records") { report in
        collect { take in report.writeRecords { take($0) } }
    }
    static let json = Format(name: "json") { report in
        collect { take in report.writeJSON { take($0) } }
    }
    static let dot = Format(name: "dot") { report in
        collect { take in report.writeDot { take($0) } }
    }
    static let mermaid = Format(name: "mermaid") { report in
        collect { take in report.writeMermaid { take($0) } }
    }
    static let svg = Format(name: "svg") { report in
        collect { take in report.writeSVG(chunk: 64) { take($0) } }
    }
    static let provenance = Format(name: "prov") { report in
        collect { take in report.writeProvenance { take($0) } }
    }
    static let summary = Format(name: "summary") { report in
        let summary = report.summary()
        var lines = [summary.heading] + summary.observations
        for section in summary.hosts + [summary.boundary, summary.endpoints].compactMap({ $0 }) {
            lines.append(section.title)
            lines.append(section.columns.map(\.title).joined(separator: " | "))
            lines += section.rows.map { $0.joined(separator: " | ") }
        }
        lines += summary.warnings
        lines += report.members.flatMap { report.reasonChain(of: $0) }
        lines += report.reasonLines(of: report.members)
        return Array((lines.joined(separator: "\n") + "\n").utf8)
    }

    private static func collect(_ body: ((UnsafeRawBufferPointer) -> Void) -> Void) -> [UInt8] {
        var bytes: [UInt8] = []
        body { bytes.append(contentsOf: $0) }
        return bytes
    }
}
