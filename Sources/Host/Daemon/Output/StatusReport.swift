import Records

/// Puts JSON together without Foundation.
struct JSONBuilder {
    private(set) var bytes: [UInt8] = []
    private var needsComma = false

    mutating func object(_ key: String? = nil, _ body: (inout JSONBuilder) -> Void) {
        open(key, "{")
        body(&self)
        close("}")
    }

    mutating func array(_ key: String, _ values: [String]) {
        open(key, "[")
        for value in values {
            separate()
            string(value)
            needsComma = true
        }
        close("]")
    }

    mutating func put(_ key: String, _ value: String?) {
        name(key)
        if let value { string(value) } else { raw("null") }
        needsComma = true
    }

    mutating func put(_ key: String, _ value: UInt64) {
        name(key)
        raw(String(value))
        needsComma = true
    }

    mutating func put(_ key: String, _ value: Int) { put(key, UInt64(max(0, value))) }

    mutating func put(_ key: String, _ value: Bool) {
        name(key)
        raw(value ? "true" : "false")
        needsComma = true
    }

    private mutating func open(_ key: String?, _ mark: String) {
        if let key { name(key) } else { separate() }
        raw(mark)
        needsComma = false
    }

    private mutating func close(_ mark: String) {
        raw(mark)
        needsComma = true
    }

    private mutating func name(_ key: String) {
        separate()
        string(key)
        raw(":")
    }

    private mutating func separate() {
        if needsComma { raw(",") }
        needsComma = false
    }

    private mutating func raw(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func string(_ text: String) {
        raw("\"")
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                raw("\\u00" + (digits.count == 1 ? "0" : "") + digits)
            default: bytes.append(byte)
            }
        }
        raw("\"")
    }
}

/// What `retinue status` is told.
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
    var longestPause: UInt64
    var degraded: [String]

    var json: [UInt8] {
        var out = JSONBuilder()
        out.object { out in
            out.put("ready", isReady)
            out.put("state", isReady ? "ready" : "starting")
            out.put("version", header.version)
            out.put("pid", Int(pid))
            out.put("time", Timestamp.text(header.time))
            out.put("started", Timestamp.text(header.started))
            out.put("state_dir", stateFolder)
            if !header.scope.isWhole {
                out.object("scope") { out in
                    if let netns = header.scope.netns { out.put("netns", netns) }
                    if let cgroup = header.scope.cgroup { out.put("cgroup", cgroup) }
                }
            }
            out.put("records", records)
            out.put("programs", programs)
            out.put("paths", paths)
            out.put("gaps", gaps)
            out.object("memory") { out in
                out.put("resident", resident)
                out.put("ledger", ledger)
            }
            out.object("store") { out in
                out.put("path", storePath)
                out.put("pending", storePending)
                out.put("last_written", storeWritten.map(Timestamp.text))
                out.put("error", storeError)
            }
            out.put("longest_pause_us", longestPause / 1000)
            out.object("sources") { out in
                for source in header.sources {
                    out.object(source.name) { out in
                        out.put("mode", source.mode)
                        out.put("received", source.received)
                        out.put("lost", source.lost)
                        for counter in source.counters { out.put(counter.name, counter.value) }
                    }
                }
            }
            out.array("degraded", degraded)
        }
        return out.bytes
    }
}
