import ArgumentParser
import FleetStore
import PostgreSQL
import Records
import SystemCalls

extension FleetStoreCommand {
    /// Makes the records of many hosts from a dump and sends them, as each of the hosts would.
    struct Simulate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Fill an empty store with the records of simulated hosts, made from a dump, to measure it.")

        @OptionGroup var store: StoreOptions

        @Argument(help: "A dump whose programs, paths and relations are varied.")
        var file: String

        @Option(help: "How many hosts.")
        var hosts = 100

        @Option(help: "How many records in all, about.")
        var records = 100_000

        @Option(help: "By which the variation is the same again.")
        var seed: UInt64 = 1

        @Option(help: "Hosts that one simulated service spans.")
        var chain = 10

        @Option(
            help: ArgumentHelp(
                "Send each host a second time, with so many of its records observed anew.",
                valueName: "percent"))
        var churn: UInt64 = 0

        @Option(
            help: ArgumentHelp(
                "Of several that run at a time: which of the hosts are sent, 0/2 or 1/2.", valueName: "i/n"))
        var share = "0/1"

        func validate() throws {
            guard hosts > 0, hosts <= 60_000, records > 0, chain > 0 else {
                throw ValidationError("--hosts is from 1 to 60000; --records and --chain are more than 0")
            }
            guard (0...100).contains(churn) else { throw ValidationError("--churn is from 0 to 100") }
            guard ownHosts != nil else { throw ValidationError("--share is i/n, i from 0 to n - 1") }
        }

        private var ownHosts: StrideTo<Int>? {
            let parts = share.split(separator: "/").compactMap { Int($0) }
            guard parts.count == 2, parts[0] >= 0, parts[1] > parts[0] else { return nil }
            return stride(from: parts[0], to: hosts, by: parts[1])
        }

        func run() throws {
            let base = try ShippedDump.of(file: file)
            let connections = try store.connections()
            for connection in connections { try FleetSchema(connection).check() }
            let simulation = Simulation(seed: seed, hosts: hosts, chain: chain)
            for round in 0..<(churn > 0 ? 2 : 1) {
                var sent = 0
                var (making, sending) = (UInt64(0), UInt64(0))
                for host in ownHosts ?? stride(from: 0, to: 0, by: 1) {
                    let begin = Clock.monotonic()
                    let dump = simulation.dump(
                        of: host, from: base.dump, records: records / hosts, renewed: round == 0 ? 0 : churn)
                    let made = Clock.monotonic()
                    let outcome = try Shipment(
                        connections[store.shards.number(ofHost: dump.header.hostID)],
                        Sender(id: "simulation", batch: "", pending: "simulated"),
                        takesOver: round == 0
                    ).send(dump, tombstones: [], now: Clock.wall())
                    sent += outcome.records
                    making += made - begin
                    sending += Clock.monotonic() - made
                }
                print(
                    "\(sent) \(round == 0 ? "new" : "changed") records made in \(making / 1_000_000) ms, sent in "
                        + "\(sending / 1_000_000) ms: \(Int(Double(sent) * 1e9 / Double(max(sending, 1)))) records a second"
                )
            }
        }
    }
}

/// Varies a dump: copies of its programs in units of their own, with data of their own, and services that are linked over
/// hosts: along chains, around one host, or as it happens.
struct Simulation {
    private let seed: UInt64
    private let hosts: Int
    private let chain: Int

    init(seed: UInt64, hosts: Int, chain: Int) {
        (self.seed, self.hosts, self.chain) = (seed, hosts, chain)
    }

    private static func address(_ host: Int) -> NetworkAddress {
        NetworkAddress(v4: 0x0a00_0000 + UInt32(host / 250) << 8 + UInt32(host % 250) + 1)
    }

    /// The dump of a host, the same whenever it is made.
    ///
    /// - Parameter renewed: percent of its records that were observed again since it was sent first.
    func dump(
        of host: Int, from base: borrowing DumpContents, records: Int, renewed: UInt64
    ) -> DumpContents {
        var ledger = Ledger()
        var random = SplitMix64(state: seed &+ UInt64(host) << 32)
        var header = base.header
        var copy = 0
        while ledger.records.count < records, copy < 1 << 15 {
            let before = ledger.records.count
            service(copy, on: host, &ledger, header.time, &random)
            for position in 0..<base.ledger.records.count where ledger.records.count < records {
                // One in eight is missing, so that no two copies are alike.
                if random.next() & 7 != 0 { vary(position, of: base.ledger, copy, host, &ledger, &random) }
            }
            if ledger.records.count == before { break }
            copy += 1
        }
        if renewed > 0 {
            header.time += 60_000_000_000
            ledger.beginChange()
            for record in ledger.records where random.next() % 100 < renewed {
                ledger.note(
                    record.key, access: record.access, kind: record.kind, evidence: record.evidence,
                    time: header.time, count: 1)
            }
        }
        header.hostID = "simulated-\(host)"
        header.hostName = "sim\(host)"
        header.addresses = [Self.address(host)]
        header.changes = DumpHeader.Changes(current: UInt64(ledger.change), tombstonesAfter: 0)
        return DumpContents(header: header, ledger: ledger)
    }

    /// The host whose service this one's connects to: the next of a chain; one for many; any.
    private func next(_ copy: Int, _ host: Int, _ random: inout SplitMix64) -> Int? {
        switch copy % 4 {
        case 0, 1: host % chain == chain - 1 ? nil : host + 1
        case 2: host % chain == 0 ? nil : host - host % chain
        default: Int(random.next() % UInt64(hosts))
        }
    }

    /// A program of a service, which listens, and connects to that of another host.
    private func service(
        _ copy: Int, on host: Int, _ ledger: inout Ledger, _ time: UInt64, _ random: inout SplitMix64
    ) {
        let program = ledger.intern(
            Program(
                executable: ledger.texts.intern("/opt/service\(copy)/bin/server"),
                workload: ledger.texts.intern("system.slice/service\(copy).service")))
        let port = UInt16(10_000 + copy)
        let any = ledger.intern(Endpoint(NetworkAddress(high: 0, low: 0), port: port))
        ledger.note(.listen(program, .tcp, local: any), evidence: .exact, time: time, count: 1)
        for number in 0..<8 {
            ledger.note(
                .file(program, path: ledger.texts.intern("/opt/service\(copy)/data/\(number)")),
                access: [.opened, .written], kind: .regular, evidence: .exact, time: time,
                count: 1 + random.next() % 9)
        }
        guard let other = next(copy, host, &random), other < hosts, other != host else { return }
        let next = ledger.intern(Endpoint(Self.address(other), port: port))
        ledger.note(
            .connect(program, .tcp, remote: next, peer: .unknown), evidence: .exact, time: time, count: 1)
    }

    private func vary(
        _ position: Int, of base: borrowing Ledger, _ copy: Int, _ host: Int, _ ledger: inout Ledger,
        _ random: inout SplitMix64
    ) {
        let record = base.records[position]
        func program(_ number: ProgramID) -> ProgramID {
            if number == .unknown { return .unknown }
            let program = base[number]
            let workload =
                "sim.slice/\(copy)/\(String(decoding: base.texts.array(program.workload), as: UTF8.self))"
            return ledger.intern(
                Program(
                    executable: ledger.texts.intern(base.texts.array(program.executable)),
                    script: ledger.texts.intern(base.texts.array(program.script)),
                    workload: ledger.texts.intern(workload)))
        }
        let owner = program(record.key.program)
        let peer = program(record.key.peer)
        let key: RecordKey
        func endpoint(_ number: UInt32) -> EndpointID { ledger.intern(base.endpoints[Int(number)]) }
        switch record.key.relation {
        case .file:
            var path = base.texts.array(TextID(rawValue: record.key.object))
            // What is written is each copy's own; what is read, like libraries, is shared.
            if record.access.contains(.written) { path = Array("/srv/copy\(copy)".utf8) + path }
            key = .file(owner, path: ledger.texts.intern(path))
        case .spawn: key = .spawn(owner, child: program(ProgramID(rawValue: record.key.object)))
        case .connect:
            key = .connect(
                owner, Transport(rawValue: record.key.detail) ?? .tcp, remote: endpoint(record.key.object),
                peer: peer)
        case .accept:
            key = .accept(
                owner, Transport(rawValue: record.key.detail) ?? .tcp, local: endpoint(record.key.object),
                remote: endpoint(record.key.remote), peer: peer)
        case .listen:
            key = .listen(
                owner, Transport(rawValue: record.key.detail) ?? .tcp, local: endpoint(record.key.object))
        case .ipc:
            let name = base.texts.array(TextID(rawValue: record.key.object))
            key = .ipc(
                owner, Mechanism(rawValue: record.key.detail) ?? .unix,
                name: ledger.texts.intern(name + Array("-\(copy)".utf8)), peer: peer)
        }
        ledger.note(
            key, access: record.access, kind: record.kind, evidence: record.evidence,
            time: record.last &- random.next() % 3_600_000_000_000, count: 1 + random.next() % 99)
    }
}

/// Random numbers that are the same in every run.
private struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}
