import Records

/// A row of the list, with what the nine columns say of it.
struct Row {
    enum Relation: UInt8 {
        /// Between two paths; these are the rows of the published list.
        case file, spawn, connect
        /// One side of a connection whose other side is in no record: between a path and an address.
        case farConnect, farAccept
    }

    struct Key: Equatable {
        var relation: Relation
        /// Number of the machine.
        var machineA: UInt32
        var pathA: TextID
        /// Number of the machine; for far ends, number of the address.
        var hostB: UInt32
        /// Path; for far ends, the port of the service.
        var pathB: UInt32
    }

    var key: Key
    var access: Access
    /// Whether an earlier row has the same four columns and another relation.
    var isRepeated: Bool
    var count: UInt64
    var span: TimeSpan
}

/// From the first to the last of some times, in nanoseconds since 1970; nothing as long as there was none.
struct TimeSpan {
    private var first = UInt64.max
    private var last = UInt64.min

    /// The ends, if there was a time.
    var bounds: ClosedRange<UInt64>? { first <= last ? first...last : nil }

    init() {}

    init(_ time: UInt64) { add(time) }

    @inline(__always)
    mutating func add(_ time: UInt64) {
        guard time != SeedLine.noTime else { return }
        first = min(first, time)
        last = max(last, time)
    }

    @inline(__always)
    mutating func add(_ other: TimeSpan) {
        first = min(first, other.first)
        last = max(last, other.last)
    }
}

/// The rows, each once, in the order in which they first appeared.
struct RowTable: ~Copyable {
    private(set) var rows: [Row] = []
    /// A hash above the position plus one of a row; 0 is free. The hash spares looking at most rows that
    /// are not meant, and at all of them when the table grows.
    private var slots = [UInt64](repeating: 0, count: 1024)
    private let mixing = Mixing()

    /// Notes an observation.
    @inline(__always)
    mutating func note(_ key: Row.Key, access: Access = [], _ span: TimeSpan) {
        let hash = hash(key)
        if let position = position(key, hash) {
            rows[position].count += 1
            rows[position].access.formUnion(access)
            rows[position].span.add(span)
        } else {
            insert(Row(key: key, access: access, isRepeated: false, count: 1, span: span), hash)
        }
    }

    private mutating func insert(_ row: Row, _ hash: UInt64) {
        var row = row
        row.isRepeated = hasSameColumns(row.key)
        rows.append(row)
        if rows.count * 4 > slots.count * 3 { grow() }
        place(hash << 32 | UInt64(UInt32(rows.count)))
    }

    private func hasSameColumns(_ key: Row.Key) -> Bool {
        var other = key
        for relation in [Row.Relation.file, .spawn, .connect] where relation != key.relation {
            other.relation = relation
            if position(other, hash(other)) != nil { return true }
        }
        return false
    }

    @inline(__always)
    private func position(_ key: Row.Key, _ hash: UInt64) -> Int? {
        var slot = Int(truncatingIfNeeded: hash & 0xffff_ffff) & (slots.count - 1)
        while slots[slot] != 0 {
            if slots[slot] >> 32 == hash & 0xffff_ffff {
                let position = Int(slots[slot] & 0xffff_ffff) - 1
                if rows[position].key == key { return position }
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    @inline(__always)
    private func hash(_ key: Row.Key) -> UInt64 {
        let paths = UInt64(key.pathA.rawValue) << 32 | UInt64(key.pathB)
        let hosts = UInt64(key.machineA) << 32 | UInt64(key.hostB)
        // Machines are few: their numbers leave the top for the relation.
        return mixing.hash(paths, hosts ^ UInt64(key.relation.rawValue) << 61)
    }

    @inline(__always)
    private mutating func place(_ entry: UInt64) {
        var slot = Int(entry >> 32) & (slots.count - 1)
        while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = entry
    }

    private mutating func grow() {
        let old = slots
        slots = [UInt64](repeating: 0, count: old.count * 2)
        for entry in old where entry != 0 { place(entry) }
    }
}
