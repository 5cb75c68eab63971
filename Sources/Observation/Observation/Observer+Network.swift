import Records

/// Which sockets belong to the network namespace that the observation keeps to.
///
/// The changes of state come from the whole machine and name no namespace. Where a call of a process
/// causes one (connect, listen), the process tells; where a packet does (accept), the addresses do, and
/// between two addresses of one namespace the connecting process, whose change always comes first.
extension Observer {
    /// Those processes that are not known to be in another namespace than the one that is watched.
    func near(_ pids: [Int32]) -> [Int32] {
        guard let own = scope.network else { return pids }
        var result: [Int32] = []
        for pid in pids {
            let place = processes[pid]?.image.network.inode ?? 0
            if place == 0 || place == own { result.append(pid) }
        }
        return result
    }

    /// Whether a socket that a process uses at this local address is one to be followed.
    mutating func isInside(_ place: NetworkPlace, _ local: NetworkAddress) -> Bool {
        guard let own = scope.network else { return true }
        if place.inode == own { return true }
        if place.inode == 0 { return local.isWildcard || isOwn(local) }
        if place.isRead { return false }
        // Likely another one. Every namespace has a loopback; the other addresses differ.
        return !local.isLoopback && !local.isWildcard && isOwn(local)
    }

    /// Whether a connection that was established on this side, without a connect here, was established
    /// in the namespace.
    mutating func isAcceptedInside(_ tuple: FourTuple) -> Bool {
        guard scope.network != nil else { return true }
        let local = tuple.local.address
        if isWithin(tuple), let foreign = sockets.foreignConnections[tuple.mirrored] {
            let client = sockets.live[tuple.mirrored]
            let isTaken = (sockets.live[tuple]?.established ?? 0) > (client?.established ?? 0)
            if client == nil || isTaken || foreign > client!.established {
                sockets.foreignConnections[tuple.mirrored] = nil
                return false
            }
        }
        if local.isLoopback || localAddresses.contains(local) { return true }
        // Others' connections are many: only one that somebody here waits for is worth a question.
        return !sockets.waiting(tuple.transport, tuple.local, network: 0).isEmpty && isOwn(local)
    }

    /// Keeps in mind that somebody outside has connected two addresses that are here too.
    mutating func noteForeignConnection(_ tuple: FourTuple, at time: UInt64) {
        guard isWithin(tuple) else { return }
        if sockets.foreignConnections.count > 1 << 14 { sockets.foreignConnections.removeAll() }
        sockets.foreignConnections[tuple] = time
    }

    /// Whether a connection to this address has both ends here.
    func isHere(_ local: Endpoint, _ remote: Endpoint) -> Bool {
        remote.address.isLoopback || local.address == remote.address
            || localAddresses.contains(remote.address)
    }

    /// Whether a program that is observed may take a connection to this address: one of another network namespace, too,
    /// whose addresses nobody knows here. Another machine may have it as well.
    func mayBeTakenHere(_ local: Endpoint, _ remote: Endpoint) -> Bool {
        scope.network == nil || isHere(local, remote)
    }

    /// The program at the other end, if that end can be on this host: the other namespaces of the machine
    /// are other hosts to one that is watched alone, and the loopback of each is its own.
    func peer(of tuple: FourTuple, network: UInt64) -> ProgramID {
        guard scope.network == nil || isHere(tuple.local, tuple.remote) else { return .unknown }
        let there = tuple.mirrored
        if let other = sockets.live[there] {
            let isElsewhere = other.network != 0 && network != 0 && other.network != network
            if !(isElsewhere && tuple.local.address.isLoopback) { return other.program }
        }
        // Only while a scan is taken in there is anything to be looked up.
        if sockets.found.isEmpty { return .unknown }
        return sockets.found[FoundEnd(there, network: network)] ?? .unknown
    }

    /// The namespace whose sockets and addresses the daemon is asked for; 0 where that is not known.
    var ownNetwork: UInt64 { scope.network ?? scannedNetwork }

    /// Keeps in mind that there are other network namespaces.
    mutating func noteNetwork(_ inode: UInt64) {
        if inode != 0, ownNetwork != 0, inode != ownNetwork { hasOtherNetworks = true }
    }

    /// Who waits at an address that a connection was made to, in the one namespace in which that address can be.
    ///
    /// - Parameter client: the network namespace of who made the connection, 0 where it is not known.
    func waiting(
        _ transport: Transport, _ local: Endpoint, _ remote: Endpoint, client: UInt64
    ) -> [SocketTable.Listener] {
        if local.address.isLoopback || local.address == remote.address {
            // The loopback of a namespace that is not known may be that of any.
            guard client != 0 || !hasOtherNetworks else { return [] }
            return sockets.waiting(transport, local, network: client)
        }
        if localAddresses.contains(local.address) {
            return sockets.waiting(transport, local, network: ownNetwork)
        }
        return sockets.waiting(transport, local, network: 0, except: ownNetwork == 0 ? nil : ownNetwork)
    }

    /// Whether both addresses are those of one namespace.
    private func isWithin(_ tuple: FourTuple) -> Bool {
        func isKnown(_ address: NetworkAddress) -> Bool {
            address.isLoopback || localAddresses.contains(address)
        }
        return isKnown(tuple.local.address) && isKnown(tuple.remote.address)
    }

    /// Whether an address is the host's; one that is not known yet may have come since the last scan.
    private mutating func isOwn(_ address: NetworkAddress) -> Bool {
        if address.isLoopback || localAddresses.contains(address) { return true }
        guard !work.hasAskedAddresses else { return false }
        work.hasAskedAddresses = true
        localAddresses = Set(surroundings.addresses())
        return localAddresses.contains(address)
    }
}
