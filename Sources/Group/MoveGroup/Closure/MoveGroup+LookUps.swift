import Records

/// What has to be known so that a group can be computed without reading all records: what stands at its members.
///
/// Whoever has the records in a store of which only some are in the graph looks up what a group asks for, adds it to the graph,
/// and is done when nothing is asked for that was not looked up: then the group is that of all records.
package enum LookUp: Hashable, Sendable {
    /// All dependencies of a program, and those on it.
    case program(host: String, ProgramName)
    /// Of a program beyond which nothing is followed: the files that it is made of.
    case executed(host: String, ProgramName)
    /// Who writes a file.
    case writers(host: String, path: [UInt8])
    /// All who use a file.
    case users(host: String, path: [UInt8])
    /// All who share a channel.
    case sharers(host: String, Mechanism, name: [UInt8])
}

/// What groups of graphs of one builder asked for already, so that each asks once.
package struct LookUpMemo {
    /// Twice the number of a node, and 1 where more of it is asked for.
    fileprivate var known: Set<UInt64> = []

    package init() {}

    fileprivate mutating func isNew(_ node: NodeID, isMore: Bool) -> Bool {
        known.insert(UInt64(node.rawValue) << 1 | (isMore ? 1 : 0)).inserted
    }
}

extension MoveGroup {
    /// What stands at the members, without what was asked for before.
    package func lookUps(beyond memo: inout LookUpMemo) -> [LookUp] {
        members.compactMap { member in
            switch graph.kind(member) {
            case .program:
                let isStop = isStop(member)
                guard memo.isNew(member, isMore: !isStop), case .program(let name) = graph[member] else {
                    return nil
                }
                let host = graph[graph.host(member)].id
                return isStop ? .executed(host: host, name) : .program(host: host, name)
            case .file:
                let isBound = states[Int(member.rawValue)] & (MemberState.bound | MemberState.late) != 0
                // Where a group begins nothing led. Who writes a file below a folder that was folded may use it by name, too.
                let isMore = isBound || ways[Int(member.rawValue)] == 0 || hasFoldedWriter(member)
                guard memo.isNew(member, isMore: isMore), case .file(let path) = graph[member] else {
                    return nil
                }
                let host = graph[graph.host(member)].id
                return isMore ? .users(host: host, path: path) : .writers(host: host, path: path)
            case .channel:
                if isStop(member) { return nil }
                guard memo.isNew(member, isMore: false),
                    case .channel(let mechanism, let name) = graph[member],
                    !Node.isNameless(mechanism, name)
                else { return nil }
                return .sharers(host: graph[graph.host(member)].id, mechanism, name: name)
            case .endpoint, .entry: return nil
            }
        }
    }
}

extension MoveGroup {
    private func hasFoldedWriter(_ file: NodeID) -> Bool {
        var hasWriter = false
        graph.forEachEdge(at: file) { edge in
            if edge.isIncoming, edge.mark.access.contains(.written), edge.mark.evidence == .inferred {
                hasWriter = true
            }
        }
        return hasWriter
    }
}

extension NodePattern {
    /// The texts of which one must be a name of whatever is meant; `nil` where it may mean anything.
    package var exactWords: [[UInt8]]? {
        if hasWildcards { return nil }
        return isWorkloadPossible ? [nameForComparison, wholeName] : [nameForComparison]
    }

    /// The host's id, name or address, if one was typed.
    package func isOn(_ host: GraphHost) -> Bool { matches(host) }
}

extension ProgramName {
    /// The texts by which `NodePattern` may mean a program; the same whatever a pattern is like, so that they can be kept in
    /// an index.
    package func words(called names: [[UInt8]] = []) -> Set<[UInt8]> {
        var words = Set(names)
        for path in [executable, script] where !path.isEmpty {
            words.insert(path)
            words.insert(Self.last(path))
        }
        if isUnknown { words.insert(Self.unknownText) }
        guard !workload.isEmpty else { return words }
        words.insert(workload)
        for (place, byte) in workload.enumerated() where byte == UInt8(ascii: "/") {
            words.insert(Array(workload[..<place]))
        }
        for group in workload.split(separator: UInt8(ascii: "/")) {
            words.insert(Array(group))
            if let container = NodePattern.container(group) { words.insert(Array(container)) }
        }
        return words
    }

    private static func last(_ path: [UInt8]) -> [UInt8] {
        path.lastIndex(of: UInt8(ascii: "/")).map { Array(path[($0 + 1)...]) } ?? path
    }
}

extension GraphBuilder {
    /// Takes in what is known of a host without any of its records.
    ///
    /// - Parameter from: since when it was observed, nanoseconds since 1970.
    package mutating func add(_ header: DumpHeader, observedFrom from: UInt64, gaps: [Gap]) {
        let host = host(id: header.hostID)
        learn(host, name: header.hostName, addresses: header.addresses, from: from, to: header.time)
        addGaps(gaps, to: host)
    }

    /// Takes in that a host has a program, whatever that depends on.
    package mutating func add(_ program: ProgramName, called names: [[UInt8]], onHost id: String) {
        let number = intern(.program(program), on: host(id: id))
        noteNames(names, of: number)
    }
}
