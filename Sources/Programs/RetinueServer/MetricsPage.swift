import Control
import MoveGroup
import Records
import RetinueCommands
import Synchronization
import Text
import WebServer

/// One family of metrics in the text format 0.0.4 of Prometheus.
struct MetricFamily {
    enum Kind: String { case counter, gauge }
    typealias Labels = [(name: String, value: String)]

    let name: String
    let kind: Kind
    let help: String
    var samples: [(labels: Labels, value: Double)] = []

    /// Appends the family; nothing if it has no sample.
    func append(to text: inout String) {
        guard !samples.isEmpty else { return }
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
        for (labels, value) in samples {
            text += name
            if !labels.isEmpty {
                text +=
                    "{" + labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
                    + "}"
            }
            text += " \(Self.number(value))\n"
        }
    }

    private static func escaped(_ text: String) -> String {
        var out = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": out += "\\\\".unicodeScalars
            case "\"": out += "\\\"".unicodeScalars
            case "\n": out += "\\n".unicodeScalars
            default: out.append(scalar)
            }
        }
        return String(out)
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }
}

/// How far the store may be behind.
///
/// A daemon says how much waits and when it wrote last, which after a quiet hour was an hour ago. So the last moment is kept
/// at which nothing waited: what waits now came later.
final class StoreLag: Sendable {
    private struct Moment {
        var daemon: UInt64
        var time: UInt64
    }
    private let empty = Mutex<Moment?>(nil)

    /// How old the oldest change may be that is not stored, by a status, seconds; no less than it is.
    func seconds(_ status: JSONValue) -> Double? {
        func time(_ value: JSONValue?) -> UInt64? {
            value?.string.flatMap { Timestamp.parse(Array($0.utf8)) }
        }
        guard let pending = status["store"]?["pending"]?.integer else { return nil }
        guard let now = time(status["time"]), let started = time(status["started"]) else {
            return pending == 0 ? 0 : nil
        }
        if pending == 0 {
            empty.withLock { $0 = Moment(daemon: started, time: now) }
            return 0
        }
        let known = empty.withLock { $0 }.flatMap { $0.daemon == started ? $0.time : nil }
        let since = max(time(status["store"]?["last_written"]) ?? started, known ?? 0)
        return now > since ? Double(now - since) / 1e9 : 0
    }
}

/// What `/metrics` says: of the daemon by its status, of the records that were read, of what is watched.
///
/// No label is a path: what programs and files are called is reported to nobody who watches a graph of numbers, and there are
/// too many of them.
struct MetricsPage {
    private let snapshots: Snapshots
    private let records: ServedRecords
    private let lag = StoreLag()

    init(_ snapshots: Snapshots, _ records: ServedRecords) {
        self.snapshots = snapshots
        self.records = records
    }

    func response() -> WebAnswer {
        var families = [
            Self.gauge("retinue_build_info", "The version of the server.", 1, [("version", retinueVersion)])
        ]
        if records.areDaemons {
            var status: JSONValue?
            if let text = try? records.status() { status = try? JSONValue(parsing: text) }
            families += Self.daemon(status, lag: status.flatMap { lag.seconds($0) })
        }
        let snapshot = try? snapshots.current()
        families += Self.server(snapshot, snapshots.health)
        var text = ""
        for family in families { family.append(to: &text) }
        return WebAnswer(200, type: "text/plain; version=0.0.4; charset=utf-8", body: Array(text.utf8))
    }

    private static func gauge(
        _ name: String, _ help: String, _ value: Double?, _ labels: MetricFamily.Labels = []
    ) -> MetricFamily {
        MetricFamily(name: name, kind: .gauge, help: help, samples: value.map { [(labels, $0)] } ?? [])
    }

    private static func counter(_ name: String, _ help: String, _ value: Double?) -> MetricFamily {
        MetricFamily(name: name, kind: .counter, help: help, samples: value.map { [([], $0)] } ?? [])
    }

    // MARK: The daemon

    /// - Parameters:
    ///   - status: the daemon's status; `nil` if it does not answer.
    ///   - lag: seconds that its store is behind.
    static func daemon(_ status: JSONValue?, lag: Double?) -> [MetricFamily] {
        let up = gauge("retinue_daemon_up", "Whether retinued answers.", status == nil ? 0 : 1)
        guard let status else { return [up] }
        func number(_ path: String...) -> Double? {
            path.reduce(status) { $0?[$1] }?.integer.map { Double($0) }
        }
        func time(_ path: String...) -> Double? {
            path.reduce(status) { $0?[$1] }?.string.flatMap { Timestamp.parse(Array($0.utf8)) }.map {
                Double($0) / 1e9
            }
        }
        var families = [
            up,
            gauge(
                "retinue_daemon_ready", "Whether retinued has seen the whole host since its start.",
                status["ready"] == .boolean(true) ? 1 : 0),
            gauge("retinue_daemon_start_timestamp_seconds", "When retinued started.", time("started")),
            gauge("retinue_records", "Dependency records that retinued holds.", number("records")),
            gauge("retinue_programs", "Programs that retinued has met.", number("programs")),
            gauge("retinue_paths", "Texts, most of them paths, that retinued holds.", number("paths")),
            gauge(
                "retinue_gaps", "Spans of time in which something was lost or not watched.", number("gaps")),
            gauge(
                "retinue_resident_memory_bytes", "Memory of retinued that is resident.",
                number("memory", "resident")),
            gauge("retinue_ledger_memory_bytes", "Memory that the records take.", number("memory", "ledger")),
            gauge(
                "retinue_store_pending_records", "Records that are not in the store yet.",
                number("store", "pending")),
            gauge(
                "retinue_store_lag_seconds", "How old the oldest change may be that is not stored.",
                lag),
            gauge(
                "retinue_store_failed", "Whether the store could not be written.",
                status["store"]?["error"].map { $0 == .null ? 0 : 1 }),
            gauge(
                "retinue_longest_drain_pause_seconds",
                "The longest time between two drains while events came.",
                number("longest_pause_us").map { $0 / 1e6 }),
            gauge(
                "retinue_degraded_modes", "Things that retinued has to do without.",
                status["degraded"]?.array.map { Double($0.count) }),
            counter(
                "retinue_clients_refused_total", "Clients of the control socket that were turned away.",
                number("clients", "refused")),
            counter(
                "retinue_clients_dropped_total", "Clients of the control socket that stayed silent.",
                number("clients", "dropped")),
            counter(
                "retinue_blocking_calls_expired_total", "Calls into filesystems that did not answer in time.",
                number("blocking_calls", "expired")),
        ]
        families += sources(status)
        return families
    }

    private static func sources(_ status: JSONValue) -> [MetricFamily] {
        var received = MetricFamily(
            name: "retinue_received_events_total", kind: .counter, help: "Events that a source delivered.")
        var lost = MetricFamily(
            name: "retinue_lost_events_total", kind: .counter,
            help: "Events that a source could not deliver; one of unknown extent counts as one.")
        var details = MetricFamily(
            name: "retinue_source_detail", kind: .gauge,
            help: "What else a source counts, by the name in retinue status.")
        for source in status["sources"]?.members ?? [] {
            for member in source.value.members ?? [] {
                guard let value = member.value.integer else { continue }
                switch member.key {
                case "received": received.samples.append(([("source", source.key)], Double(value)))
                // By cause below; without one there the series is there before the first loss, for rate().
                case "lost": lost.samples.append(([("source", source.key), ("cause", "")], 0))
                default:
                    details.samples.append(
                        ([("source", source.key), ("detail", member.key)], Double(value)))
                }
            }
        }
        var sums: [[String]: Double] = [:]
        for loss in status["losses"]?.array ?? [] {
            guard let source = loss["source"]?.string, let cause = loss["cause"]?.string,
                let count = loss["lost"]?.integer
            else { continue }
            // Two that differ by their paths are one here.
            sums[[source, withoutPath(cause)], default: 0] += Double(count)
        }
        for (key, count) in sums.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            lost.samples.append(([("source", key[0]), ("cause", key[1])], count))
        }
        return [received, lost, details]
    }

    /// A cause as far as it is no path.
    static func withoutPath(_ cause: String) -> String {
        guard let slash = cause.firstIndex(of: "/") else { return cause }
        let end = cause[..<slash].lastIndex(of: ":") ?? cause.startIndex
        return end == cause.startIndex ? "other" : String(cause[..<end])
    }

    // MARK: The server

    static func server(_ snapshot: Snapshot?, _ health: Snapshots.Health) -> [MetricFamily] {
        var families = [
            gauge(
                "retinue_server_records_up", "Whether the last reading of the records succeeded.",
                health.problem == nil && snapshot != nil ? 1 : 0),
            counter("retinue_server_reads_total", "How often the records were read.", Double(health.reads)),
            counter(
                "retinue_server_read_failures_total", "How often they could not be.", Double(health.failures)),
        ]
        guard let snapshot else { return families }
        let graph = snapshot.graph.graph
        families += [
            gauge(
                "retinue_server_read_duration_seconds",
                "How long the last reading took: the dump or the files, and joining them.",
                Double(snapshot.duration) / 1e9),
            gauge(
                "retinue_server_read_timestamp_seconds", "When they were read.", Double(snapshot.time) / 1e9),
            gauge(
                "retinue_server_graph_memory_bytes", "Memory of the joined records.", Double(graph.footprint)),
            gauge(
                "retinue_server_nodes", "Programs, files, addresses and channels of all hosts.",
                Double(graph.nodeCount)),
            gauge("retinue_server_dependencies", "Dependencies between them.", Double(graph.edgeCount)),
        ]
        var observed = MetricFamily(
            name: "retinue_host_observed_timestamp_seconds", kind: .gauge,
            help: "The last moment of which something is known of a host.")
        var gaps = MetricFamily(
            name: "retinue_host_gaps", kind: .gauge,
            help: "Spans of time of a host in which something was lost or not watched.")
        // The first stands for no host.
        for host in graph.hosts.dropFirst() {
            let labels: MetricFamily.Labels = [("host", host.id), ("name", host.name)]
            if host.observed.upperBound != 0 {
                observed.samples.append((labels, Double(host.observed.upperBound) / 1e9))
            }
            gaps.samples.append((labels, Double(host.gaps.count)))
        }
        return families + [observed, gaps] + watches(snapshot.watches)
    }

    private static func watches(_ watches: [WatchState]) -> [MetricFamily] {
        var found = MetricFamily(
            name: "retinue_watch_found", kind: .gauge, help: "Whether what is watched is in the records.")
        var members = MetricFamily(
            name: "retinue_watch_members", kind: .gauge, help: "Members of a watched program's group.")
        var clients = MetricFamily(
            name: "retinue_watch_clients", kind: .gauge,
            help: "Who connects to a watched program: programs, and addresses of which nobody was observed.")
        for watch in watches {
            let label = ("watch", watch.name)
            found.samples.append(([label], watch.members == nil ? 0 : 1))
            guard let counts = watch.members else { continue }
            for kind in NodeKind.allCases {
                members.samples.append(([label, ("kind", "\(kind.word)")], Double(counts[kind] ?? 0)))
            }
            clients.samples.append(([label, ("kind", "program")], Double(watch.clientPrograms)))
            clients.samples.append(([label, ("kind", "address")], Double(watch.clientAddresses)))
        }
        return [found, members, clients]
    }
}
