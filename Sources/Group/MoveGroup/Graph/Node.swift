import Records

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
    /// A path of a list that does not tell programs from files.
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
