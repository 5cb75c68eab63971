/// Finds a record by its key.
///
/// Only positions are kept, the keys stay in the records: some eight bytes a record where a
/// dictionary takes forty. Open addressing with linear probing.
struct RecordIndex: Sendable {
    /// A position plus one in the bits that the size needs, above it as many bits of the key's hash as there
    /// is room for; 0 is free. The size is a power of two.
    ///
    /// Records lie all over the memory: the bits of the hash spare a look at those that only share the way.
    private var slots = [UInt32](repeating: 0, count: 256)
    // What programs do decides what the keys are: a fixed seed would let one choose where they fall.
    private let seed = UInt64.random(in: .min ... .max)

    /// Bytes of memory in use.
    var footprint: Int { slots.capacity * 4 }

    /// Position of the record with this key, if there is one.
    func position(of key: RecordKey, in records: [Record]) -> Int? {
        let hash = hash(key)
        let mask = slots.count - 1
        let tag = tag(hash)
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 {
            let entry = slots[slot]
            if entry & ~UInt32(mask) == tag {
                let position = Int(entry & UInt32(mask)) - 1
                if records[position].key == key { return position }
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// Enters the last record, whose key must not be there yet.
    mutating func insertLast(of records: [Record]) {
        if records.count * 4 > slots.count * 3 {
            slots = [UInt32](repeating: 0, count: slots.count * 2)
            for position in records.indices { place(records[position].key, position) }
        } else {
            place(records[records.count - 1].key, records.count - 1)
        }
    }

    private mutating func place(_ key: RecordKey, _ position: Int) {
        let hash = hash(key)
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = tag(hash) | UInt32(position + 1)
    }

    /// Bits of the hash that do not choose the slot, where a slot has room for them.
    private func tag(_ hash: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: hash >> 32) & ~UInt32(slots.count - 1)
    }

    private func hash(_ key: RecordKey) -> UInt64 {
        let words = UInt64(key.relation.rawValue) << 8 | UInt64(key.detail)
        var state = mix(seed ^ UInt64(key.program.rawValue) << 32 ^ UInt64(key.object))
        state = mix(state ^ UInt64(key.remote) << 32 ^ UInt64(key.peer.rawValue))
        return mix(state ^ words)
    }

    private func mix(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
        return product.high ^ product.low
    }
}
