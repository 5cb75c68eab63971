/// A filesystem of which no file event comes, and why.
struct UnwatchedFilesystem: Equatable, Sendable {
    /// Why it is not watched.
    enum Reason: Equatable, Sendable {
        /// Another machine or a program answers for it, and the configuration does not name its type.
        case foreign
        /// It cannot name its objects by handle, and the configuration does not name its type.
        case noHandles
        /// Its server, or one on the way to it, did not answer in time; it is tried again.
        case noAnswer
        /// Another filesystem is mounted over it.
        case hidden
        /// The kernel refused the mark, with this number.
        case refused(Int32)
    }

    /// Where it is mounted.
    var point: [UInt8]
    /// Its type, as `fuse.sshfs`.
    var type: [UInt8]
    /// Why.
    var reason: Reason
    /// Since when it is known to be unwatched, nanoseconds since 1970.
    var since: UInt64

    /// The words for the reason, without the place.
    func words(_ text: (Int32) -> String) -> String {
        switch reason {
        case .foreign:
            "a program or another machine answers for it: not watched, descriptors and maps from scans"
        case .noHandles: "it cannot name its files by handle: not watched, descriptors and maps from scans"
        case .noAnswer: "its server does not answer: set aside, tried again later"
        case .hidden: "another filesystem is mounted over it: not watched"
        case .refused(let code): text(code)
        }
    }

    /// Sentences for people: one for each type and reason, which names a few of the places and counts the rest.
    static func sentences(_ unwatched: [UnwatchedFilesystem], _ text: (Int32) -> String) -> [String] {
        var order: [String] = []
        var places: [String: [String]] = [:]
        for filesystem in unwatched {
            let key = "\(String(decoding: filesystem.type, as: UTF8.self)): \(filesystem.words(text))"
            if places[key] == nil { order.append(key) }
            places[key, default: []].append(String(decoding: filesystem.point, as: UTF8.self))
        }
        return order.map { key in
            let all = places[key] ?? []
            let named = all.prefix(mostNamed).joined(separator: ", ")
            let rest = all.count > mostNamed ? " and \(all.count - mostNamed) more" : ""
            return "\(named)\(rest) (\(key.prefix { $0 != ":" }))\(key.drop { $0 != ":" })"
        }
    }

    private static let mostNamed = 3
}
