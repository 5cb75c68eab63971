import Records

/// Connections whose destination the kernel translates on the way (DNAT), as container engines publish ports.
///
/// Who connects names the published address, who answers another one: neither end's record leads to the other. Connection
/// tracking knows both. So whoever answers is named as the peer, and gets a record of listening at a published address that
/// is the host's own, by which the clients on other hosts find it.
extension Observer {
    /// Services that are remembered to be translated.
    static let mostTranslated = 1 << 12

    /// Takes in what a scan found of connection tracking, after its sockets.
    mutating func takeTranslations(_ snapshot: HostSnapshot) {
        counters.untranslatedNetworks = snapshot.untranslatedNetworks
        let flows = Set(snapshot.translations)
        guard !flows.isEmpty else {
            connects.translated.removeAll()
            return
        }
        let new = flows.subtracting(connects.translated)
        connects.translated = flows
        var services: [Service: [ProgramID]] = [:]
        for flow in new {
            let servers = answerers(flow)
            guard !servers.programs.isEmpty else {
                counters.untranslated += 1
                continue
            }
            let service = Service(transport: flow.transport, asked: flow.asked)
            for program in servers.programs where services[service]?.contains(program) != true {
                services[service, default: []].append(program)
            }
            publish(flow, servers.programs, snapshot.wall)
            join(flow, servers.programs, servers.evidence, snapshot.wall)
        }
        joinEarlier(services, snapshot.wall)
    }

    private struct Service: Hashable {
        var transport: Transport
        var asked: Endpoint
    }

    /// Who answers: who took the connection if that is known, else all that wait where it was led.
    private func answerers(_ flow: TranslatedConnection) -> (programs: [ProgramID], evidence: Evidence) {
        let end = FourTuple(transport: flow.transport, local: flow.server, remote: flow.seen)
        if let program = sockets.live[end]?.program, program != .unknown {
            return ([program], sockets.live[end]?.taker == .known ? .exact : .snapshot)
        }
        return (takers(among: sockets.listeners.waiting(flow.transport, flow.server, network: 0)), .inferred)
    }

    private mutating func publish(_ flow: TranslatedConnection, _ programs: [ProgramID], _ time: UInt64) {
        guard localAddresses.contains(flow.asked.address), let local = number(of: flow.asked) else { return }
        for program in programs {
            noteOnce(.listen(program, flow.transport, local: local), [], .regular, time)
        }
    }

    /// Gives both ends of a connection that is open their peers.
    private mutating func join(
        _ flow: TranslatedConnection, _ servers: [ProgramID], _ evidence: Evidence, _ time: UInt64
    ) {
        let tuple = tuple(flow.transport, flow.client, flow.asked, network: flow.network)
        guard let client = sockets.live[tuple]?.program, client != .unknown else { return }
        let evidence = servers.count == 1 ? evidence : .inferred
        guard let remote = number(of: flow.asked), let local = number(of: flow.server),
            let from = number(of: Endpoint(flow.seen.address, port: 0))
        else { return }
        for server in servers {
            noteJoined(.connect(client, flow.transport, remote: remote, peer: server), evidence, time)
            noteJoined(
                .accept(server, flow.transport, local: local, remote: from, peer: client), evidence, time)
        }
    }

    /// Gives connections that have ended, or that were made before their service was known, their peers.
    private mutating func joinEarlier(_ services: [Service: [ProgramID]], _ time: UInt64) {
        guard !services.isEmpty else { return }
        var keys: [UInt64: [ProgramID]] = [:]
        func key(_ transport: UInt8, _ remote: UInt32) -> UInt64 { UInt64(transport) << 32 | UInt64(remote) }
        for (service, programs) in services {
            guard let remote = number(of: service.asked) else { continue }
            keys[key(service.transport.rawValue, remote.rawValue)] = programs
        }
        var found: [(RecordKey, [ProgramID])] = []
        for record in ledger.records where record.key.relation == .connect && record.key.peer == .unknown {
            guard let programs = keys[key(record.key.detail, record.key.object)] else { continue }
            found.append((record.key, programs))
        }
        for (record, programs) in found {
            for program in programs where program != record.program {
                var joined = record
                joined.peer = program
                noteJoined(joined, .inferred, time)
            }
        }
    }

    /// The connection is counted already, in the record without a peer.
    private mutating func noteJoined(_ key: RecordKey, _ evidence: Evidence, _ time: UInt64) {
        guard isRecorded(key.program), admits(key) else { return }
        ledger.note(key, evidence: evidence, time: time, count: 0)
    }
}
