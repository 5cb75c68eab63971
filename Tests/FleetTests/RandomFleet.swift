import Records
import TestSupport

/// Dumps of a few hosts in which much meets: few programs, files, folders, addresses and ports.
struct RandomFleet {
    private var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    static let programs = ["/a", "/b", "/c", "/d", "/e", "/sh", "/usr/lib/systemd/systemd", "/usr/bin/dpkg"]
    private static let files = [
        "/f", "/srv/x/1", "/srv/x/2", "/srv/x/y/3", "/srv/z", "/etc/g", "/dev/null", "/usr/lib/l.so",
    ]
    private static let folders = ["/srv/x", "/srv", "/srv/x/y"]

    private mutating func pick<Value>(_ values: [Value]) -> Value { values.randomElement(using: &random)! }
    private mutating func chance(_ one: Int) -> Bool { Int.random(in: 0..<one, using: &random) == 0 }

    /// The dumps as bytes.
    mutating func dumps() -> [[UInt8]] {
        let count = Int.random(in: 2...5, using: &random)
        return (1...count).map { dump($0, of: count) }
    }

    private mutating func dump(_ number: Int, of hosts: Int) -> [UInt8] {
        var ledger = Ledger()
        for _ in 0..<Int.random(in: 2...14, using: &random) { note(&ledger, hosts) }
        if chance(2) {
            ledger.processes = [
                ProcessDescription(
                    executable: Array(pick(Self.programs).utf8), script: [], workload: [], pid: 7,
                    start: 1_000_000,
                    observed: 2_000_000, isStartObserved: true)
            ]
        }
        if chance(3) {
            ledger.gaps = [
                Gap(
                    source: "fanotify", cause: "queue overflow", from: 1_000_000_000, to: 2_000_000_000,
                    lost: 3,
                    resynchronised: 0)
            ]
        }
        return Self.bytes(of: ledger, host: number, addresses: chance(6) ? [1, number] : [number])
    }

    static func bytes(
        of ledger: borrowing Ledger, host number: Int, addresses: [Int] = [], time: UInt64 = 900_000_000_000,
        started: UInt64 = 5_000_000_000, change: UInt64? = nil, tombstonesAfter: UInt64 = 0
    ) -> [UInt8] {
        let header = header(
            host: number, addresses: addresses, time: time, started: started,
            changes: change.map { DumpHeader.Changes(current: $0, tombstonesAfter: tombstonesAfter) })
        var bytes: [UInt8] = []
        ledger.writeNDJSON(header: header) { (piece: UnsafeRawBufferPointer) in bytes += piece }
        return bytes
    }

    /// What a daemon answers that is asked for what changed.
    static func bytes(
        changesOf ledger: inout Ledger, after number: UInt32, header: DumpHeader
    ) -> [UInt8] {
        var progress = DumpProgress(changesOf: &ledger, after: number, header: header)
        var bytes: [UInt8] = []
        while !ledger.advance(&progress, most: 1000, to: { bytes += $0 }) {}
        return bytes
    }

    static func header(
        host number: Int, addresses: [Int] = [], time: UInt64, started: UInt64,
        changes: DumpHeader.Changes?
    ) -> DumpHeader {
        var header = DumpHeader()
        header.hostID = "H\(number)"
        header.hostName = "host\(number)"
        header.time = time
        header.started = started
        header.addresses = addresses.compactMap { NetworkAddress("10.0.0.\($0)") }
        header.changes = changes
        return header
    }

    private mutating func program(_ ledger: inout Ledger) -> ProgramID {
        let workload = chance(3) ? ledger.texts.intern("system.slice/w.service") : TextID.none
        return ledger.intern(
            Program(executable: ledger.texts.intern(pick(Self.programs)), workload: workload))
    }

    private mutating func address(_ hosts: Int) -> NetworkAddress {
        let text =
            chance(5)
            ? pick(["127.0.0.1", "0.0.0.0", "::1", "::", "10.9.9.9"])
            : "10.0.0.\(Int.random(in: 1...hosts, using: &random))"
        return NetworkAddress(text)!
    }

    mutating func note(_ ledger: inout Ledger, _ hosts: Int) {
        let owner = program(&ledger)
        let peer = chance(4) ? program(&ledger) : .unknown
        let port: UInt16 = chance(3) ? 53 : 80
        func end(_ address: NetworkAddress, _ port: UInt16) -> EndpointID {
            ledger.intern(Endpoint(address, port: port))
        }
        let key: RecordKey
        var isFolded = false
        switch Int.random(in: 0...9, using: &random) {
        case 0...3: key = .file(owner, path: ledger.texts.intern(pick(Self.files)))
        case 4:
            isFolded = true
            key = .file(owner, path: ledger.texts.intern(pick(Self.folders)))
        case 5: key = .spawn(owner, child: program(&ledger))
        case 6: key = .connect(owner, .tcp, remote: end(address(hosts), port), peer: peer)
        case 7:
            let local = end(chance(3) ? NetworkAddress("::")! : address(hosts), port)
            key = .accept(owner, .tcp, local: local, remote: end(address(hosts), 0), peer: peer)
        case 8:
            key = .listen(owner, .tcp, local: end(chance(2) ? NetworkAddress("::")! : address(hosts), port))
        default:
            key = .ipc(
                owner, pick([.unix, .pipe, .shm]),
                name: ledger.texts.intern(pick(["/s", "socketpair", "7"])),
                peer: peer)
        }
        let first = UInt64.random(in: 100...140, using: &random) * 1_000_000_000
        let position = ledger.note(
            key, access: pick([.opened, .written, [.opened, .written], .executed]),
            kind: isFolded ? .directory : .regular, evidence: pick(Evidence.allCases), time: first, count: 1)
        if isFolded { ledger.fold(at: position) }
    }
}
