public import Records

extension PlanDocument {
    /// Reads the tree of a plan that was written, and perhaps edited.
    ///
    /// Throws the first `Flaw`: a key that is missing or not known, a word or a number that is none, a path that is not
    /// absolute or comes twice.
    public static func plan(_ value: JSONValue) throws(Flaw) -> Plan {
        let fields = try Fields(value, "", ["schema", "program", "made", "hosts"])
        let schema = try fields.text("schema")
        guard schema == Plan.schema else {
            throw Flaw(place: "schema", problem: "\(schema) is not \(Plan.schema)")
        }
        return Plan(
            program: try fields.text("program"), made: try fields.time("made"),
            hosts: try fields.list("hosts", host))
    }

    private static func host(_ value: JSONValue, _ place: String) throws(Flaw) -> HostPlan {
        let fields = try Fields(
            value, place,
            [
                "host", "name", "observed", "isolation", "programs", "packages", "entries", "accounts",
                "services",
                "ports", "endpoints", "first_used", "unknown", "consistency", "move",
            ])
        var host = HostPlan(id: try fields.text("host"))
        host.name = try fields.textIfAny("name") ?? ""
        if let value = fields["observed"] {
            let observed = try Fields(value, place + ".observed", ["from", "to", "gaps"])
            let (from, to) = (try observed.time("from"), try observed.time("to"))
            guard from <= to else {
                throw Flaw(place: place + ".observed", problem: "it ends before it begins")
            }
            host.observed = from...to
            host.gaps = try observed.number("gaps")
        }
        if let value = fields["isolation"] {
            let isolation = try Fields(value, place + ".isolation", ["choice", "reasons"])
            host.isolation = .init(
                choice: try isolation.text("choice"), reasons: try isolation.list("reasons", text))
        }
        host.consistency = try fields["consistency"].map { (value) throws(Flaw) in
            try consistency(value, place + ".consistency")
        }
        host.move = try fields["move"].map { (value) throws(Flaw) in try move(value, place + ".move") }
        host.programs = try fields.list("programs", program)
        host.packages = try fields.list("packages", package)
        host.entries = try fields.list("entries", entry)
        host.accounts = try fields.list("accounts", account)
        host.services = try fields.list("services", service)
        host.ports = try fields.list("ports", port)
        host.endpoints = try fields.list("endpoints", endpoint)
        host.firstUsed = try fields.list("first_used", bytes)
        host.unknown = try fields.list("unknown", text)
        var seen: Set<[UInt8]> = []
        for entry in host.entries where !seen.insert(entry.path).inserted {
            throw Flaw(place: place + ".entries", problem: "\(PlanText.text(entry.path)) comes twice")
        }
        return host
    }

    private static func consistency(_ value: JSONValue, _ place: String) throws(Flaw) -> Consistency {
        let fields = try Fields(value, place, ["way", "before", "after"])
        let way = Consistency.Way(rawValue: try fields.word("way", Consistency.Way.allCases.map(\.rawValue)))!
        let consistency = Consistency(
            way, before: try fields.textIfAny("before") ?? "", after: try fields.textIfAny("after") ?? "")
        let commands = consistency.before + consistency.after
        guard way != .hook || !consistency.before.isEmpty else {
            throw Flaw(place: place, problem: "`hook` without a command `before` the copy")
        }
        guard way != .stop || commands.isEmpty else {
            throw Flaw(place: place, problem: "`stop` takes no command: the service's own stop is one")
        }
        guard !commands.utf8.contains(0) else { throw Flaw(place: place, problem: "a NUL in a command") }
        return consistency
    }

    private static func move(_ value: JSONValue, _ place: String) throws(Flaw) -> PlannedMove {
        let fields = try Fields(
            value, place, ["from", "to", "address", "confirm", "start", "isolation", "forward"])
        func agent(_ key: String) throws(Flaw) -> HostPlace {
            guard let agent = HostPlace(try fields.text(key)) else {
                throw Flaw(place: fields.at(key), problem: "not HOST, HOST=ADDRESS or HOST=ADDRESS:PORT")
            }
            return agent
        }
        var move = PlannedMove(to: try agent("to"))
        if fields["from"] != nil { move.source = try agent("from") }
        move.address = try fields.textIfAny("address")
        move.confirm = try fields.textIfAny("confirm")
        move.start = try fields.textIfAny("start")
        move.isolation = try fields.textIfAny("isolation")
        move.forwards = try fields.flagIfAny("forward") ?? false
        return move
    }

    private static func text(_ value: JSONValue, _ place: String) throws(Flaw) -> String {
        guard let text = value.string else { throw Flaw(place: place, problem: "not a text") }
        return text
    }

    private static func program(_ value: JSONValue, _ place: String) throws(Flaw) -> PlannedProgram {
        let fields = try Fields(
            value, place,
            [
                "executable", "script", "workload", "since", "start", "stop", "order", "writes", "process",
                "reason",
            ])
        var program = PlannedProgram(executable: try fields.bytes("executable"))
        if fields["script"] != nil { program.script = try fields.bytes("script") }
        if fields["workload"] != nil { program.workload = try fields.bytes("workload") }
        if fields["since"] != nil { program.since = try fields.time("since") }
        program.isStartObserved = try fields.word("start", ["observed", "before"]) == "observed"
        program.isStop = try fields.flagIfAny("stop") ?? false
        if fields["order"] != nil {
            let order = try fields.number("order")
            guard order >= 1 else { throw Flaw(place: place + ".order", problem: "not a number from 1") }
            program.order = order
        }
        program.writes = try fields["writes"].map { (value) throws(Flaw) in
            let writes = try Fields(value, place + ".writes", ["bytes", "seconds"])
            return PlannedWrites(
                bytes: UInt64(try writes.number("bytes")), seconds: UInt64(try writes.number("seconds")))
        }
        program.process = try fields["process"].map { (value) throws(Flaw) in
            try process(value, place + ".process")
        }
        program.reason = try fields.textIfAny("reason") ?? ""
        return program
    }

    private static func process(_ value: JSONValue, _ place: String) throws(Flaw) -> PlannedProcess {
        let fields = try Fields(
            value, place,
            ["arguments", "folder", "user", "group", "groups", "capabilities", "environment", "limits"])
        var process = PlannedProcess()
        process.arguments = try fields.list("arguments", bytes)
        process.folder = try fields.bytes("folder")
        process.user = try fields.account("user")
        process.group = try fields.account("group")
        process.groups = try fields.list("groups") { (value, place) throws(Flaw) in
            guard let number = value.integer, let number = UInt32(exactly: number) else {
                throw Flaw(place: place, problem: "not the number of an account")
            }
            return number
        }
        process.capabilities = try fields.text("capabilities")
        process.environment = try fields.list("environment", bytes)
        process.limits = try fields.list("limits") { (value, place) throws(Flaw) in
            let fields = try Fields(value, place, ["resource", "soft", "hard"])
            return .init(
                try fields.text("resource"), soft: try fields.countIfAny("soft"),
                hard: try fields.countIfAny("hard"))
        }
        return process
    }

    private static func package(_ value: JSONValue, _ place: String) throws(Flaw) -> PlannedPackage {
        let fields = try Fields(
            value, place,
            ["system", "name", "version", "folder", "source", "integrity", "copied", "reason"])
        var package = PlannedPackage(
            system: try fields.word("system", PlannedPackage.systems + PlannedPackage.languages),
            name: try fields.text("name"), version: try fields.text("version"),
            reason: try fields.textIfAny("reason") ?? "")
        package.source = try fields.textIfAny("source")
        package.integrity = try fields.textIfAny("integrity")
        package.isCopied = try fields.flagIfAny("copied") ?? false
        guard !package.isSystem else {
            guard fields["folder"] == nil, !package.isCopied else {
                throw Flaw(place: place, problem: "`folder` and `copied` are for packages of languages")
            }
            return package
        }
        let folder = try fields.bytes("folder")
        guard isPlace(folder) else {
            throw Flaw(place: place + ".folder", problem: "not an absolute path without `.` and `..`")
        }
        package.folder = folder
        return package
    }

    private static func entry(_ value: JSONValue, _ place: String) throws(Flaw) -> PlannedEntry {
        let fields = try Fields(
            value, place,
            [
                "path", "kind", "treatment", "ground", "reason", "target", "bytes", "files", "unopened",
                "user", "group",
                "mode",
            ])
        let path = try fields.bytes("path")
        guard isPlace(path) else {
            throw Flaw(place: place + ".path", problem: "not an absolute path without `.` and `..`")
        }
        let kind = try fields.word("kind", PlannedEntry.Kind.allCases.map(\.rawValue))
        let treatment = try fields.word("treatment", Treatment.allCases.map(\.rawValue))
        // One that a person has added.
        let ground =
            try fields["ground"] == nil
            ? Basis.likely.rawValue : fields.word("ground", Basis.allCases.map(\.rawValue))
        var entry = PlannedEntry(
            path, PlannedEntry.Kind(rawValue: kind)!, Treatment(rawValue: treatment)!,
            Basis(rawValue: ground)!,
            reason: try fields.textIfAny("reason") ?? "")
        if fields["target"] != nil { entry.target = try fields.bytes("target") }
        if entry.kind == .link, entry.target?.isEmpty != false {
            throw Flaw(place: place, problem: "a link without a target")
        }
        if fields["bytes"] != nil { entry.bytes = UInt64(try fields.number("bytes")) }
        if fields["files"] != nil { entry.files = try fields.number("files") }
        if fields["unopened"] != nil { entry.unopened = try fields.number("unopened") }
        if fields["user"] != nil {
            let mode = try fields.text("mode")
            guard let bits = UInt32(mode, radix: 8), bits <= 0o7777 else {
                throw Flaw(place: place + ".mode", problem: "\(mode) is no mode in octal digits")
            }
            entry.owner = (try fields.account("user"), try fields.account("group"), bits)
        }
        return entry
    }

    /// Whether a path can be one of a kernel's.
    private static func isPlace(_ path: [UInt8]) -> Bool {
        path.first == UInt8(ascii: "/") && !path.contains(0)
            && path.split(separator: UInt8(ascii: "/")).allSatisfy {
                !$0.elementsEqual(".".utf8) && !$0.elementsEqual("..".utf8)
            }
    }

    private static func account(_ value: JSONValue, _ place: String) throws(Flaw) -> PlannedAccount {
        let fields = try Fields(
            value, place, ["kind", "name", "number", "destination", "group", "home", "shell"])
        var account = PlannedAccount(
            isUser: try fields.word("kind", ["user", "group"]) == "user", name: try fields.text("name"),
            number: try fields.account("number"))
        if fields["destination"] != nil { account.destination = try fields.account("destination") }
        if fields["group"] != nil { account.group = try fields.account("group") }
        if fields["home"] != nil { account.home = try fields.bytes("home") }
        if fields["shell"] != nil { account.shell = try fields.bytes("shell") }
        return account
    }

    private static func service(_ value: JSONValue, _ place: String) throws(Flaw) -> PlannedService {
        let fields = try Fields(value, place, ["kind", "name", "files"])
        return PlannedService(
            kind: try fields.word("kind", ["unit", "timer", "cron"]), name: try fields.text("name"),
            files: try fields.list("files", bytes))
    }

    private static func port(_ value: JSONValue, _ place: String) throws(Flaw) -> PlannedPort {
        let fields = try Fields(value, place, ["address", "program"])
        return PlannedPort(address: try fields.text("address"), program: try fields.bytes("program"))
    }

    private static func endpoint(_ value: JSONValue, _ place: String) throws(Flaw) -> PlannedEndpoint {
        let fields = try Fields(value, place, ["address", "program", "direction", "count"])
        return PlannedEndpoint(
            address: try fields.text("address"), program: try fields.bytes("program"),
            isOutgoing: try fields.word("direction", ["in", "out"]) == "out",
            count: UInt64(try fields.number("count")))
    }

    fileprivate static func bytes(_ value: JSONValue, _ place: String) throws(Flaw) -> [UInt8] {
        guard let bytes = PlanText.bytes(try text(value, place)) else {
            throw Flaw(
                place: place, problem: "a backslash stands before something else than `\\`, `n` or `xNN`")
        }
        return bytes
    }

    /// The keys of an object, each read as what it has to be.
    private struct Fields {
        let place: String
        private let members: [String: JSONValue]

        init(_ value: JSONValue, _ place: String, _ known: Set<String>) throws(Flaw) {
            self.place = place
            guard let members = value.members else {
                throw Flaw(place: place, problem: "not a mapping of keys")
            }
            var found: [String: JSONValue] = [:]
            for member in members {
                guard known.contains(member.key) else {
                    throw Flaw(place: place, problem: "no key `\(member.key)` is known here")
                }
                // A key that was left empty is none.
                if member.value != .null { found[member.key] = member.value }
            }
            self.members = found
        }

        subscript(key: String) -> JSONValue? { members[key] }

        func at(_ key: String) -> String { place.isEmpty ? key : "\(place).\(key)" }

        private func value(_ key: String) throws(Flaw) -> JSONValue {
            guard let value = members[key] else { throw Flaw(place: place, problem: "`\(key)` is missing") }
            return value
        }

        func text(_ key: String) throws(Flaw) -> String { try PlanDocument.text(value(key), at(key)) }

        func textIfAny(_ key: String) throws(Flaw) -> String? { members[key] == nil ? nil : try text(key) }

        func bytes(_ key: String) throws(Flaw) -> [UInt8] { try PlanDocument.bytes(value(key), at(key)) }

        func number(_ key: String) throws(Flaw) -> Int {
            guard let number = try value(key).integer, let number = Int(exactly: number), number >= 0 else {
                throw Flaw(place: at(key), problem: "not a number from 0")
            }
            return number
        }

        func countIfAny(_ key: String) throws(Flaw) -> UInt64? {
            guard let value = members[key] else { return nil }
            guard let number = value.integer, let number = UInt64(exactly: number) else {
                throw Flaw(place: at(key), problem: "not a number from 0")
            }
            return number
        }

        func account(_ key: String) throws(Flaw) -> UInt32 {
            guard let number = UInt32(exactly: try number(key)) else {
                throw Flaw(place: at(key), problem: "not the number of an account")
            }
            return number
        }

        func flagIfAny(_ key: String) throws(Flaw) -> Bool? {
            guard let value = members[key] else { return nil }
            guard case .boolean(let flag) = value else {
                throw Flaw(place: at(key), problem: "not true or false")
            }
            return flag
        }

        func time(_ key: String) throws(Flaw) -> UInt64 {
            let text = try text(key)
            guard let time = Timestamp.parse(text.utf8) else {
                throw Flaw(place: at(key), problem: "\(text) is no time")
            }
            return time
        }

        func word(_ key: String, _ words: [String]) throws(Flaw) -> String {
            let word = try text(key)
            guard words.contains(word) else {
                throw Flaw(place: at(key), problem: "`\(word)` is none of \(words.joined(separator: ", "))")
            }
            return word
        }

        func list<Element>(
            _ key: String, _ read: (JSONValue, String) throws(Flaw) -> Element
        ) throws(Flaw) -> [Element] {
            guard let value = members[key] else { return [] }
            guard let elements = value.array else { throw Flaw(place: at(key), problem: "not a list") }
            var found: [Element] = []
            for (number, element) in elements.enumerated() {
                found.append(try read(element, "\(at(key))[\(number)]"))
            }
            return found
        }
    }
}
