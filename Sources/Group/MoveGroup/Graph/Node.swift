import Records

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
    /// A path of a dependency list of four columns, which does not distinguish programs from files.
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

/// A program by its name on its host.
public struct ProgramName: Hashable, Sendable {
    /// Path of the executable; empty if it is not known.
    public var executable: [UInt8]
    /// Path of the script that the executable, an interpreter, runs; empty if it runs none.
    public var script: [UInt8]
    /// Control group below the root; empty if there is none or it is not known.
    public var workload: [UInt8]

    /// Makes a name from paths.
    public init(executable: [UInt8], script: [UInt8] = [], workload: [UInt8] = []) {
        self.executable = executable
        self.script = script
        self.workload = workload
    }

    /// What the program is called: the script's path where there is one, since `python3` says nothing.
    public var path: [UInt8] { script.isEmpty ? executable : script }

    /// Whether nothing is known of it but the workload.
    public var isUnknown: Bool { executable.isEmpty && script.isEmpty }
}

/// A node of the graph, without its host.
public enum Node: Hashable, Sendable {
    /// A program.
    case program(ProgramName)
    /// A path in a filesystem.
    case file([UInt8])
    /// An address and port; port 0: any.
    case endpoint(Transport, Endpoint)
    /// A named object of inter-process communication; without a name: one that has none.
    case channel(Mechanism, name: [UInt8])
    /// A path of a list that does not distinguish programs from files.
    case entry([UInt8])

    /// What it stands for.
    public var kind: NodeKind {
        switch self {
        case .program: .program
        case .file: .file
        case .endpoint: .endpoint
        case .channel: .channel
        case .entry: .entry
        }
    }
}

extension Node {
    /// The text under which the node is kept; `init(kind:text:)` reads it.
    func appendText(to out: inout [UInt8]) {
        switch self {
        case .file(let path), .entry(let path): out += path
        case .program(let name):
            Self.append(UInt32(name.executable.count), to: &out)
            Self.append(UInt32(name.script.count), to: &out)
            out += name.executable
            out += name.script
            out += name.workload
        case .endpoint(let transport, let endpoint):
            out.append(transport.rawValue)
            Self.append(endpoint.address.high, to: &out)
            Self.append(endpoint.address.low, to: &out)
            Self.append(endpoint.port, to: &out)
        case .channel(let mechanism, let name):
            out.append(mechanism.rawValue)
            out += name
        }
    }

    init(kind: NodeKind, text: UnsafeRawBufferPointer) {
        switch kind {
        case .file: self = .file(Array(text))
        case .entry: self = .entry(Array(text))
        case .program:
            let executableEnd = 8 + Int(text.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
            let scriptEnd = executableEnd + Int(text.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            self = .program(
                ProgramName(
                    executable: Array(text[8..<executableEnd]),
                    script: Array(text[executableEnd..<scriptEnd]),
                    workload: Array(text[scriptEnd...])))
        case .endpoint:
            let address = NetworkAddress(
                high: text.loadUnaligned(fromByteOffset: 1, as: UInt64.self),
                low: text.loadUnaligned(fromByteOffset: 9, as: UInt64.self))
            let port = text.loadUnaligned(fromByteOffset: 17, as: UInt16.self)
            self = .endpoint(Transport(rawValue: text[0]) ?? .tcp, Endpoint(address, port: port))
        case .channel:
            self = .channel(Mechanism(rawValue: text[0]) ?? .unix, name: Array(text[1...]))
        }
    }

    private static func append(_ value: some FixedWidthInteger & BitwiseCopyable, to out: inout [UInt8]) {
        withUnsafeBytes(of: value) { out.append(contentsOf: $0) }
    }
}
