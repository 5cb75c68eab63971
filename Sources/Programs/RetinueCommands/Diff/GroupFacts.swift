import Records

/// What a group says that was written by `retinue group --format json`: its members, each with its reason, and what
/// leads out of it.
enum GroupFacts {
    static func facts(parsing bytes: [UInt8], name: String) throws(Failure) -> [Fact] {
        let document: JSONValue
        do throws(JSONError) { document = try JSONValue(parsing: bytes) } catch {
            throw Failure("\(name.printable): \(error)", status: ExitStatus.badInput)
        }
        guard document["schema"]?.string == "retinue-group/1", let kinds = document["members"]?.members else {
            throw Failure("\(name.printable) is no group (retinue-group/1)", status: ExitStatus.badInput)
        }
        let hosts = titles(document["hosts"]?.array ?? [])
        var facts: [Fact] = []
        for member in kinds.flatMap({ $0.value.array ?? [] }) { facts.append(fact(ofMember: member, hosts)) }
        for end in document["boundary"]?["endpoints"]?.array ?? [] { facts.append(fact(ofEndpoint: end)) }
        for crossing in document["boundary"]?["crossings"]?.array ?? [] {
            facts.append(fact(ofCrossing: crossing, hosts))
        }
        return facts
    }

    /// What to call each host.
    private static func titles(_ hosts: [JSONValue]) -> [String: String] {
        var titles: [String: String] = [:]
        for host in hosts {
            guard let id = host["id"]?.string else { continue }
            titles[id] = host["name"]?.string ?? id
        }
        return titles
    }

    private static func fact(ofMember member: JSONValue, _ hosts: [String: String]) -> Fact {
        var fact = Fact(members: identity(member), text: text(member, hosts))
        if let isBound = member["bound"] {
            fact.traits.append(("bound", isBound == .boolean(true) ? "yes" : "no"))
        }
        fact.traits.append(("stop", member["stop"] == .boolean(true) ? "yes" : "no"))
        guard let reason = member["reason"] else {
            fact.why = "where the group begins"
            return fact
        }
        fact.why = words(reason["follow"]?.string ?? "") + (reason["via"].map { text($0, hosts) } ?? "")
        for name in ["count", "first", "last"] {
            if let value = reason[name].map(scalar) { fact.measures.append((name, value)) }
        }
        fact.measures.append(("reason", fact.why))
        return fact
    }

    /// Why it is in the group, before the member by which it came in: docs/group-format.md.
    private static func words(_ follow: String) -> String {
        switch follow {
        case "copied": "used by "
        case "bound": "written or read by "
        case "writes": "writes "
        case "reads": "reads "
        case "child": "started by "
        case "parent": "started "
        case "server": "takes connections of "
        case "client": "connects to "
        case "listens": "listened on by "
        case "channel": "shared by "
        case "sharer": "talks to "
        case "endpoint": "connected with "
        default: "related to "
        }
    }

    private static func fact(ofEndpoint end: JSONValue) -> Fact {
        let isIncoming = end["direction"]?.string == "in"
        let port = end["port"].map { ":" + scalar($0) } ?? ""
        let address = "\(end["transport"]?.string ?? ""):\(end["address"]?.string ?? "")"
        let names = ["transport", "host", "direction", "address", "port"]
        return Fact(
            members: [("boundary", Array("endpoint".utf8))]
                + names.compactMap { name in end[name].map { (name, Array(scalar($0).utf8)) } },
            text: "to be reconnected "
                + (isIncoming ? "from \(address) at port\(port)" : "to \(address)\(port)").printable,
            measures: ["sent", "received"].map { ($0, end[$0].map(scalar) ?? "") })
    }

    private static func fact(ofCrossing crossing: JSONValue, _ hosts: [String: String]) -> Fact {
        let (member, other) = (crossing["member"] ?? .null, crossing["other"] ?? .null)
        let obstacle = ["obstacle", "rule"].compactMap { crossing[$0]?.string }.joined(separator: " ")
        return Fact(
            members: [("boundary", Array("crossing".utf8))]
                + identity(member).map { ("member " + $0.name, $0.value) }
                + identity(other).map { ("other " + $0.name, $0.value) }
                + ["relation", "dependent", "obstacle", "rule"].compactMap { name in
                    crossing[name].map { (name, Array(scalar($0).utf8)) }
                },
            text: "the boundary between \(text(member, hosts)) and "
                + (other == .null ? "what is beyond" : text(other, hosts)) + ": " + obstacle.printable,
            measures: ["count", "first", "last"].compactMap { name in
                crossing[name].map { (name, scalar($0)) }
            })
    }

    private static let identifying = [
        "host", "kind", "executable", "executable_raw", "script", "script_raw", "workload", "workload_raw",
        "path",
        "path_raw", "transport", "address", "port", "mechanism", "name", "name_raw",
    ]

    private static func identity(_ node: JSONValue) -> [(name: String, value: [UInt8])] {
        identifying.compactMap { name in node[name].map { (name, Array(scalar($0).utf8)) } }
    }

    /// `web1:/usr/sbin/nginx@system.slice/nginx.service`, fit for a terminal.
    private static func text(_ node: JSONValue, _ hosts: [String: String]) -> String {
        func text(_ name: String) -> String { node[name]?.string ?? "" }
        let host = text("host")
        let place = host.isEmpty ? "" : (hosts[host] ?? host) + ":"
        let what: String =
            switch text("kind") {
            case "program":
                [text("executable"), text("script")].filter { !$0.isEmpty }.joined(separator: " ")
                    + (text("workload").isEmpty ? "" : "@" + text("workload"))
            case "endpoint":
                "\(text("transport")):\(text("address"))" + (node["port"].map { ":" + scalar($0) } ?? "")
            case "channel": "\(text("mechanism")):\(text("name"))"
            default: text("path")
            }
        return (place + (what.isEmpty ? "(unknown program)" : what)).printable
    }

    private static func scalar(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): text
        case .integer(let number): String(number)
        case .boolean(let flag): flag ? "yes" : "no"
        case .double(let number): String(number)
        case .null, .array, .object: ""
        }
    }
}
