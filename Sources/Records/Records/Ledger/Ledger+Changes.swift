/// Which records changed of late, so that whoever asks often for what has changed costs what has changed, and not a look at
/// every record.
struct FollowedChanges: Sendable {
    /// Changes that are noted at most: 256 KiB. Beyond that the older half goes.
    static let most = 1 << 15

    private struct Entry {
        var number: UInt32
        var position: UInt32
    }

    /// Each time that a record got a change number, in that order.
    private var entries: [Entry] = []
    /// Of what changed at a greater number every record is noted; `nil` as long as nobody follows.
    private var after: UInt32?
    /// Whether anything has the ledger's present change number.
    var isNumberUsed = false
    /// The change number at which a gap came or became another.
    var gapsChange: UInt32 = 0

    /// A record got the present change number.
    @inline(__always)
    mutating func note(_ position: Int, _ number: UInt32) {
        isNumberUsed = true
        if after != nil { add(Entry(number: number, position: UInt32(position))) }
    }

    private mutating func add(_ entry: Entry) {
        if entries.count == Self.most {
            after = entries[Self.most / 2 - 1].number
            entries.removeFirst(Self.most / 2)
        }
        entries.append(entry)
    }

    /// Somebody follows from now on, when no record has a greater number than this.
    mutating func begin(after number: UInt32) { if after == nil { after = number } }

    /// Positions have become others, when no record had a greater number than this.
    mutating func restart(after number: UInt32) {
        entries = []
        if after != nil { after = number }
    }

    /// The records that have a greater change number than this, rising; `nil` if more may have one.
    func positions(after number: UInt32) -> [UInt32]? {
        guard let after, after <= number else { return nil }
        var range = 0..<entries.count
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range =
                entries[middle].number > number ? range.lowerBound..<middle : middle + 1..<range.upperBound
        }
        var positions = entries[range.lowerBound...].map(\.position)
        positions.sort()
        var last: UInt32?
        positions.removeAll { position in
            defer { last = position }
            return position == last
        }
        return positions
    }
}

extension Ledger {
    /// Begins a run of a daemon with the records that its store had.
    ///
    /// - Parameter numbering: a number that nobody else chooses, not 0; taken where the store had none.
    public mutating func beginRun(numbering: UInt32) {
        // Others may have been shown numbers that the store had no time to take.
        skipChanges(1024)
        if self.numbering == 0 { self.numbering = numbering }
        runAfter = change - 1
        // The gaps that the store had may not be those that were shown last.
        noteGapsChanged()
    }

    /// Takes over what a store says of them.
    public mutating func restore(numbering: UInt32) { self.numbering = numbering }

    mutating func noteGapsChanged() {
        followed.gapsChange = change
        followed.isNumberUsed = true
    }

    /// Ends the present change number, unless nothing has it, so that one who asks again and again uses none up: what changed up to
    /// the returned number is what has changed so far.
    public mutating func seal() -> UInt32 {
        if followed.isNumberUsed { beginChange() }
        return change - 1
    }

    /// Positions of the records that have a greater change number than this, rising. Takes time in proportion to what
    /// has changed of late, once somebody has asked before; else to all there is.
    public mutating func changed(after number: UInt32) -> [UInt32] {
        followed.begin(after: followed.isNumberUsed ? change : change - 1)
        if let positions = followed.positions(after: number) { return positions }
        return records.indices.filter { records[$0].change > number }.map { UInt32($0) }
    }

    /// Whether a gap came or became another at a greater change number than this. Who names a number that there is not yet,
    /// to begin with what comes, has to know the gaps that there are.
    public func gapsChanged(after number: UInt32) -> Bool {
        number == 0 || number >= change || followed.gapsChange > number
    }

    /// Puts in what a later line says of a record, in place of what was known of it; marked clean.
    ///
    /// - Returns: the record's position, and what was known before.
    @discardableResult
    public mutating func replace(
        _ record: Record, traffic: Traffic = Traffic(), fold: Fold? = nil
    ) -> (position: Int, before: Record?) {
        guard let position = position(of: record.key) else {
            restore(record, traffic: traffic, fold: fold)
            return (records.count - 1, nil)
        }
        let before = records[position]
        records[position] = record
        records[position].isDirty = false
        records[position].isFolded = fold != nil
        folds[UInt32(position)] = fold
        set(traffic, at: position)
        return (position, before)
    }
}
