import MovePlan
public import Records

/// A port on which a service waits.
public struct ServicePort: Hashable, Sendable, CustomStringConvertible {
    /// Whether it is TCP; else UDP.
    public var isTCP: Bool
    /// Its number.
    public var number: UInt16
    /// The address; `nil` for all.
    public var address: String?

    /// Makes one.
    public init(isTCP: Bool, number: UInt16, address: String? = nil) {
        (self.isTCP, self.number, self.address) = (isTCP, number, address)
    }

    /// Of a plan's `tcp:0.0.0.0:80` or `udp:[::1]:53`; `nil` for what is none.
    public init?(planned text: String) {
        guard let planned = PlannedAddress(text) else { return nil }
        self.init(isTCP: planned.isTCP, number: planned.port, address: planned.host)
    }

    /// Whether only this host's own programs can reach it.
    public var isLoopback: Bool { address.map { $0.hasPrefix("127.") || $0 == "::1" } ?? false }

    /// `tcp/80`.
    public var description: String { "\(isTCP ? "tcp" : "udp")/\(number)" }

    /// As a tree.
    public var value: JSONValue {
        .object([
            .init("transport", .string(isTCP ? "tcp" : "udp")), .init("port", .integer(Int128(number))),
            .init("address", address.map { .string($0) } ?? .null),
        ])
    }

    /// Reads a tree.
    public init?(_ value: JSONValue) {
        guard let transport = value["transport"]?.string,
            let number = value["port"]?.integer.flatMap({ UInt16(exactly: $0) }),
            number > 0
        else { return nil }
        self.init(isTCP: transport == "tcp", number: number, address: value["address"]?.string)
    }
}
