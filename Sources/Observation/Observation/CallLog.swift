public import Records

/// What processes did, call by call: the five calls of the published method (docs/seed-form.md).
///
/// It is made of the events themselves, each in the name of the process that the kernel gave, beside the records that the
/// observation makes of them: what the published method makes of the one must be what is in the other. A process has a
/// number of its own here, since a pid is used again. A class, so that an observer that keeps none has no room for it: it is
/// passed on with every event.
public final class CallLog {
    /// A call. The numbers are those of processes.
    public enum Call: Sendable, Equatable {
        /// A file was opened, or was known to be written when it was closed.
        case open(UInt32, path: [UInt8], isWritten: Bool)
        /// The first made the second.
        case fork(UInt32, UInt32)
        /// A process became what lies at a path: of an interpreter its script.
        case exec(UInt32, path: [UInt8])
        /// A process took a connection.
        case accept(UInt32, local: Endpoint, remote: Endpoint)
        /// A process made a connection.
        case connect(UInt32, local: Endpoint, remote: Endpoint)
    }

    /// The calls that were not taken yet, each with its time, nanoseconds since 1970.
    public private(set) var calls: [(call: Call, time: UInt64)] = []
    /// Connections that any of several programs may have taken: they are in no call.
    public internal(set) var ambiguous: UInt64 = 0
    /// Numbers of processes that have one, by pid.
    private var numbers: [Int32: UInt32] = [:]
    /// Processes that stand for a program of which no process is known.
    private var standIns: [[UInt8]: UInt32] = [:]
    private var last: UInt32 = 0
    /// What each process of the batch has opened and is not written yet.
    var waiting: [Int32: [(position: Int, path: [UInt8], isWritten: Bool)]] = [:]
    /// Their pids, in the order in which they came.
    var order: [Int32] = []
    /// The time of the batch.
    var time: UInt64 = 0

    /// Makes an empty one.
    public init() {}

    /// Takes the calls out.
    public func take() -> [(call: Call, time: UInt64)] {
        defer { calls.removeAll(keepingCapacity: true) }
        return calls
    }

    func add(_ call: Call, _ time: UInt64) { calls.append((call, time)) }

    /// The number of a process; `nil` if it has none.
    func number(_ pid: Int32) -> UInt32? { numbers[pid] }

    /// Gives a new process a number.
    func begin(_ pid: Int32) -> UInt32 {
        last += 1
        numbers[pid] = last
        return last
    }

    /// The pid means somebody else now, of whom nothing is to be reported.
    func end(_ pid: Int32) { numbers[pid] = nil }

    /// The number of a process that stands for a program.
    func standIn(_ path: [UInt8], _ time: UInt64) -> UInt32 {
        if let number = standIns[path] { return number }
        last += 1
        standIns[path] = last
        add(.exec(last, path: path), time)
        return last
    }
}

extension Observer {
    /// Adds a call; without a time it is of the batch.
    private mutating func write(_ call: CallLog.Call, _ time: UInt64? = nil) {
        let time = time ?? calls?.time ?? 0
        calls?.add(call, time)
    }

    /// Lays out what each process has opened in the batch, for the calls to be in order with the execs.
    mutating func gatherCalls(_ batch: borrowing EventBatch) {
        calls?.time = batch.wall
        for index in batch.files.indices {
            let event = batch.files[index]
            let path = work.paths[index]
            guard path != .none, event.pid != ownPid, !work.beyond.contains(index) else { continue }
            var flags = event.flags
            if flags.contains(.executed) { flags.remove(.opened) }
            if flags.contains(.renamed), flags.contains(.directory) { continue }
            let isWritten = !flags.isDisjoint(with: [.closedWritable, .renamed])
            guard isWritten || flags.contains(.opened) else { continue }
            if calls?.waiting[event.pid] == nil { calls?.order.append(event.pid) }
            let open = (Int(work.positions[index]), ledger.texts.array(path), isWritten)
            calls?.waiting[event.pid, default: []].append(open)
        }
    }

    /// Writes what a process has opened before a position in its list of events.
    private mutating func flush(_ pid: Int32, before position: Int) {
        guard let opens = calls?.waiting[pid], !opens.isEmpty else { return }
        calls?.waiting[pid] = opens.filter { $0.position >= position }
        guard let program = processes[pid]?.image.program, let number = process(pid, program) else { return }
        for open in opens where open.position < position {
            write(.open(number, path: open.path, isWritten: open.isWritten))
        }
    }

    /// Writes the rest of the batch's opens.
    mutating func flushCalls() {
        for pid in calls?.order ?? [] { flush(pid, before: .max) }
        calls?.order.removeAll()
        // Also the entries that execs have left of processes that have opened nothing.
        calls?.waiting.removeAll()
    }

    /// The number of a process that runs a program which gets records; one that was not reported is found.
    private mutating func process(_ pid: Int32, _ program: ProgramID) -> UInt32? {
        guard program != .unknown, isRecorded(program) else { return nil }
        if let number = calls?.number(pid) { return number }
        logFound(pid, program)
        return calls?.number(pid)
    }

    /// The path of a program, as the published method has it.
    private func path(_ program: ProgramID) -> [UInt8] {
        let program = ledger[program]
        return ledger.texts.array(program.script == .none ? program.executable : program.script)
    }

    mutating func logFork(_ event: LifecycleEvent, _ cutoff: UInt64) {
        // Whatever stands there in the name of the pid was another's.
        calls?.end(event.pid)
        guard let program = processes[event.pid]?.image.program, let parent = process(event.parent, program),
            let child = calls?.begin(event.pid)
        else { return }
        write(.fork(parent, child))
    }

    mutating func logExec(
        _ pid: Int32, _ chain: ExecChain?, from old: ProgramID, _ new: ProgramID, _ time: UInt64
    ) {
        // What it opened before is its former program's; nothing but the call itself says so here.
        let opens = calls?.waiting[pid] ?? []
        let position = chain?.events?.lowerBound ?? (chain == nil ? .min : 0)
        calls?.waiting[pid] = opens.filter { $0.position >= position }
        if old != .unknown, isRecorded(old), let number = calls?.number(pid) {
            for open in opens where open.position < position {
                write(.open(number, path: open.path, isWritten: open.isWritten), time)
            }
        } else {
            calls?.end(pid)
        }
        guard new != .unknown, calls?.number(pid) != nil || isRecorded(new),
            let number = calls?.number(pid) ?? calls?.begin(pid)
        else {
            calls?.end(pid)
            return
        }
        write(.exec(number, path: path(new)), time)
        // The outside of a scope has no records.
        guard isRecorded(new) else {
            calls?.end(pid)
            return
        }
        chain?.forEachFile { write(.open(number, path: ledger.texts.array($0), isWritten: false), time) }
    }

    /// The files of an exec that what was found of the process already contains.
    mutating func logFoundChain(_ chain: ExecChain, _ pid: Int32, _ program: ProgramID, _ time: UInt64) {
        guard let number = process(pid, program) else { return }
        chain.forEachFile { write(.open(number, path: ledger.texts.array($0), isWritten: false), time) }
    }

    /// A process that no fork has reported, or that was moved into the scope.
    ///
    /// That it runs its program is no open yet: the records have the program's files from the chain of its exec, from a
    /// scan, or from a move that no exec follows, and so have the calls.
    mutating func logFound(_ pid: Int32, _ program: ProgramID) {
        calls?.end(pid)
        guard pid != ownPid, program != .unknown, isRecorded(program), let number = calls?.begin(pid) else {
            return
        }
        write(.exec(number, path: path(program)))
    }

    /// The files of the program that a process was found to run, by a scan or since it was moved and went on.
    mutating func logFoundImage(_ pid: Int32, _ program: ProgramID) {
        guard let number = process(pid, program) else { return }
        let (executable, script) = (ledger[program].executable, ledger[program].script)
        for file in isPath(script) ? [executable, script] : [executable] {
            write(.open(number, path: ledger.texts.array(file), isWritten: false))
        }
    }

    mutating func logFoundSpawn(_ facts: ProcessFacts, _ parent: ProgramID, _ child: ProgramID) {
        guard let from = process(facts.parent, parent), isRecorded(child), let to = calls?.begin(facts.pid)
        else { return }
        write(.fork(from, to))
        write(.exec(to, path: path(child)))
    }

    mutating func logHeld(_ file: HeldFile, _ pid: Int32, _ program: ProgramID) {
        guard let number = process(pid, program) else { return }
        write(
            .open(number, path: file.path, isWritten: file.access.contains(.written)))
    }

    mutating func logConnect(_ tuple: FourTuple, _ attempt: SocketTable.Attempt, _ time: UInt64) {
        guard let number = process(attempt.pid, attempt.program) else { return }
        write(.connect(number, local: tuple.local, remote: tuple.remote), time)
    }

    mutating func logAccept(_ tuple: FourTuple, _ pid: Int32, _ program: ProgramID, _ time: UInt64) {
        guard let number = process(pid, program) else { return }
        write(.accept(number, local: tuple.local, remote: tuple.remote), time)
    }

    /// Nothing named the process that took it, but one program alone can have.
    mutating func logGuess(_ tuple: FourTuple, _ takers: [ProgramID], _ time: UInt64) {
        guard takers.count == 1, takers[0] != .unknown else {
            calls?.ambiguous += takers.isEmpty ? 0 : 1
            return
        }
        let path = path(takers[0])
        guard isRecorded(takers[0]), let number = calls?.standIn(path, time) else { return }
        write(.accept(number, local: tuple.local, remote: tuple.remote), time)
    }

    /// An end that a scan has found, once.
    mutating func logFoundEnd(_ tuple: FourTuple, _ holders: [Int32]) {
        guard tuple.transport == .tcp, let end = sockets.live[tuple],
            let pid = holders.last(where: { $0 != ownPid }), let program = processes[pid]?.image.program,
            let number = process(pid, program)
        else { return }
        write(
            end.isAccepted
                ? .accept(number, local: tuple.local, remote: tuple.remote)
                : .connect(number, local: tuple.local, remote: tuple.remote))
    }
}
