import Records
import SystemCalls

/// What a live move's stop is made of, and what precedes it without anybody being stopped: each part with its time, and its bytes
/// where it has any.
struct StopParts {
    private var parts: [JSONValue] = []

    /// Does a part.
    mutating func measure(
        _ name: StaticString, _ body: () throws(MoveError) -> UInt64?
    ) throws(MoveError) {
        let begin = Clock.monotonic()
        let bytes = try body()
        add(name, Clock.monotonic() - begin, bytes)
    }

    mutating func add(_ name: StaticString, _ nanoseconds: UInt64, _ bytes: UInt64? = nil) {
        parts.append(
            .object([
                .init("part", .string("\(name)")), .init("ns", .integer(Int128(nanoseconds))),
                .init("bytes", bytes.map { .integer(Int128($0)) } ?? .null),
            ]))
    }

    var report: JSONValue { .object([.init("parts", .array(parts))]) }
}
