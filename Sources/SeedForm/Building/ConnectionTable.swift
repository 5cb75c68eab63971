import Records

/// Accepts and connects that wait for their counterpart.
///
/// A 4-tuple is used again and again, and between the records of two machines there is no order: the n-th
/// accept of a tuple belongs to the n-th connect of it. So what waits under a tuple is always of one
/// side, and the first that came is the first that leaves. A tuple under which nothing waits takes no
/// room: however many connections the records hold, the table is as large as those that are open in it.
struct ConnectionTable: ~Copyable {
    enum Side: UInt8 { case accept, connect }

    /// What both sides know of a connection.
    struct Tuple: Equatable {
        /// Numbers of addresses.
        var client: UInt32
        var server: UInt32
        var clientPort: UInt16
        var serverPort: UInt16
        /// 0; for loopback addresses, which mean another host on each machine, the machine plus one.
        var scope: UInt32
    }

    /// One side of a connection.
    struct End {
        var machine: UInt32
        /// `.none` if it is not known.
        var program: TextID
        var time: UInt64
        /// Its place among all accepts and connects.
        var sequence: UInt64
    }

    private struct Slot {
        var tuple = Tuple(client: 0, server: 0, clientPort: 0, serverPort: 0, scope: 0)
        /// Positions in `waiting` plus one; a slot whose `first` is 0 is free.
        var first: UInt32 = 0
        var last: UInt32 = 0
        var side = Side.accept
    }

    private struct Waiting {
        var end: End
        /// Position plus one of the next under the same tuple, or of the next that is free.
        var next: UInt32
    }

    private var slots = [Slot](repeating: Slot(), count: 1024)
    private var used = 0
    private var waiting: [Waiting] = []
    private var free: UInt32 = 0
    private let mixing = Mixing()

    /// Takes out the counterpart that has waited longest; if there is none, lets this end wait.
    mutating func meet(_ tuple: Tuple, _ side: Side, _ end: End) -> End? {
        let slot = place(tuple)
        if slots[slot].first == 0 {
            let position = keep(end)
            slots[slot] = Slot(tuple: tuple, first: position, last: position, side: side)
            used += 1
            if used * 4 > slots.count * 3 { grow() }
            return nil
        }
        if slots[slot].side == side {
            let position = keep(end)
            waiting[Int(slots[slot].last - 1)].next = position
            slots[slot].last = position
            return nil
        }
        let position = slots[slot].first
        let other = waiting[Int(position - 1)]
        waiting[Int(position - 1)].next = free
        free = position
        if other.next == 0 { remove(slot) } else { slots[slot].first = other.next }
        return other.end
    }

    /// All that still wait, in the order in which they came.
    consuming func rest() -> [(tuple: Tuple, side: Side, end: End)] {
        var rest: [(tuple: Tuple, side: Side, end: End)] = []
        for slot in slots where slot.first != 0 {
            var position = slot.first
            while position != 0 {
                rest.append((slot.tuple, slot.side, waiting[Int(position - 1)].end))
                position = waiting[Int(position - 1)].next
            }
        }
        rest.sort { $0.end.sequence < $1.end.sequence }
        return rest
    }

    private mutating func keep(_ end: End) -> UInt32 {
        if free == 0 {
            waiting.append(Waiting(end: end, next: 0))
            return UInt32(waiting.count)
        }
        let position = free
        free = waiting[Int(position - 1)].next
        waiting[Int(position - 1)] = Waiting(end: end, next: 0)
        return position
    }

    @inline(__always)
    private func home(_ tuple: Tuple) -> Int {
        let addresses = UInt64(tuple.client) << 32 | UInt64(tuple.server)
        let ports = UInt64(tuple.clientPort) << 16 | UInt64(tuple.serverPort)
        let hash = mixing.hash(addresses, UInt64(tuple.scope) << 32 | ports)
        return Int(truncatingIfNeeded: hash) & (slots.count - 1)
    }

    @inline(__always)
    private func place(_ tuple: Tuple) -> Int {
        var slot = home(tuple)
        while slots[slot].first != 0, slots[slot].tuple != tuple { slot = (slot + 1) & (slots.count - 1) }
        return slot
    }

    /// Frees a slot and closes the hole that it would leave in the way of others (Knuth, 6.4, R).
    private mutating func remove(_ slot: Int) {
        let mask = slots.count - 1
        var hole = slot
        var next = (slot + 1) & mask
        while slots[next].first != 0 {
            // Those between their home and the hole may move; for others the hole is not on the way.
            if (next - home(slots[next].tuple)) & mask >= (next - hole) & mask {
                slots[hole] = slots[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        slots[hole] = Slot()
        used -= 1
    }

    private mutating func grow() {
        let old = slots
        slots = [Slot](repeating: Slot(), count: old.count * 2)
        for entry in old where entry.first != 0 { slots[place(entry.tuple)] = entry }
    }
}
