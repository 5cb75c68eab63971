import Records

/// Where a record is found: with the daemon of a host, by the change number at which it last changed.
package struct RecordReference: Hashable, Sendable {
    /// Whose daemon keeps it.
    package var host: HostID
    /// 0 if no input states it.
    package var change: UInt32

    /// That of a dependency.
    package init(_ dependency: Dependency, in graph: DependencyGraph) {
        host = graph.host(dependency.from)
        change = dependency.change
    }

    fileprivate init(_ edge: EdgeID, in graph: DependencyGraph) {
        host = graph.host(graph[edge].from)
        change = graph.detail(edge).change
    }
}

/// What would break if some members moved to another host and nothing else did.
package struct MoveQuestion {
    /// A connection that has to lead elsewhere.
    package struct Connection {
        package var client: NodeID
        package var server: NodeID
        /// Where the server listens.
        package var via: NodeID?
        /// Bytes that went over it, both ways.
        package var bytes: UInt64
        package var evidence: Evidence?
        /// Whether the one that moves is the server: then its clients have to be pointed at another address.
        package var isToMoved: Bool
        /// What says so: the record of the client, that of the server, or both.
        package var records: [RecordReference]
    }

    /// Something that two share and that cannot be shared across hosts.
    package struct Shared {
        package var moved: NodeID
        package var stays: NodeID
        package var over: NodeID?
        package var link: Link
        package var records: [RecordReference]
    }

    /// What would move: not what is there already.
    package let moved: [NodeID]
    /// Connections with what stays where it is.
    package private(set) var reconnects: [Connection] = []
    /// Connections that become local.
    package private(set) var local = 0
    /// Connections of different hosts that both move: they become local as well, at an address that changes for both.
    package private(set) var inside = 0
    /// What ties a program to one that stays.
    package private(set) var torn: [Shared] = []
    /// In which order the files of what moves would be copied.
    package let transfer: TransferPlan
    /// Members of the group of what moves: what has to move for nothing to break.
    package let groupSize: Int

    private let graph: DependencyGraph

    /// The number of a host that nobody observes.
    package static func unobservedHost(in graph: DependencyGraph) -> HostID {
        HostID(rawValue: UInt32(graph.hosts.count))
    }

    /// Asks.
    ///
    /// - Parameters:
    ///   - nodes: members that would move.
    ///   - host: where to.
    ///   - report: the group they belong to.
    ///   - dependencies: those between its members, and those that lead out of it.
    ///   - size: bytes of a file; `nil` if it cannot be looked at.
    package init(
        _ nodes: [NodeID], to host: HostID, in report: GroupReport, _ dependencies: [Dependency],
        size: (NodeID) -> UInt64?
    ) {
        let graph = report.group.graph
        self.graph = graph
        moved = nodes.filter { graph.host($0) != host }
        let own = graph.moveGroup(of: moved, report.group.options)
        groupSize = own.members.count
        transfer = TransferPlan(own, size: size)
        takeConnections(dependencies, to: host, Set(moved))
        takeFiles(of: report, Set(moved))
        // What carries most comes first, in lists that are cut.
        let ranked = reconnects.enumerated().sorted {
            ($1.element.bytes, $0.offset) < ($0.element.bytes, $1.offset)
        }
        reconnects = ranked.map(\.element)
        for place in reconnects.indices { sort(&reconnects[place].records) }
        for place in torn.indices { sort(&torn[place].records) }
    }

    private func sort(_ records: inout [RecordReference]) {
        records.sort { (graph[$0.host].id, $0.change) < (graph[$1.host].id, $1.change) }
    }

    private mutating func takeConnections(_ dependencies: [Dependency], to host: HostID, _ moved: Set<NodeID>)
    {
        var places: [[UInt32]: Int] = [:]
        var localPairs: Set<[UInt32]> = []
        var innerPairs: Set<[UInt32]> = []
        var shared: [[UInt32]: Int] = [:]
        for dependency in dependencies {
            let (from, to) = (dependency.from, dependency.to)
            let record = RecordReference(dependency, in: graph)
            let isFromMoved = moved.contains(from)
            let (moving, stays) = isFromMoved ? (from, to) : (to, from)
            let isBoth = isFromMoved && moved.contains(to)
            guard isBoth || isFromMoved != moved.contains(to) else { continue }
            switch dependency.link {
            case .connect, .accept:
                let isTaken = dependency.link == .accept
                let (client, server) = isTaken ? (to, from) : (from, to)
                let key = [client.rawValue, server.rawValue, dependency.via?.rawValue ?? .max]
                if isBoth {
                    if graph.host(client) != graph.host(server) { innerPairs.insert(key) }
                    continue
                }
                if graph.host(stays) == host {
                    localPairs.insert(key)
                    continue
                }
                if let via = dependency.via, case .channel = graph[via] {
                    tear(moving, stays, via, dependency.link, record, &shared)
                    continue
                }
                let bytes = PictureText.sum([dependency.sent, dependency.received])
                if let place = places[key] {
                    // Both ends counted the same.
                    reconnects[place].bytes = max(reconnects[place].bytes, bytes)
                    if !reconnects[place].records.contains(record) {
                        reconnects[place].records.append(record)
                    }
                    continue
                }
                places[key] = reconnects.count
                reconnects.append(
                    Connection(
                        client: client, server: server, via: dependency.via, bytes: bytes,
                        evidence: dependency.evidence, isToMoved: moved.contains(server), records: [record]))
            case .ipc:
                guard !isBoth, graph.kind(from) == .program, graph.kind(to) == .program else { continue }
                tear(moving, stays, dependency.via, .ipc, record, &shared)
            case .file, .spawn, .listen, .listed: continue
            }
        }
        (local, inside) = (localPairs.count, innerPairs.count)
    }

    private mutating func tear(
        _ moving: NodeID, _ stays: NodeID, _ over: NodeID?, _ link: Link, _ record: RecordReference,
        _ known: inout [[UInt32]: Int]
    ) {
        let key = [moving.rawValue, stays.rawValue, over?.rawValue ?? .max, UInt32(link.rawValue)]
        if let place = known[key] {
            if !torn[place].records.contains(record) { torn[place].records.append(record) }
            return
        }
        known[key] = torn.count
        torn.append(Shared(moved: moving, stays: stays, over: over, link: link, records: [record]))
    }

    /// Files that one of two writes, of which one stays.
    private mutating func takeFiles(of report: GroupReport, _ moved: Set<NodeID>) {
        for node in report.members where report.group.isBound(node) && graph.kind(node) == .file {
            var (mover, stayer): (DependencyGraph.Incidence?, DependencyGraph.Incidence?)
            graph.forEachEdge(at: node) { edge in
                guard edge.isIncoming, edge.mark.link == .file else { return }
                if moved.contains(edge.other) { mover = mover ?? edge } else { stayer = stayer ?? edge }
            }
            guard let mover, let stayer else { continue }
            torn.append(
                Shared(
                    moved: mover.other, stays: stayer.other, over: node, link: .file,
                    records: [mover, stayer].map { RecordReference($0.edge, in: graph) }))
        }
    }

    /// Bytes that went over what must be reconnected.
    package var bytes: UInt64 { PictureText.sum(reconnects.map(\.bytes)) }

    /// How long the programs would be stopped for the final copy, seconds, at the rate that a transfer is planned with;
    /// `nil` where a file that is copied then could not be looked at.
    package var stopSeconds: Double? {
        let last = transfer.items.filter { $0.phase == .finalCopy }
        guard last.allSatisfy({ $0.bytes != nil }) else { return nil }
        return Double(transfer.expectedFinalBytes) / TransferPlan.Options().bandwidth
    }
}

extension GroupReport {
    /// The dependencies between members, and those that lead out of the group.
    package var dependenciesOfMembers: [Dependency] {
        dependencies + Boundary(self).crossings.compactMap(\.dependency)
    }
}
