import Control
import Observation
import Records
import RecordStore

/// Requests to forget, from the moment they come until what they name is gone from the store as well.
struct Forgetting {
    /// A request that waits for its turn.
    struct Request {
        var filter: ForgetFilter
        var isDryRun: Bool
        var client: Client
    }

    /// Who asked. The descriptor may be another client's by the time of the answer.
    struct Client {
        var number: Int32
        var arrival: UInt64
    }

    var requests: [Request] = []
    /// What has gone from the ledger, and not yet from the store.
    var unstored: [(client: Client, counts: [ForgottenCount])] = []
    /// When records are looked through for old ones next, nanoseconds since 1970.
    var nextLook: UInt64 = 0

    var clients: [Int32] { requests.map(\.client.number) + unstored.map(\.client.number) }
}

extension Watcher where Source: ~Copyable, Wait: ~Copyable {
    /// Takes a request; it is served at once unless a dump is being made, which knows records by their numbers.
    mutating func askToForget(_ filter: ForgetFilter, isDryRun: Bool, client number: Int32) {
        guard let arrival = handlers.arrival(of: number) else { return }
        forgetting.requests.append(
            .init(filter: filter, isDryRun: isDryRun, client: .init(number: number, arrival: arrival)))
        serveForgets()
    }

    /// Forgets what clients named and what is older than the configuration allows, where that may be done now.
    mutating func serveForgets() {
        guard job == nil, isReady else { return }
        forgetOld()
        guard !forgetting.requests.isEmpty else { return }
        // What was completed before the request is meant as well.
        drainAll()
        for request in forgetting.requests { forget(request) }
        forgetting.requests = []
        if !forgetting.unstored.isEmpty { flush() }
    }

    private mutating func forget(_ request: Forgetting.Request) {
        let filter = RecordFilter(request.filter, now: waiting.wall)
        let positions = filter.positions(in: session.observer.ledger)
        var records = [UInt64](repeating: 0, count: Relation.allCases.count)
        for position in positions {
            records[Int(session.observer.ledger.records[position].key.relation.rawValue)] += 1
        }
        let counts = Relation.allCases.map {
            ForgottenCount(relation: $0.word.description, records: records[Int($0.rawValue)])
        }
        if request.isDryRun || positions.isEmpty {
            answer(request.client, counts)
            return
        }
        session.observer.forget(positions)
        forgetting.unstored.append((request.client, counts))
    }

    private mutating func answer(_ client: Forgetting.Client, _ counts: [ForgottenCount]) {
        guard handlers.arrival(of: client.number) == client.arrival else { return }
        handlers.answer(client.number, forgotten: counts)
    }

    /// Answers those who wait: what they named is gone from the disk as well, or it is not.
    mutating func answerForgets(failure: String? = nil) {
        guard !forgetting.unstored.isEmpty else { return }
        if failure == nil {
            guard store.slice == nil, store.progress.hasForgotten(session.observer.ledger) else { return }
        }
        for (client, counts) in forgetting.unstored {
            guard let failure else {
                answer(client, counts)
                continue
            }
            guard handlers.arrival(of: client.number) == client.arrival else { continue }
            handlers.answer(
                client.number,
                error:
                    "the records were forgotten, but the store cannot be written, and a restart before it can "
                    + "be brings them back: \(failure)")
        }
        forgetting.unstored = []
    }

    // MARK: Age

    /// Forgets records that were last seen longer ago than the configuration allows.
    ///
    /// Never what wakes the daemon: it is done when it is awake anyway, and not again before a thirty-second of that
    /// time has passed, since it looks at every record, and writes the store anew where it finds one.
    mutating func forgetOld() {
        let now = waiting.wall
        guard let retention = configuration.retention, now >= forgetting.nextLook, now > retention else {
            return
        }
        forgetting.nextLook = now + max(retention / 32, 60_000_000_000)
        let positions = RecordFilter(lastBefore: now - retention).positions(in: session.observer.ledger)
        guard !positions.isEmpty else { return }
        session.observer.forget(positions)
        Message.print(
            "records forgotten that were not seen for as long as retention says: \(positions.count)")
    }
}

extension RecordFilter {
    /// What a client names, at a moment, nanoseconds since 1970.
    init(_ filter: ForgetFilter, now: UInt64) {
        self.init(
            program: filter.program.map { NamePattern($0) }, path: filter.path.map { Glob($0) },
            workload: filter.workload.map { NamePattern($0) },
            // A record that was last seen just so long ago is meant.
            lastBefore: filter.age.map { $0 < now ? now - $0 + 1 : 0 })
    }
}
