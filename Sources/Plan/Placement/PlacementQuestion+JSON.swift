public import Records

extension PlacementQuestion {
    /// As a tree.
    public var value: JSONValue {
        .object([
            .init("schema", .string(Self.schema)), .init("seconds", .double(seconds)),
            .init("limit", .integer(Int128(limit))), .init("gain", .double(gain)),
            .init("hosts", .array(hosts.map(\.value))), .init("moves", .array(moves.map(\.value))),
            .init("edges", .array(edges.map(\.value))),
        ])
    }

    /// Reads a tree; keys that are not known are left alone, so that a question may say more one day.
    public init(_ value: JSONValue) throws(PlacementFlaw) {
        let fields = PlacementFields(value, "the question")
        try fields.schema(Self.schema)
        seconds = try fields.number("seconds")
        limit = try fields.count("limit")
        gain = try fields.number("gain")
        for element in try fields.list("hosts") { hosts.append(try Host(element)) }
        for element in try fields.list("moves") { moves.append(try Move(element)) }
        for element in try fields.list("edges") { edges.append(try Edge(element)) }
        try PlacementFields.unique(hosts.map(\.name), "host")
        try PlacementFields.unique(moves.map(\.name), "move")
        let known = Set(hosts.map(\.name))
        for move in moves {
            for name in move.may + [move.host] where !known.contains(name) {
                throw PlacementFlaw("the move `\(move.name)` names a host `\(name)` that is not there")
            }
        }
    }
}

extension PlacementQuestion.Host {
    var value: JSONValue {
        .object([
            .init("host", .string(name)), .init("processors", .double(processors)),
            .init("demand", .double(demand)),
            .init("used", .double(used)), .init("memory", .integer(Int128(memory))),
            .init("available", .integer(Int128(available))), .init("leaving", .boolean(isLeaving)),
        ])
    }

    /// Reads what an agent reports, or a question.
    public init(_ value: JSONValue) throws(PlacementFlaw) {
        let fields = PlacementFields(value, "a host")
        self.init(try fields.text("host"))
        processors = try fields.number("processors")
        demand = try fields.number("demand")
        used = try fields.number("used")
        memory = UInt64(try fields.count("memory"))
        available = UInt64(try fields.count("available"))
        isLeaving = value["leaving"] == .boolean(true)
        guard processors > 0 else { throw PlacementFlaw("the host `\(name)` has no processor") }
    }
}

extension PlacementQuestion.Move {
    var value: JSONValue {
        .object([
            .init("move", .string(name)), .init("at", .string(host)),
            .init("may", .array(may.map { .string($0) })),
            .init("processes", .integer(Int128(processes))), .init("demand", .double(demand)),
            .init("used", .double(used)), .init("memory", .integer(Int128(memory))),
        ])
    }

    init(_ value: JSONValue) throws(PlacementFlaw) {
        let fields = PlacementFields(value, "a move")
        self.init(try fields.text("move"), at: try fields.text("at"))
        for element in try fields.list("may") {
            guard let name = element.string else {
                throw PlacementFlaw("`may` of `\(name)` is names of hosts")
            }
            may.append(name)
        }
        try measure(value)
    }

    /// Takes what an agent has measured of them.
    public mutating func measure(_ value: JSONValue) throws(PlacementFlaw) {
        let fields = PlacementFields(value, "the move `\(name)`")
        processes = try fields.count("processes")
        demand = try fields.number("demand")
        used = try fields.number("used")
        memory = UInt64(try fields.count("memory"))
    }
}

extension PlacementQuestion.Edge {
    var value: JSONValue {
        let other: JSONValue.Member =
            switch peer {
            case .move(let name): .init("with", .string(name))
            case .host(let name): .init("host", .string(name))
            }
        return .object([.init("move", .string(move)), other, .init("bytes", .integer(Int128(bytes)))])
    }

    init(_ value: JSONValue) throws(PlacementFlaw) {
        let fields = PlacementFields(value, "an edge")
        let peer: Peer
        if let name = value["with"]?.string {
            peer = .move(name)
        } else {
            peer = .host(try fields.text("host"))
        }
        self.init(try fields.text("move"), peer, bytes: UInt64(try fields.count("bytes")))
    }
}
