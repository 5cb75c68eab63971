import Records

/// Ends of connections by what the other end would know of them.
struct SocketIndex {
    /// A program that is the other end.
    struct Match: Hashable {
        var program: UInt32
        var host: HostID
        var evidence: Evidence?
    }

    fileprivate struct Service: Hashable {
        var host: HostID
        var transport: Transport
        var port: UInt16
    }

    private let sockets: OpenSockets
    private let hosts: [GraphHost]
    private let hostAddresses: Set<HostAddress>
    private let pairing: SocketPairing
    private var owners: [NetworkAddress: [HostID]] = [:]
    /// Accepts at a host's port, by the address that they came from.
    private var accepts = Ends()
    /// Connects by a host to a port, by the address that they went to.
    private var connects = Ends()
    private var listens: [Service: [NetworkAddress: [Listener]]] = [:]
    /// How many ends and addresses were compared, so that a test can hold it against the size of the input.
    private(set) var compared = 0

    init(
        _ sockets: OpenSockets, hosts: [GraphHost], _ hostAddresses: Set<HostAddress>, pairing: SocketPairing
    ) {
        self.sockets = sockets
        self.hosts = hosts
        self.hostAddresses = hostAddresses
        self.pairing = pairing
        for number in hosts.indices.dropFirst() {
            for address in hosts[number].addresses {
                owners[address, default: []].append(HostID(rawValue: UInt32(number)))
            }
        }
        func service(_ end: OpenSockets.End, _ port: UInt16) -> Service {
            Service(host: end.host, transport: end.transport, port: port)
        }
        for (position, end) in sockets.accepts.enumerated() {
            accepts.add(position, at: service(end, end.local.port), end.remote.address)
        }
        for (position, end) in sockets.connects.enumerated() {
            connects.add(position, at: service(end, end.remote.port), Self.target(end))
        }
        for (position, end) in sockets.listens.enumerated() {
            listens[service(end, end.local.port), default: [:]][end.local.address, default: []].append(
                Listener(position, end))
        }
        for service in listens.keys {
            listens[service] = listens[service]?.mapValues(Listener.withEnds)
        }
    }

    /// Whether an address leads back to the host that uses it.
    func isOwn(_ address: NetworkAddress, of host: HostID) -> Bool {
        address.isLoopback || address.isWildcard || has(host, address)
    }

    private func has(_ host: HostID, _ address: NetworkAddress) -> Bool {
        hostAddresses.contains(HostAddress(host: host, address: address))
    }

    /// The hosts that something at this address belongs to, as one of them sees it; none if it is nobody's,
    /// or cannot be known.
    func owners(of address: NetworkAddress, seenFrom host: HostID, _ detail: EdgeDetail) -> [HostID] {
        let candidates = candidates(for: address, seenFrom: host, detail)
        return candidates.count == 1 || pairing.isPermissive ? candidates : []
    }

    /// The programs that took these connections.
    mutating func acceptors(of connect: OpenSockets.End) -> [Match] {
        let candidates = candidates(for: Self.target(connect), seenFrom: connect.host, connect.detail)
        var found = Matches()
        for host in candidates {
            let service = Service(host: host, transport: connect.transport, port: connect.remote.port)
            for position in ends(\.accepts, at: service, of: connect.host) {
                let accept = sockets.accepts[position]
                compared += 1
                guard belong(connect, accept) else { continue }
                found.add(Match(program: accept.program, host: host, evidence: accept.evidence))
            }
        }
        if !found.list.isEmpty && !pairing.isPermissive { return found.list }
        for host in candidates {
            for listener in listeners(on: host, connect, isHere: host == connect.host) {
                found.add(Match(program: listener.program, host: host, evidence: .inferred))
            }
        }
        return found.list
    }

    /// The programs that made these connections.
    mutating func connectors(to accept: OpenSockets.End) -> [Match] {
        var found = Matches()
        for host in candidates(for: accept.remote.address, seenFrom: accept.host, accept.detail) {
            let service = Service(host: host, transport: accept.transport, port: accept.local.port)
            let local = accept.local.address
            let positions =
                local.isWildcard
                ? ends(\.connects, at: service, of: accept.host) : connects.positions(at: service, local)
            for position in positions {
                let connect = sockets.connects[position]
                compared += 1
                guard belong(connect, accept) else { continue }
                found.add(Match(program: connect.program, host: host, evidence: connect.evidence))
            }
        }
        return found.list
    }

    /// The ends at a service that name one of the addresses by which a host can be known there.
    private mutating func ends(
        _ ends: WritableKeyPath<SocketIndex, Ends>, at service: Service, of host: HostID
    ) -> [Int] {
        let (positions, looked) = self[keyPath: ends].positions(
            at: service, of: host, hosts[Int(host.rawValue)].addresses, hostAddresses)
        compared += looked
        return positions
    }

    /// Where a connection goes: one to "every address" goes to the loopback.
    private static func target(_ connect: OpenSockets.End) -> NetworkAddress {
        let address = connect.remote.address
        guard address.isWildcard else { return address }
        return address.isV4 ? NetworkAddress(v4: 0x7f00_0001) : NetworkAddress(high: 0, low: 1)
    }

    /// Whether a socket bound to a local address takes what is sent to an address: :: takes IPv4 as well,
    /// 0.0.0.0 nothing else.
    private static func takes(_ local: NetworkAddress, _ address: NetworkAddress) -> Bool {
        local == address || (local.isWildcard && (!local.isV4 || address.isV4))
    }

    /// Whether two ends, of the same transport and port, can be those of one connection.
    private func belong(_ connect: OpenSockets.End, _ accept: OpenSockets.End) -> Bool {
        let target = Self.target(connect)
        return Self.takes(accept.local.address, target)
            && leads(target, from: connect.host, to: accept.host)
            && leads(accept.remote.address, from: accept.host, to: connect.host)
            && overlap(connect.detail, accept.detail, isHere: connect.host == accept.host)
    }

    /// Whether an address means one host to another; its own addresses, loopback above all, lead nobody
    /// away from a host.
    private func leads(_ address: NetworkAddress, from host: HostID, to other: HostID) -> Bool {
        if host == other { return isOwn(address, of: host) }
        guard has(other, address) else { return false }
        return pairing.isPermissive || !isOwn(address, of: host)
    }

    /// The hosts that an address may lead to from a host: itself if it is its own.
    private func candidates(
        for address: NetworkAddress, seenFrom host: HostID, _ detail: EdgeDetail
    ) -> [HostID] {
        guard isOwn(address, of: host) else { return hosts(of: address, detail) }
        guard pairing.isPermissive else { return [host] }
        // That an address turns out to be one's own as well must not take away what was found without it.
        return [host] + hosts(of: address, detail).filter { $0 != host }
    }

    private func hosts(of address: NetworkAddress, _ detail: EdgeDetail) -> [HostID] {
        guard !address.isLoopback, !address.isWildcard, let all = owners[address] else { return [] }
        guard all.count > 1, !pairing.isPermissive else { return all }
        // An address that two hosts had: the one that was observed at the time, if one was.
        let then = all.filter { number in
            let host = hosts[Int(number.rawValue)]
            return host.observed.upperBound == 0 || detail.last == 0
                || (add(detail.last, pairing.clockSkew) >= host.observed.lowerBound
                    && detail.first <= add(host.observed.upperBound, pairing.clockSkew))
        }
        return then.isEmpty ? all : then
    }

    private func overlap(_ one: EdgeDetail, _ other: EdgeDetail, isHere: Bool) -> Bool {
        // Nothing is known of the times of most lists.
        if one.last == 0 || other.last == 0 || pairing.isPermissive { return true }
        let skew = isHere ? 0 : pairing.clockSkew
        return add(one.last, skew) >= other.first && add(other.last, skew) >= one.first
    }

    private func add(_ time: UInt64, _ span: UInt64) -> UInt64 {
        let (sum, overflow) = time.addingReportingOverflow(span)
        return overflow ? .max : sum
    }

    /// Who waited at the address at the time.
    private mutating func listeners(
        on host: HostID, _ connect: OpenSockets.End, isHere: Bool
    ) -> [Listener] {
        let service = Service(host: host, transport: connect.transport, port: connect.remote.port)
        guard let here = listens[service] else { return [] }
        let target = Self.target(connect)
        var places = [target, NetworkAddress(high: 0, low: 0)]
        if target.isV4 { places.append(NetworkAddress(v4: 0)) }
        let skew = isHere ? 0 : pairing.clockSkew
        var found: [Listener] = []
        for listener in places.lazy.compactMap({ here[$0] }).joined() {
            compared += 1
            if connect.detail.last == 0 || listener.isUntimed || pairing.isPermissive
                || (add(connect.detail.last, skew) >= listener.begin
                    && connect.detail.first <= add(listener.end, skew))
            {
                found.append(listener)
            }
        }
        // As they were met, wherever they listened.
        return found.sorted { $0.position < $1.position }
    }
}

/// Programs that are the other end, each once with the strongest evidence.
private struct Matches {
    private(set) var list: [SocketIndex.Match] = []
    /// Where each program stands, once there are so many that going through them would take long.
    private var places: [UInt32: Int] = [:]

    mutating func add(_ match: SocketIndex.Match) {
        if let known = place(of: match.program) {
            if let old = list[known].evidence, let new = match.evidence, new > old {
                list[known].evidence = new
            }
            return
        }
        list.append(match)
        if list.count > 16 {
            if places.isEmpty { for (place, match) in list.enumerated() { places[match.program] = place } }
            places[match.program] = list.count - 1
        }
    }

    private func place(of program: UInt32) -> Int? {
        places.isEmpty ? list.firstIndex { $0.program == program } : places[program]
    }
}

/// Ends of connections at services, by the address of the other side.
private struct Ends {
    private var places: [SocketIndex.Service: [NetworkAddress: [Int]]] = [:]
    /// What was found for a host that has many addresses at a service that many addresses use.
    private var known: [Way: [Int]] = [:]

    private struct Way: Hashable {
        var service: SocketIndex.Service
        var host: HostID
    }

    /// All ways back to the host itself are one.
    private static let itself = NetworkAddress(high: 0, low: 1)

    private static func key(_ address: NetworkAddress) -> NetworkAddress {
        address.isLoopback || address.isWildcard ? itself : address
    }

    mutating func add(_ position: Int, at service: SocketIndex.Service, _ address: NetworkAddress) {
        places[service, default: [:]][Self.key(address), default: []].append(position)
    }

    /// The ends at a service that name an address, in the order in which they were met.
    func positions(at service: SocketIndex.Service, _ address: NetworkAddress) -> [Int] {
        places[service]?[Self.key(address)] ?? []
    }

    /// The ends at a service that name one of a host's addresses, in the order in which they were met, and how many
    /// addresses were looked at for that: the host's or the service's, whichever are fewer.
    mutating func positions(
        at service: SocketIndex.Service, of host: HostID, _ addresses: [NetworkAddress],
        _ hostAddresses: Set<HostAddress>
    ) -> (positions: [Int], looked: Int) {
        guard let here = places[service] else { return ([], 1) }
        let looked = min(addresses.count, here.count)
        let way = Way(service: service, host: host)
        if looked > 8, let known = known[way] { return (known, 1) }
        var found = service.host == host ? here[Self.itself] ?? [] : []
        if addresses.count <= here.count {
            for address in addresses { found += here[address] ?? [] }
        } else {
            for (address, positions) in here
            where hostAddresses.contains(HostAddress(host: host, address: address)) { found += positions }
        }
        found.sort()
        if looked > 8 { known[way] = found }
        return (found, looked)
    }
}

/// A program that listened at an address: from when it was seen first, or was there already, until somebody else was
/// seen first at the same place.
private struct Listener {
    let position: Int
    let program: UInt32
    let isUntimed: Bool
    let begin: UInt64
    private(set) var end = UInt64.max
    private let first: UInt64
    private let last: UInt64
    private let isExact: Bool

    init(_ position: Int, _ end: OpenSockets.End) {
        self.position = position
        program = end.program
        (first, last) = (end.detail.first, end.detail.last)
        isUntimed = last == 0
        isExact = end.evidence == .exact
        begin = isExact ? first : 0
    }

    /// All that listened at one address and port, with their ends.
    static func withEnds(_ all: [Listener]) -> [Listener] {
        let starts = all.filter(\.isExact).sorted { $0.first < $1.first }
        // For each the next start by another program.
        var others = [Int](repeating: starts.count, count: starts.count)
        for place in starts.indices.dropLast().reversed() {
            let next = place + 1
            others[place] = starts[next].program == starts[place].program ? others[next] : next
        }
        return all.map { listener in
            var lower = 0
            var upper = starts.count
            while lower < upper {
                let middle = (lower + upper) / 2
                if starts[middle].first > listener.last { upper = middle } else { lower = middle + 1 }
            }
            if lower < starts.count, starts[lower].program == listener.program { lower = others[lower] }
            var listener = listener
            listener.end = lower < starts.count ? starts[lower].first : .max
            return listener
        }
    }
}
