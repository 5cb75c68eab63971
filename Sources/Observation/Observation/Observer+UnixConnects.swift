import Records

extension Observer {
    /// Keeps the connects of a batch until a scan says who was reached.
    mutating func noteConnects(_ batch: borrowing EventBatch) {
        for connect in batch.connects where connect.pid != ownPid {
            let image = image(of: connect.pid, at: connect.time)
            if let own = scope.network, image.network.inode != own { continue }
            let place = image.network.inode
            let time = wall(connect.time, batch)
            let isKept = connects.add(
                UnixConnects.Pending(
                    program: image.program, evidence: image.evidence,
                    isNear: place != 0 && (ownNetwork == 0 || place == ownNetwork),
                    pid: connect.pid, call: connect.call, socket: connect.socket, name: connect.name,
                    count: 1,
                    first: connect.time, begun: time, last: time))
            if !isKept { counters.unattributedUnix += 1 }
        }
        for end in batch.datagramEnds where end.pid != ownPid && end.remote.port != 0 {
            let image = image(of: end.pid, at: end.time)
            guard image.program != .unknown else { continue }
            connects.noteDatagramEnd(
                tuple(.udp, end.local, end.remote, network: image.network.known), image.program)
        }
    }

    /// Whether a scan has read the socket tables.
    private static func hasSockets(_ snapshot: HostSnapshot) -> Bool {
        snapshot.failures.allSatisfy { $0.source != SourceName.sockets }
    }

    /// Gives the connects that a scan knows the other end of their records, before its own findings, which count what has
    /// no record yet.
    mutating func resolveConnects(_ snapshot: HostSnapshot) {
        // Without all of them, the one that is missing may be the one that was meant.
        guard Self.hasSockets(snapshot) else { return }
        let before = connects.listeners
        var now: [UInt32: UnixListener] = [:]
        for var listener in snapshot.unixListeners {
            if !snapshot.isComplete {
                // Who was not read holds what it held.
                let known = before[listener.inode]?.holders ?? []
                listener.holders += known.filter { !listener.holders.contains($0) }
                listener.isWhole = before[listener.inode]?.isWhole ?? false
            }
            now[listener.inode] = listener
        }
        connects.places = connects.places.filter { now[$0.value] != nil }
        let read = max(snapshot.monotonic, snapshot.socketsRead)
        let taken = connects.take(before: read)
        // Names teach where listeners lie; then connects without a name are known by that.
        for one in taken where one.socket != 0 && one.name != nil {
            let found = candidates(one, before, now)
            if found.count == 1, found[0].isCertain, one.isNear {
                connects.places[one.socket] = found[0].listener.inode
            }
        }
        for one in taken { resolve(one, before, now, snapshot) }
        connects.listeners = now
        connects.scanned = snapshot.monotonic
    }

    private struct Candidate {
        var listener: UnixListener
        /// Whether it was there before the connect and is still there, and all are known that hold it.
        var isCertain: Bool
    }

    private func candidates(
        _ one: UnixConnects.Pending, _ before: [UInt32: UnixListener], _ now: [UInt32: UnixListener]
    ) -> [Candidate] {
        if one.name == nil {
            guard let inode = connects.places[one.socket], let listener = now[inode] else { return [] }
            let isOlder = listener.changed != 0 && listener.changed + UnixConnects.tick < one.begun
            return [
                Candidate(
                    listener: listener, isCertain: listener.isWhole && (isOlder || before[inode] != nil))
            ]
        }
        let name = one.name!
        func fits(_ listener: UnixListener) -> Bool {
            listener.isDatagram == (one.call != .connect) && UnixConnects.isSame(listener.bound, name)
        }
        // A socket is as old as the file that its bind made: it was there if the file was.
        var found = now.values.filter(fits).map { listener in
            let isOlder = listener.changed != 0 && listener.changed + UnixConnects.tick < one.begun
            return Candidate(
                listener: listener, isCertain: listener.isWhole && (isOlder || before[listener.inode] != nil))
        }
        // One that has gone since may have been meant.
        found += before.values.filter { now[$0.inode] == nil && fits($0) }.map {
            Candidate(listener: $0, isCertain: false)
        }
        return found
    }

    private mutating func resolve(
        _ one: UnixConnects.Pending, _ before: [UInt32: UnixListener], _ now: [UInt32: UnixListener],
        _ snapshot: HostSnapshot
    ) {
        var one = one
        let found = candidates(one, before, now)
        // What is said to the daemon leaves no dependency.
        if found.count == 1, found[0].listener.holders.contains(ownPid) { return }
        guard one.program != .unknown, isRecorded(one.program) else {
            if one.program == .unknown { counters.unattributedUnix += one.count }
            return
        }
        var servers: [(program: ProgramID, name: [UInt8])] = []
        for candidate in found {
            for program in programs(of: candidate.listener.holders)
            where !servers.contains(where: { $0.program == program }) {
                servers.append((program, candidate.listener.name))
            }
        }
        guard !servers.isEmpty else {
            if one.call == .connect {
                connects.unknown[one.program, default: .init()].connects += one.count
            } else {
                connects.unknown[one.program, default: .init()].datagrams += one.count
            }
            return
        }
        if servers.count > 1 {
            // Those that still live the scan names better than their name does.
            one.count -= min(one.count, alive(one, servers.map(\.program), snapshot))
            if one.count == 0 { return }
        }
        let isCertain =
            servers.count == 1 && found.count == 1 && found[0].isCertain && one.isNear && one.call != .send
        let evidence = isCertain ? one.evidence : .inferred
        for server in servers where server.program != one.program {
            let name = text(server.name)
            for (program, peer) in [(one.program, server.program), (server.program, one.program)] {
                let key = RecordKey.ipc(program, .unix, name: name, peer: peer)
                guard isRecorded(program), admits(key) else { continue }
                ledger.note(key, evidence: evidence, time: one.last, count: one.count)
            }
        }
    }

    /// How many connections the scan has newly found between a process and one of some programs.
    private func alive(
        _ one: UnixConnects.Pending, _ servers: [ProgramID], _ snapshot: HostSnapshot
    ) -> UInt64 {
        var count: UInt64 = 0
        for channel in snapshot.channels
        where channel.mechanism == .unix && !connects.met.contains(channel.number) {
            for (here, there) in [(channel.holders, channel.peers), (channel.peers, channel.holders)]
            where here.contains(one.pid) && programs(of: there).contains(where: servers.contains) {
                count += 1
                break
            }
        }
        return count
    }

    /// Takes one of the connects without a known end for a connection that a scan has found; returns whether there was one.
    ///
    /// A sequenced packet counts as a datagram: then the connection is found, and is none that has no record yet.
    mutating func meetConnection(_ channel: ChannelSnapshot) -> Bool {
        guard channel.mechanism == .unix, channel.number != 0, !connects.met.contains(channel.number) else {
            return false
        }
        for program in programs(of: channel.holders) + programs(of: channel.peers) {
            guard let left = connects.unknown[program] else { continue }
            if left.connects > 0 {
                connects.unknown[program]?.connects -= 1
                return true
            }
            if left.datagrams > 0 {
                connects.unknown[program]?.datagrams -= 1
                return false
            }
        }
        return false
    }

    /// Counts the connects whose other end neither their name nor the scan has shown.
    mutating func countUnknownConnects(_ snapshot: HostSnapshot) {
        let met = Set(snapshot.channels.lazy.filter { $0.mechanism == .unix }.map(\.number))
        guard Self.hasSockets(snapshot) else { return }
        counters.unattributedUnix += connects.unknown.values.reduce(0) { $0 + $1.connects + $1.datagrams }
        connects.unknown.removeAll()
        connects.met = snapshot.isComplete ? met : connects.met.union(met)
    }
}
