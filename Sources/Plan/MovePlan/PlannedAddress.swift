/// An address of a plan as it is written there: `tcp:10.0.0.9:5432`, `udp:[::1]:53`.
public struct PlannedAddress: Hashable, Sendable {
    /// Whether it is TCP; else UDP.
    public let isTCP: Bool
    /// The address; `nil` for all of a host.
    public let host: String?
    /// The port, not 0.
    public let port: UInt16

    /// Reads one; `nil` for what is none, or has no port.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1)
        guard parts.count == 2, let colon = parts[1].lastIndex(of: ":"),
            let number = UInt16(parts[1][parts[1].index(after: colon)...]),
            number > 0
        else { return nil }
        switch parts[0] {
        case "tcp", "mptcp": isTCP = true
        case "udp": isTCP = false
        default: return nil
        }
        port = number
        var host = parts[1][..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        self.host = host == "0.0.0.0" || host == "::" || host == "*" ? nil : String(host)
    }

    /// Whether only programs of the same host can reach it.
    public var isLoopback: Bool { host.map { $0.hasPrefix("127.") || $0 == "::1" } ?? false }
}
