import MoveGroup
import Records

/// A dependency between two named things.
struct Dependency: Hashable {
    var from: Named
    var to: Named
    var link: Link
    var access: Access = []
    var strength: UInt8 = 2
    /// The address or channel over which two programs meet.
    var via: Named?
}

/// The joining of dumps, slow and plain: every end is held against every other.
struct ReferencePairing {
    private struct End {
        var host: String
        var program: Named
        var transport: Transport
        var address: NetworkAddress
        var port: UInt16
        var from: NetworkAddress?
        var one: Observed
    }

    private var addresses: [String: Set<NetworkAddress>] = [:]
    private var spans: [String: ClosedRange<UInt64>] = [:]
    private var connects: [End] = []
    private var accepts: [End] = []
    private var listens: [End] = []
    private let skew: UInt64
    private let isPermissive: Bool
    private(set) var dependencies: Set<Dependency> = []

    /// Joins dumps; `skew` in seconds.
    init(_ dumps: [HostDump], skew: UInt64 = 5, isPermissive: Bool = false) {
        self.skew = skew
        self.isPermissive = isPermissive
        for dump in dumps {
            addresses[dump.id, default: []].formUnion(dump.addresses.map { NetworkAddress($0)! })
            let first = min(dump.time, dump.observed.map(\.first).min() ?? .max)
            let old = spans[dump.id] ?? first...dump.time
            spans[dump.id] = min(first, old.lowerBound)...max(dump.time, old.upperBound)
        }
        for dump in dumps { for one in dump.observed { add(one, dump.id) } }
        for connect in connects { resolve(connect: connect) }
        for accept in accepts { resolve(accept: accept) }
        for end in listens {
            let address = endpoint(end.host, end.transport, end.address, end.port)
            put(end.program, address, .listen, end.one.evidence)
        }
    }

    private mutating func put(
        _ from: Named, _ to: Named, _ link: Link, _ evidence: Evidence, access: Access = [],
        via: Named? = nil
    ) {
        dependencies.insert(
            Dependency(
                from: from, to: to, link: link, access: access, strength: strength(evidence), via: via))
    }

    private mutating func add(_ one: Observed, _ host: String) {
        func program(_ program: Prog) -> Named { .program(host, program) }
        switch one.fact {
        case .file(let user, let path, let letters):
            put(program(user), .file(host, path), .file, one.evidence, access: Access(letters: letters)!)
        case .spawn(let parent, let child): put(program(parent), program(child), .spawn, one.evidence)
        case .connect(let client, let text, let port, let transport, let peer):
            let address = NetworkAddress(text)!
            if let peer {
                let via = endpoint(host, transport, address, port)
                put(program(client), program(peer), .connect, one.evidence, via: via)
            } else {
                connects.append(
                    End(
                        host: host, program: program(client), transport: transport, address: address,
                        port: port, one: one))
            }
        case .accept(let server, let text, let port, let from, let transport, let peer):
            let address = NetworkAddress(text)!
            if let peer {
                let via = endpoint(host, transport, address, port)
                put(program(server), program(peer), .accept, one.evidence, via: via)
            } else {
                accepts.append(
                    End(
                        host: host, program: program(server), transport: transport, address: address,
                        port: port, from: NetworkAddress(from)!, one: one))
            }
        case .listen(let server, let text, let port, let transport):
            listens.append(
                End(
                    host: host, program: program(server), transport: transport,
                    address: NetworkAddress(text)!, port: port, one: one))
        case .ipc(let user, let mechanism, let name, let peer):
            let isNameless =
                name.isEmpty || mechanism == .pipe || (mechanism == .unix && name == "socketpair")
                || ([.shm, .sem, .msg].contains(mechanism) && name.hasPrefix("id "))
            let channel = Named.channel(host, mechanism, isNameless ? "" : name)
            guard let peer else { return put(program(user), channel, .ipc, one.evidence) }
            put(program(user), program(peer), .ipc, one.evidence, via: channel)
            if !isNameless {
                put(program(user), channel, .ipc, one.evidence)
                put(program(peer), channel, .ipc, one.evidence)
            }
        }
    }

    private func endpoint(
        _ host: String, _ transport: Transport, _ address: NetworkAddress, _ port: UInt16
    ) -> Named {
        Named(host: host, node: .endpoint(transport, Endpoint(address, port: port)))
    }

    private func isOwn(_ address: NetworkAddress, _ host: String) -> Bool {
        address.isLoopback || address.isWildcard || addresses[host]!.contains(address)
    }

    /// The hosts that may be meant by an address on a host, at the time of a connection.
    private func meant(by address: NetworkAddress, on host: String, _ one: Observed) -> Set<String> {
        if isOwn(address, host), !isPermissive { return [host] }
        var all: Set<String> = []
        if !address.isLoopback, !address.isWildcard {
            all = Set(addresses.keys.filter { addresses[$0]!.contains(address) })
        }
        if isPermissive { return isOwn(address, host) ? all.union([host]) : all }
        let then = all.filter {
            one.last + skew >= spans[$0]!.lowerBound && one.first <= spans[$0]!.upperBound + skew
        }
        return all.count > 1 && !then.isEmpty ? then : all
    }

    /// Connections to "every address" go to the loopback.
    private func target(_ connect: End) -> NetworkAddress {
        if !connect.address.isWildcard { return connect.address }
        return NetworkAddress(connect.address.isV4 ? "127.0.0.1" : "::1")!
    }

    private func takes(_ end: End, _ address: NetworkAddress) -> Bool {
        if end.address == NetworkAddress("::")! { return true }
        if end.address == NetworkAddress("0.0.0.0")! { return address.isV4 }
        return end.address == address
    }

    private func isOneConnection(_ connect: End, _ accept: End) -> Bool {
        guard connect.transport == accept.transport, connect.port == accept.port,
            takes(accept, target(connect))
        else { return false }
        let isSame = connect.host == accept.host
        if isSame {
            guard isOwn(target(connect), accept.host), isOwn(accept.from!, connect.host) else { return false }
        } else {
            guard addresses[accept.host]!.contains(target(connect)),
                addresses[connect.host]!.contains(accept.from!)
            else { return false }
            if !isPermissive {
                if isOwn(target(connect), connect.host) || isOwn(accept.from!, accept.host) { return false }
            }
        }
        if isPermissive { return true }
        let apart = isSame ? 0 : skew
        return connect.one.last + apart >= accept.one.first && accept.one.last + apart >= connect.one.first
    }

    /// Whether a listener was there when a connection was made.
    private func waits(_ listener: End, for connect: End) -> Bool {
        guard listener.transport == connect.transport, listener.port == connect.port,
            takes(listener, target(connect))
        else { return false }
        if isPermissive { return true }
        let apart = listener.host == connect.host ? 0 : skew
        if listener.one.evidence == .exact, connect.one.last + apart < listener.one.first { return false }
        // Not once somebody else was seen to begin to wait at the same place, after this one was seen last.
        return !listens.contains {
            $0.host == listener.host && $0.transport == listener.transport && $0.port == listener.port
                && $0.address == listener.address && $0.program != listener.program
                && $0.one.evidence == .exact && $0.one.first > listener.one.last
                && connect.one.first > $0.one.first + apart
        }
    }

    private mutating func resolve(connect: End) {
        let hosts = meant(by: target(connect), on: connect.host, connect.one)
        var found: [Named: (host: String, evidence: Evidence)] = [:]
        func add(_ end: End, _ evidence: Evidence) {
            found[end.program] = (end.host, max(evidence, found[end.program]?.evidence ?? .inferred))
        }
        for accept in accepts where hosts.contains(accept.host) && isOneConnection(connect, accept) {
            add(accept, accept.one.evidence)
        }
        if found.isEmpty || isPermissive {
            for listener in listens where hosts.contains(listener.host) && waits(listener, for: connect) {
                add(listener, .inferred)
            }
        }
        for (program, end) in found {
            let via = endpoint(end.host, connect.transport, connect.address, connect.port)
            put(connect.program, program, .connect, min(connect.one.evidence, end.evidence), via: via)
        }
        if found.isEmpty || isPermissive {
            for host in owners(hosts) {
                let address = endpoint(host, connect.transport, connect.address, connect.port)
                put(connect.program, address, .connect, connect.one.evidence)
            }
        }
    }

    private mutating func resolve(accept: End) {
        let hosts = meant(by: accept.from!, on: accept.host, accept.one)
        let via = endpoint(accept.host, accept.transport, accept.address, accept.port)
        var found: [Named: Evidence] = [:]
        for connect in connects where hosts.contains(connect.host) && isOneConnection(connect, accept) {
            found[connect.program] = max(connect.one.evidence, found[connect.program] ?? .inferred)
        }
        for (program, evidence) in found {
            put(accept.program, program, .accept, min(accept.one.evidence, evidence), via: via)
        }
        if found.isEmpty || isPermissive {
            for host in owners(hosts) {
                let address = endpoint(host, accept.transport, accept.from!, 0)
                put(accept.program, address, .accept, accept.one.evidence, via: via)
            }
        }
    }

    private func owners(_ hosts: Set<String>) -> Set<String> {
        hosts.count == 1 || (isPermissive && !hosts.isEmpty) ? hosts : [""]
    }
}
