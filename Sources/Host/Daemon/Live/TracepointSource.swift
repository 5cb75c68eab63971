import EventTrace
import Glibc
import KernelProbe
import Observation
import Procfs
import Records
import SystemCalls
import TracepointRing
import Wire

/// The rings of all processors, as far as a source needs them: so that a test can play them.
protocol TransitionRings: ~Copyable {
    /// The numbers to poll.
    var numbers: [Int32] { get }
    /// Opens the ring of a processor anew; what the one before held is delivered by the next `take`.
    mutating func follow(processor: Int32) throws(TracepointError)
    /// The same for all that are online.
    mutating func followAll() throws(TracepointError)
    /// Puts what the rings hold behind what `buffer` holds.
    borrowing func take(appendingTo buffer: inout [UInt8])
    /// Events dropped since the start; `nil` where the kernel does not count.
    borrowing func lost() throws(SystemError) -> UInt64?
    /// Processors that came and went since this was last asked.
    func processorEvents() -> [ProcessorEvents.Event]
    /// The number to poll for them; `nil` where nothing reports them.
    var processorsNumber: Int32? { get }
}

/// The kernel's rings, and what reports processors that come and go.
struct LiveRings: ~Copyable, TransitionRings {
    private let reader: RingReader
    /// Without it a processor that comes online later is not seen.
    private let processors: ProcessorEvents?

    init(_ rings: consuming sending TracepointRings) throws(SystemError) {
        reader = try RingReader(rings)
        processors = try? ProcessorEvents()
    }

    deinit { reader.end() }

    var numbers: [Int32] { [reader.number] }
    mutating func follow(processor: Int32) throws(TracepointError) { try reader.follow(processor: processor) }
    mutating func followAll() throws(TracepointError) { try reader.followAll() }
    borrowing func take(appendingTo buffer: inout [UInt8]) { reader.take(appendingTo: &buffer) }
    borrowing func lost() throws(SystemError) -> UInt64? { try reader.lost() }
    func processorEvents() -> [ProcessorEvents.Event] {
        switch processors {
        case .some(let processors): processors.next()
        case .none: []
        }
    }
    var processorsNumber: Int32? {
        switch processors {
        case .some(let processors): processors.number
        case .none: nil
        }
    }
}

extension TracepointSource<LiveRings> {
    /// Opens the rings, if they are wanted and the kernel gives them.
    static func open(isWanted: Bool) -> TracepointSource<LiveRings> {
        guard isWanted else { return TracepointSource(reason: "switched off by the configuration") }
        do throws(TracepointError) {
            let rings = try TracepointRings(and: .groupMove)
            guard let layout = try? TransitionLayout(rings.format) else {
                return TracepointSource(reason: "the tracepoint has other fields than expected")
            }
            let moves = rings.companionFormat.flatMap { try? GroupMoveLayout($0) }
            do throws(SystemError) {
                return TracepointSource(try LiveRings(rings), layout, moves)
            } catch { throw .system(error) }
        } catch {
            let explanation = error.code.flatMap {
                KernelEnvironment.read().explanation(of: .tracepoints, code: $0)
            }
            return TracepointSource(reason: explanation.map { "\($0) (\(error))" } ?? error.description)
        }
    }
}

/// The tracepoint ring if the kernel gives it, and else the reason why it does not.
struct TracepointSource<Rings: TransitionRings & ~Copyable>: ~Copyable {
    private var rings: Rings?
    private let layout: TransitionLayout?
    /// How moves between control groups are reported; `nil` where they are not.
    private let moveLayout: GroupMoveLayout?
    /// Moves received since the start.
    private(set) var moves: UInt64 = 0
    /// Why there is no ring; empty if there is one.
    let reason: String
    /// Events received since the start.
    private(set) var received: UInt64 = 0
    /// Events lost since the start, as the rings and as the records count them.
    private var lost: UInt64 = 0
    private var lostByRecords: UInt64 = 0
    private var buffer: [UInt8] = []
    /// Processors that came online since the last drain: what happened there before their rings were open is lost.
    private var revived: UInt64 = 0
    /// Processors of which nothing is seen since their ring could not be opened; -1 for all that came online.
    private(set) var unseen = UnseenProcessors()
    private var modeChanged = false

    init(_ rings: consuming Rings, _ layout: TransitionLayout, _ moves: GroupMoveLayout? = nil) {
        self.rings = consume rings
        self.layout = layout
        moveLayout = moves
        reason = ""
    }

    init(reason: String) {
        rings = nil
        layout = nil
        moveLayout = nil
        self.reason = reason
    }

    /// The number to poll for processors that come online; `nil` where nothing reports them.
    var processorsNumber: Int32? {
        switch rings {
        case .some(let rings): rings.processorsNumber
        case .none: nil
        }
    }

    /// Opens the rings of processors that have come online, and tries those again that could not be opened. To be called
    /// when `processorsNumber` is readable, and at `unseen.retryTime`.
    ///
    /// - Parameters: the present moment by both clocks.
    mutating func followProcessors(now: UInt64, wall: UInt64) {
        var events: [ProcessorEvents.Event] =
            switch rings {
            case .some(let rings): rings.processorEvents()
            case .none: []
            }
        if unseen.isDue(now) { events += unseen.events }
        let wasComplete = unseen.isEmpty
        for event in events {
            do throws(TracepointError) {
                switch event {
                case .offline: unseen.remove(event)
                case .online(let processor):
                    try rings?.follow(processor: processor)
                    unseen.remove(event)
                    revived += 1
                case .overrun:
                    try rings?.followAll()
                    unseen.remove(event)
                    revived += 1
                }
            } catch {
                // It is offline again.
                if case .refused(let error) = error, error.code == ENODEV {
                    unseen.remove(event)
                    continue
                }
                // There is no memory for its ring, say: what happens there is not seen until there is.
                unseen.failed(event, "\(error)", wall)
            }
        }
        unseen.attempted(at: now)
        if unseen.isEmpty != wasComplete { modeChanged = true }
    }

    /// Whether a process that is moved to another control group is reported.
    var reportsMoves: Bool { moveLayout != nil }

    /// Whether there is a ring.
    var isOn: Bool { layout != nil }

    /// The layout of the events, for a recording.
    var layoutBytes: [UInt8] { layout?.bytes ?? [] }

    /// The numbers to poll.
    var numbers: [Int32] {
        switch rings {
        case .some(let rings): rings.numbers
        case .none: []
        }
    }

    mutating func drain(
        _ batch: inout EventBatch, _ drained: inout Drained, _ recorder: TraceRecorder?
    ) {
        guard let layout else { return }
        if modeChanged {
            drained.modeChanged = true
            modeChanged = false
        }
        // What full rings held is not kept for ever.
        buffer.removeAll(keepingCapacity: buffer.capacity <= 1 << 20)
        if revived > 0 {
            drained.losses.append(
                Loss(source: SourceName.transitions, cause: "a processor came online", count: nil))
            revived = 0
        }
        rings?.take(appendingTo: &buffer)
        guard !buffer.isEmpty else { return }
        recorder?.add(.tracepoint, raw: buffer)
        let (reported, hasOthers) = TransitionRecords.decode(buffer, layout, into: &batch.transitions)
        received += UInt64(batch.transitions.count)
        if hasOthers, let moveLayout { takeMoves(moveLayout, &batch, recorder) }
        lostByRecords = lostByRecords.addingReportingOverflow(reported).partialValue
        // The records report a loss only before the next event that finds room; the rings' own count
        // (Linux 6.0) has it at once, and holds what the records report as well. Where it cannot be read, the
        // records say it later.
        let counted = (try? rings?.lost()) ?? 0
        let total = max(counted, lostByRecords)
        if total > lost {
            drained.losses.append(
                Loss(source: SourceName.transitions, cause: "ring full", count: total - lost))
            lost = total
        }
    }
}

extension TracepointSource where Rings: ~Copyable {
    /// Takes the moves between control groups out of what the rings held.
    ///
    /// The event has the group in one hierarchy; which one a workload is named by depends on all of them, so the process
    /// is asked while it is there.
    private mutating func takeMoves(
        _ layout: GroupMoveLayout, _ batch: inout EventBatch, _ recorder: TraceRecorder?
    ) {
        let before = batch.moves.count
        try? GroupMove.parse(buffer.span.bytes, layout: layout) { move in
            batch.moves.append(MoveEvent(move))
        }
        moves += UInt64(batch.moves.count - before)
        if let recorder { for move in batch.moves[before...] { recorder.move(move) } }
    }
}

extension MoveEvent {
    /// Of a process that is gone the group can be named in the unified hierarchy alone. Where there is no other hierarchy the
    /// event names it: the process may have been moved again.
    init(_ move: borrowing GroupMove) {
        let process = ProcessDirectory(move.process)
        if let leader = process?.threadGroup(), leader != move.process {
            // A thread alone: its process is in several groups from now on.
            self.init(pid: leader, time: move.time, workload: nil, isKnown: false)
            return
        }
        let groups = process?.controlGroups()
        let isUnified = groups.map {
            $0.starts(with: "0::".utf8) && $0.count { $0 == UInt8(ascii: "\n") } == 1
        }
        if move.hierarchy == 0, isUnified ?? false, !move.isCutOff {
            self.init(
                pid: move.process, time: move.time,
                workload: move.path.count > 1
                    ? ContainerNames.host.named(Array(move.path.dropFirst())) : nil)
            isNamed = true
        } else if let groups {
            self.init(
                pid: move.process, time: move.time,
                workload: ContainerNames.host.workload(ofGroups: groups))
        } else if move.hierarchy == 0, move.path.count > 1, !move.isCutOff {
            self.init(
                pid: move.process, time: move.time,
                workload: ContainerNames.host.named(Array(move.path.dropFirst())))
        } else {
            self.init(pid: move.process, time: move.time, workload: nil, isKnown: false)
        }
        if move.hierarchy == 0 { group = move.group }
    }
}

/// Processors whose rings could not be opened, and when they are tried again.
struct UnseenProcessors {
    private(set) var events: [ProcessorEvents.Event] = []
    private var backOff = BackOff()
    private var hasFailed = false
    /// Why the last of them could not be opened.
    private(set) var reason = ""
    /// Since when there are any, nanoseconds since 1970.
    private(set) var since: UInt64 = 0

    var isEmpty: Bool { events.isEmpty }
    /// When they are tried again, `CLOCK_MONOTONIC`, nanoseconds; `nil` if there are none.
    var retryTime: UInt64? { isEmpty ? nil : backOff.retry }

    func isDue(_ now: UInt64) -> Bool { !isEmpty && now >= backOff.retry }

    mutating func failed(_ event: ProcessorEvents.Event, _ reason: String, _ wall: UInt64) {
        if events.isEmpty { since = wall }
        if !events.contains(event) { events.append(event) }
        self.reason = reason
        hasFailed = true
    }

    /// A processor can be seen now, or is offline.
    mutating func remove(_ event: ProcessorEvents.Event) {
        switch event {
        case .online(let number), .offline(let number):
            events.removeAll { $0 == .online(number) }
        case .overrun: events.removeAll()
        }
    }

    /// All were tried.
    mutating func attempted(at now: UInt64) {
        if isEmpty { self = UnseenProcessors() }
        guard hasFailed else { return }
        hasFailed = false
        backOff.failed(at: now)
    }
}

/// Perf records as a ring holds them.
enum TransitionRecords {
    /// Turns perf records into events; returns how many the kernel said it dropped, and whether there are some of
    /// another tracepoint.
    static func decode(
        _ records: [UInt8], _ layout: TransitionLayout, into transitions: inout [TransitionEvent]
    ) -> (lost: UInt64, hasOthers: Bool) {
        var lost: UInt64 = 0
        let hasOthers = try? TracepointRings.parse(records.span.bytes, layout: layout) { transition in
            // A multipath connection is that of its subflows, which are TCP and have both addresses.
            guard transition.transport == 6 else { return }
            transitions.append(
                TransitionEvent(
                    time: transition.time, pid: transition.process, socket: transition.socket,
                    from: transition.oldState,
                    to: transition.newState, local: Endpoint(transition.local),
                    remote: Endpoint(transition.remote)))
        } lost: {
            lost = lost.addingReportingOverflow($0).overflow ? .max : lost + $0
        }
        // What does not hold together may hide one.
        return (lost, hasOthers ?? true)
    }
}

extension Endpoint {
    /// The same address in the words of records.
    init(_ address: TransitionAddress) {
        self.init(NetworkAddress(high: address.high, low: address.low), port: address.port)
    }
}
