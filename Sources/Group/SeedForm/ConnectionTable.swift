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

    private struct Waiting {
        var tuple: Tuple
        var side: Side
        var end: End
        /// Position plus one of the next under the same tuple, or of the next that is free.
        var next: UInt32 = 0
        /// Of the first under a tuple: position plus one of the last.
        var last: UInt32
    }

    /// A hash above the position plus one of the first that waits under a tuple; 0 is free. Half of them
    /// stay free: most look-ups are for a tuple that is not there, and end at a free one.
    ///
    /// No `HashIndex`: every connection leaves again, and to close the hole behind it takes where the entries after it
    /// belong; here the slots themselves say so, and no tuple is read.
    private var slots = [UInt64](repeating: 0, count: 1024)
    private var used = 0
    private var waiting: [Waiting] = []
    private var free: UInt32 = 0
    private let seeded = SeededHash()

    /// Takes out the counterpart that has waited longest; if there is none, lets this end wait.
    mutating func meet(_ tuple: Tuple, _ side: Side, _ end: End) -> End? {
        let hash = hash(tuple)
        var slot = Int(hash) & (slots.count - 1)
        while slots[slot] != 0 {
            let first = Int(slots[slot] & 0xffff_ffff) - 1
            if slots[slot] >> 32 == hash, waiting[first].tuple == tuple {
                if waiting[first].side != side { return take(first, slot) }
                let position = keep(tuple, side, end)
                waiting[Int(waiting[first].last) - 1].next = position
                waiting[first].last = position
                return nil
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        slots[slot] = hash << 32 | UInt64(keep(tuple, side, end))
        used += 1
        if used * 2 > slots.count { grow() }
        return nil
    }

    /// All that still wait, in the order in which they came.
    consuming func rest() -> [(tuple: Tuple, side: Side, end: End)] {
        var rest: [(tuple: Tuple, side: Side, end: End)] = []
        for slot in slots where slot != 0 {
            var position = UInt32(slot & 0xffff_ffff)
            while position != 0 {
                let entry = waiting[Int(position - 1)]
                rest.append((entry.tuple, entry.side, entry.end))
                position = entry.next
            }
        }
        rest.sort { $0.end.sequence < $1.end.sequence }
        return rest
    }

    private mutating func keep(_ tuple: Tuple, _ side: Side, _ end: End) -> UInt32 {
        let position = free == 0 ? UInt32(waiting.count) + 1 : free
        let entry = Waiting(tuple: tuple, side: side, end: end, last: position)
        if free == 0 {
            waiting.append(entry)
        } else {
            free = waiting[Int(position - 1)].next
            waiting[Int(position - 1)] = entry
        }
        return position
    }

    /// Takes out the first under a tuple; the next takes its place in the slot.
    private mutating func take(_ first: Int, _ slot: Int) -> End {
        let entry = waiting[first]
        waiting[first].next = free
        free = UInt32(first) + 1
        if entry.next == 0 {
            remove(slot)
        } else {
            waiting[Int(entry.next - 1)].last = entry.last
            slots[slot] = slots[slot] & ~0xffff_ffff | UInt64(entry.next)
        }
        return entry.end
    }

    /// 32 bits.
    @inline(__always)
    private func hash(_ tuple: Tuple) -> UInt64 {
        let addresses = UInt64(tuple.client) << 32 | UInt64(tuple.server)
        let ports = UInt64(tuple.clientPort) << 16 | UInt64(tuple.serverPort)
        return seeded(addresses, UInt64(tuple.scope) << 32 | ports) & 0xffff_ffff
    }

    /// Frees a slot and closes the hole that it would leave in the way of others (Knuth, 6.4, R).
    private mutating func remove(_ slot: Int) {
        let mask = slots.count - 1
        var hole = slot
        var next = (slot + 1) & mask
        while slots[next] != 0 {
            // Those whose way from their home leads over the hole may move into it; others must stay.
            if (next - Int(slots[next] >> 32)) & mask >= (next - hole) & mask {
                slots[hole] = slots[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        slots[hole] = 0
        used -= 1
    }

    private mutating func grow() {
        let old = slots
        slots = [UInt64](repeating: 0, count: old.count * 2)
        for entry in old where entry != 0 {
            var slot = Int(entry >> 32) & (slots.count - 1)
            while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = entry
        }
    }
}
