import MoveGroup
import Records
import TestSupport

/// Small worlds in which much meets: few hosts, programs, files, addresses, ports and times.
struct RandomWorld {
    var random: SeededGenerator

    private var programs: [Prog] = []
    private var files: [String] = []

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        // The fewer there are, the more meet.
        programs = Array(Self.programs.shuffled(using: &random).prefix(.random(in: 3...9, using: &random)))
        files = Array(Self.files.shuffled(using: &random).prefix(.random(in: 1...4, using: &random)))
    }

    private static let programs: [Prog] = [
        "/a", "/b", "/c", "/d", Prog("/sh", in: "u"), "/sh", Prog("/py", script: "/s"), "",
        Prog("/a", in: "w"),
    ]
    private static let files = ["/f", "/g", "/h", "/a"]
    private static let addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1"]
    private static let letters = ["r", "w", "rw", "x", "rx", "rwx"]

    private mutating func pick<Value>(_ values: [Value]) -> Value { values.randomElement(using: &random)! }
    private mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &random) == 0 }

    mutating func dumps() -> [HostDump] {
        (1...Int.random(in: 2...4, using: &random)).map { number in
            var addresses = ["10.0.0.\(number)"]
            if chance(4) { addresses.append(pick(Self.addresses)) }
            if chance(3) { addresses = [] }
            // Some hosts have only a few of the programs, so that groups are not everything.
            let count = Int.random(in: 0...9, using: &random)
            let observed = (0..<count).map { _ in one() }
            let latest = observed.map(\.last).max() ?? 100
            let time = latest + (chance(2) ? 0 : UInt64.random(in: 0...30, using: &random))
            return HostDump("H\(number)", addresses, time: time, observed: observed).merged
        }
    }

    private mutating func one() -> Observed {
        let first = UInt64.random(in: 100...140, using: &random)
        let last = first + (chance(2) ? 0 : UInt64.random(in: 0...20, using: &random))
        return Observed(fact(), pick(Evidence.allCases), at: first...last)
    }

    private mutating func target() -> String {
        chance(5) ? pick(["127.0.0.1", "0.0.0.0", "::1", "::", "10.9.9.9"]) : pick(Self.addresses)
    }

    private mutating func fact() -> Fact {
        let program = pick(programs)
        let peer = chance(4) ? pick(programs) : nil
        let transport: Transport = chance(6) ? .udp : .tcp
        let port: UInt16 = chance(3) ? 53 : 80
        switch Int.random(in: 0...9, using: &random) {
        case 0...3: return .file(program, pick(files), pick(Self.letters))
        case 4: return .spawn(program, pick(programs))
        case 5, 6: return .connect(program, target(), port, transport, peer: peer)
        case 7:
            let local = chance(3) ? pick(["::", "0.0.0.0"]) : target()
            return .accept(program, local, port, from: target(), transport, peer: peer)
        case 8: return .listen(program, chance(2) ? pick(["::", "0.0.0.0"]) : target(), port, transport)
        default:
            let mechanism = pick([Mechanism.unix, .pipe, .shm])
            return .ipc(program, mechanism, pick(["/s", "socketpair", "", "7"]), peer: peer)
        }
    }

    /// Rules and patterns, often none.
    mutating func options() -> PlainOptions {
        var options = PlainOptions()
        if !chance(3) {
            options.rules = (0..<Int.random(in: 0...5, using: &random)).map { _ in rule() }
        }
        if chance(3) { options.stopAt = patterns() }
        if chance(3) { options.include = patterns() }
        if chance(3) { options.exclude = patterns() }
        return options
    }

    private mutating func rule() -> PlainRule {
        let kind = pick(BoundaryRule.Kind.allCases)
        var rule = PlainRule(kind: kind, isFollowed: chance(5), pattern: "**")
        switch kind {
        case .launcher, .tool, .installer, .system:
            rule.pattern = pick(["/a", "/b", "/c", "/sh", "/sh", "/s"])
            if chance(3) { rule.workload = pick(["none", "u", "w"]) }
        case .file: rule.pattern = pick(Self.files)
        case .ipc: rule.pattern = object(mechanisms: true)
        case .endpoint: rule.pattern = object(mechanisms: false)
        }
        return rule
    }

    private mutating func object(mechanisms: Bool) -> String {
        mechanisms
            ? pick(["unix:/s", "unix:", "pipe:", "shm:/s", "shm:7"])
            : pick([
                "tcp:10.0.0.1:80", "tcp:10.0.0.2:80", "tcp:10.0.0.2:53", "tcp:10.0.0.3:*", "tcp:127.0.0.1:80",
            ])
    }

    private mutating func patterns() -> [PlainPattern] {
        (0..<Int.random(in: 1...2, using: &random)).map { _ in
            if chance(3) { return PlainPattern(text: object(mechanisms: chance(2)), isObject: true) }
            let host = chance(2) ? nil : "H\(Int.random(in: 1...3, using: &random))"
            return PlainPattern(
                host: host, text: pick(["/a", "/b", "/c", "/d", "/sh", "/f", "/g", "/py", "/s"]))
        }
    }

    /// One or two nodes of a graph, programs for the most part.
    mutating func start(in dependencies: Set<Dependency>) -> Set<Named> {
        // In a certain order: that of a set differs from run to run.
        let names = Set(dependencies.flatMap { [$0.from, $0.to] }).sorted { "\($0)" < "\($1)" }
        let programs = names.filter { $0.node.kind == .program }
        if programs.isEmpty { return [] }
        var start = [pick(programs)]
        if chance(5) { start.append(pick(names)) }
        return Set(start)
    }
}
