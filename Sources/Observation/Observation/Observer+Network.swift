import Records

/// Which sockets belong to the network namespace that the observation keeps to.
///
/// The changes of state come from the whole machine and name no namespace. Where a call of a process
/// causes one (connect, listen), the process shows it; where a packet does (accept), the addresses do, and
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
        return !sockets.listeners.waiting(tuple.transport, tuple.local, network: 0).isEmpty && isOwn(local)
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

    /// The key of a connection between two ends, of which one is a socket in a network namespace; 0 where that is not known.
    func tuple(
        _ transport: Transport, _ local: Endpoint, _ remote: Endpoint, network: UInt64
    ) -> FourTuple {
        var tuple = FourTuple(transport: transport, local: local, remote: remote)
        if hasOtherNetworks, scope.network == nil, network != ownNetwork, tuple.isWithinOne {
            tuple.network = UInt32(truncatingIfNeeded: network)
        }
        return tuple
    }

    /// The key of the connection of a socket that has changed its state.
    @inline(__always)
    func tuple(_ change: TransitionEvent) -> FourTuple {
        FourTuple(
            transport: .tcp, network: sockets.place(of: change.socket), local: change.local,
            remote: change.remote)
    }

    /// The key of a connection that was taken, whose socket's namespace no event names: that of the end, connected a moment
    /// before, that made it. Of several it is the first whose other end has not come yet.
    mutating func acceptedTuple(_ change: TransitionEvent) -> FourTuple {
        let tuple = FourTuple(transport: .tcp, local: change.local, remote: change.remote)
        guard tuple.isWithinOne else { return tuple }
        var places = sockets.latePlaces(tuple.mirrored)
        if places.isEmpty { return tuple }
        if let own = sockets.live[tuple.mirrored], own.established != 0, own.ended == 0, !own.endReceived,
            sockets.live[tuple] == nil
        {
            places.append(SocketTable.LatePlace(network: 0, time: own.established))
        }
        let recent = places.filter { !$0.isPaired && change.time &- $0.time < 1_000_000_000 }
        guard let first = recent.min(by: { $0.time < $1.time }) else { return tuple }
        var found = tuple
        found.network = first.network
        sockets.pairLate(found.mirrored)
        return found
    }

    /// The key of a connection whose accepted socket a process holds, which knows better in which namespace that is: the same
    /// two ends may have been connected in another one within microseconds.
    ///
    /// - Returns: the right one, if that is another.
    func corrected(_ tuple: FourTuple, heldIn place: NetworkPlace) -> FourTuple? {
        guard place.isRead, tuple.isWithinOne, scope.network == nil else { return nil }
        let right = self.tuple(tuple.transport, tuple.local, tuple.remote, network: place.inode)
        guard right != tuple, let other = sockets.live[right], other.isAccepted, other.socket != 0 else {
            return nil
        }
        return right
    }

    /// The key of the connection of a socket that is gone.
    @inline(__always)
    func tuple(_ closure: ClosureEvent) -> FourTuple {
        FourTuple(
            transport: closure.transport, network: closure.place, local: closure.local,
            remote: closure.remote)
    }

    /// Finds out which connections sockets had that are gone, where some stay within other namespaces. Of a namespace of
    /// which nothing is known only those are kept that are known by their ends alone.
    func place(_ closures: inout [ClosureEvent]) {
        guard sockets.hasPlaces || closures.contains(where: { $0.network != 0 }) else { return }
        closures = closures.compactMap { closure in
            guard let place = place(of: closure) else { return nil }
            var closure = closure
            closure.place = place
            return closure
        }
    }

    private func place(of closure: ClosureEvent) -> UInt32? {
        let network = closure.network == 0 ? ownNetwork : closure.network
        let tuple = tuple(closure.transport, closure.local, closure.remote, network: network)
        let places = sockets.latePlaces(tuple)
        let isKnown = closure.network != ClosureEvent.unknownNetwork
        if isKnown, tuple.network == 0, places.isEmpty || !tuple.isWithinOne { return 0 }
        if sockets.connection(tuple, number: 0) != nil { return tuple.network }
        // A process that has entered another namespace without an exec is taken for one of the former.
        for place in [0] + places.map(\.network) where place != tuple.network {
            var other = tuple
            other.network = place
            if sockets.live[other].map({ $0.ended != 0 }) == true { return place }
        }
        return isKnown ? tuple.network : nil
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
        return sockets.found[there] ?? .unknown
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
    ) -> [ListenerTable.Listener] {
        if local.address.isLoopback || local.address == remote.address {
            // The loopback of a namespace that is not known may be that of any.
            guard client != 0 || !hasOtherNetworks else { return [] }
            return sockets.listeners.waiting(transport, local, network: client)
        }
        if localAddresses.contains(local.address) {
            return sockets.listeners.waiting(transport, local, network: ownNetwork)
        }
        return sockets.listeners.waiting(
            transport, local, network: 0, except: ownNetwork == 0 ? nil : ownNetwork)
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
