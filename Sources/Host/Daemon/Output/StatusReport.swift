import Observation
import Records

/// What is reported to `retinue status`.
struct StatusReport {
    var isReady: Bool
    var header: DumpHeader
    var pid: Int32
    var stateFolder: String
    var records: Int
    var programs: Int
    var paths: Int
    var gaps: Int
    var resident: UInt64
    var ledger: Int
    var storePath: String
    var storePending: Int
    var storeWritten: UInt64?
    var storeError: String?
    /// The longest time between two drains while events flowed, nanoseconds.
    var longestPause: UInt64 = 0
    /// Clients of the control socket: being served, turned away for want of a place, let go since they were silent.
    struct Clients {
        var served = 0
        var refused: UInt64 = 0
        var dropped: UInt64 = 0
    }
    var clients = Clients()
    /// Calls into filesystems whose server may not answer.
    var calls = BlockingCalls.Counts()
    var degraded: [String]
    /// What was lost since the start, by source and cause.
    var losses: [LossCause: UInt64] = [:]

    var json: [UInt8] {
        var out = JSONWriter()
        out.object { out in
            out.member("ready", flag: isReady)
            out.member("state", text: isReady ? "ready" : "starting")
            out.member("version", text: header.version)
            out.member("pid", number: pid)
            out.member("time", text: Timestamp.text(header.time))
            out.member("started", text: Timestamp.text(header.started))
            out.member("state_dir", text: stateFolder)
            if !header.scope.isWhole {
                out.object("scope") { out in
                    if let netns = header.scope.netns { out.member("netns", text: netns) }
                    if let cgroup = header.scope.cgroup { out.member("cgroup", text: cgroup) }
                }
            }
            out.member("records", number: records)
            out.member("programs", number: programs)
            out.member("paths", number: paths)
            out.member("gaps", number: gaps)
            out.object("memory") { out in
                out.member("resident", number: resident)
                out.member("ledger", number: ledger)
            }
            out.object("store") { out in
                out.member("path", text: storePath)
                out.member("pending", number: storePending)
                out.member("last_written", textOrNull: storeWritten.map(Timestamp.text))
                out.member("error", textOrNull: storeError)
            }
            out.member("longest_pause_us", number: longestPause / 1000)
            out.object("clients") { out in
                out.member("served", number: clients.served)
                out.member("refused", number: clients.refused)
                out.member("dropped", number: clients.dropped)
            }
            out.object("blocking_calls") { out in
                out.member("outstanding", number: calls.outstanding)
                out.member("expired", number: calls.expired)
                out.member("refused", number: calls.refused)
                out.member("delayed", number: calls.delayed)
            }
            out.object("sources") { out in
                for source in header.sources {
                    out.object(text: source.name) { out in
                        out.member("mode", text: source.mode)
                        out.member("received", number: source.received)
                        out.member("lost", number: source.lost)
                        for counter in source.counters {
                            out.member(text: counter.name, number: counter.value)
                        }
                    }
                }
            }
            out.key("losses")
            out.beginArray()
            for (loss, count) in losses.sorted(by: { $0.key < $1.key }) {
                out.object { out in
                    out.member("source", text: loss.source)
                    out.member("cause", text: loss.cause)
                    out.member("lost", number: count)
                }
            }
            out.endArray()
            out.array("degraded", texts: degraded)
        }
        return out.bytes
    }
}
