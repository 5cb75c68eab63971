/// The number of a node in a graph; numbers count up from 0 in the order in which nodes were met.
public struct NodeID: Hashable, Comparable, Sendable {
    /// Position in the graph.
    public let rawValue: UInt32
    /// Makes a number from a position.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// Nodes met earlier come first.
    public static func < (left: NodeID, right: NodeID) -> Bool { left.rawValue < right.rawValue }
}

/// What a node of the graph stands for.
public enum NodeKind: UInt8, Sendable, CaseIterable {
    /// A program: executable, script, workload.
    case program
    /// A path in a filesystem.
    case file
    /// An address and port; with a host that host's own (something there listens or listened), without
    /// one an address that no observed host accounts for. With port 0 the far end of accepted connections.
    case endpoint
    /// A named object of inter-process communication.
    case channel
    /// A path of a dependency list of four columns, which does not tell programs from files.
    case entry
}

/// The number of a host in a graph; 0 stands for "none".
public struct HostID: Hashable, Comparable, Sendable {
    /// Position in the graph's list of hosts.
    public let rawValue: UInt32
    /// Makes a number from a position.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// No host: an address that no observed host has.
    public static let none = HostID(rawValue: 0)
    /// Hosts met earlier come first.
    public static func < (left: HostID, right: HostID) -> Bool { left.rawValue < right.rawValue }
}

/// Kind and host of a node in one number.
enum NodeTag {
    @inline(__always)
    static func make(_ kind: NodeKind, _ host: HostID) -> UInt32 {
        host.rawValue << 3 | UInt32(kind.rawValue)
    }

    /// No more hosts fit into a tag.
    static let mostHosts = 1 << 29
}
