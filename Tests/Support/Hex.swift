/// Reads hex digits, one header a line; what follows `//` is comment.
package func hex(_ text: String) -> [UInt8] {
    let digits = text.split(separator: "\n").flatMap { line in
        line.prefix(while: { $0 != "/" }).compactMap(\.hexDigitValue)
    }
    precondition(digits.count % 2 == 0)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
