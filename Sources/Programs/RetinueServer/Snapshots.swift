import ArgumentParser
import Glibc
import MoveGroup
import Records
import RetinueCommands
import Synchronization
import SystemCalls

/// The records as they were read last, and what is asked of them often.
final class Snapshot: Sendable {
    /// A program as it is searched for.
    struct Program: Sendable {
        var node: NodeID
        /// What a search looks through: the exact name, which has the host's id, and what the host is called, in lower case.
        var key: [UInt8]
        var name: String
    }

    let graph: ServedGraph
    /// When it was read, nanoseconds since 1970.
    let time: UInt64
    /// How long reading and joining took, nanoseconds.
    let duration: UInt64
    /// By name.
    let programs: [Program]
    let watches: [WatchState]

    init(_ graph: ServedGraph, time: UInt64, duration: UInt64, watches: [Watch]) {
        self.graph = graph
        self.time = time
        self.duration = duration
        var programs: [Program] = []
        for number in 0..<UInt32(graph.graph.nodeCount) {
            let node = NodeID(rawValue: number)
            switch graph.graph.kind(node) {
            case .program, .entry:
                // The unknown program of a host of which nothing unknown was seen depends on nothing.
                var isUsed = false
                graph.graph.forEachEdge(at: node) { _ in isUsed = true }
                guard isUsed else { continue }
                let name = graph.name(node)
                let key = "\(name) \(graph.graph[graph.graph.host(node)].title)".lowercased()
                programs.append(Program(node: node, key: Array(key.utf8), name: name))
            case .file, .endpoint, .channel: break
            }
        }
        programs.sort { ($0.name, $0.node) < ($1.name, $1.node) }
        self.programs = programs
        self.watches = watches.map { WatchState($0, in: graph) }
    }

    /// The programs in whose names all words are, some of them from a place on, and how many there are.
    func search(_ text: String, offset: Int, limit: Int) -> (found: [Program], total: Int) {
        let words = text.lowercased().split(separator: " ").map { Array($0.utf8) }
        var found: [Program] = []
        var total = 0
        for program in programs where words.allSatisfy({ Self.has(program.key, $0) }) {
            if total >= offset, found.count < limit { found.append(program) }
            total += 1
        }
        return (found, total)
    }

    /// Whether a word stands in a key: from each place of its first byte on. What the standard library has for two arrays takes many
    /// times as long, which is much where it is asked of ten thousand names.
    private static func has(_ key: [UInt8], _ word: [UInt8]) -> Bool {
        guard let first = word.first else { return true }
        return key.withUnsafeBytes { key in
            word.withUnsafeBytes { word in
                guard var place = key.baseAddress, let begin = word.baseAddress else { return false }
                // Beyond this no word begins.
                let end = place + key.count - word.count + 1
                while place < end, let found = memchr(place, Int32(first), end - place) {
                    if memcmp(found, begin, word.count) == 0 { return true }
                    place = UnsafeRawPointer(found) + 1
                }
                return false
            }
        }
    }
}

/// Reads the records anew once they are old, and keeps the last that could be read.
final class Snapshots: Sendable {
    /// What is known of the reading.
    struct Health: Sendable {
        var problem: AnswerError?
        var failures: UInt64 = 0
        var reads: UInt64 = 0
    }

    private struct State {
        var current: Snapshot?
        var health = Health()
        var fingerprint: [UInt64]?
        /// When it was looked last whether there is something new, `Clock.monotonic`.
        var checked: UInt64 = 0
        var isReading = false
    }

    private let records: ServedRecords
    private let refresh: UInt64
    private let watches: [Watch]
    private let state = Mutex(State())

    init(_ records: ServedRecords, refresh seconds: Double, watches: [Watch]) {
        self.records = records
        self.watches = watches
        refresh = UInt64(seconds * 1e9)
    }

    var health: Health { state.withLock { $0.health } }

    /// The records, no older than the refresh allows unless they cannot be read now. While somebody else reads them anew it
    /// gives the ones before.
    func current() throws(AnswerError) -> Snapshot {
        let now = Clock.monotonic()
        let (known, isDue) = state.withLock { state in
            let isDue = !state.isReading && (state.checked == 0 || now >= state.checked + refresh)
            if isDue { state.isReading = true }
            return (state.current, isDue)
        }
        if isDue { return try read(known) }
        if let known { return known }
        throw health.problem ?? AnswerError(.unavailable, "the records are being read")
    }

    private func read(_ known: Snapshot?) throws(AnswerError) -> Snapshot {
        let fingerprint = records.fingerprint()
        if let known, fingerprint != nil,
            state.withLock({ $0.fingerprint == fingerprint && $0.health.problem == nil })
        {
            finish { _ in }
            return known
        }
        let start = Clock.monotonic()
        do throws(AnswerError) {
            let graph = try records.read()
            let snapshot = Snapshot(
                graph, time: Clock.wall(), duration: Clock.monotonic() - start, watches: watches)
            finish { state in
                state.current = snapshot
                state.fingerprint = fingerprint
                state.health.problem = nil
                state.health.reads += 1
            }
            return snapshot
        } catch {
            finish { state in
                state.health.problem = error
                state.health.failures += 1
            }
            guard let known else { throw error }
            return known
        }
    }

    private func finish(_ body: (inout State) -> Void) {
        state.withLock { state in
            body(&state)
            state.isReading = false
            state.checked = Clock.monotonic()
        }
    }
}

/// `--refresh`, of the server and of `retinue mcp`.
struct RefreshOption: ParsableArguments {
    @Option(help: ArgumentHelp("Read anew what is older than this.", valueName: "seconds"))
    var refresh = 30.0

    func validate() throws {
        guard refresh > 0, refresh <= 86_400 else {
            throw ValidationError("--refresh is a number of seconds, more than 0 and at most 86400")
        }
    }
}
