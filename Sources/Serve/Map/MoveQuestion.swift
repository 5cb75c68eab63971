import MoveGroup
import Records
import Text

/// What would break if some members moved to another host and nothing else did.
struct MoveQuestion {
    /// A connection that has to lead elsewhere.
    struct Connection {
        var client: NodeID
        var server: NodeID
        /// Where the server listens.
        var via: NodeID?
        /// Bytes that went over it, both ways.
        var bytes: UInt64
        var evidence: Evidence?
        /// Whether the one that moves is the server: then its clients have to be pointed at another address.
        var isToMoved: Bool
    }

    /// Something that two share and that cannot be shared across hosts.
    struct Shared {
        var moved: NodeID
        var stays: NodeID
        var over: NodeID?
        var link: Link
    }

    /// Programs that would move.
    private(set) var programs: [NodeID] = []
    /// Connections with what stays where it is.
    private(set) var reconnects: [Connection] = []
    /// Connections that become local.
    private(set) var local = 0
    /// What ties a program to one that stays.
    private(set) var torn: [Shared] = []
    /// In which order the files of what moves would be copied.
    let transfer: TransferPlan
    /// Members of the group of what moves: what has to move for nothing to break.
    let groupSize: Int

    init(_ nodes: [NodeID], to host: HostID, in group: MapGroup, _ dependencies: [Dependency]) {
        let graph = group.graph
        let own = graph.moveGroup(of: nodes, group.report.group.options)
        groupSize = own.members.count
        transfer = TransferPlan(own) { group.size(of: $0) }
        let moved = Set(nodes)
        programs = nodes.filter { graph.kind($0) == .program }
        func moves(_ node: NodeID) -> Bool { moved.contains(node) }
        var seen: Set<[UInt32]> = []
        func tear(_ one: NodeID, _ other: NodeID, _ over: NodeID?, _ link: Link) {
            let key = [one.rawValue, other.rawValue, over?.rawValue ?? .max, UInt32(link.rawValue)]
            if seen.insert(key).inserted {
                torn.append(Shared(moved: one, stays: other, over: over, link: link))
            }
        }
        var places: [[UInt32]: Int] = [:]
        for dependency in dependencies {
            let (from, to) = (dependency.from, dependency.to)
            switch dependency.link {
            case .connect, .accept:
                guard moves(from) != moves(to) else { continue }
                let isTaken = dependency.link == .accept
                let (client, server) = isTaken ? (to, from) : (from, to)
                let stays = moves(from) ? to : from
                if graph.host(stays) == host {
                    local += 1
                    continue
                }
                if let via = dependency.via, case .channel = graph[via] {
                    tear(moves(from) ? from : to, stays, via, dependency.link)
                    continue
                }
                let key = [client.rawValue, server.rawValue, dependency.via?.rawValue ?? .max]
                let bytes = PictureText.sum([dependency.sent, dependency.received])
                if let place = places[key] {
                    // Both ends counted the same.
                    reconnects[place].bytes = max(reconnects[place].bytes, bytes)
                    continue
                }
                places[key] = reconnects.count
                reconnects.append(
                    Connection(
                        client: client, server: server, via: dependency.via, bytes: bytes,
                        evidence: dependency.evidence, isToMoved: moves(server)))
            case .ipc:
                guard graph.kind(from) == .program, graph.kind(to) == .program, moves(from) != moves(to)
                else { continue }
                tear(moves(from) ? from : to, moves(from) ? to : from, dependency.via, .ipc)
            case .file, .spawn, .listen, .listed: continue
            }
        }
        // A file that one of two writes, of which one stays.
        for node in group.report.members where group.report.group.isBound(node) && graph.kind(node) == .file {
            var (movers, stayers): ([NodeID], [NodeID]) = ([], [])
            graph.forEachEdge(at: node) { edge in
                guard edge.isIncoming, edge.mark.link == .file else { return }
                if moves(edge.other) { movers.append(edge.other) } else { stayers.append(edge.other) }
            }
            guard let mover = movers.first, let stayer = stayers.first else { continue }
            tear(mover, stayer, node, .file)
        }
    }

    /// Bytes that went over what must be reconnected.
    var bytes: UInt64 { PictureText.sum(reconnects.map(\.bytes)) }

    /// How long the programs would be stopped for the final copy, seconds, at the rate that a transfer is planned with;
    /// `nil` where a file that is copied then could not be looked at.
    var stopSeconds: Double? {
        let last = transfer.items.filter { $0.phase == .finalCopy }
        guard last.allSatisfy({ $0.bytes != nil }) else { return nil }
        return Double(transfer.expectedFinalBytes) / TransferPlan.Options().bandwidth
    }
}
