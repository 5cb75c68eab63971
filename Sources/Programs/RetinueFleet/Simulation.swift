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

        @Option(help: "Simulated services whose programs are linked over this many hosts each.")
        var chain = 10

        func validate() throws {
            guard hosts > 0, hosts <= 60_000, records > 0, chain > 0 else {
                throw ValidationError("--hosts is from 1 to 60000; --records and --chain are more than 0")
            }
        }

        func run() throws {
            let base = try ShippedDump.of(file: file)
            let connection = try store.connect()
            try FleetSchema(connection).check()
            var simulation = Simulation(seed: seed, hosts: hosts, chain: chain)
            let each = records / hosts
            var sent = 0
            var (making, sending) = (UInt64(0), UInt64(0))
            for host in 0..<hosts {
                let begin = Clock.monotonic()
                let dump = simulation.dump(of: host, from: base.dump, records: each)
                let made = Clock.monotonic()
                let outcome = try Shipment(
                    connection, Sender(id: "simulation", batch: "", pending: "simulated"), takesOver: true
                ).send(dump, forgotten: nil, now: Clock.wall())
                sent += outcome.records
                making += made - begin
                sending += Clock.monotonic() - made
            }
            let seconds = Double(sending) / 1e9
            print(
                "\(sent) records of \(hosts) hosts made in \(making / 1_000_000) ms, sent in \(sending / 1_000_000) ms: "
                    + "\(Int(Double(sent) / seconds)) records a second")
        }
    }
}

/// Varies a dump: copies of its programs in units of their own, with data of their own, linked along chains of hosts.
struct Simulation {
    private var random: SplitMix64
    private let hosts: Int
    private let chain: Int

    init(seed: UInt64, hosts: Int, chain: Int) {
        random = SplitMix64(state: seed)
        (self.hosts, self.chain) = (hosts, chain)
    }

    private static func address(_ host: Int) -> NetworkAddress {
        NetworkAddress(v4: 0x0a00_0000 + UInt32(host / 250) << 8 + UInt32(host % 250) + 1)
    }

    /// The dump of a host.
    mutating func dump(of host: Int, from base: borrowing DumpContents, records: Int) -> DumpContents {
        var ledger = Ledger()
        let time = base.header.time
        var copy = 0
        while ledger.records.count < records, copy < 1 << 15 {
            let before = ledger.records.count
            service(copy, on: host, &ledger, time)
            for position in 0..<base.ledger.records.count where ledger.records.count < records {
                // One in eight is missing, so that no two copies are alike.
                if random.next() & 7 != 0 { vary(position, of: base.ledger, copy, host, &ledger) }
            }
            if ledger.records.count == before { break }
            copy += 1
        }
        var header = base.header
        header.hostID = "simulated-\(host)"
        header.hostName = "sim\(host)"
        header.addresses = [Self.address(host)]
        header.changes = DumpHeader.Changes(current: UInt64(ledger.change), tombstonesAfter: 0)
        return DumpContents(header: header, ledger: ledger)
    }

    /// A program of a service, which listens, and connects to that of the next host of its chain.
    private mutating func service(_ copy: Int, on host: Int, _ ledger: inout Ledger, _ time: UInt64) {
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
        guard host % chain != chain - 1, host + 1 < hosts else { return }
        let next = ledger.intern(Endpoint(Self.address(host + 1), port: port))
        ledger.note(
            .connect(program, .tcp, remote: next, peer: .unknown), evidence: .exact, time: time, count: 1)
    }

    private mutating func vary(
        _ position: Int, of base: borrowing Ledger, _ copy: Int, _ host: Int, _ ledger: inout Ledger
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
