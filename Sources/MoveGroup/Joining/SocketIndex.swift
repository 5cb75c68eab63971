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

    private let sockets: OpenSockets
    private let hosts: [Host]
    private let pairing: SocketPairing
    private var owners: [NetworkAddress: [HostID]] = [:]
    /// Positions of accepts and listens at a host's port, of connects to a port by the connecting host.
    private var accepts: [Service: [Int]] = [:]
    private var listens: [Service: [Int]] = [:]
    private var connects: [Service: [Int]] = [:]

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
            accepts[service(end, end.local.port), default: []].append(position)
        }
        for (position, end) in sockets.listens.enumerated() {
            listens[service(end, end.local.port), default: []].append(position)
        }
        for (position, end) in sockets.connects.enumerated() {
            connects[service(end, end.remote.port), default: []].append(position)
        }
    }

    /// Whether an address leads back to the host that uses it.
    func isOwn(_ address: NetworkAddress, of host: HostID) -> Bool {
        address.isLoopback || address.isWildcard || hosts[Int(host.rawValue)].addresses.contains(address)
    }

    /// The one host that has an address, if just one has it at the time.
    func host(of address: NetworkAddress, _ detail: EdgeDetail) -> HostID? {
        let candidates = hosts(of: address, detail)
        return candidates.count == 1 ? candidates[0] : nil
    }

    /// The programs that took these connections.
    func acceptors(of connect: OpenSockets.End) -> [Match] {
        let address = connect.remote.address
        let isHere = isOwn(address, of: connect.host)
        let candidates = isHere ? [connect.host] : hosts(of: address, connect.detail)
        var found: [Match] = []
        for host in candidates {
            let service = Service(host: host, transport: connect.transport, port: connect.remote.port)
            for position in accepts[service] ?? [] {
                let accept = sockets.accepts[position]
                guard accept.local.address.isWildcard || accept.local.address == address,
                    comes(accept.remote.address, from: connect.host, isHere: isHere),
                    overlap(connect.detail, accept.detail, isHere: isHere)
                else { continue }
                Self.add(Match(program: accept.program, host: host, evidence: accept.evidence), to: &found)
            }
        }
        if !found.isEmpty && !pairing.isPermissive { return found }
        for host in candidates {
            for listener in listeners(on: host, connect, isHere: isHere) {
                Self.add(Match(program: listener, host: host, evidence: .inferred), to: &found)
            }
        }
        return found
    }

    /// The programs that made these connections.
    func connectors(to accept: OpenSockets.End) -> [Match] {
        let address = accept.remote.address
        let isHere = isOwn(address, of: accept.host)
        var found: [Match] = []
        for host in isHere ? [accept.host] : hosts(of: address, accept.detail) {
            let service = Service(host: host, transport: accept.transport, port: accept.local.port)
            for position in connects[service] ?? [] {
                let connect = sockets.connects[position]
                let target = connect.remote.address
                // Loopback of another host is not this host.
                guard isHere || !target.isLoopback, isOwn(target, of: accept.host),
                    accept.local.address.isWildcard || accept.local.address == target,
                    overlap(connect.detail, accept.detail, isHere: isHere)
                else { continue }
                Self.add(Match(program: connect.program, host: host, evidence: connect.evidence), to: &found)
            }
        }
        return found
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

    private func comes(_ address: NetworkAddress, from host: HostID, isHere: Bool) -> Bool {
        isHere
            ? isOwn(address, of: host)
            : !address.isLoopback && hosts[Int(host.rawValue)].addresses.contains(address)
    }

    private func hosts(of address: NetworkAddress, _ detail: EdgeDetail) -> [HostID] {
        guard !address.isLoopback, let all = owners[address] else { return [] }
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
        let address = connect.remote.address
        let here = (listens[service] ?? []).map { sockets.listens[$0] }.filter {
            $0.local.address.isWildcard || $0.local.address == address
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
