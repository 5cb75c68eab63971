import Records

/// What is wrong with a question or an answer.
public struct PlacementFlaw: Error, Equatable, CustomStringConvertible {
    /// In words.
    public let description: String
    /// Makes one.
    public init(_ description: String) { self.description = description }
}

/// The members of an object, each of which has to be what it is taken for.
struct PlacementFields {
    private let value: JSONValue
    private let what: String

    init(_ value: JSONValue, _ what: String) { (self.value, self.what) = (value, what) }

    func schema(_ wanted: String) throws(PlacementFlaw) {
        guard value["schema"]?.string == wanted else { throw PlacementFlaw("\(what) is no \(wanted)") }
    }

    func text(_ key: String) throws(PlacementFlaw) -> String {
        guard let text = value[key]?.string, !text.isEmpty else {
            throw PlacementFlaw("\(what) has no text `\(key)`")
        }
        return text
    }

    func list(_ key: String) throws(PlacementFlaw) -> [JSONValue] {
        guard let list = value[key]?.array else { throw PlacementFlaw("\(what) has no list `\(key)`") }
        return list
    }

    /// Not negative.
    func number(_ key: String) throws(PlacementFlaw) -> Double {
        let number: Double? =
            switch value[key] {
            case .integer(let number): Double(number)
            case .double(let number): number
            default: nil
            }
        guard let number, number.isFinite, number >= 0 else {
            throw PlacementFlaw("\(what) has no number `\(key)` that is at least 0")
        }
        return number
    }

    /// Not negative, and no more than a signed number of 64 bits has.
    func count(_ key: String) throws(PlacementFlaw) -> Int {
        guard let number = value[key]?.integer, let count = Int(exactly: number), count >= 0 else {
            throw PlacementFlaw("\(what) has no whole number `\(key)` that is at least 0")
        }
        return count
    }

    static func unique(_ names: [String], _ what: String) throws(PlacementFlaw) {
        var seen: Set<String> = []
        for name in names where !seen.insert(name).inserted {
            throw PlacementFlaw("the \(what) `\(name)` comes twice")
        }
    }
}
