/// A generator whose inputs come again (splitmix64), so that a failure does too.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}

/// Thousands of inputs for a parser: noise, and good bytes with a few of them changed, cut or doubled.
func hostileInputs(from good: [[UInt8]], count: Int, seed: UInt64, _ body: ([UInt8]) -> Void) {
    var generator = SeededGenerator(state: seed)
    for round in 0..<count {
        if round % 4 == 0 {
            let length = Int.random(in: 0...200, using: &generator)
            body((0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) })
            continue
        }
        var bytes = good.randomElement(using: &generator)!
        for _ in 0..<Int.random(in: 1...6, using: &generator) where !bytes.isEmpty {
            // The values that lengths and counts go wrong at, and any other.
            let any = UInt8.random(in: 0...255, using: &generator)
            let value = [0, 1, 3, 4, 0x7f, 0x80, 0xff, any].randomElement(using: &generator)!
            bytes[Int.random(in: 0..<bytes.count, using: &generator)] = value
        }
        switch round % 8 {
        case 1: bytes.removeLast(Int.random(in: 0...bytes.count, using: &generator))
        case 2: bytes += good.randomElement(using: &generator)!
        default: break
        }
        body(bytes)
    }
}
