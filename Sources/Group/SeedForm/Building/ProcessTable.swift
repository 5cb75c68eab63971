import Records

/// What each pid of one machine stands for at this point of its records.
///
/// There is no record of an exit: a pid keeps its meaning until a fork or an exec gives it another.
/// Open addressing with linear probing.
struct ProcessTable: ~Copyable {
    struct Process {
        /// Its path; `.none` while no record tells it and none is made up.
        var program = TextID.none
        /// Whether a record of a fork made it, so that its program before an exec is its parent's.
        var wasForked = false
        /// Whether no record of an exec tells its path, nor that of an ancestor.
        var isUnknown = true
    }

    private struct Slot {
        var pid: UInt32 = 0
        var isUsed = false
        var process = Process()
    }

    private var slots = [Slot](repeating: Slot(), count: 1024)
    private var count = 0
    private let mixing = Mixing()

    /// The process that a pid stands for; an unknown one if no record told.
    subscript(pid: UInt32) -> Process {
        @inline(__always) get {
            let slot = place(pid)
            return slots[slot].isUsed ? slots[slot].process : Process()
        }
        @inline(__always) set {
            let slot = place(pid)
            if !slots[slot].isUsed { count += 1 }
            slots[slot] = Slot(pid: pid, isUsed: true, process: newValue)
            if count * 4 > slots.count * 3 { grow() }
        }
    }

    /// Where a pid is or belongs.
    @inline(__always)
    private func place(_ pid: UInt32) -> Int {
        var slot = Int(truncatingIfNeeded: mixing.hash(UInt64(pid))) & (slots.count - 1)
        while slots[slot].isUsed, slots[slot].pid != pid { slot = (slot + 1) & (slots.count - 1) }
        return slot
    }

    private mutating func grow() {
        let old = slots
        slots = [Slot](repeating: Slot(), count: old.count * 2)
        for entry in old where entry.isUsed { slots[place(entry.pid)] = entry }
    }
}
