import Records

/// Addresses, each kept once, known by a small number. Open addressing with linear probing.
struct AddressTable: ~Copyable {
    private(set) var addresses: [NetworkAddress] = []
    /// A number plus one; 0 is free.
    private var slots = [UInt32](repeating: 0, count: 256)
    private let mixing = Mixing()

    /// The number of an address, a new one if it was not met before.
    @inline(__always)
    mutating func number(of address: NetworkAddress) -> UInt32 {
        var slot = place(address)
        if slots[slot] != 0 { return slots[slot] - 1 }
        if (addresses.count + 1) * 4 > slots.count * 3 {
            grow()
            slot = place(address)
        }
        addresses.append(address)
        slots[slot] = UInt32(addresses.count)
        return UInt32(addresses.count - 1)
    }

    @inline(__always)
    private func place(_ address: NetworkAddress) -> Int {
        var slot = Int(truncatingIfNeeded: mixing.hash(address.high, address.low)) & (slots.count - 1)
        while slots[slot] != 0, addresses[Int(slots[slot] - 1)] != address {
            slot = (slot + 1) & (slots.count - 1)
        }
        return slot
    }

    private mutating func grow() {
        slots = [UInt32](repeating: 0, count: slots.count * 2)
        for number in addresses.indices { slots[place(addresses[number])] = UInt32(number + 1) }
    }
}
