import Glibc
import Records
import SunRPC

/// Where a stand-in takes the place of a server.
struct Door: Hashable {
    var isTCP: Bool
    /// The address and port that the server had, or has where clients find it.
    var place: InternetAddress

    var value: JSONValue {
        .object([.init("tcp", .boolean(isTCP)), .init("place", place.value)])
    }

    init(isTCP: Bool, place: InternetAddress) { (self.isTCP, self.place) = (isTCP, place) }

    init?(_ value: JSONValue) {
        guard let place = value["place"].flatMap({ InternetAddress($0) }), place.port > 0 else { return nil }
        self.init(isTCP: value["tcp"] == .boolean(true), place: place)
    }
}

/// What a stand-in is started with.
struct StandInOrder: Equatable {
    var doors: [Door]
    /// Seconds after which it ends and lets clients go to the old place again, unless it knows by then where the server is.
    var lease: UInt64
    /// The rules that bring this host's packets to it; empty for none.
    var rules: String

    var value: JSONValue {
        .object([
            .init("doors", .array(doors.map(\.value))), .init("lease", .integer(Int128(lease))),
            .init("rules", .string(rules)),
        ])
    }

    init(doors: [Door], lease: UInt64, rules: String) {
        (self.doors, self.lease, self.rules) = (doors, lease, rules)
    }

    init?(_ value: JSONValue) {
        guard let doors = value["doors"]?.array?.compactMap({ Door($0) }), !doors.isEmpty, doors.count <= 256,
            let lease = value["lease"]?.integer.flatMap({ UInt64(exactly: $0) }),
            let rules = value["rules"]?.string
        else { return nil }
        self.init(doors: doors, lease: min(lease, 86400), rules: rules)
    }
}

/// Where the server is now, and under which numbers.
struct StandInRoute: Equatable {
    /// For each port of a door that has one.
    var places: [Door: InternetAddress] = [:]
    var rewriter = CallRewriter([:])
    var connections: [OpenConnection] = []

    var value: JSONValue {
        func words(_ number: ProgramNumber) -> [JSONValue] {
            [.integer(Int128(number.program)), .integer(Int128(number.version))]
        }
        return .object([
            .init(
                "places",
                .array(places.map { .object([.init("door", $0.key.value), .init("to", $0.value.value)]) })),
            .init("numbers", .array(rewriter.numbers.map { .array(words($0.key) + words($0.value)) })),
            .init("connections", .array(connections.map(\.value))),
        ])
    }

    init() {}

    init?(_ value: JSONValue) {
        guard let places = value["places"]?.array, let numbers = value["numbers"]?.array,
            let connections = value["connections"]?.array
        else { return nil }
        for entry in places {
            guard let door = entry["door"].flatMap({ Door($0) }),
                let to = entry["to"].flatMap({ InternetAddress($0) })
            else { return nil }
            self.places[door] = to
        }
        for entry in numbers {
            let words = (entry.array ?? []).compactMap { $0.integer.flatMap { UInt32(exactly: $0) } }
            guard words.count == 4 else { return nil }
            rewriter.numbers[.init(program: words[0], version: words[1])] = .init(
                program: words[2], version: words[3])
        }
        self.connections = connections.compactMap { OpenConnection($0) }
        guard self.connections.count == connections.count else { return nil }
    }
}
