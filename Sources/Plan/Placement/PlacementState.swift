/// Where everything is, and what each host has to do, after some placements.
struct PlacementState {
    let question: PlacementQuestion
    private(set) var placements: [PlacementAnswer.Placement] = []
    private var places: [String: String]
    private var demand: [String: Double]
    private var available: [String: UInt64]
    private let hosts: [String: PlacementQuestion.Host]

    init(_ question: PlacementQuestion) {
        self.question = question
        places = Dictionary(question.moves.map { ($0.name, $0.host) }) { first, _ in first }
        demand = Dictionary(question.hosts.map { ($0.name, $0.demand) }) { first, _ in first }
        available = Dictionary(question.hosts.map { ($0.name, $0.available) }) { first, _ in first }
        hosts = Dictionary(question.hosts.map { ($0.name, $0) }) { first, _ in first }
    }

    /// Threads for each processor: what is more than one waits.
    func load(_ host: String, with more: Double = 0) -> Double {
        max((demand[host] ?? 0) + more, 0) / (hosts[host]?.processors ?? 1)
    }

    /// Hosts to which a program can go: it may, they stay, and have the memory.
    private func open(to move: PlacementQuestion.Move) -> [String] {
        move.may.filter { name in
            name != places[move.name] && hosts[name]?.isLeaving == false
                && (available[name] ?? 0) >= move.memory
        }
    }

    /// What has not been placed yet, of hosts that stay.
    private var free: [PlacementQuestion.Move] {
        let placed = Set(placements.map(\.move))
        return question.moves.filter { !placed.contains($0.name) && hosts[$0.host]?.isLeaving == false }
    }

    mutating func place(_ placement: PlacementAnswer.Placement) {
        guard let move = question.moves.first(where: { $0.name == placement.move }),
            let before = places[move.name]
        else { return }
        demand[before, default: 0] -= move.demand
        demand[placement.host, default: 0] += move.demand
        available[placement.host] =
            (available[placement.host] ?? 0) - min(move.memory, available[placement.host] ?? 0)
        places[move.name] = placement.host
        placements.append(placement)
    }

    // MARK: Hosts that are to be empty

    /// Places everything of them, in the order in which it starts; what no host has the memory for stays.
    mutating func emptyLeaving(
        _ choose: (PlacementState, PlacementQuestion.Move, [String]) -> PlacementAnswer.Placement?
    ) {
        for move in question.moves where hosts[move.host]?.isLeaving == true {
            guard let placement = choose(self, move, open(to: move)) else { continue }
            place(placement)
        }
    }

    func leastLoaded(_ move: PlacementQuestion.Move, _ hosts: [String]) -> PlacementAnswer.Placement? {
        // Of equals the first of the policy.
        let loads = hosts.map { ($0, load($0, with: move.demand)) }
        guard let best = loads.min(by: { $0.1 < $1.1 }) else { return nil }
        return .init(
            move.name, to: best.0,
            because:
                "\(move.host) is to be empty; \(best.0) would have \(Self.text(best.1)) threads for a processor"
        )
    }

    func closest(_ move: PlacementQuestion.Move, _ hosts: [String]) -> PlacementAnswer.Placement? {
        let bytes = hosts.map { ($0, self.bytes(of: move.name, to: $0)) }
        guard let most = bytes.map(\.1).max(), most > 0 else { return leastLoaded(move, hosts) }
        guard let best = leastLoaded(move, bytes.filter { $0.1 == most }.map(\.0)) else { return nil }
        return .init(
            move.name, to: best.host,
            because: "\(move.host) is to be empty; \(most) bytes went between it and programs at \(best.host)"
        )
    }

    // MARK: Balance

    /// The move that lowers the load of the most loaded host best; `nil` where no thread waits for a processor, or where the
    /// gain is too small.
    func relief() -> PlacementAnswer.Placement? {
        var best: (placement: PlacementAnswer.Placement, peak: Double, memory: UInt64)?
        let staying = question.hosts.filter { !$0.isLeaving }.map(\.name)
        guard let busiest = staying.max(by: { load($0) < load($1) }), load(busiest) > 1 else { return nil }
        let before = load(busiest)
        for move in free where places[move.name] == busiest && move.demand > 0 {
            for host in open(to: move) {
                let (here, there) = (load(busiest, with: -move.demand), load(host, with: move.demand))
                let peak = max(here, there)
                guard peak <= before * (1 - question.gain), peak < before else { continue }
                // Of equals the one of which less has to be brought.
                if let best, (best.peak, best.memory) <= (peak, move.memory) { continue }
                best = (
                    .init(
                        move.name, to: host,
                        because:
                            "\(busiest) has \(Self.text(before)) threads for a processor, and would have \(Self.text(here)); \(host) \(Self.text(load(host))), and would have \(Self.text(there))"
                    ), peak, move.memory
                )
            }
        }
        return best?.placement
    }

    // MARK: Together

    /// Bytes between a program and those at a host.
    private func bytes(of name: String, to host: String) -> UInt64 {
        question.edges.reduce(0) { sum, edge in
            let isThere: Bool =
                switch edge.peer {
                case .move(let other):
                    edge.move == name && other != name && places[other] == host
                        || other == name && edge.move != name && places[edge.move] == host
                case .host(let other): edge.move == name && other == host
                }
            guard isThere else { return sum }
            return sum.addingReportingOverflow(edge.bytes).overflow ? .max : sum + edge.bytes
        }
    }

    /// The move that takes most bytes off the network; `nil` where the gain is too small. No host is loaded beyond its
    /// processors by it, unless the one that it leaves is loaded as much.
    func approach() -> PlacementAnswer.Placement? {
        let between = question.bytesBetweenHosts(with: places)
        guard between > 0 else { return nil }
        var best: (placement: PlacementAnswer.Placement, saved: UInt64)?
        for move in free {
            guard let place = places[move.name] else { continue }
            let here = bytes(of: move.name, to: place)
            for host in open(to: move) {
                let there = bytes(of: move.name, to: host)
                guard there > here, Double(there - here) >= Double(between) * question.gain else { continue }
                guard load(host, with: move.demand) <= max(1, load(place)) else { continue }
                let saved = there - here
                if let best, best.saved >= saved { continue }
                best = (
                    .init(
                        move.name, to: host,
                        because:
                            "\(there) bytes went between it and programs at \(host), \(here) between it and those at \(place)"
                    ), saved
                )
            }
        }
        return best?.placement
    }

    /// With two digits.
    private static func text(_ number: Double) -> String {
        let hundredths = Int((min(number, 1e9) * 100).rounded())
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
    }
}
