import ArgumentParser
import MovePlan
import Records

/// What may be placed where, and who decides: `retinue-placement/1`, which a person writes.
struct PlacementPolicy {
    static let schema = "retinue-placement/1"
    /// Where it stands if no file is named.
    static let standardPath = "/etc/retinue/placement.yaml"

    /// A host on which programs may run.
    struct Host {
        var place: HostPlace
        /// Where a quota leaves it fewer processors than the machine has.
        var processors: Double?
    }

    /// The programs of a plan, which move together.
    struct Move {
        var name: String
        /// The plan's path; relative to the policy's folder.
        var plan: String
        /// Which host of the plan.
        var host: String?
        /// Names of hosts at which they may run; all where none is named.
        var hosts: [String]
        /// Options of `retinue move run`.
        var options: [String]
    }

    /// A scheduler that comes with Retinue, or a program and its arguments.
    var scheduler: [String] = ["balance"]
    /// Seconds that it may take.
    var patience = 10
    /// Seconds over which load is measured.
    var seconds = 5.0
    /// Moves at a time.
    var limit = 1
    /// By which share a move has to improve what it is about.
    var gain = 0.1
    var hosts: [Host] = []
    var moves: [Move] = []

    /// Reads a file; `-` is standard input.
    static func read(at path: String) throws -> PlacementPolicy {
        let (bytes, name) = try contents(of: path)
        let folder =
            path.hasPrefix("/") || path.contains("/") ? String(path[..<path.lastIndex(of: "/")!]) : "."
        return try PlacementPolicy(YAMLTree.read(bytes, name: name), in: folder, name: name)
    }

    /// One that is not there is bad input: 1 would say that something stayed, or was not moved.
    private static func contents(of path: String) throws -> (bytes: [UInt8], name: String) {
        do {
            let file = try InputFile(path: path)
            var bytes: [UInt8] = []
            try file.forEachPiece { bytes += $0 }
            return (bytes, file.name)
        } catch let failure as Failure {
            throw Failure(failure.message, details: failure.details, status: ExitStatus.badInput)
        }
    }

    init(_ value: JSONValue, in folder: String, name: String) throws {
        func wrong(_ words: String) -> Failure {
            Failure("\(name.printable): \(words.printable)", status: ExitStatus.badInput)
        }
        func members(_ value: JSONValue, _ what: String, _ known: [String]) throws {
            guard case .object(let members) = value else { throw wrong("\(what) is no mapping") }
            if let other = members.first(where: { !known.contains($0.key) }) {
                throw wrong(
                    "\(what) has no key `\(other.key)`: it is one of \(known.joined(separator: ", "))")
            }
        }
        func texts(_ value: JSONValue?, _ what: String) throws -> [String] {
            guard let value, value != .null else { return [] }
            let texts = (value.array ?? []).compactMap(\.string)
            guard let list = value.array, texts.count == list.count else {
                throw wrong("\(what) is a list of texts")
            }
            return texts
        }
        try members(
            value, "it", ["schema", "scheduler", "patience", "seconds", "limit", "gain", "hosts", "moves"])
        guard value["schema"]?.string == Self.schema else { throw wrong("`schema` is not \(Self.schema)") }
        if let word = value["scheduler"]?.string {
            scheduler = [word]
        } else if value["scheduler"] != nil {
            scheduler = try texts(value["scheduler"], "`scheduler`")
        }
        guard scheduler.first?.isEmpty == false else { throw wrong("`scheduler` names no program") }
        func number(_ key: String, _ range: ClosedRange<Double>, _ standard: Double) throws -> Double {
            guard let value = value[key] else { return standard }
            guard let number = Self.number(value), range.contains(number) else {
                throw wrong("`\(key)` is a number from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
        patience = Int(try number("patience", 1...3600, 10))
        seconds = try number("seconds", 0.1...60, 5)
        limit = Int(try number("limit", 1...1000, 1))
        gain = try number("gain", 0...1, 0.1)
        for element in value["hosts"]?.array ?? [] {
            if element.string == nil { try members(element, "a host", ["host", "processors"]) }
            guard let text = element.string ?? element["host"]?.string, let place = HostPlace(text) else {
                throw wrong("a host is HOST, HOST=ADDRESS or HOST=ADDRESS:PORT")
            }
            var host = Host(place: place)
            if let value = element["processors"] {
                guard let number = Self.number(value), number > 0, number < 1e6 else {
                    throw wrong("`processors` of \(place.host) is a number above 0")
                }
                host.processors = number
            }
            guard !hosts.contains(where: { $0.place.host == place.host }) else {
                throw wrong("the host \(place.host) comes twice")
            }
            hosts.append(host)
        }
        guard hosts.count > 1 else { throw wrong("`hosts` names fewer than two") }
        for element in value["moves"]?.array ?? [] {
            try members(element, "a move", ["name", "plan", "host", "hosts", "options"])
            guard let name = element["name"]?.string, let plan = element["plan"]?.string, !plan.isEmpty else {
                throw wrong("a move has a `name` and a `plan`")
            }
            let named = try texts(element["hosts"], "`hosts` of \(name)")
            for host in named where !hosts.contains(where: { $0.place.host == host }) {
                throw wrong("\(name) names a host \(host), which `hosts` has not")
            }
            guard !moves.contains(where: { $0.name == name }) else {
                throw wrong("the move \(name) comes twice")
            }
            moves.append(
                Move(
                    name: name, plan: plan.hasPrefix("/") ? plan : "\(folder)/\(plan)",
                    host: element["host"]?.string, hosts: named.isEmpty ? hosts.map(\.place.host) : named,
                    options: try texts(element["options"], "`options` of \(name)")))
        }
        guard !moves.isEmpty else { throw wrong("`moves` names none") }
    }

    /// Numbers with a fraction come as texts of YAML.
    private static func number(_ value: JSONValue) -> Double? {
        switch value {
        case .integer(let number): Double(number)
        case .double(let number): number
        case .string(let text): Double(text)
        default: nil
        }
    }

    /// Where a host's agent is reached.
    func place(of host: String) -> HostPlace? { hosts.first { $0.place.host == host }?.place }

    /// What its agent is asked to do with a move.
    func order(_ move: Move, to host: String) throws -> JSONValue {
        let place = place(of: host)?.text ?? host
        let words =
            [move.plan, "--to", place, "--name", move.name] + (move.host.map { ["--host", $0] } ?? [])
        let options: MoveOptions
        do { options = try MoveOptions.parse(words + move.options) } catch {
            throw Failure(
                "`options` of \(move.name.printable): \(MoveOptions.message(for: error).printable)",
                status: ExitStatus.badInput)
        }
        guard options.to == place, options.name == move.name, options.file == move.plan else {
            throw Failure(
                "`options` of \(move.name.printable) names what the policy says: --to, --name or a plan",
                status: ExitStatus.badInput)
        }
        return try options.parts()[0].order
    }
}
