import Glibc
import Records

/// Paths, each kept once, known by a small number; 0 is none.
///
/// The same idea as `TextTree`, laid out for being asked millions of times about names that do not fit
/// into the processor's caches: a slot has a part of the hash, so that other names are not looked at, and
/// says where the name lies, with its number before it. A look-up waits for memory twice.
struct NameTable: ~Copyable {
    /// Number and length before each name.
    private static let head = 8

    private var bytes: [UInt8] = []
    /// Where each name's head lies, by number; for the one that is none, nothing.
    private var places: [UInt32] = [0]
    /// A hash above the place of a head plus one; 0 is free. The size is a power of two.
    private var slots = [UInt64](repeating: 0, count: 1024)
    private let mixing = Mixing()

    /// Whether another name of the longest has room.
    var hasRoom: Bool { bytes.count < Int(UInt32.max) - SeedRecord.longest - Self.head }

    /// The number of a name, a new one if it was not met before.
    ///
    /// The caller has seen that there is room.
    @inline(__always)
    mutating func intern(_ name: UnsafeRawBufferPointer) -> TextID {
        let hash = mixing.hash(name)
        var slot = Int(truncatingIfNeeded: hash & 0xffff_ffff) & (slots.count - 1)
        while slots[slot] != 0 {
            if slots[slot] >> 32 == hash & 0xffff_ffff,
                let number = number(at: Int(slots[slot] & 0xffff_ffff) - 1, ifIs: name)
            {
                return TextID(rawValue: number)
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return insert(name, hash)
    }

    private mutating func insert(_ name: UnsafeRawBufferPointer, _ hash: UInt64) -> TextID {
        let place = bytes.count
        let number = UInt32(places.count)
        withUnsafeBytes(of: (number, UInt32(name.count))) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: name)
        places.append(UInt32(place))
        if places.count * 4 > slots.count * 3 { grow() }
        enter(hash << 32 | UInt64(place + 1))
        return TextID(rawValue: number)
    }

    /// Lends the bytes of a name.
    func withBytes<Result>(_ name: TextID, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        bytes.withUnsafeBytes { bytes in
            guard name != .none else { return body(UnsafeRawBufferPointer(start: nil, count: 0)) }
            let place = Int(places[Int(name.rawValue)])
            let count = Int(bytes.loadUnaligned(fromByteOffset: place + 4, as: UInt32.self))
            let start = place + Self.head
            return body(UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]))
        }
    }

    @inline(__always)
    private func number(at place: Int, ifIs name: UnsafeRawBufferPointer) -> UInt32? {
        bytes.withUnsafeBytes { bytes in
            let count = Int(bytes.loadUnaligned(fromByteOffset: place + 4, as: UInt32.self))
            guard count == name.count, let own = bytes.baseAddress, let other = name.baseAddress,
                memcmp(own + place + Self.head, other, count) == 0
            else { return nil }
            return bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self)
        }
    }

    @inline(__always)
    private mutating func enter(_ entry: UInt64) {
        var slot = Int(entry >> 32) & (slots.count - 1)
        while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = entry
    }

    private mutating func grow() {
        let old = slots
        slots = [UInt64](repeating: 0, count: old.count * 2)
        for entry in old where entry != 0 { enter(entry) }
    }
}

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

/// Spreads keys over tables. Seeded anew for each table: what is in the records decides what the keys
/// are, and with a fixed seed would decide where they fall.
struct Mixing {
    private let seed = UInt64.random(in: .min ... .max)

    /// A hash of a number.
    @inline(__always)
    func hash(_ key: UInt64) -> UInt64 { Self.mix(seed ^ key) }

    /// A hash of two numbers.
    @inline(__always)
    func hash(_ first: UInt64, _ second: UInt64) -> UInt64 { Self.mix(Self.mix(seed ^ first) ^ second) }

    /// A hash of bytes, eight at a time.
    @inline(__always)
    func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var state = seed ^ UInt64(bytes.count)
        var offset = 0
        while offset + 8 <= bytes.count {
            state = Self.mix(state ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            offset += 8
        }
        var tail: UInt64 = 0
        while offset < bytes.count {
            tail = tail << 8 | UInt64(bytes[offset])
            offset += 1
        }
        return Self.mix(state ^ tail)
    }

    /// Multiply and fold (the construction of wyhash).
    @inline(__always)
    private static func mix(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0x9e37_79b9_7f4a_7c15)
        return product.high ^ product.low
    }
}

/// What each pid of one machine stands for at this point of its records.
///
/// There is no record of an exit: a pid keeps its meaning until a fork or an exec gives it another.
/// Open addressing with linear probing.
struct SeedProcesses: ~Copyable {
    struct Process {
        /// Its path; `.none` while no record names it and none is made up.
        var program = TextID.none
        /// Whether a record of a fork made it, so that its program before an exec is its parent's.
        var wasForked = false
        /// Whether no record of an exec has its path, nor that of an ancestor.
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

    /// The process that a pid stands for; an unknown one if no record names it.
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
