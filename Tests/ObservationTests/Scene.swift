import Observation
import Records

/// Plays the host: builds batches in the words of a story and tells what the observer made of them.
struct Scene: ~Copyable {
    var observer: Observer
    let host = StagedHost()
    private var batch = EventBatch()
    private(set) var now: UInt64 = 1_000_000_000
    /// `EventBatch.noticesSince` of this batch and the following.
    var noticesSince: UInt64 = 0
    static let ownPid: Int32 = 4242
    static let loader = "/lib/ld-linux.so.2"

    init(_ scope: Scope = Scope()) {
        observer = Observer(ledger: Ledger(), surroundings: host, ownPid: Self.ownPid, scope: scope)
        host.heads[Self.loader] = .plain
        for name in ["/usr/bin/dash", "/usr/bin/bash", "/usr/bin/cat", "/usr/bin/env", "/usr/bin/python3.11"]
        {
            host.heads[name] = .dynamic(loader: Array("/lib64/ld-linux.so.2".utf8))
        }
    }

    // MARK: What happens

    mutating func tick(_ nanoseconds: UInt64 = 1000) -> UInt64 {
        now += nanoseconds
        return now
    }

    mutating func fork(_ parent: Int32, _ child: Int32) {
        batch.lifecycle.append(.init(.fork, pid: child, parent: parent, time: tick()))
    }

    mutating func exit(_ pid: Int32) { batch.lifecycle.append(.init(.exit, pid: pid, time: tick())) }

    /// The opens for execution; then, if it succeeds, the exec. What is read of the image says that it is `executable`, or
    /// the last of the files that is no loader.
    mutating func exec(
        _ pid: Int32, _ files: String..., executable: String? = nil, arguments script: String? = nil,
        succeeds: Bool = true, isSeen: Bool = true, workload: String? = nil, network: UInt64 = 0
    ) {
        for file in files { event([.opened, .executed], pid, file) }
        if succeeds {
            confirm(
                pid, executable.map { [$0] } ?? files, script, isSeen, workload: workload, network: network)
        }
    }

    /// The exec alone: its opens stand elsewhere.
    mutating func confirm(
        _ pid: Int32, _ files: [String], _ script: String? = nil, _ isSeen: Bool = true,
        workload: String? = nil, network: UInt64 = 0, at time: UInt64? = nil, reading: ScriptReading = .known
    ) {
        batch.lifecycle.append(.init(.exec, pid: pid, time: time ?? tick()))
        guard isSeen, let file = files.count == 1 ? files[0] : files.last(where: { $0 != Self.loader })
        else { return }
        batch.images.append(
            ImageFacts(
                pid: pid, time: now, executable: Array(file.utf8), script: script.map { Array($0.utf8) },
                reading: reading, workload: workload.map { Array($0.utf8) }, network: network))
    }

    /// An exec of which the kernel alone has reported something: the name, the group's number and, unless it is `nil`, the
    /// workload (empty for the root).
    mutating func report(
        _ pid: Int32, _ files: String..., as path: String? = nil, group: UInt64 = 0, workload: String? = nil,
        network: UInt64 = 0
    ) {
        for file in files { event([.opened, .executed], pid, file) }
        batch.lifecycle.append(.init(.exec, pid: pid, time: tick()))
        let path = path ?? files[0]
        var facts = ImageFacts(
            pid: pid, time: now, executable: Array(path.utf8),
            workload: workload.flatMap { $0.isEmpty ? nil : Array($0.utf8) }, network: network)
        facts.isReported = true
        facts.name = Array(path.utf8.split(separator: UInt8(ascii: "/")).last!)
        facts.group = group
        facts.hasWorkload = workload != nil
        batch.images.append(facts)
    }

    /// The path of what was reported last leads to this file.
    mutating func leads(to file: String) {
        batch.images[batch.images.count - 1].executable = Array(file.utf8)
        batch.images[batch.images.count - 1].isResolved = true
    }

    /// What was read last is of an exec that was reported with this path.
    mutating func executed(_ path: String) { batch.images[batch.images.count - 1].path = Array(path.utf8) }

    /// What was read of the last exec says in which group, by number, it is.
    mutating func isIn(group: UInt64) { batch.images[batch.images.count - 1].group = group }

    /// A look at an image whose exec is reported at a time that may lie ahead.
    mutating func look(_ pid: Int32, _ file: String, _ script: String, at time: UInt64) {
        batch.images.append(
            ImageFacts(pid: pid, time: time, executable: Array(file.utf8), script: Array(script.utf8)))
    }

    mutating func open(_ pid: Int32, _ path: String) { event(.opened, pid, path) }
    mutating func closeWritten(_ pid: Int32, _ path: String) { event(.closedWritable, pid, path) }
    /// An open and the close of the same writable file, merged by the kernel.
    mutating func write(_ pid: Int32, _ path: String) { event([.opened, .closedWritable], pid, path) }

    mutating func event(_ flags: FileEvent.Flags, _ pid: Int32, _ path: String) {
        _ = tick()
        batch.files.append(FileEvent(flags, pid: pid, path: put(Array(path.utf8))))
    }

    /// An event named by handles, as the kernel does it.
    mutating func event(
        _ flags: FileEvent.Flags, _ pid: Int32, in directory: String, _ name: String, target: String = "",
        identity: [UInt8] = [], newDirectory: String = "", newName: String = ""
    ) {
        _ = tick()
        batch.files.append(
            FileEvent(
                flags, pid: pid, directory: handle(directory), name: put(Array(name.utf8)),
                target: identity.isEmpty ? handle(target) : put(identity),
                newDirectory: handle(newDirectory), newName: put(Array(newName.utf8))))
    }

    private mutating func put(_ bytes: [UInt8]) -> Slice {
        let start = batch.bytes.count
        batch.bytes.append(contentsOf: bytes)
        return Slice(start..<batch.bytes.count)
    }

    private mutating func handle(_ name: String) -> Slice {
        name.isEmpty ? .empty : put(StagedHost.identity(name))
    }

    mutating func transition(
        _ pid: Int32, _ socket: UInt64, _ from: TCPState, _ to: TCPState, _ local: Endpoint,
        _ remote: Endpoint,
        at time: UInt64? = nil
    ) {
        batch.transitions.append(
            TransitionEvent(
                time: time ?? tick(), pid: pid, socket: socket, from: from, to: to, local: local,
                remote: remote))
    }

    mutating func move(
        _ pid: Int32, to workload: String?, isKnown: Bool = true, isNamed: Bool = false, group: UInt64 = 0
    ) {
        var move = MoveEvent(
            pid: pid, time: tick(), workload: workload.map { Array($0.utf8) }, isKnown: isKnown)
        move.group = group
        move.isNamed = isNamed
        batch.moves.append(move)
    }

    mutating func closure(
        _ local: Endpoint, _ remote: Endpoint, sent: UInt64, received: UInt64, hasUnreadEnd: Bool = false,
        _ transport: Transport = .tcp, network: UInt64 = 0
    ) {
        batch.closures.append(
            ClosureEvent(
                transport, local: local, remote: remote, sent: sent, received: received,
                hasUnreadEnd: hasUnreadEnd, network: network))
    }

    /// A process looks up a route for UDP.
    mutating func route(_ pid: Int32, from local: Endpoint, to remote: Endpoint) {
        batch.datagramRoutes.append(DatagramEvent(time: tick(), pid: pid, local: local, remote: remote))
    }

    /// A process event at a time that the test chooses.
    mutating func lifecycle(_ kind: LifecycleEvent.Kind, _ pid: Int32, _ parent: Int32 = 0, at time: UInt64) {
        batch.lifecycle.append(.init(kind, pid: pid, parent: parent, time: time))
    }

    /// Ends the batch with this cutoff.
    mutating func interpret(at cutoff: UInt64) {
        batch.cutoff = cutoff
        batch.wall = cutoff + 1_700_000_000_000_000_000
        observer.interpret(batch)
        batch.reset()
    }

    /// A process ends a connection from its side: it holds the accepted socket.
    mutating func ends(_ pid: Int32, _ socket: UInt64, _ local: Endpoint, _ remote: Endpoint) {
        transition(pid, socket, .established, .finWait1, local, remote)
    }

    /// Ends the batch: the cutoff lies behind everything, or `early` nanoseconds before its end.
    ///
    /// - Parameter settles: whether connections whose taker is not known get their records, as for a dump.
    mutating func interpret(early: UInt64 = 0, settles: Bool = true) {
        batch.noticesSince = noticesSince
        batch.cutoff = tick() - early
        batch.wall = batch.cutoff + 1_700_000_000_000_000_000
        observer.interpret(batch)
        if settles, early == 0 { observer.settleConnections() }
        batch.reset()
    }

    // MARK: What was made of it

    func text(_ program: ProgramID) -> String {
        let found = observer.ledger[program]
        let name = String(decoding: observer.ledger.texts.array(found.executable), as: UTF8.self)
        guard found.script != .none else { return name }
        return name + " " + String(decoding: observer.ledger.texts.array(found.script), as: UTF8.self)
    }

    /// Every record as a line: `program file path rw`, `program spawn child`, `program connect …`.
    var lines: [String] { lines { _ in true } }

    /// Files and spawns with the workloads: `program@workload file path evidence`.
    var linesWithWorkloads: [String] {
        func name(_ program: ProgramID) -> String {
            let workload = observer.ledger.texts.array(observer.ledger[program].workload)
            return text(program) + (workload.isEmpty ? "" : "@" + String(decoding: workload, as: UTF8.self))
        }
        return observer.ledger.records.compactMap { record in
            let start = "\(name(record.key.program)) \(record.key.relation) "
            switch record.key.relation {
            case .file where !record.access.contains(.executed):
                let path = observer.ledger.texts.array(TextID(rawValue: record.key.object))
                return start + String(decoding: path, as: UTF8.self) + " \(record.evidence)"
            case .spawn:
                return start + name(ProgramID(rawValue: record.key.object)) + " \(record.evidence)"
            default: return nil
            }
        }.sorted()
    }

    /// The lines of those records that qualify.
    func lines(_ qualifies: (Record) -> Bool) -> [String] {
        observer.ledger.records.enumerated().filter { qualifies($0.element) }.map { position, record in
            let key = record.key
            let traffic = observer.ledger.traffic(of: position)
            let start = text(key.program) + " \(key.relation) "
            func path(_ number: UInt32) -> String {
                String(decoding: observer.ledger.texts.array(TextID(rawValue: number)), as: UTF8.self)
            }
            func end(_ number: UInt32) -> String { ":\(observer.ledger.endpoints[Int(number)].port)" }
            let peer = key.peer == .unknown ? "" : " peer " + text(key.peer)
            switch key.relation {
            case .file:
                var letters = ""
                if record.access.contains(.opened) { letters += "r" }
                if record.access.contains(.written) { letters += "w" }
                if record.access.contains(.executed) { letters += "x" }
                return start + path(key.object) + " " + letters
            case .spawn: return start + text(ProgramID(rawValue: key.object))
            case .connect, .accept:
                return start + end(key.object) + peer
                    + " x\(record.count) \(traffic.sent)/\(traffic.received)"
                    + " \(record.evidence)"
            case .listen: return start + end(key.object) + " \(record.evidence)"
            case .ipc: return start + path(key.object) + peer
            }
        }.sorted()
    }

    /// The lines of one program's files and spawns.
    func lines(of program: String) -> [String] {
        lines.filter { $0.hasPrefix(program + " file ") || $0.hasPrefix(program + " spawn ") }
            .map { String($0.dropFirst(program.count + 1)) }
    }
}

/// A host that is what the test says it is.
final class StagedHost: Surroundings {
    var processes: [Int32: ProcessFacts] = [:]
    /// Processes that have executed something which no batch has yet.
    var goneOn: Set<Int32> = []
    /// How often looks at all programs were asked for.
    private(set) var looksNeeded = 0
    var heads: [String: ExecutableHead] = [:]
    var kinds: [String: FileKind] = [:]
    /// Its addresses, as it tells them when it is asked.
    var ownAddresses: [NetworkAddress] = []
    /// Paths of directories by the name of their handle.
    var directories: [String: String] = [:]
    /// Handles of the directories above, the nearest first; without them an answer is one of earlier recordings.
    var ancestors: [String: [String]] = [:]
    private(set) var questions: [String] = []

    static func identity(_ name: String) -> [UInt8] { Array("handle:\(name)".utf8) }

    func directory(
        _ identity: [UInt8], isKnown: (UnsafeRawBufferPointer) -> Bool
    ) -> DirectoryAnswer? {
        let name = String(String(decoding: identity, as: UTF8.self).dropFirst("handle:".count))
        questions.append("directory \(name)")
        guard let path = directories[name] else { return nil }
        var answer = DirectoryAnswer(path: Array(path.utf8))
        for above in ancestors[name] ?? [] {
            answer.ancestors.append(Self.identity(above))
            if Self.identity(above).withUnsafeBytes(isKnown) { break }
        }
        return answer
    }

    func process(_ pid: Int32) -> ProcessFacts? {
        questions.append("process \(pid)")
        return processes[pid]
    }

    func process(_ pid: Int32, unlessExecutedAfter time: UInt64) -> ProcessFacts? {
        goneOn.contains(pid) ? nil : process(pid)
    }

    func needsLooks() { looksNeeded += 1 }

    func head(ofFile path: [UInt8]) -> ExecutableHead {
        heads[String(decoding: path, as: UTF8.self)] ?? .unknown
    }
    func addresses() -> [NetworkAddress] {
        questions.append("addresses")
        return ownAddresses
    }

    func kind(ofFile path: [UInt8]) -> FileKind? { kinds[String(decoding: path, as: UTF8.self)] }

    /// A process that was there before.
    func add(
        _ pid: Int32, _ executable: String, script: String? = nil, parent: Int32 = 1,
        workload: String? = nil, network: UInt64 = 0
    ) {
        processes[pid] = ProcessFacts(
            pid: pid, parent: parent, executable: Array(executable.utf8),
            script: script.map { Array($0.utf8) }, workload: workload.map { Array($0.utf8) },
            network: network)
    }
}
