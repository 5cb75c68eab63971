import Records

/// How long requests of pages took, from the fault to the page in its place; nanoseconds.
struct PageFigures {
    private(set) var requests: UInt64 = 0
    private(set) var least: UInt64 = .max
    private(set) var most: UInt64 = 0
    private var sum: UInt64 = 0

    mutating func note(_ time: UInt64) {
        requests += 1
        least = min(least, time)
        most = max(most, time)
        sum &+= time
    }

    var value: JSONValue {
        .object([
            .init("requests", .integer(Int128(requests))),
            .init("least_ns", .integer(Int128(requests == 0 ? 0 : least))),
            .init("most_ns", .integer(Int128(most))),
            .init("mean_ns", .integer(Int128(requests == 0 ? 0 : sum / requests))),
        ])
    }
}
