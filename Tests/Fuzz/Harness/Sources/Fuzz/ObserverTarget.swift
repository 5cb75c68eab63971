import Observation
import Records

/// Sequences of events: the input is read as a script of batches, scans and answers of a small host.
///
/// The host has few processes, directories and executables, so that a short input makes them meet. A file's name says
/// which process opens it, an executable's name which it is; so that whatever the observer concludes can be held
/// against what the script said.
enum ObserverTarget {
    static let target = FuzzTarget(name: "observer") { bytes in
        var script = Script(bytes)
        script.run()
    }
}

/// Takes numbers from the input; zeros when it is used up.
private struct Bytes {
    private var rest: ArraySlice<UInt8>
    var isAtEnd: Bool { rest.isEmpty }

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }
    mutating func below(_ bound: Int) -> Int { Int(byte()) % bound }
}

/// What the script says of the processes: which executables each can have been.
private struct World {
    private var own: [Int32: Set<String>] = [:]
    private var parents: [Int32: Set<Int32>] = [:]
    /// Interpreters that an executable's first bytes name, of whichever process.
    private var interpreters: Set<String> = []
    /// How many facts the script has given: no count of a record can be more.
    var facts: UInt64 = 0

    mutating func note(_ pid: Int32, _ executable: String) { own[pid, default: []].insert(executable) }
    mutating func note(_ pid: Int32, parent: Int32) { parents[pid, default: []].insert(parent) }
    mutating func note(interpreter: String) { interpreters.insert(interpreter) }

    /// Whether a process, or one that it descends from, can have been this executable.
    func canBe(_ pid: Int32, _ executable: String) -> Bool {
        if interpreters.contains(executable) { return true }
        var seen: Set<Int32> = []
        var waiting = [pid]
        while let next = waiting.popLast() {
            guard seen.insert(next).inserted else { continue }
            if own[next]?.contains(executable) == true { return true }
            waiting += parents[next] ?? []
        }
        return false
    }
}

private final class Answers: Surroundings {
    var bytes: Bytes
    var world = World()

    init(_ bytes: Bytes) { self.bytes = bytes }

    static func directory(_ number: Int) -> [UInt8] { Array("/d\(number)".utf8) }

    func executable() -> [UInt8] { Array("/bin/e\(bytes.below(6))".utf8) }

    func facts(_ pid: Int32) -> ProcessFacts {
        let executable = executable()
        let parent = Script.pids[bytes.below(Script.pids.count)]
        world.note(pid, Script.last(executable))
        world.note(pid, parent: parent)
        world.facts += 1
        return ProcessFacts(
            pid: pid, parent: parent, start: UInt64(bytes.byte()), executable: executable,
            script: bytes.below(4) == 0 ? Array("/s\(bytes.below(3))".utf8) : nil,
            workload: bytes.below(2) == 0 ? Array("w\(bytes.below(3))".utf8) : nil)
    }

    func directory(
        _ identity: [UInt8], isKnown: (UnsafeRawBufferPointer) -> Bool
    ) -> DirectoryAnswer? {
        if bytes.below(4) == 0 { return nil }
        let ancestors = (0..<bytes.below(3)).map { _ in
            [1, 2, 3, 4, 5, 6, 7, UInt8(bytes.below(8))] as [UInt8]
        }
        return DirectoryAnswer(path: Self.directory(Int(identity.last ?? 0) & 7), ancestors: ancestors)
    }
    func process(_ pid: Int32) -> ProcessFacts? { bytes.below(3) == 0 ? nil : facts(pid) }
    func head(ofFile path: [UInt8]) -> ExecutableHead {
        switch bytes.below(5) {
        case 0: return .dynamic(loader: Array("/lib/ld".utf8))
        case 1: return .plain
        case 2:
            let interpreter = executable()
            world.note(interpreter: Script.last(interpreter))
            return .script(interpreter: interpreter)
        case 3: return .other
        default: return .unknown
        }
    }
    func kind(ofFile path: [UInt8]) -> FileKind? {
        bytes.below(3) == 0 ? nil : FileKind(rawValue: UInt8(bytes.below(6)))
    }
    func addresses() -> [NetworkAddress] { [NetworkAddress(v4: 0x0a00_0001)] }
}

private struct Script: ~Copyable {
    static let pids: [Int32] = [1, 2, 3, 4, 5, 6, 0, -1, .max, .min]
    private static let own: Int32 = 6

    private let answers: Answers
    private var observer: Observer
    /// Whether times are whatever the input says, and not those of a clock that goes on.
    private let isWild: Bool
    private var now: UInt64 = 1_000_000_000

    init(_ bytes: [UInt8]) {
        var input = Bytes(bytes)
        isWild = input.below(4) == 0
        answers = Answers(input)
        observer = Observer(ledger: Ledger(), surroundings: answers, ownPid: Self.own)
    }

    static func last(_ path: [UInt8]) -> String {
        String(decoding: path.split(separator: UInt8(ascii: "/")).last ?? [], as: UTF8.self)
    }

    mutating func run() {
        // A bound, so that the time that an input takes is bounded too.
        for _ in 0..<40 where !answers.bytes.isAtEnd {
            switch answers.bytes.below(8) {
            case 0: scan()
            case 1:
                if number() & 1 == 0 { observer.distrustProcesses() } else { observer.distrustExecs() }
                let from = observer.ledger.openGap(
                    Gap(source: "fanotify", cause: "overflow", from: time(), to: time(), lost: number()),
                    joinWithin: time())
                observer.ledger.closeGap(
                    source: "fanotify", cause: "overflow", from: from, resynchronised: time())
            default: batch()
            }
        }
        check()
    }

    // MARK: What the input says

    private func pid() -> Int32 { Self.pids[answers.bytes.below(Self.pids.count)] }

    private func number() -> UInt64 {
        switch answers.bytes.below(8) {
        case 0: .max
        case 1: 1 << 63
        case 2: 0
        default: UInt64(answers.bytes.byte())
        }
    }

    /// A moment a little before or behind now, unless everything goes.
    private func time() -> UInt64 {
        isWild ? number() &* UInt64(answers.bytes.byte()) : now &+ UInt64(answers.bytes.byte()) &- 128
    }

    private func endpoint() -> Endpoint {
        let address =
            switch answers.bytes.below(6) {
            case 0: NetworkAddress(high: number(), low: number())
            case 1: NetworkAddress(v4: 0x7f00_0001)
            default: NetworkAddress(v4: 0x0a00_0001 + UInt32(answers.bytes.below(3)))
            }
        return Endpoint(
            address, port: UInt16(answers.bytes.below(5)) * (answers.bytes.below(2) == 0 ? 1 : 9999))
    }

    private mutating func batch() {
        now += UInt64(answers.bytes.byte())
        var batch = EventBatch()
        batch.cutoff = isWild ? time() : now
        batch.wall = isWild ? number() : 1_800_000_000_000_000_000 + now
        for _ in 0..<answers.bytes.below(12) {
            answers.world.facts += 1
            switch answers.bytes.below(8) {
            case 0...3: addFileEvent(to: &batch)
            case 4, 5: addLifecycleEvent(to: &batch)
            case 6 where answers.bytes.below(4) == 0:
                let workload = answers.bytes.below(4)
                var move = MoveEvent(
                    pid: pid(), time: time(), workload: workload == 0 ? nil : Array("w\(workload)".utf8))
                move.isNamed = answers.bytes.below(2) == 0
                batch.moves.append(move)
            case 6:
                batch.transitions.append(
                    TransitionEvent(
                        time: time(), pid: pid(), socket: UInt64(answers.bytes.below(3)),
                        from: TCPState(rawValue: Int32(answers.bytes.below(13))),
                        to: TCPState(rawValue: Int32(answers.bytes.below(13))), local: endpoint(),
                        remote: endpoint()))
            default: addSocketEvent(to: &batch)
            }
        }
        observer.interpret(batch)
    }

    private func network() -> UInt64 { UInt64(answers.bytes.below(3)) }

    private func addSocketEvent(to batch: inout EventBatch) {
        switch answers.bytes.below(7) {
        case 2:
            batch.datagramRoutes.append(
                DatagramEvent(time: time(), pid: pid(), local: endpoint(), remote: endpoint()))
        case 0:
            batch.datagramSends.append(
                DatagramEvent(time: time(), pid: pid(), local: endpoint(), remote: endpoint()))
        case 1:
            batch.datagramEnds.append(
                DatagramEvent(time: time(), pid: pid(), local: endpoint(), remote: endpoint()))
        default:
            batch.closures.append(
                ClosureEvent(
                    Transport(rawValue: UInt8(answers.bytes.below(2))) ?? .tcp, local: endpoint(),
                    remote: endpoint(), sent: number(), received: number(),
                    hasUnreadEnd: answers.bytes.below(2) == 0,
                    network: answers.bytes.below(8) == 0 ? ClosureEvent.unknownNetwork : network()))
        }
    }

    private func add(_ bytes: [UInt8], to batch: inout EventBatch) -> Slice {
        let start = batch.bytes.count
        batch.bytes += bytes
        return Slice(start..<batch.bytes.count)
    }

    private func identity() -> [UInt8] { [1, 2, 3, 4, 5, 6, 7, UInt8(answers.bytes.below(8))] }

    private func addFileEvent(to batch: inout EventBatch) {
        var flags = FileEvent.Flags(rawValue: answers.bytes.byte() & 63)
        let pid = pid()
        let isDirectory = flags.contains(.directory)
        var name = isDirectory ? "d\(answers.bytes.below(4))" : "p\(pid).\(answers.bytes.below(3))"
        // No directory is executed.
        if isDirectory { flags.remove(.executed) }
        if flags.contains(.executed) {
            name = "e\(answers.bytes.below(6))"
            answers.world.note(pid, name)
            // Only what it is executed as, so that a name tells who opened it.
            flags.remove(.renamed)
        }
        var event = FileEvent(flags, pid: pid)
        if answers.bytes.below(8) == 0 {
            event.path = add(Array("/d0/\(name)".utf8), to: &batch)
        } else {
            event.directory = add(identity(), to: &batch)
            event.name = add(Array(name.utf8), to: &batch)
            if answers.bytes.below(2) == 0 { event.target = add(identity(), to: &batch) }
            if flags.contains(.renamed) {
                event.newDirectory = add(identity(), to: &batch)
                event.newName = add(Array(name.utf8), to: &batch)
            }
        }
        batch.files.append(event)
    }

    private func addLifecycleEvent(to batch: inout EventBatch) {
        let pid = pid()
        switch answers.bytes.below(4) {
        case 0:
            let parent = self.pid()
            answers.world.note(pid, parent: parent)
            batch.lifecycle.append(LifecycleEvent(.fork, pid: pid, parent: parent, time: time()))
        case 1: batch.lifecycle.append(LifecycleEvent(.exit, pid: pid, time: time()))
        case 2:
            let executable = answers.executable()
            answers.world.note(pid, Self.last(executable))
            var facts = ImageFacts(pid: pid, time: time(), executable: executable, network: network())
            facts.isReported = answers.bytes.below(2) == 0
            facts.isResolved = facts.isReported && answers.bytes.below(3) == 0
            if !facts.isReported, answers.bytes.below(2) == 0 { facts.path = answers.executable() }
            facts.name = Array(Self.last(executable).utf8)
            facts.group = UInt64(answers.bytes.below(3))
            facts.hasWorkload = answers.bytes.below(2) == 0
            batch.images.append(facts)
        default: batch.lifecycle.append(LifecycleEvent(.exec, pid: pid, time: time()))
        }
    }

    private mutating func scan() {
        var snapshot = HostSnapshot()
        now += UInt64(answers.bytes.byte())
        snapshot.monotonic = isWild ? time() : now
        snapshot.wall = isWild ? number() : 1_800_000_000_000_000_000 + now
        snapshot.socketsRead = time()
        snapshot.network = network()
        snapshot.addresses = answers.addresses()
        for _ in 0..<answers.bytes.below(4) {
            let pid = pid()
            let files = (0..<answers.bytes.below(3)).map { _ in
                HeldFile(
                    path: Array("/d1/p\(pid).\(answers.bytes.below(3))".utf8),
                    access: Access(rawValue: UInt8(answers.bytes.below(8))),
                    kind: FileKind(rawValue: UInt8(answers.bytes.below(6))) ?? .regular)
            }
            answers.world.facts += UInt64(files.count)
            snapshot.processes.append(ProcessSnapshot(facts: answers.facts(pid), files: files))
        }
        for _ in 0..<answers.bytes.below(4) {
            answers.world.facts += 1
            snapshot.sockets.append(
                SocketSnapshot(
                    Transport(rawValue: UInt8(answers.bytes.below(2))) ?? .tcp,
                    isListening: answers.bytes.below(2) == 0, local: endpoint(), remote: endpoint(),
                    holders: holders(), sent: number(), received: number(),
                    endReceived: answers.bytes.below(2) == 0))
        }
        for _ in 0..<answers.bytes.below(4) {
            answers.world.facts += 1
            snapshot.channels.append(
                ChannelSnapshot(
                    Mechanism(rawValue: UInt8(answers.bytes.below(8))) ?? .pipe,
                    name: Array("c\(answers.bytes.below(2))".utf8), holders: holders(), peers: holders()))
        }
        observer.take(snapshot, answers.bytes.below(2) == 0 ? .start : .look)
    }

    private func holders() -> [Int32] { (0..<answers.bytes.below(3)).map { _ in pid() } }

    // MARK: What must hold

    private func check() {
        let programs = observer.ledger.programs.count
        for record in observer.ledger.records {
            require(record.key.program.rawValue < programs, "a record's program is one that is known")
            let executable = text(observer.ledger[record.key.program].executable)
            require(!executable.isEmpty, "a program has an executable")
            require(
                record.count <= answers.world.facts, "\(record.count) times, of \(answers.world.facts) facts")
            guard record.key.relation == .file, record.access.contains(.opened) else { continue }
            let name = Self.last(text(TextID(rawValue: record.key.object)))
            guard name.first == "p", let pid = Int32(name.dropFirst().prefix { $0 != "." }) else { continue }
            require(
                answers.world.canBe(pid, Self.last(executable)),
                "\(name) is opened by \(pid), which never was \(Self.last(executable))")
        }
        RecordTargets.readsAgain(observer.ledger, DumpHeader())
    }

    private func text(_ id: TextID) -> [UInt8] { observer.ledger.texts.array(id) }
}
