import Map
import MoveGroup
import Records
import TestSupport

/// Records as a server would have them, and pages of them.
struct Maps: MapRecords {
    let graph: DependencyGraph
    var time: UInt64 = 1_795_230_000_000_000_000
    var problem: String?

    /// Joins dumps.
    init(_ dumps: [String]) throws {
        var builder = GraphBuilder()
        for (number, dump) in dumps.enumerated() {
            builder.add(try DumpContents(ndjson: Array(dump.utf8)), from: "dump \(number)")
        }
        graph = builder.finish()
    }

    private var programs: [NodeID] {
        (0..<UInt32(graph.nodeCount)).map { NodeID(rawValue: $0) }.filter { graph.kind($0) == .program }
    }

    func search(_ words: String, offset: Int, limit: Int) -> (found: [NodeID], total: Int) {
        let words = words.split(separator: " ")
        let found = programs.filter { node in words.allSatisfy { name(node).contains($0) } }
        return (Array(found.dropFirst(offset).prefix(limit)), found.count)
    }

    func group(of program: String) throws(MapProblem) -> GroupReport {
        guard case .found(let nodes) = graph.select(NodePattern(program)) else {
            throw MapProblem(404, "\"\(program)\" is in none of the records", choices: ["<b>\"&'"])
        }
        var options = ClosureOptions()
        options.prefersEvidence = true
        return GroupReport(graph.moveGroup(of: nodes, options))
    }

    func name(_ node: NodeID) -> String {
        let host = graph[graph.host(node)].id
        switch graph[node] {
        case .program(let name): return "\(host):\(Shown.text(name.path))@\(Shown.text(name.workload))"
        case .file(let path), .entry(let path): return "\(host):\(Shown.text(path))"
        case .endpoint(let transport, let endpoint):
            return "\(host.isEmpty ? "" : host + ":")\(transport.word):\(endpoint.address):\(endpoint.port)"
        case .channel(let mechanism, let name): return "\(host):\(mechanism.word):\(Shown.text(name))"
        }
    }

    func size(of file: NodeID) -> UInt64? { nil }

    /// The page of an address.
    func page(_ query: [(String, String)], path: String = "") -> MapAnswer {
        MapPage.answer(path, query.map { (Array($0.utf8), Array($1.utf8)) }) { self }
    }

    /// The text of it.
    func text(_ query: (String, String)...) -> String {
        String(decoding: page(query).body, as: UTF8.self)
    }
}

private enum Shown {
    static func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self).replacing("\\", with: "\\\\")
    }
}

/// Lines of a dump.
enum DumpText {
    static let start = "2026-11-21T02:00:00.000Z"

    /// A dump of a host; each line is what follows the host in a dependency, with its times.
    static func host(_ id: String, name: String, _ address: String, _ lines: [String]) -> String {
        """
        {"type":"header","schema":"retinue/2","time":"2026-11-21T03:00:00.000Z","host":\(quoted(id)),\
        "machine":{"name":\(quoted(name)),"addresses":["\(address)"],"kernel":"6.1","boot":"b"},\
        "daemon":{"version":"1","started":"\(start)"},"sources":{}}

        """ + lines.map { "{\"type\":\"dependency\",\"host\":\(quoted(id)),\($0)}\n" }.joined()
    }

    /// What a program has in a line.
    static func program(_ path: String, _ unit: String = "") -> String {
        "\"program\":{\"executable\":\(quoted(path))"
            + (unit.isEmpty ? "" : ",\"workload\":\(quoted(unit))") + "}"
    }

    /// Count, times and evidence; minutes after the start.
    static func seen(_ first: Int, _ last: Int, _ evidence: String = "exact") -> String {
        func time(_ minute: Int) -> String { "2026-11-21T02:\(minute < 10 ? "0" : "")\(minute):00.000Z" }
        return
            "\"count\":3,\"first\":\"\(time(first))\",\"last\":\"\(time(last))\",\"evidence\":\"\(evidence)\""
    }

    static func file(
        _ program: String, _ path: String, _ access: String, _ first: Int = 1, _ last: Int = 50
    ) -> String {
        "\(program),\"relation\":\"file\",\"path\":\(quoted(path)),\"kind\":\"regular\",\"access\":\"\(access)\","
            + seen(first, last)
    }

    static func connect(
        _ program: String, _ address: String, _ port: Int, _ first: Int = 1, _ last: Int = 50,
        _ evidence: String = "exact"
    ) -> String {
        "\(program),\"relation\":\"connect\",\"transport\":\"tcp\",\"remote\":{\"address\":\"\(address)\",\"port\":\(port)},"
            + "\"sent\":1000,\"received\":3000," + seen(first, last, evidence)
    }

    static func listen(_ program: String, _ address: String, _ port: Int) -> String {
        "\(program),\"relation\":\"listen\",\"transport\":\"tcp\",\"local\":{\"address\":\"\(address)\",\"port\":\(port)},"
            + seen(1, 50)
    }

    private static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}

extension Maps {
    /// nginx and a log on web; the shop, its cache (found later) and a reporter on app; a database beyond.
    static func shop() throws -> Maps {
        let nginx = DumpText.program("/usr/sbin/nginx", "system.slice/nginx.service")
        let shop = DumpText.program("/usr/bin/shop", "system.slice/shop.service")
        let helper = DumpText.program("/usr/bin/helper", "system.slice/shop.service")
        let reporter = DumpText.program("/usr/bin/reporter", "system.slice/report.service")
        return try Maps([
            DumpText.host(
                "h1", name: "web", "10.0.0.1",
                [
                    DumpText.file(nginx, "/var/log/shop/access", "rw"),
                    DumpText.file(nginx, "/etc/nginx.conf", "r"),
                    DumpText.listen(nginx, "10.0.0.1", 80),
                    DumpText.connect(nginx, "10.0.0.2", 8080),
                ]),
            DumpText.host(
                "h2", name: "app", "10.0.0.2",
                [
                    DumpText.listen(shop, "10.0.0.2", 8080),
                    DumpText.file(shop, "/srv/state", "rw"),
                    DumpText.file(shop, "/usr/lib/shop.so", "r"),
                    DumpText.file(reporter, "/srv/state", "r", 40, 50),
                    DumpText.connect(shop, "10.0.0.9", 5432, 1, 50, "inferred"),
                    "\(shop),\"relation\":\"spawn\",\"child\":{\"executable\":\"/usr/bin/helper\",\"workload\":\"system.slice/shop.service\"},"
                        + DumpText.seen(1, 50),
                    DumpText.file(helper, "/usr/lib/helper.so", "r"),
                ]),
        ])
    }
}
