/// Numbers as people read them.
package enum Quantity {
    /// `1234567` as `1,234,567`.
    package static func grouped(_ number: some BinaryInteger) -> String {
        let digits = String(number.magnitude)
        var text = number < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return text
    }

    /// `1 file`, `1,234 files`.
    package static func counted(_ number: some BinaryInteger, _ what: String) -> String {
        "\(grouped(number)) \(what)\(number == 1 ? "" : "s")"
    }

    /// `1 address`, `1,234 addresses`.
    package static func counted(_ number: some BinaryInteger, _ one: String, _ many: String) -> String {
        "\(grouped(number)) \(number == 1 ? one : many)"
    }

    /// `12345678` as `11.8 MiB`.
    package static func bytes(_ count: some BinaryInteger) -> String {
        var value = Double(count)
        var unit = 0
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        while value >= 1023.95, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return unit == 0 ? "\(count) B" : "\(decimal(value)) \(units[unit])"
    }

    /// One digit behind the point, rounded; `-` for what is no number.
    package static func decimal(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "-" }
        let tenths = Int((abs(value) * 10).rounded())
        let sign = value < 0 && tenths > 0 ? "-" : ""
        return "\(sign)\(grouped(tenths / 10)).\(tenths % 10)"
    }

    /// Seconds in the two largest units that apply: `3 d 4 h`, `12 min 5 s`.
    package static func duration(seconds: UInt64) -> String {
        let parts = [
            (seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"),
            (seconds % 60, "s"),
        ]
        guard let first = parts.firstIndex(where: { $0.0 > 0 }) else { return "0 s" }
        return parts[first...].prefix(2).filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
            .joined(separator: " ")
    }
}
