/// Numbers as people read them.
enum Quantity {
    /// `1234567` as `1,234,567`.
    static func grouped(_ number: some BinaryInteger) -> String {
        let digits = String(number)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return text
    }

    /// `1 file`, `2,000 files`.
    static func counted(_ number: some BinaryInteger, _ one: String, _ many: String) -> String {
        "\(grouped(number)) \(number == 1 ? one : many)"
    }
}
