import MoveGroup
import Records
import TestSupport
import Testing

/// What has to hold of every group, whatever the records.
@Suite("Properties of a group")
struct PropertyTests {
    @Test(arguments: 0..<4) func orderOfDumpsDoesNotMatter(part: UInt64) {
        for seed in part * 60..<(part + 1) * 60 {
            var world = RandomWorld(seed: seed)
            let (dumps, plain) = (world.dumps(), world.options())
            let start = Array(world.start(in: ReferencePairing(dumps).dependencies))
            let expected = join(dumps).outcome(of: start, plain.options)
            for _ in 0..<3 {
                let shuffled = dumps.shuffled(using: &world.random)
                let found = join(shuffled).outcome(of: start, plain.options)
                #expect(found.members == expected.members, "seed \(seed)")
                #expect(found.crossings == expected.crossings, "seed \(seed)")
                #expect(found.distances == expected.distances, "seed \(seed)")
            }
        }
    }

    @Test(arguments: [false, true]) func dumpAddedTwiceChangesNothing(isPermissive: Bool) {
        for seed in 1000..<UInt64(1150) {
            var world = RandomWorld(seed: seed)
            let dumps = world.dumps()
            var plain = world.options()
            plain.isSymmetric = isPermissive
            let start = Array(
                world.start(in: ReferencePairing(dumps, isPermissive: isPermissive).dependencies))
            let pairing = SocketPairing(isPermissive: isPermissive)
            let once = join(dumps, pairing).outcome(of: start, plain.options)
            let twice = join(dumps + dumps, pairing).outcome(of: start, plain.options)
            #expect(once.members == twice.members && once.crossings == twice.crossings, "seed \(seed)")
            #expect(once.distances == twice.distances, "seed \(seed)")
        }
    }

    /// All that the group needs is in what its members have to do with: the rest of the world may go.
    @Test func groupOfItsOwnDependenciesIsTheSame() {
        for seed in 2000..<UInt64(2300) {
            var world = RandomWorld(seed: seed)
            // Sockets pair by what everybody has; here only relations within a host.
            let dumps = world.dumps().map { dump in
                var dump = dump
                dump.observed.removeAll { $0.fact.isSocket }
                return dump
            }
            let plain = world.options()
            let start = Array(world.start(in: ReferencePairing(dumps).dependencies))
            let whole = join(dumps).outcome(of: start, plain.options)
            let own = dumps.map { dump in
                var dump = dump
                dump.observed.removeAll { one in
                    let ends = ReferencePairing([HostDump(dump.id, observed: [one])]).dependencies
                    return !ends.contains { whole.members.contains($0.from) || whole.members.contains($0.to) }
                }
                return dump
            }
            let again = join(own).outcome(of: start, plain.options)
            #expect(again.members == whole.members && again.crossings == whole.crossings, "seed \(seed)")
        }
    }

    /// Endpoints go by their address here: what was nobody's may turn out to be somebody's.
    @Test(arguments: 0..<4) func moreRecordsNeverShrinkASymmetricGroup(part: UInt64) {
        func withoutOwners(_ members: Set<Named>) -> Set<Named> {
            Set(members.map { $0.node.kind == .endpoint ? Named(host: "", node: $0.node) : $0 })
        }
        for seed in 3000 + part * 80..<3000 + (part + 1) * 80 {
            var world = RandomWorld(seed: seed)
            let all = world.dumps()
            var fewer = all
            if Bool.random(using: &world.random) { fewer.removeLast() }
            for number in fewer.indices {
                let count = Int.random(in: 0...fewer[number].observed.count, using: &world.random)
                fewer[number].observed.removeLast(fewer[number].observed.count - count)
                if Int.random(in: 0..<4, using: &world.random) == 0 { fewer[number].addresses = [] }
            }
            var options = ClosureOptions()
            options.isSymmetric = true
            let pairing = SocketPairing(isPermissive: true)
            let start = Array(world.start(in: ReferencePairing(fewer, isPermissive: true).dependencies))
                .filter { $0.node.kind == .program }
            let small = join(fewer, pairing).outcome(of: start, options).members
            let large = join(all, pairing).outcome(of: start, options).members
            let lost = withoutOwners(small).subtracting(withoutOwners(large))
            #expect(lost.isEmpty, "seed \(seed)")
        }
    }

    @Test(arguments: [false, true]) func everyMemberHasAReason(isSymmetric: Bool) {
        for seed in 4000..<UInt64(4300) {
            var world = RandomWorld(seed: seed)
            let dumps = world.dumps()
            var plain = world.options()
            plain.isSymmetric = isSymmetric
            let start = Array(world.start(in: ReferencePairing(dumps).dependencies))
            let graph = join(dumps)
            var options = plain.options
            options.prefersEvidence = seed % 2 == 0
            let group = graph.moveGroup(of: graph.nodes(start), options)
            for (position, member) in group.members.enumerated() {
                #expect(group.contains(member))
                let chain = group.chain(to: member)
                #expect(chain.count == group.distance(of: position), "seed \(seed): \(graph.named(member))")
                var here = chain.first?.from ?? member
                #expect(start.contains(graph.named(here)), "seed \(seed)")
                #expect(group.step(to: here) == nil)
                for step in chain {
                    let edge = graph[step.edge]
                    #expect(step.from == here && group.contains(here))
                    #expect(step.isIncoming ? edge.from == step.to : edge.to == step.to)
                    #expect(step.isIncoming ? edge.to == step.from : edge.from == step.from)
                    here = step.to
                }
                #expect(here == member)
            }
            #expect(Set(group.members).count == group.members.count)
            #expect(graph.allNodes.filter { group.contains($0) }.count == group.members.count)
        }
    }
}

extension Fact {
    var isSocket: Bool {
        switch self {
        case .connect, .accept, .listen: true
        default: false
        }
    }
}
