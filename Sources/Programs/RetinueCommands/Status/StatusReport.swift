import Records

/// The daemon's answer to `status`, as far as it is understood: a daemon of another version may say
/// more or less.
struct StatusReport {
    struct Source {
        var name: String
        var mode: String
        var received: UInt64
        var lost: UInt64
        /// Further counters, in the daemon's order.
        var counters: [(name: String, value: UInt64)]
    }

    let json: JSONValue

    init(_ text: [UInt8]) throws(Failure) {
        do throws(JSONError) {
            json = try JSONValue(parsing: text)
        } catch {
            throw Failure("the daemon's status is not the JSON that it should be: \(error)")
        }
        guard json.members != nil, json["ready"] != nil else {
            throw Failure("the daemon's status says nothing about being ready")
        }
    }

    var isReady: Bool { json["ready"] == .boolean(true) }

    /// Nanoseconds since 1970 at which the status was taken.
    var time: UInt64? { json["time"]?.string.flatMap { Timestamp.parse(Array($0.utf8)) } }

    /// Nanoseconds since 1970 at which the daemon started.
    var started: UInt64? { json["started"]?.string.flatMap { Timestamp.parse(Array($0.utf8)) } }

    var sources: [Source] {
        (json["sources"]?.members ?? []).map { member in
            let counters: [(name: String, value: UInt64)] = (member.value.members ?? []).compactMap {
                guard $0.key != "received", $0.key != "lost", let value = $0.value.integer else { return nil }
                return ($0.key, UInt64(clamping: value))
            }
            return Source(
                name: member.key, mode: member.value["mode"]?.string ?? "?",
                received: member.value.count("received") ?? 0, lost: member.value.count("lost") ?? 0,
                counters: counters)
        }
    }

    /// What the daemon has to do without.
    var degraded: [String] { (json["degraded"]?.array ?? []).compactMap(\.string) }

    func text(_ key: String) -> String? { json[key]?.string }

    func count(_ key: String) -> UInt64? { json.count(key) }
}

extension JSONValue {
    /// A number that is not negative, under a key.
    func count(_ key: String) -> UInt64? { self[key]?.integer.map { UInt64(clamping: $0) } }
}
