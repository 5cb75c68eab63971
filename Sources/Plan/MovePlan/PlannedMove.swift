/// How a host's part of a plan is moved, where the plan says it itself: the key `move`, which a person writes.
public struct PlannedMove: Equatable, Sendable {
    /// The agent that drives the move, where that is not the one of the host on which the command runs.
    public var source: HostPlace?
    /// Where it is moved to.
    public var destination: HostPlace
    /// `10.0.0.5/24`, which moves with the service.
    public var address: String?
    /// A shell command that says at the destination whether the programs work.
    public var confirm: String?
    /// A shell command that starts the program, where its arguments are not known.
    public var start: String?
    /// How the programs are kept apart there, where that is not what the plan advises.
    public var isolation: String?
    /// Whether what still comes to the source is passed on.
    public var forwards = false

    /// To a destination, and nothing else.
    public init(to destination: HostPlace) { self.destination = destination }
}

/// A host by its certificate's name, and where its agent is reached: `db2`, `db2=10.0.0.12`, `db2=[fd00::12]:7420`.
public struct HostPlace: Equatable, Sendable {
    /// Its name.
    public var host: String
    /// A name or an address.
    public var address: String
    /// See `address`.
    public var port: UInt16

    /// The port on which agents listen, unless another one is said.
    public static let standardPort: UInt16 = 7420

    /// Reads a text; `nil` if it names no host, or no port where it has one.
    public init?(_ text: String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
            String.init)
        guard let host = parts.first, !host.isEmpty else { return nil }
        self.host = host
        var place = parts.count == 2 ? parts[1] : host
        port = Self.standardPort
        if let colon = place.lastIndex(of: ":"),
            place.filter({ $0 == ":" }).count == 1 || place.contains("]:")
        {
            guard let number = UInt16(place[place.index(after: colon)...]), number > 0 else { return nil }
            port = number
            place = String(place[..<colon])
        }
        address = place.filter { $0 != "[" && $0 != "]" }
        guard !address.isEmpty else { return nil }
    }

    /// As it is written; read again it is the same.
    public var text: String {
        let place = address.contains(":") ? "[\(address)]" : address
        if port != Self.standardPort { return "\(host)=\(place):\(port)" }
        return place == host ? host : "\(host)=\(place)"
    }
}
