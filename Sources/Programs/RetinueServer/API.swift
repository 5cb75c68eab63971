import MoveGroup
import Records
import RetinueCommands
import Text
import WebServer

/// Why a question of the API has no answer, as `application/problem+json` (RFC 9457).
struct APIProblem: Error {
    let status: Int
    let title: String
    let detail: String
    var choices: [String] = []

    static func parameter(_ detail: String) -> APIProblem {
        APIProblem(status: 400, title: "a parameter is not what it should be", detail: detail)
    }

    init(status: Int, title: String, detail: String, choices: [String] = []) {
        self.status = status
        self.title = title
        self.detail = detail
        self.choices = choices
    }

    init(_ error: AnswerError) {
        let (status, title) =
            switch error.reason {
            case .unknown: (404, "the name means nothing")
            case .ambiguous: (409, "the name means several")
            case .noMember: (404, "it does not move with the program")
            case .nothingToPlan: (404, "there is nothing to move")
            case .unavailable: (503, "the records cannot be read")
            }
        self.init(status: status, title: title, detail: error.message, choices: error.choices)
    }

    var response: WebAnswer {
        var out = JSONWriter()
        out.object { out in
            out.member("title", text: title)
            out.member("status", number: status)
            out.member("detail", text: detail)
            if !choices.isEmpty { out.array("choices", texts: choices) }
        }
        out.endDocument()
        return WebAnswer(status, type: "application/problem+json", body: out.bytes)
    }
}

/// The parameters of a question: each known, each once unless it may be repeated, in UTF-8.
struct Parameters {
    /// Characters of a value.
    static let longestValue = 1024
    private var values: [String: [String]] = [:]

    /// - Parameters:
    ///   - single: names that may stand once.
    ///   - repeated: names that may stand several times.
    init(
        _ query: [(name: [UInt8], value: [UInt8])], single: Set<String>, repeated: Set<String> = []
    ) throws(APIProblem) {
        for (name, value) in query {
            guard let name = String(validating: name, as: UTF8.self),
                single.contains(name) || repeated.contains(name)
            else {
                let names = (single.union(repeated)).sorted().joined(separator: ", ")
                throw .parameter(
                    "\"\(Printable.text(name))\" is no parameter here; there are: \(names.isEmpty ? "none" : names)"
                )
            }
            guard let value = String(validating: value, as: UTF8.self), !value.utf8.contains(0) else {
                throw .parameter("\(name) is not UTF-8; bytes that are not are written \\xff")
            }
            guard !value.isEmpty, value.unicodeScalars.count <= Self.longestValue else {
                throw .parameter("\(name) is empty, or longer than \(Self.longestValue) characters")
            }
            if single.contains(name), values[name] != nil { throw .parameter("\(name) stands twice") }
            values[name, default: []].append(value)
        }
        for (name, values) in values where values.count > 64 {
            throw .parameter("\(name) stands more than 64 times")
        }
    }

    func all(_ name: String) -> [String] { values[name] ?? [] }

    func text(_ name: String) -> String? { values[name]?.first }

    func required(_ name: String) throws(APIProblem) -> String {
        guard let text = text(name) else { throw .parameter("\(name) is missing") }
        return text
    }

    func number(_ name: String, in range: ClosedRange<Int>, otherwise value: Int) throws(APIProblem) -> Int {
        guard let text = text(name) else { return value }
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text),
            range.contains(number)
        else {
            throw .parameter("\(name) is a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// How a group is computed.
    func variation() -> ServedGraph.Variation {
        var variation = ServedGraph.Variation()
        variation.stopAt = all("stop_at")
        variation.include = all("include")
        variation.exclude = all("exclude")
        return variation
    }

    /// The names that `variation` reads.
    static let ofVariations: Set<String> = ["stop_at", "include", "exclude"]
}

/// `/api/v1`: questions about the records, answered in JSON.
struct API {
    /// Bytes of an answer beyond which the command line has to be asked.
    static let longestAnswer = 32 << 20

    private let snapshots: Snapshots

    init(_ snapshots: Snapshots) { self.snapshots = snapshots }

    func answer(_ path: String, _ query: [(name: [UInt8], value: [UInt8])]) -> WebAnswer {
        do throws(APIProblem) {
            switch path {
            case "/api/v1/openapi.json":
                _ = try Parameters(query, single: [])
                return WebAnswer(200, type: "application/json", body: Array(OpenAPI.document.utf8))
            case "/api/v1/status":
                _ = try Parameters(query, single: [])
                return Self.json(status(try snapshot()))
            case "/api/v1/programs": return try programs(query)
            case "/api/v1/group": return try group(query)
            case "/api/v1/why": return try why(query)
            case "/api/v1/plan": return try plan(query)
            case "/api/v1/simulate": return try simulate(query)
            default:
                throw APIProblem(
                    status: 404, title: "nothing is here", detail: "/api/v1/openapi.json says what there is")
            }
        } catch {
            return error.response
        }
    }

    private static func json(_ bytes: [UInt8]) -> WebAnswer {
        WebAnswer(200, type: "application/json", body: bytes)
    }

    private func snapshot() throws(APIProblem) -> Snapshot {
        do throws(AnswerError) { return try snapshots.current() } catch { throw APIProblem(error) }
    }

    /// What was read, and when; what is known not to be in it.
    private func status(_ snapshot: Snapshot) -> [UInt8] {
        let graph = snapshot.graph.graph
        var out = JSONWriter()
        out.object { out in
            out.member("read", time: snapshot.time)
            out.member("nodes", number: graph.nodeCount)
            out.member("dependencies", number: graph.edgeCount)
            out.member("programs", number: snapshot.programs.count)
            out.member("stale", flag: snapshots.health.problem != nil)
            out.array("hosts", Array(graph.hosts.dropFirst())) { out, host in
                out.member("id", text: host.id)
                if !host.name.isEmpty { out.member("name", text: host.name) }
                if host.observed.upperBound != 0 {
                    out.member("from", time: host.observed.lowerBound)
                    out.member("to", time: host.observed.upperBound)
                }
                out.member("gaps", number: host.gaps.count)
            }
            out.array("inputs", graph.sources) { out, input in
                out.member("rows", number: input.rows)
                out.member("skipped", number: input.skipped)
            }
        }
        out.endDocument()
        return out.bytes
    }

    private func programs(_ query: [(name: [UInt8], value: [UInt8])]) throws(APIProblem) -> WebAnswer {
        let parameters = try Parameters(query, single: ["q", "limit", "offset"])
        let limit = try parameters.number("limit", in: 1...1000, otherwise: 50)
        let offset = try parameters.number("offset", in: 0...1_000_000_000, otherwise: 0)
        let snapshot = try snapshot()
        let graph = snapshot.graph.graph
        let (found, total) = snapshot.search(parameters.text("q") ?? "", offset: offset, limit: limit)
        var out = JSONWriter()
        out.object { out in
            out.member("total", number: total)
            out.member("offset", number: offset)
            out.array("programs", found) { out, program in
                out.member("name", text: program.name)
                let host = graph[graph.host(program.node)]
                if !host.id.isEmpty { out.member("host", text: host.id) }
                switch graph[program.node] {
                case .program(let name):
                    out.member("executable", bytes: name.executable)
                    if !name.script.isEmpty { out.member("script", bytes: name.script) }
                    if !name.workload.isEmpty { out.member("workload", bytes: name.workload) }
                case .entry(let path), .file(let path): out.member("path", bytes: path)
                case .endpoint, .channel: break
                }
            }
        }
        out.endDocument()
        return Self.json(out.bytes)
    }

    private func group(_ query: [(name: [UInt8], value: [UInt8])]) throws(APIProblem) -> WebAnswer {
        let parameters = try Parameters(
            query, single: ["program"], repeated: Parameters.ofVariations)
        let program = try parameters.required("program")
        let variation = parameters.variation()
        let report = try report(program, variation, try snapshot())
        return try Self.collected { sink throws(APIProblem) in try report.writeJSON(to: sink) }
    }

    private func why(_ query: [(name: [UInt8], value: [UInt8])]) throws(APIProblem) -> WebAnswer {
        let parameters = try Parameters(
            query, single: ["program", "member"], repeated: Parameters.ofVariations)
        let program = try parameters.required("program")
        let member = try parameters.required("member")
        let variation = parameters.variation()
        let snapshot = try snapshot()
        let report = try report(program, variation, snapshot)
        let members: [NodeID]
        do throws(AnswerError) {
            members = try snapshot.graph.members(member, of: program, in: report)
        } catch { throw APIProblem(error) }
        return try Self.collected { sink throws(APIProblem) in
            try report.writeReasonChains(of: members, to: sink)
        }
    }

    private func plan(_ query: [(name: [UInt8], value: [UInt8])]) throws(APIProblem) -> WebAnswer {
        let parameters = try Parameters(
            query, single: ["program", "quiet", "require"], repeated: Parameters.ofVariations)
        let program = try parameters.required("program")
        let quiet = try parameters.number("quiet", in: 0...999_999_999, otherwise: Int(ServedGraph.quiet))
        let require = parameters.text("require")
        guard require == nil || require == "exact" else { throw .parameter("require is exact") }
        let snapshot = try snapshot()
        let report = try report(program, parameters.variation(), snapshot)
        let plan: ServedPlan
        do throws(AnswerError) {
            plan = try snapshot.graph.plan(
                report, of: program, quiet: Double(quiet), isExact: require != nil)
        } catch { throw APIProblem(error) }
        return try Self.bounded(plan.json)
    }

    private func simulate(_ query: [(name: [UInt8], value: [UInt8])]) throws(APIProblem) -> WebAnswer {
        let parameters = try Parameters(
            query, single: ["program", "to", "scope", "limit"], repeated: Parameters.ofVariations)
        let program = try parameters.required("program")
        let host = try parameters.required("to")
        let limit = try parameters.number("limit", in: 1...Simulation.most, otherwise: Simulation.some)
        guard let scope = Simulation.Scope(rawValue: parameters.text("scope") ?? "program") else {
            throw .parameter("scope is program or group")
        }
        let snapshot = try snapshot()
        do throws(AnswerError) {
            let simulation = try Simulation(snapshot, program, to: host, scope, parameters.variation())
            var out = JSONWriter()
            out.object { simulation.write(limit: limit, to: &$0) }
            out.endDocument()
            return Self.json(out.bytes)
        } catch { throw APIProblem(error) }
    }

    private func report(
        _ program: String, _ variation: ServedGraph.Variation, _ snapshot: Snapshot
    ) throws(APIProblem) -> GroupReport {
        do throws(AnswerError) {
            return try snapshot.graph.group(of: program, variation)
        } catch { throw APIProblem(error) }
    }

    /// Collects what is written in pieces, up to a bound.
    private static func collected(
        _ write: ((UnsafeRawBufferPointer) throws(APIProblem) -> Void) throws(APIProblem) -> Void
    ) throws(APIProblem) -> WebAnswer {
        var bytes: [UInt8] = []
        try write { piece throws(APIProblem) in
            guard bytes.count + piece.count <= longestAnswer else { throw tooLong }
            bytes.append(contentsOf: piece)
        }
        return json(bytes)
    }

    /// What was written at once, if it is within the bound.
    private static func bounded(_ bytes: [UInt8]) throws(APIProblem) -> WebAnswer {
        guard bytes.count <= longestAnswer else { throw tooLong }
        return json(bytes)
    }

    private static var tooLong: APIProblem {
        APIProblem(
            status: 422, title: "the answer is too long",
            detail: "it has more than \(longestAnswer >> 20) MiB: ask retinue on the command line")
    }
}
