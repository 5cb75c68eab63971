import Records

/// Who waits where: sockets that listen, and those that are bound and take datagrams.
struct ListenerTable {
    /// A socket that waits for connections or datagrams.
    struct Listener {
        var address: NetworkAddress
        /// The programs that hold it, as far as that is known.
        var holders: [ProgramID]
        /// The network namespace of the program, 0 where it is not known.
        var network: UInt64
        /// The socket; 0 where only a scan has reported it.
        var socket: UInt64 = 0
        /// The process that made it wait; 0 where only a scan has reported it. What it becomes by an exec may hold it.
        var pid: Int32 = 0
        /// When it began to wait, or when a scan had found it.
        var time: UInt64
        /// Whether the scan that is being taken in has met it.
        var isFound = false
    }

    /// By transport and port.
    private var all: [UInt32: [Listener]] = [:]
    private var count = 0
    private var evicted: UInt64 = 0

    /// Listeners that are kept; with more, all are forgotten, and scans find again who listens.
    static let most = 1 << 15
    /// Programs of one listener that are distinguished.
    static let mostHolders = 16

    /// Bytes in use, about.
    var footprint: Int { count * 136 }

    /// Listeners that were evicted since this was last asked.
    mutating func takeEvicted() -> UInt64 {
        defer { evicted = 0 }
        return evicted
    }

    /// Notes that a program waits at an address. Others may wait there as well (`SO_REUSEPORT`).
    mutating func listen(
        _ transport: Transport, _ local: Endpoint, _ program: ProgramID, network: UInt64, socket: UInt64,
        pid: Int32, at time: UInt64
    ) {
        let key = key(transport, local.port)
        var there = all[key] ?? []
        // What a scan met before the event was read is the same socket.
        let known = there.firstIndex {
            $0.socket == socket
                || $0.socket == 0 && $0.address == local.address && $0.network == network && $0.time >= time
                    && $0.holders.contains(program)
        }
        if let known {
            if there[known].socket == socket, there[known].time < time { there[known].holders = [program] }
            (there[known].socket, there[known].pid) = (socket, pid)
        } else {
            there.append(
                Listener(
                    address: local.address, holders: [program], network: network, socket: socket, pid: pid,
                    time: time))
        }
        set(key, there)
    }

    /// Notes that a listening socket is gone.
    ///
    /// - Parameter network: its namespace; 0 where it is not known.
    mutating func end(
        _ transport: Transport, _ local: Endpoint, socket: UInt64, network: UInt64 = 0
    ) {
        let key = key(transport, local.port)
        guard var there = all[key] else { return }
        if let index = there.firstIndex(where: { $0.socket == socket && socket != 0 }) {
            there.remove(at: index)
        } else {
            // One that only scans have reported, if it can be no other.
            let same = there.indices.filter {
                there[$0].address == local.address
                    && (network == 0 || there[$0].network == 0 || there[$0].network == network)
            }
            guard same.count == 1, there[same[0]].socket == 0 || socket == 0 else { return }
            there.remove(at: same[0])
        }
        set(key, there)
    }

    /// Takes in who holds a listening socket, as a scan has found it that began at a time.
    mutating func found(
        _ transport: Transport, _ local: Endpoint, _ holders: [ProgramID], network: UInt64,
        scanned: (began: UInt64, read: UInt64)
    ) {
        let key = key(transport, local.port)
        var there = all[key] ?? []
        let same = there.indices.filter { there[$0].address == local.address && there[$0].network == network }
        guard !holders.isEmpty else {
            for index in same { there[index].isFound = true }
            set(key, there)
            return
        }
        let held = same.filter { index in holders.contains { there[index].holders.contains($0) } }
        // Nobody that was known holds it: the one socket there is has gone to others.
        let met = held.isEmpty ? same.filter { same.count == 1 && !there[$0].isFound } : held
        for index in met {
            there[index].isFound = true
            if there[index].time <= scanned.began {
                there[index].holders = Array(holders.prefix(Self.mostHolders))
            }
        }
        if met.isEmpty {
            there.append(
                Listener(
                    address: local.address, holders: Array(holders.prefix(Self.mostHolders)),
                    network: network,
                    time: scanned.read, isFound: true))
        }
        set(key, there)
    }

    /// Forgets listeners that a scan of their namespace, which began at a time, has not met.
    mutating func read(_ transports: [Transport], networks: Set<UInt64>, began: UInt64) {
        for (key, there) in all {
            let isRead = transports.contains { UInt32($0.rawValue) == key >> 16 }
            var left = there.filter {
                !isRead || $0.isFound || $0.time > began
                    || !(networks.contains($0.network) || $0.network == 0 && !networks.isEmpty)
            }
            for index in left.indices { left[index].isFound = false }
            set(key, left)
        }
    }

    private mutating func set(_ key: UInt32, _ there: [Listener]) {
        count += there.count - (all[key]?.count ?? 0)
        all[key] = there.isEmpty ? nil : there
        guard count > Self.most else { return }
        // Scans find again who listens now.
        evicted += UInt64(count)
        all.removeAll()
        count = 0
    }

    /// Who waits at an address: listeners on just this address, or, where there are none, on every address of its family,
    /// or of both.
    ///
    /// A listener of another network namespace is none. Where the namespace is not known, those count that
    /// qualify if they are all of one.
    func waiting(
        _ transport: Transport, _ local: Endpoint, network: UInt64, except other: UInt64? = nil
    ) -> [Listener] {
        guard let there = all[key(transport, local.port)] else { return [] }
        // Almost always there is one: then nothing is copied.
        if there.count == 1 {
            let one = there[0]
            let isNear = (network == 0 || one.network == network) && (other == nil || one.network != other)
            let isThere =
                one.address == local.address
                || one.address.isWildcard && (one.address.isV4 == local.address.isV4 || !one.address.isV4)
            return isNear && isThere ? there : []
        }
        let near = there.filter {
            (network == 0 || $0.network == network) && (other == nil || $0.network != other)
        }
        var found = near.filter { $0.address == local.address }
        if found.isEmpty {
            found = near.filter { $0.address.isWildcard && $0.address.isV4 == local.address.isV4 }
        }
        if found.isEmpty { found = near.filter { $0.address.isWildcard && !$0.address.isV4 } }
        if network == 0, let first = found.first, found.contains(where: { $0.network != first.network }) {
            return []
        }
        return found
    }

    private func key(_ transport: Transport, _ port: UInt16) -> UInt32 {
        UInt32(transport.rawValue) << 16 | UInt32(port)
    }

    /// Notes what listeners refer to by number.
    func addUses(to uses: inout LedgerUses) {
        for listeners in all.values { uses.programs += listeners.flatMap(\.holders) }
    }

    /// Follows a renumbering.
    mutating func renumber(_ change: Renumbering) {
        all = all.mapValues { listeners in
            listeners.map { listener in
                var listener = listener
                listener.holders = listener.holders.map { change($0) }
                return listener
            }
        }
    }
}
