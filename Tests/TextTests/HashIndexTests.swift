import TestSupport
import Testing
import Text

@Suite struct HashIndexTests {
    /// Against a dictionary, through several growths; hashes that share slots and tags among them.
    @Test(arguments: [0, 3, 20]) func agreesWithADictionary(bits: UInt64) {
        check(HashIndex<UInt32>(), bits)
        check(HashIndex<UInt64>(), bits)
    }

    private func check<Slot>(_ empty: consuming HashIndex<Slot>, _ bits: UInt64) {
        var index = empty
        var random = SeededGenerator(seed: bits + 1)
        let seeded = SeededHash()
        // Few bits: many things of one hash, which only comparing tells apart.
        func hash(_ key: UInt32) -> UInt64 {
            bits == 0 ? seeded(UInt64(key)) : seeded(UInt64(key)) & ((1 << bits) - 1)
        }
        var keys: [UInt32] = [0]
        var model: [UInt32: UInt32] = [:]
        for _ in 0..<(bits == 3 ? 2_000 : 20_000) {
            let key = UInt32.random(in: 0..<8_000, using: &random)
            let place = index.search(hash(key)) { keys[Int($0)] == key }
            #expect(place.number == model[key] ?? 0)
            if place.number == 0 {
                keys.append(key)
                let number = UInt32(keys.count - 1)
                model[key] = number
                index.insert(number, hash(key), at: place)
                if index.isFull { index.grow { hash(keys[Int($0)]) } }
            }
        }
        let count = index.count
        #expect(count == model.count)
        for (key, number) in model {
            #expect(index.search(hash(key)) { keys[Int($0)] == key }.number == number)
        }
    }

    @Test func aNumberIsReplaced() {
        var index = HashIndex<UInt32>()
        for number: UInt32 in 1...1000 {
            let hash = UInt64(number) << 8
            index.insert(number, hash, at: index.search(hash) { _ in false })
            if index.isFull { index.grow { UInt64($0) << 8 } }
        }
        index.replace(at: index.search(7 << 8) { $0 == 7 }, by: 8)
        #expect(index.search(7 << 8) { _ in true }.number == 8)
        let count = index.count
        #expect(count == 1000)
    }

    @Test func whatLiesAnywhereIsFoundByWideSlots() {
        var index = HashIndex<UInt64>()
        let places: [UInt32] = [.max, 1 << 31, 1, 77]
        for place in places {
            let hash = UInt64(place) &* 0x9e37
            index.insert(place, hash, at: index.search(hash) { _ in false })
        }
        index.reserve(5000) { UInt64($0) &* 0x9e37 }
        for place in places {
            #expect(index.search(UInt64(place) &* 0x9e37) { $0 == place }.number == place)
            #expect(index.peek(UInt64(place) &* 0x9e37) == place)
        }
        index.removeAll()
        #expect(index.search(77 &* 0x9e37) { _ in true }.number == 0)
    }

    /// Room that was made for a number of entries is room for them, whatever the number.
    @Test func roomIsEnough() {
        for count in Array(180...200) + Array(370...390) + Array(760...770) {
            var index = HashIndex<UInt32>(capacity: count % 2 == 0 ? count : 0)
            index.reserve(count) { _ in 0 }
            for number in 1...UInt32(count) {
                let hash = UInt64(number) &* 0x9e37_79b9_7f4a_7c15
                index.insert(number, hash, at: index.search(hash) { _ in false })
            }
            #expect(index.count == count)
        }
    }

    /// A hash of text depends on every byte, the length and the number beside it; each seed gives another.
    @Test func everyByteCounts() {
        let hash = SeededHash()
        for length in 0...40 {
            var bytes = [UInt8](repeating: 0x61, count: length)
            let before = bytes.withUnsafeBytes { hash($0, 5) }
            #expect(before == bytes.withUnsafeBytes { hash($0, 5) })
            #expect(before != bytes.withUnsafeBytes { hash($0, 6) })
            #expect(before != (bytes + [0x61]).withUnsafeBytes { hash($0, 5) })
            #expect(before != bytes.withUnsafeBytes { SeededHash()($0, 5) })
            for place in 0..<length {
                bytes[place] ^= 1
                #expect(before != bytes.withUnsafeBytes { hash($0, 5) })
                bytes[place] ^= 1
            }
        }
    }
}
