import Glibc
import Records

/// Paths, each kept once, known by a small number; 0 is none.
///
/// The same idea as `TextTree`, laid out for being asked millions of times about names that do not fit
/// into the processor's caches: a slot has a part of the hash, so that other names are not looked at, and
/// tells where the name lies, with its number before it. A look-up waits for memory twice.
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
