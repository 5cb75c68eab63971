import Records

/// A program by its paths.
struct Prog: Hashable, ExpressibleByStringLiteral {
    var executable: String
    var script = ""
    var workload = ""

    init(_ executable: String, script: String = "", in workload: String = "") {
        self.executable = executable
        self.script = script
        self.workload = workload
    }

    init(stringLiteral path: String) { self.init(path) }
}

/// A dependency in short; addresses as text.
enum Fact: Hashable {
    case file(Prog, String, String)
    case spawn(Prog, Prog)
    case connect(Prog, String, UInt16, Transport = .tcp, peer: Prog? = nil)
    case accept(Prog, String, UInt16, from: String, Transport = .tcp, peer: Prog? = nil)
    case listen(Prog, String, UInt16, Transport = .tcp)
    case ipc(Prog, Mechanism, String, peer: Prog? = nil)
}

/// A dependency as it was observed; times in seconds.
struct Observed: Hashable {
    var fact: Fact
    var evidence = Evidence.exact
    var first: UInt64 = 100
    var last: UInt64 = 200

    init(_ fact: Fact, _ evidence: Evidence = .exact, at times: ClosedRange<UInt64> = 100...200) {
        self.fact = fact
        self.evidence = evidence
        first = times.lowerBound
        last = times.upperBound
    }
}

/// What one host's daemon wrote.
struct HostDump {
    var id: String
    var addresses: [String] = []
    /// Seconds.
    var time: UInt64 = 1000
    var observed: [Observed]

    init(_ id: String, _ facts: [Fact]) { self.init(id, [], facts) }

    init(_ id: String, _ addresses: [String], time: UInt64 = 1000, _ facts: [Fact]) {
        self.init(id, addresses, time: time, observed: facts.map { Observed($0) })
    }

    init(_ id: String, _ addresses: [String] = [], time: UInt64 = 1000, observed: [Observed]) {
        self.id = id
        self.addresses = addresses
        self.time = time
        self.observed = observed
    }
}
