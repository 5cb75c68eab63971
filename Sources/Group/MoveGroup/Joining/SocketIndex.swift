import Records

/// Ends of connections by what the other end would know of them.
struct SocketIndex {
    /// A program that is the other end.
    struct Match: Hashable {
        var program: UInt32
        var host: HostID
        var evidence: Evidence?
    }

    private struct Service: Hashable {
        var host: HostID
        var transport: Transport
        var port: UInt16
    }

    /// A service, and the address by which the other end knows of it or is known to it: a server has
    /// thousands of clients, of which each connection is held against its own alone.
    private struct Meeting: Hashable {
        var service: Service
        var address: NetworkAddress

        init(_ service: Service, _ address: NetworkAddress) {
            self.service = service
            // All ways back to the host itself are one.
            self.address = address.isLoopback || address.isWildcard ? Self.itself : address
        }

        static let itself = NetworkAddress(high: 0, low: 1)
    }

    private let sockets: OpenSockets
    private let hosts: [Host]
    private let pairing: SocketPairing
    private var owners: [NetworkAddress: [HostID]] = [:]
    /// Positions of accepts at a host's port from an address.
    private var accepts: [Meeting: [Int]] = [:]
    /// Positions of listens at a host's port.
    private var listens: [Service: [Int]] = [:]
    /// Positions of connects by a host to an address and port.
    private var connects: [Meeting: [Int]] = [:]

    init(_ sockets: OpenSockets, hosts: [Host], pairing: SocketPairing) {
        self.sockets = sockets
        self.hosts = hosts
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
            let meeting = Meeting(service(end, end.local.port), end.remote.address)
            accepts[meeting, default: []].append(position)
        }
        for (position, end) in sockets.listens.enumerated() {
            listens[service(end, end.local.port), default: []].append(position)
        }
        for (position, end) in sockets.connects.enumerated() {
            let meeting = Meeting(service(end, end.remote.port), Self.target(end))
            connects[meeting, default: []].append(position)
        }
    }

    /// Whether an address leads back to the host that uses it.
    func isOwn(_ address: NetworkAddress, of host: HostID) -> Bool {
        address.isLoopback || address.isWildcard || hosts[Int(host.rawValue)].addresses.contains(address)
    }

    /// The hosts that something at this address belongs to, as one of them sees it; none if it is nobody's,
    /// or cannot be told.
    func owners(of address: NetworkAddress, seenFrom host: HostID, _ detail: EdgeDetail) -> [HostID] {
        let candidates = candidates(for: address, seenFrom: host, detail)
        return candidates.count == 1 || pairing.isPermissive ? candidates : []
    }

    /// The programs that took these connections.
    func acceptors(of connect: OpenSockets.End) -> [Match] {
        let address = Self.target(connect)
        let candidates = candidates(for: address, seenFrom: connect.host, connect.detail)
        var found: [Match] = []
        for host in candidates {
            let service = Service(host: host, transport: connect.transport, port: connect.remote.port)
            for address in addresses(of: connect.host, seenFrom: host) {
                for position in accepts[Meeting(service, address)] ?? [] {
                    let accept = sockets.accepts[position]
                    guard belong(connect, accept) else { continue }
                    Self.add(
                        Match(program: accept.program, host: host, evidence: accept.evidence), to: &found)
                }
            }
        }
        if !found.isEmpty && !pairing.isPermissive { return found }
        for host in candidates {
            for listener in listeners(on: host, connect, isHere: host == connect.host) {
                Self.add(Match(program: listener, host: host, evidence: .inferred), to: &found)
            }
        }
        return found
    }

    /// The programs that made these connections.
    func connectors(to accept: OpenSockets.End) -> [Match] {
        var found: [Match] = []
        for host in candidates(for: accept.remote.address, seenFrom: accept.host, accept.detail) {
            let service = Service(host: host, transport: accept.transport, port: accept.local.port)
            let local = accept.local.address
            for address in local.isWildcard ? addresses(of: accept.host, seenFrom: host) : [local] {
                for position in connects[Meeting(service, address)] ?? [] {
                    let connect = sockets.connects[position]
                    guard belong(connect, accept) else { continue }
                    Self.add(
                        Match(program: connect.program, host: host, evidence: connect.evidence), to: &found)
                }
            }
        }
        return found
    }

    /// The addresses by which one host can be known to another, each once.
    private func addresses(of host: HostID, seenFrom other: HostID) -> [NetworkAddress] {
        let addresses = hosts[Int(host.rawValue)].addresses
        return host == other ? [Meeting.itself] + addresses : addresses
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

    private static func add(_ match: Match, to found: inout [Match]) {
        guard let known = found.firstIndex(where: { $0.program == match.program }) else {
            found.append(match)
            return
        }
        if let old = found[known].evidence, let new = match.evidence, new > old {
            found[known].evidence = new
        }
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
        guard hosts[Int(other.rawValue)].addresses.contains(address) else { return false }
        return pairing.isPermissive || !isOwn(address, of: host)
    }

    /// The hosts that an address may lead to from a host: itself if it is its own.
    private func candidates(
        for address: NetworkAddress, seenFrom host: HostID, _ detail: EdgeDetail
    ) -> [HostID] {
        let others = hosts(of: address, detail)
        guard isOwn(address, of: host) else { return others }
        // That an address turns out to be one's own as well must not take away what was found without it.
        return pairing.isPermissive ? [host] + others.filter { $0 != host } : [host]
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

    /// Who waited at the address at the time: each from when it was seen first, or was there already, until
    /// somebody else was seen first at the same place.
    private func listeners(on host: HostID, _ connect: OpenSockets.End, isHere: Bool) -> [UInt32] {
        let service = Service(host: host, transport: connect.transport, port: connect.remote.port)
        let address = Self.target(connect)
        let here = (listens[service] ?? []).map { sockets.listens[$0] }.filter {
            Self.takes($0.local.address, address)
        }
        let skew = isHere ? 0 : pairing.clockSkew
        var found: [UInt32] = []
        for listener in here where !found.contains(listener.program) {
            if connect.detail.last == 0 || listener.detail.last == 0 || pairing.isPermissive {
                found.append(listener.program)
                continue
            }
            let isFromStart = listener.evidence != .exact
            let begin = isFromStart ? 0 : listener.detail.first
            let successors = here.filter {
                $0.program != listener.program && $0.local == listener.local
                    && $0.evidence == .exact && $0.detail.first > listener.detail.last
            }
            let end = successors.map(\.detail.first).min() ?? .max
            if add(connect.detail.last, skew) >= begin && connect.detail.first <= add(end, skew) {
                found.append(listener.program)
            }
        }
        return found
    }
}
