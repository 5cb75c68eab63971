import Records

/// Ledgers full of odd names, one for each seed.
package struct RandomLedger {
    package var random: SeededGenerator

    package init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    /// Notes as many observations of every relation; some hit the same record.
    package mutating func fill(_ ledger: inout Ledger, observations: Int) {
        for _ in 0..<observations {
            let position = ledger.note(
                key(&ledger), access: Access(rawValue: UInt8.random(in: 1...7, using: &random)),
                kind: FileKind.allCases.randomElement(using: &random)!,
                evidence: Evidence.allCases.randomElement(using: &random)!, time: time(),
                count: UInt64.random(in: 0...3, using: &random))
            let relation = ledger.records[position].key.relation
            if relation == .file, Int.random(in: 0...9, using: &random) == 0 { ledger.fold(at: position) }
            if relation == .connect || relation == .accept {
                let most = UInt64.max >> UInt64.random(in: 0...63, using: &random)
                ledger.addTraffic(
                    at: position, sent: .random(in: 0...most, using: &random),
                    received: .random(in: 0...9, using: &random))
            }
        }
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            ledger.gaps.append(
                Gap(
                    source: "fanotify",
                    cause: ["queue overflow", "a \"cause\"\n"].randomElement(using: &random)!,
                    from: time(), to: time(), lost: .random(in: 0...9, using: &random),
                    resynchronised: Bool.random(using: &random) ? 0 : time()))
        }
    }

    /// Lines of processes, some with everything and some with next to nothing.
    package mutating func processes() -> [ProcessDescription] {
        (0..<Int.random(in: 1...4, using: &random)).map { _ in
            var process = ProcessDescription(
                executable: name(atLeast: 1), script: Bool.random(using: &random) ? [] : name(atLeast: 1),
                workload: Bool.random(using: &random) ? [] : name(atLeast: 1),
                pid: .random(in: 1...UInt32.max, using: &random), start: milliseconds(),
                observed: milliseconds(),
                isStartObserved: Bool.random(using: &random))
            process.processes = UInt64.random(in: 0...9, using: &random)
            if Bool.random(using: &random) {
                process.written =
                    Bool.random(using: &random) ? 0 : .random(in: 0...(.max >> 12), using: &random)
            }
            if Bool.random(using: &random) { process.settings = settings() }
            return process
        }
    }

    /// A time as exactly as it is written.
    private mutating func milliseconds() -> UInt64 { time() / 1_000_000 * 1_000_000 }

    private mutating func settings() -> ProcessSettings {
        var settings = ProcessSettings()
        settings.arguments = (0..<Int.random(in: 0...4, using: &random)).map { _ in name() }
        settings.environment = (0..<Int.random(in: 0...4, using: &random)).map { _ in name(atLeast: 1) }
        settings.isCut = Bool.random(using: &random)
        settings.folder = name()
        settings.user = .init(.random(in: 0...UInt32.max, using: &random), name: "www \"data\"")
        settings.group = .init(33)
        settings.groups = (0..<UInt32.random(in: 0...3, using: &random)).map {
            .init($0, name: $0 == 1 ? "adm" : "")
        }
        settings.capabilities = "00000000a80425fb"
        settings.limits = [
            .init("nofile", soft: 1024, hard: nil),
            .init("cpu", soft: .random(in: 0...UInt64.max, using: &random), hard: 9),
        ]
        settings.nice = Int.random(in: -20...19, using: &random)
        settings.killPreference = Int.random(in: -1000...1000, using: &random)
        if Bool.random(using: &random) { settings.namespaces = ["net": 4_026_532_290, "mnt": random.next()] }
        return settings
    }

    /// Lets records of files be taken into their folders', and forgets about so many of a hundred of the others.
    @discardableResult
    package mutating func forget(_ ledger: inout Ledger, percent: Int, least: Int = 3) -> Renumbering {
        var gone = Set(ledger.collapse(freeing: ledger.records.count / 8, least: least))
        for position in ledger.records.indices where Int.random(in: 1...100, using: &random) <= percent {
            gone.insert(position)
        }
        return ledger.forget(gone.sorted())
    }

    /// A header with several addresses and sources.
    package mutating func header() -> DumpHeader {
        var header = DumpHeader()
        header.time = time()
        header.hostID = "6f3c2a9be1d84b0c9d1f0e5a7b2c4d68"
        header.hostName = ["db1", "", "a \"host\"", "høst"].randomElement(using: &random)!
        header.addresses = (0..<Int.random(in: 0...3, using: &random)).map { _ in address() }
        header.kernel = "6.18.44"
        header.boot = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
        header.version = "1.0.0"
        header.started = time()
        header.scope = [
            .init(), .init(netns: "web"), .init(cgroup: "a.slice"), .init(netns: "a \"b\"", cgroup: "ø/é"),
        ].randomElement(using: &random)!
        header.sources = [
            .init(name: "fanotify", mode: "fid", received: random.next(), lost: 3, counters: [("merged", 7)]),
            .init(name: "tracepoint", mode: "off: no tracefs"),
        ]
        return header
    }

    /// Zero to some forty bytes: plain, with bytes that need care, or any.
    package mutating func name(atLeast minimum: Int = 0) -> [UInt8] {
        let count = Int.random(in: minimum...40, using: &random)
        switch Int.random(in: 0...3, using: &random) {
        case 0: return (0..<count).map { _ in UInt8.random(in: 1...255, using: &random) }
        case 1:
            let odd: [[UInt8]] = [
                [0x22], [0x5c], [0x0a], [0x0d], [0x2c], [0x7f], [0x1b], Array("\u{2028}".utf8),
                Array("\u{85}".utf8), Array("é😀".utf8), [0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80],
                [0xe2, 0x80],
                Array("/plain".utf8), Array("\u{fffd}".utf8),
            ]
            return [0x2f] + (0..<count / 4).flatMap { _ in odd.randomElement(using: &random)! }
        default:
            let letters = Array("/abcxyz.-_0189".utf8)
            return (0..<count).map { _ in letters.randomElement(using: &random)! }
        }
    }

    private mutating func time() -> UInt64 {
        .random(in: 0...(UInt64.max >> UInt64.random(in: 0...20, using: &random)), using: &random)
    }

    private mutating func address() -> NetworkAddress {
        switch Int.random(in: 0...3, using: &random) {
        case 0: NetworkAddress(v4: UInt32.random(in: 0...UInt32.max, using: &random))
        case 1: NetworkAddress(high: 0, low: UInt64.random(in: 0...2, using: &random))
        case 2: NetworkAddress(high: 0x2001_0db8_0000_0000, low: random.next() & 0xffff_0000_0000_ffff)
        default: NetworkAddress(high: random.next(), low: random.next())
        }
    }

    private mutating func program(_ ledger: inout Ledger) -> ProgramID {
        // A name of no bytes is no name in a dump, so that one is only found in other places.
        let executable = ledger.texts.intern(name(atLeast: 1))
        let script = Bool.random(using: &random) ? TextID.none : ledger.texts.intern(name(atLeast: 1))
        let workload = Bool.random(using: &random) ? TextID.none : ledger.texts.intern(name(atLeast: 1))
        // Mostly one of a few, so that records meet.
        if ledger.programs.count > 8, Int.random(in: 0...3, using: &random) != 0 {
            return ProgramID(rawValue: UInt32(Int.random(in: 1..<ledger.programs.count, using: &random)))
        }
        return ledger.intern(Program(executable: executable, script: script, workload: workload))
    }

    private mutating func key(_ ledger: inout Ledger) -> RecordKey {
        let program = program(&ledger)
        let peer = Bool.random(using: &random) ? ProgramID.unknown : self.program(&ledger)
        let transport = Transport.allCases.randomElement(using: &random)!
        let port = UInt16.random(in: 0...UInt16.max, using: &random)
        let endpoint = ledger.intern(Endpoint(address(), port: port))
        switch Relation.allCases.randomElement(using: &random)! {
        case .file: return .file(program, path: ledger.texts.intern(name(atLeast: 1)))
        case .spawn: return .spawn(program, child: self.program(&ledger))
        case .connect: return .connect(program, transport, remote: endpoint, peer: peer)
        case .accept:
            let remote = ledger.intern(Endpoint(address(), port: 0))
            return .accept(program, transport, local: endpoint, remote: remote, peer: peer)
        case .listen: return .listen(program, transport, local: endpoint)
        case .ipc:
            let name = Bool.random(using: &random) ? TextID.none : ledger.texts.intern(name(atLeast: 1))
            return .ipc(program, Mechanism.allCases.randomElement(using: &random)!, name: name, peer: peer)
        }
    }
}

extension Ledger {
    /// The whole dump as bytes.
    package borrowing func ndjson(_ header: DumpHeader, chunk: Int = 256 << 10) -> [UInt8] {
        var bytes: [UInt8] = []
        writeNDJSON(header: header, chunk: chunk) { bytes.append(contentsOf: $0) }
        return bytes
    }
}
