import Records

@testable import SeedForm

/// The rules of the list once more, as plainly as they can be said: strings and dictionaries, everything
/// kept, nothing clever.
struct Reference {
    private struct Process {
        var path: [UInt8]?
        var wasForked = false
        var isUnknown = true
    }

    fileprivate struct End {
        var machine: NetworkAddress
        var path: [UInt8]?
        var time: UInt64?
        var record: SeedRecord
        var arrival: Int
    }

    /// What both sides know of a connection.
    private struct Tuple: Hashable {
        var client: Endpoint
        var server: Endpoint
        var machine: NetworkAddress?
    }

    private struct Key: Hashable {
        var relation: String
        var columns: [[UInt8]]
    }

    private struct Row {
        var key: Key
        var access = ""
        var count = 0
        var times: [UInt64] = []
    }

    private let namesUnknown: Bool
    private var rows: [Row] = []
    private var positions: [Key: Int] = [:]
    private(set) var statistics = ListStatistics()

    init(_ machines: [(address: NetworkAddress, records: [SeedRecord])], namesUnknown: Bool) {
        self.namesUnknown = namesUnknown
        var waiting: [Tuple: [End]] = [:]
        var arrivals = 0
        for (address, records) in machines {
            var processes: [UInt32: Process] = [:]
            for record in records {
                statistics.records += 1
                switch record.event {
                case .open(let pid, let path, let access):
                    let process = actor(pid, &processes)
                    if process.isUnknown { statistics.unknown.opens += 1 }
                    let letters = access == .read ? "r" : "rw"
                    note("file", address, process.path, address, path, letters, [record.time])
                case .fork(let parent, let child):
                    var process = actor(parent, &processes)
                    process.wasForked = true
                    processes[child] = process
                case .exec(let pid, let path):
                    let before = processes[pid] ?? Process()
                    if before.wasForked {
                        if before.isUnknown { statistics.unknown.spawns += 1 }
                        note("spawn", address, before.path, address, path, "", [record.time])
                    }
                    processes[pid] = Process(path: path, wasForked: before.wasForked, isUnknown: false)
                case .accept(let pid, let server, let client), .connect(let pid, let client, let server):
                    let process = actor(pid, &processes)
                    arrivals += 1
                    let end = End(
                        machine: address, path: process.path, time: record.time, record: record,
                        arrival: arrivals)
                    if process.isUnknown, end.isAccept { statistics.unknown.accepts += 1 }
                    if process.isUnknown, !end.isAccept { statistics.unknown.connects += 1 }
                    let isLocal = client.address.isLoopback || server.address.isLoopback
                    let tuple = Tuple(client: client, server: server, machine: isLocal ? address : nil)
                    if let other = waiting[tuple]?.first, other.isAccept != end.isAccept {
                        waiting[tuple]?.removeFirst()
                        pair(end, other)
                    } else {
                        waiting[tuple, default: []].append(end)
                    }
                }
            }
        }
        for end in waiting.values.joined().sorted(by: { $0.arrival < $1.arrival }) { alone(end) }
    }

    private func actor(_ pid: UInt32, _ processes: inout [UInt32: Process]) -> Process {
        var process = processes[pid] ?? Process()
        if process.path == nil, namesUnknown {
            process.path = Array("pid:\(pid)".utf8)
            processes[pid] = process
        }
        return process
    }

    private mutating func pair(_ one: End, _ other: End) {
        let (connecting, accepting) = one.isAccept ? (other, one) : (one, other)
        statistics.pairs += 1
        if connecting.path == nil || accepting.path == nil { statistics.pairsLeftOut += 1 }
        note(
            "connect", connecting.machine, connecting.path, accepting.machine, accepting.path, "",
            [connecting.time, accepting.time])
    }

    private mutating func alone(_ end: End) {
        switch end.record.event {
        case .accept(_, let server, let client):
            statistics.unpaired.accepts += 1
            note("far accept", end.machine, end.path, client.address, server.service, "", [end.time])
        case .connect(_, _, let server):
            statistics.unpaired.connects += 1
            note("far connect", end.machine, end.path, server.address, server.service, "", [end.time])
        default: break
        }
    }

    private mutating func note(
        _ relation: String, _ hostA: NetworkAddress, _ pathA: [UInt8]?, _ hostB: NetworkAddress,
        _ pathB: [UInt8]?, _ access: String, _ times: [UInt64?]
    ) {
        guard let pathA, let pathB else { return }
        let columns = [Array(hostA.description.utf8), pathA, Array(hostB.description.utf8), pathB]
        let key = Key(relation: relation, columns: columns)
        let position = positions[key] ?? rows.count
        if position == rows.count {
            rows.append(Row(key: key))
            positions[key] = position
        }
        rows[position].count += 1
        if access.count > rows[position].access.count { rows[position].access = access }
        rows[position].times += times.compactMap { $0 }
    }

    /// The four columns.
    var list: [UInt8] {
        var seen: Set<[[UInt8]]> = []
        var out: [UInt8] = []
        for row in rows where !row.key.relation.hasPrefix("far") && seen.insert(row.key.columns).inserted {
            out += row.key.columns.map(\.asField).joined(separator: [0x2c]) + [0x0a]
        }
        return out
    }

    /// The nine columns.
    var records: [UInt8] {
        var out = Array("host A,path A,relation,access,host B,path B,count,first,last\n".utf8)
        for row in rows {
            let columns = row.key.columns
            let relation = row.key.relation.replacing("far ", with: "")
            let fields: [[UInt8]] = [
                columns[0], columns[1], Array(relation.utf8), Array(row.access.utf8), columns[2], columns[3],
                Array("\(row.count)".utf8), Array((row.times.min().map { Timestamp.text($0) } ?? "").utf8),
                Array((row.times.max().map { Timestamp.text($0) } ?? "").utf8),
            ]
            out += fields.map(\.asField).joined(separator: [0x2c]) + [0x0a]
        }
        return out
    }
}

extension Reference.End {
    fileprivate var isAccept: Bool {
        if case .accept = record.event { return true }
        return false
    }
}

extension Endpoint {
    fileprivate var service: [UInt8] { Array("tcp:\(port)".utf8) }
}

extension [UInt8] {
    fileprivate var asField: [UInt8] {
        guard contains(where: { [0x2c, 0x22, 0x0a, 0x0d].contains($0) }) else { return self }
        return [0x22] + flatMap { $0 == 0x22 ? [0x22, 0x22] : [$0] } + [0x22]
    }
}
