@testable import Map

/// The address of a page of the map: `name=value`, joined by `&`; what it says is read again as the same.
enum MapTarget {
    static let target = FuzzTarget(name: "map") { bytes in
        _ = try? MapExpression(String(decoding: bytes, as: UTF8.self))
        let query = bytes.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false).map { part in
            let sides = part.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            return (name: Array(sides[0]), value: sides.count > 1 ? Array(sides[1]) : [])
        }
        guard let state = try? MapState(query) else { return }
        _ = try? MapExpression(state.find)
        let again = try? MapState(state.items.map { (Array("\($0.name)".utf8), Array($0.value.utf8)) })
        require(again == state, "an address that is not read again: \(state.address)")
    }
}
