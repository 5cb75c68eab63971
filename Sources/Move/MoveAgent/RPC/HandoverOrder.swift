public import Records

/// What a hand-over of an RPC server needs beside the order of its move.
public struct HandoverOrder: Equatable, Sendable {
    /// A host whose programs call the server, by its certificate's name, and where its agent is reached.
    public struct Client: Equatable, Sendable {
        /// See `Client`.
        public var name: String
        /// See `Client`.
        public var address: String
        /// See `Client`.
        public var port: UInt16
    }

    /// Whose agents let clients go on.
    public var clients: [Client] = []
    /// A shell command, run where the server is once no call runs: it has the server write its data.
    public var save: String?
    /// A shell command, run where the server was started, before it is called: it has the server read its data.
    public var restore: String?
    /// Files that the server declares: brought after `save`.
    public var data: [String] = []
    /// Whether another version of the same program is taken where the number is not free; else another program number.
    public var prefersVersion = false
    /// Seconds that running calls may take.
    public var drain: UInt64 = 30

    /// As a tree.
    public var value: JSONValue {
        func text(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
        return .object([
            .init(
                "clients",
                .array(
                    clients.map {
                        .object([
                            .init("host", .string($0.name)), .init("at", .string($0.address)),
                            .init("port", .integer(Int128($0.port))),
                        ])
                    })),
            .init("save", text(save)), .init("restore", text(restore)),
            .init("data", .array(data.map { .string($0) })),
            .init("renumber", .string(prefersVersion ? "version" : "program")),
            .init("drain", .integer(Int128(drain))),
        ])
    }

    /// Reads a tree.
    ///
    /// - Throws: what is wrong with it.
    public init(_ value: JSONValue) throws(MoveError) {
        for client in value["clients"]?.array ?? [] {
            guard let name = client["host"]?.string, !name.isEmpty,
                let port = client["port"]?.integer.flatMap({ UInt16(exactly: $0) }), port > 0
            else { throw MoveError("a client is a host with the address of its agent") }
            clients.append(.init(name: name, address: client["at"]?.string ?? name, port: port))
        }
        (save, restore) = (value["save"]?.string, value["restore"]?.string)
        data = try Self.declared(value)
        switch value["renumber"]?.string ?? "program" {
        case "program": prefersVersion = false
        case "version": prefersVersion = true
        default: throw MoveError("what may be another one is the program or the version")
        }
        drain = value["drain"]?.integer.flatMap { UInt64(exactly: $0) } ?? 30
        guard (1...3600).contains(drain) else { throw MoveError("--drain is from 1 to 3600 seconds") }
    }

    /// What a server declares as its data: the key `data` of a tree.
    ///
    /// - Throws: that a name is no path from the root.
    static func declared(_ value: JSONValue) throws(MoveError) -> [String] {
        let data = (value["data"]?.array ?? []).compactMap(\.string)
        guard data.allSatisfy({ $0.hasPrefix("/") && !$0.hasSuffix("/") }) else {
            throw MoveError("declared data is named by paths from the root")
        }
        return data
    }
}
