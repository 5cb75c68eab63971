import Records

/// Finds the programs at the other end of connections.
///
/// Both hosts have reported what they saw: one a connection to an address and port, the other a connection
/// taken at a local address and port from an address. They belong together where transport and port are
/// equal, each address is one of the other host's (or both are the same host), and the times overlap; the
/// local address of a socket is that address, or :: or, for IPv4, 0.0.0.0. Where
/// the other host has no such connection, a listener at that address and port is inferred to be the end.
/// Loopback never leaves its host. Whatever finds no other end leads to an endpoint.
public struct SocketPairing: Sendable {
    /// How far apart the clocks of two hosts may be, nanoseconds.
    public var clockSkew: UInt64
    /// Whether everything that can be an end is one: listeners beside connections taken, and the address
    /// beside the program that has it. So more records never make fewer edges.
    public var isPermissive: Bool

    /// Makes rules for pairing.
    public init(clockSkew: UInt64 = 5_000_000_000, isPermissive: Bool = false) {
        self.clockSkew = clockSkew
        self.isPermissive = isPermissive
    }

    func resolve(_ builder: inout GraphBuilder) {
        let sockets = builder.sockets
        guard sockets.count > 0 else { return }
        builder.sockets = OpenSockets()
        var index = SocketIndex(sockets, hosts: builder.hosts, builder.hostAddresses, pairing: self)
        for listener in sockets.listens {
            let node = builder.intern(.endpoint(listener.transport, listener.local), on: listener.host)
            builder.edges.append(
                listener.program, node, EdgeMark(.listen, evidence: listener.evidence), listener.detail)
        }
        for connect in sockets.connects {
            let found = index.acceptors(of: connect)
            join(connect, .connect, at: connect.remote, found, index, &builder)
        }
        for accept in sockets.accepts {
            let from = Endpoint(accept.remote.address, port: 0)
            let found = index.connectors(to: accept)
            join(accept, .accept, at: from, found, index, &builder)
        }
        builder.comparedEnds = index.compared
    }

    private func join(
        _ end: OpenSockets.End, _ link: Link, at address: Endpoint, _ found: [SocketIndex.Match],
        _ index: SocketIndex, _ builder: inout GraphBuilder
    ) {
        let owners = index.owners(of: address.address, seenFrom: end.host, end.detail)
        var detail = end.detail
        if found.isEmpty || isPermissive {
            if link == .accept {
                detail.via = NodeID(
                    rawValue: builder.intern(.endpoint(end.transport, end.local), on: end.host))
            }
            // Two clients of an address that nobody observed share that address, not their ports.
            for owner in owners.isEmpty ? [.none] : owners {
                let node = builder.intern(.endpoint(end.transport, address), on: owner)
                builder.edges.append(end.program, node, EdgeMark(link, evidence: end.evidence), detail)
            }
        }
        let service = link == .connect ? end.remote : end.local
        for match in found {
            let host = link == .connect ? match.host : end.host
            detail.via = NodeID(rawValue: builder.intern(.endpoint(end.transport, service), on: host))
            let evidence = Self.weaker(end.evidence, match.evidence)
            builder.edges.append(end.program, match.program, EdgeMark(link, evidence: evidence), detail)
        }
    }

    private static func weaker(_ one: Evidence?, _ other: Evidence?) -> Evidence? {
        guard let one, let other else { return one ?? other }
        return min(one, other)
    }
}

/// Connections whose other end was not known where they were observed, and the listeners that may be it.
struct OpenSockets {
    /// One end of connections, as one host saw it.
    struct End {
        var program: UInt32
        var host: HostID
        var transport: Transport
        /// accept, listen: where it was taken; a wildcard address if not known. connect: not used.
        var local: Endpoint
        /// connect: where to; accept: where from, without port. listen: not used.
        var remote: Endpoint
        var evidence: Evidence?
        var detail: EdgeDetail
    }

    var connects: [End] = []
    var accepts: [End] = []
    var listens: [End] = []

    var count: Int { connects.count + accepts.count + listens.count }
}
