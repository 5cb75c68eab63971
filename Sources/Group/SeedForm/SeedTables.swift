import Glibc
import Records

/// Paths, each kept once, known by a small number; 0 is none.
///
/// The same idea as `TextTree`, laid out for being asked millions of times about names that do not fit
/// into the processor's caches: the index says where a name lies, with its number before it. A look-up waits for
/// memory twice.
struct NameTable: ~Copyable {
    /// Number and length before each name.
    private static let head = 8

    private var bytes: [UInt8] = []
    /// Where each name's head lies, by number; for the one that is none, nothing.
    private var places: [UInt32] = [0]
    /// The places of heads, plus one.
    private var index = HashIndex<UInt64>()
    private let hash = SeededHash()

    /// Whether another name of the longest has room.
    var hasRoom: Bool { bytes.count < Int(UInt32.max) - SeedRecord.longest - Self.head }

    /// The number of a name, a new one if it was not met before.
    ///
    /// The caller has seen that there is room.
    @inline(__always)
    mutating func intern(_ name: UnsafeRawBufferPointer) -> TextID {
        let hash = hash(name)
        let found = bytes.withUnsafeBytes { bytes in
            index.search(hash) { Self.isName(name, at: Int($0) - 1, in: bytes) }
        }
        if found.number == 0 { return insert(name, hash, at: found) }
        return TextID(
            rawValue: bytes.withUnsafeBytes {
                $0.loadUnaligned(fromByteOffset: Int(found.number) - 1, as: UInt32.self)
            })
    }

    private mutating func insert(
        _ name: UnsafeRawBufferPointer, _ hash: UInt64, at found: HashIndex<UInt64>.Place
    ) -> TextID {
        let place = bytes.count
        let number = UInt32(places.count)
        withUnsafeBytes(of: (number, UInt32(name.count))) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: name)
        places.append(UInt32(place))
        index.insert(UInt32(place + 1), hash, at: found)
        if index.isFull { grow() }
        return TextID(rawValue: number)
    }

    private mutating func grow() {
        let hash = hash
        bytes.withUnsafeBytes { bytes in
            index.grow { hash(Self.name(at: Int($0) - 1, in: bytes)) }
        }
    }

    /// Lends the bytes of a name.
    func withBytes<Result>(_ name: TextID, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        bytes.withUnsafeBytes { bytes in
            guard name != .none else { return body(UnsafeRawBufferPointer(start: nil, count: 0)) }
            return body(Self.name(at: Int(places[Int(name.rawValue)]), in: bytes))
        }
    }

    @inline(__always)
    private static func name(at place: Int, in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let count = Int(bytes.loadUnaligned(fromByteOffset: place + 4, as: UInt32.self))
        let start = place + head
        return UnsafeRawBufferPointer(rebasing: bytes[start..<start + count])
    }

    @inline(__always)
    private static func isName(
        _ name: UnsafeRawBufferPointer, at place: Int, in bytes: UnsafeRawBufferPointer
    ) -> Bool {
        let count = Int(bytes.loadUnaligned(fromByteOffset: place + 4, as: UInt32.self))
        guard count == name.count, let own = bytes.baseAddress, let other = name.baseAddress else {
            return false
        }
        return memcmp(own + place + head, other, count) == 0
    }
}

/// Addresses, each kept once, known by a small number.
struct AddressTable: ~Copyable {
    private(set) var addresses: [NetworkAddress] = []
    /// Numbers, plus one.
    private var index = HashIndex<UInt32>()
    private let hash = SeededHash()

    /// The number of an address, a new one if it was not met before.
    @inline(__always)
    mutating func number(of address: NetworkAddress) -> UInt32 {
        let spread = hash(address.high, address.low)
        let found = index.search(spread) { addresses[Int($0) - 1] == address }
        if found.number != 0 { return found.number - 1 }
        addresses.append(address)
        index.insert(UInt32(addresses.count), spread, at: found)
        if index.isFull { index.grow { hash(addresses[Int($0) - 1].high, addresses[Int($0) - 1].low) } }
        return UInt32(addresses.count - 1)
    }
}

/// What each pid of one machine stands for at this point of its records.
///
/// There is no record of an exit: a pid keeps its meaning until a fork or an exec gives it another.
struct SeedProcesses: ~Copyable {
    struct Process {
        /// Its path; `.none` while no record names it and none is made up.
        var program = TextID.none
        /// Whether a record of a fork made it, so that its program before an exec is its parent's.
        var wasForked = false
        /// Whether no record of an exec has its path, nor that of an ancestor.
        var isUnknown = true
    }

    private var entries: [(pid: UInt32, process: Process)] = []
    /// Positions of entries, plus one.
    private var index = HashIndex<UInt32>()
    private let hash = SeededHash()

    /// The process that a pid stands for; an unknown one if no record names it.
    subscript(pid: UInt32) -> Process {
        @inline(__always) get {
            let found = search(pid)
            return found.number != 0 ? entries[Int(found.number) - 1].process : Process()
        }
        @inline(__always) set {
            let found = search(pid)
            guard found.number == 0 else {
                entries[Int(found.number) - 1].process = newValue
                return
            }
            entries.append((pid, newValue))
            index.insert(UInt32(entries.count), hash(UInt64(pid)), at: found)
            if index.isFull { index.grow { hash(UInt64(entries[Int($0) - 1].pid)) } }
        }
    }

    @inline(__always)
    private func search(_ pid: UInt32) -> HashIndex<UInt32>.Place {
        index.search(hash(UInt64(pid))) { entries[Int($0) - 1].pid == pid }
    }
}
