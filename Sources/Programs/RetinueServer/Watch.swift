import MoveGroup
import Records
import RetinueCommands

/// A program whose group has metrics, and the name that it has there: `db=postgres`.
struct Watch: Equatable, Sendable {
    let name: String
    let program: String

    init?(_ text: String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, parts[0].utf8.count <= 64, !parts[1].isEmpty,
            parts[0].utf8.allSatisfy({ byte in
                (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20)
                    || byte == UInt8(ascii: "_")
                    || byte == UInt8(ascii: "-")
            })
        else { return nil }
        name = String(parts[0])
        program = String(parts[1])
    }
}

/// How large the group of a watched program is, and how many connect to it.
struct WatchState: Sendable {
    let name: String
    /// Members by kind; `nil` where the name means nothing, or several.
    let members: [NodeKind: Int]?
    /// Programs that connect to it, by TCP or a Unix socket.
    let clientPrograms: Int
    /// Addresses that connect to it, of which nobody was observed.
    let clientAddresses: Int

    init(_ watch: Watch, in graph: ServedGraph) {
        name = watch.name
        guard let report = try? graph.group(of: watch.program) else {
            (members, clientPrograms, clientAddresses) = (nil, 0, 0)
            return
        }
        let start = Set(report.group.start)
        var clients: Set<NodeID> = []
        for node in start {
            graph.graph.forEachEdge(at: node) { edge in
                guard !start.contains(edge.other), Self.isClient(edge, in: graph.graph) else { return }
                clients.insert(edge.other)
            }
        }
        clientPrograms = clients.filter { graph.graph.kind($0) == .program }.count
        // The far end of accepted connections stands there without its port.
        clientAddresses = clients.filter { graph.graph.kind($0) == .endpoint }.count
        members = Dictionary(grouping: report.members) { graph.graph.kind($0) }.mapValues(\.count)
    }

    private static func isClient(_ edge: DependencyGraph.Incidence, in graph: DependencyGraph) -> Bool {
        switch edge.mark.link {
        case .connect: return edge.isIncoming
        case .accept: return !edge.isIncoming
        case .ipc:
            // Who of the two connected is not known of it.
            guard graph.kind(edge.other) == .program, let via = graph.detail(edge.edge).via,
                case .channel(.unix, _) = graph[via]
            else { return false }
            return true
        case .file, .spawn, .listen, .listed: return false
        }
    }
}
