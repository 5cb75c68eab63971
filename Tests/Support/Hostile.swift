/// Thousands of inputs for a parser: noise, and good bytes with a few of them changed, cut or doubled.
package func hostileInputs(from good: [[UInt8]], count: Int, seed: UInt64, _ body: ([UInt8]) -> Void) {
    var generator = SeededGenerator(seed: seed)
    for round in 0..<count {
        if round % 4 == 0 {
            body(noise(using: &generator))
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

/// Thousands of inputs for a parser of long messages: noise, and good bytes with a few of them changed, most
/// of them where lengths stand.
package func hostileMessages(from good: [[UInt8]], count: Int, seed: UInt64, _ body: ([UInt8]) -> Void) {
    var generator = SeededGenerator(seed: seed)
    for round in 0..<count {
        if round % 4 == 0 {
            body(noise(using: &generator))
            continue
        }
        var bytes = good.randomElement(using: &generator)!
        for _ in 0..<Int.random(in: 1...6, using: &generator) {
            // Lengths stand near the start of things: change those more often than the rest.
            let end = Bool.random(using: &generator) ? bytes.count : min(bytes.count, 120)
            let values: [UInt8] = [
                0, 1, 3, 4, 0x7f, 0x80, 0xff, UInt8.random(in: 0...255, using: &generator),
            ]
            bytes[Int.random(in: 0..<end, using: &generator)] = values.randomElement(using: &generator)!
        }
        bytes.removeLast(Int.random(in: 0...min(8, bytes.count), using: &generator))
        body(bytes)
    }
}

private func noise(using generator: inout SeededGenerator) -> [UInt8] {
    let length = Int.random(in: 0...200, using: &generator)
    return (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
}
