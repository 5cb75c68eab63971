import EventTrace
import Fanotify
import Observation
import Records
import TracepointRing

/// A recording as an engine: each drain brings what a drain of the recorded daemon brought, each scan comes back in the
/// cycle in which it came back then, and losses and modes are those that were.
///
/// What a recording holds of one cycle is a step: the kernel's bytes, the answers that the observation got, at most one
/// scan, and what the daemon asked of its session meanwhile. A step is read as a whole before it is delivered, since
/// answers stand behind the events that they are asked for.
struct RecordedEngine: ~Copyable, Engine {
    /// What the daemon asked of its session between two cycles.
    enum Order {
        case scan(ScanRequest)
        case absence(from: UInt64, to: UInt64)
        case mountsChanged
        case budget(Int)
        case dump(written: UInt64)
    }

    /// The host, the daemon and the last moment that the recording covers.
    private(set) var header: DumpHeader
    /// What the daemon was restricted to.
    let scope: Scope
    /// The daemon's process.
    let ownPid: Int32
    /// The answers that were given.
    let answers = ReplaySurroundings()
    /// What ended the recording before its end.
    private(set) var failure: TraceError?

    private var reader: TraceReader
    private var decoder = BatchDecoder()
    private let layout: TransitionLayout?
    private var transitions: UInt64 = 0
    private var closures: UInt64 = 0
    private var cutoff: UInt64 = 0
    private var wall: UInt64
    /// The frame that ended the step before and begins the next one.
    private var following: Beginning?
    /// The frame behind the first, if it was looked at to see whether it is a scope and is not.
    private var second: Result<TraceReader.Frame?, TraceError>?
    private var snapshot: (value: HostSnapshot, purpose: Observer.SnapshotPurpose)?
    private var orders: [Order] = []
    private var state: (sources: [DumpHeader.Source], degraded: [String], blindSpots: [BlindSpot])?

    /// What begins a step.
    private enum Beginning {
        case cycle(cutoff: UInt64, wall: UInt64)
        case snapshot(HostSnapshot, Observer.SnapshotPurpose)
    }

    /// Bytes of frames that a step may have; else one without an end could take all memory.
    static let mostGathered = 256 << 20

    /// Starts with a recording's first frame.
    init(_ recording: TraceReader) throws(TraceError) {
        var reader = recording
        guard let frame = try reader.next(), frame.tag == .host else { throw .notATrace }
        var payload = reader.payload(frame)
        var header = DumpHeader()
        header.hostID = try payload.text()
        header.hostName = try payload.text()
        header.kernel = try payload.text()
        header.boot = try payload.text()
        // Everything that can fail comes before the first stored property.
        let ownPid: Int32 = try payload.integer()
        header.version = try payload.text()
        header.started = try payload.integer()
        let layout = try payload.string()
        var second: Result<TraceReader.Frame?, TraceError>?
        var scope = Scope()
        // A recording that breaks off here is an empty one; what is wrong with it is said at the end.
        do throws(TraceError) {
            second = .success(try reader.next())
            if case .success(let frame?) = second, frame.tag == .scope {
                var payload = reader.payload(frame)
                (scope, header.scope) = try payload.scope()
                second = nil
            }
        } catch { second = .failure(error) }
        self.ownPid = ownPid
        // Without the ring there is none.
        self.layout = try? TransitionLayout(layout)
        self.second = second
        self.scope = scope
        wall = header.started
        self.header = header
        self.reader = reader
    }

    mutating func drain(into batch: inout EventBatch) -> Drained {
        batch.reset()
        var drained = Drained()
        begin()
        batch.cutoff = cutoff
        batch.wall = wall
        do throws(TraceError) {
            drained.isEnd = try !readStep(&batch, &drained)
        } catch {
            failure = error
            drained.isEnd = true
        }
        drained.isEmpty = batch.isEmpty && drained.losses.isEmpty
        return drained
    }

    /// Scans come when they came, whoever asks.
    mutating func requestScan(_ request: ScanRequest) {}

    mutating func finishedScan() -> FinishedScan? {
        guard let (value, purpose) = snapshot.take() else { return nil }
        return FinishedScan(ScanRequest(.full, purpose), value)
    }

    /// What the daemon asked of its session after the last drain.
    mutating func takeOrders() -> [Order] {
        defer { orders.removeAll() }
        return orders
    }

    var degraded: [String] { state?.degraded ?? [] }
    var blindSpots: [BlindSpot] { state?.blindSpots ?? [] }

    /// As they were recorded last, with what was received up to here.
    var sources: [DumpHeader.Source] {
        guard var sources = state?.sources else {
            // An earlier version did not record how they ran.
            return [
                .init(name: SourceName.files, mode: "replay", received: decoder.fileEvents),
                .init(name: SourceName.processes, mode: "replay", received: decoder.processEvents),
            ]
        }
        for index in sources.indices {
            switch sources[index].name {
            case SourceName.files: sources[index].received = decoder.fileEvents
            case SourceName.processes: sources[index].received = decoder.processEvents
            case SourceName.sockets: sources[index].received = closures
            case SourceName.transitions: sources[index].received = transitions
            default: break
            }
        }
        return sources
    }

    // MARK: Steps

    private mutating func begin() {
        switch following.take() {
        case .cycle(let cutoff, let wall): (self.cutoff, self.wall) = (cutoff, wall)
        case .snapshot(let value, let purpose): snapshot = (value, purpose)
        case nil: return
        }
        header.time = snapshot?.value.wall ?? wall
    }

    /// Reads up to what begins the next step; returns whether there is one.
    private mutating func readStep(
        _ batch: inout EventBatch, _ drained: inout Drained
    ) throws(TraceError) -> Bool {
        guard failure == nil else { return false }
        var gathered = 0
        while let frame = try nextFrame() {
            gathered += frame.payload.count
            guard gathered <= Self.mostGathered else {
                throw .malformed(offset: frame.payload.lowerBound)
            }
            switch frame.tag {
            case .cycle:
                var payload = reader.payload(frame)
                following = .cycle(cutoff: try payload.integer(), wall: try payload.integer())
                return true
            case .snapshot:
                let (value, purpose) = try beginning(ofSnapshot: frame)
                guard snapshot == nil else {
                    following = .snapshot(value, purpose)
                    return true
                }
                snapshot = (value, purpose)
                header.time = value.wall
            case .snapshotProcess, .snapshotSocket, .snapshotChannel, .snapshotAddresses, .snapshotFailure,
                .snapshotListener, .snapshotTranslation:
                try takeFinding(frame)
            case .directoryAnswer, .directoryChain, .processAnswer, .headAnswer, .kindAnswer,
                .addressesAnswer:
                try answers.add(frame.tag!, reader.payload(frame))
            case .scanRequest, .absence, .mounts, .budget, .dump: try takeOrder(frame)
            case .drainLoss, .loss, .sources: try takeReport(frame, &drained)
            case .localConnect, .datagramEnd, .datagramSend, .datagramRoute: try takeLocal(frame, &batch)
            case .host, .scope, nil: break
            default: try takeEvents(frame, &batch)
            }
        }
        return false
    }

    private mutating func nextFrame() throws(TraceError) -> TraceReader.Frame? {
        guard let second = second.take() else { return try reader.next() }
        return try second.get()
    }

    private mutating func takeEvents(
        _ frame: TraceReader.Frame, _ batch: inout EventBatch
    ) throws(TraceError) {
        var payload = reader.payload(frame)
        switch frame.tag {
        case .fanotify:
            let start = batch.bytes.count
            batch.bytes.append(contentsOf: reader.raw(frame))
            decoder.addFileEvents(to: &batch, from: start)
        case .descriptorEvent:
            let mask = FanotifyMask(rawValue: try payload.integer())
            let pid: Int32 = try payload.integer()
            decoder.addFileEvent(mask, pid: pid, path: try payload.string(), to: &batch)
        case .process:
            let reader = reader
            reader.withRaw(frame) { decoder.addProcessEvent($0, to: &batch) }
        case .image: batch.images.append(try payload.image())
        case .move:
            var move = MoveEvent(
                pid: try payload.integer(), time: try payload.integer(),
                workload: try payload.optionalString())
            // Earlier recordings have none that is not known.
            if !payload.isAtEnd {
                move.isKnown = try payload.bool()
                move.group = try payload.integer()
                if !payload.isAtEnd { move.isNamed = try payload.bool() }
            }
            batch.moves.append(move)
        case .tracepoint:
            guard let layout else { return }
            let before = batch.transitions.count
            _ = TransitionRecords.decode(Array(reader.raw(frame)), layout, into: &batch.transitions)
            transitions += UInt64(batch.transitions.count - before)
        case .closure:
            let reader = reader
            closures += UInt64(reader.withRaw(frame) { decoder.addClosures($0, to: &batch) })
        case .closureElsewhere:
            let network: UInt64 = try payload.integer()
            let datagram = try payload.string()
            closures += UInt64(decoder.addClosures(datagram.span.bytes, network: network, to: &batch))
        case .notices: batch.noticesSince = try payload.integer()
        default: break
        }
    }

    /// Apart from the others, which come by the thousand.
    private func takeLocal(_ frame: TraceReader.Frame, _ batch: inout EventBatch) throws(TraceError) {
        var payload = reader.payload(frame)
        switch frame.tag {
        case .localConnect: batch.connects.append(try payload.localConnect())
        case .datagramRoute: batch.datagramRoutes.append(try payload.datagram())
        case .datagramSend: batch.datagramSends.append(try payload.datagram())
        default: batch.datagramEnds.append(try payload.datagram())
        }
    }

    private func beginning(
        ofSnapshot frame: TraceReader.Frame
    ) throws(TraceError) -> (HostSnapshot, Observer.SnapshotPurpose) {
        var payload = reader.payload(frame)
        var value = HostSnapshot()
        let purpose: UInt8 = try payload.integer()
        value.monotonic = try payload.integer()
        value.wall = try payload.integer()
        // Earlier recordings have none of these.
        if !payload.isAtEnd { value.socketsRead = try payload.integer() }
        if !payload.isAtEnd { value.isComplete = try payload.bool() }
        if !payload.isAtEnd {
            value.network = try payload.integer()
            value.networks = try payload.list { (payload) throws(TraceError) in try payload.integer() }
        }
        return (value, purpose == 0 ? .start : .look)
    }

    private mutating func takeFinding(_ frame: TraceReader.Frame) throws(TraceError) {
        var payload = reader.payload(frame)
        switch frame.tag {
        case .snapshotProcess: snapshot?.value.processes.append(try payload.processSnapshot())
        case .snapshotSocket: snapshot?.value.sockets.append(try payload.socketSnapshot())
        case .snapshotChannel: snapshot?.value.channels.append(try payload.channelSnapshot())
        case .snapshotListener: snapshot?.value.unixListeners.append(try payload.unixListener())
        case .snapshotTranslation: snapshot?.value.translations.append(try payload.translation())
        case .snapshotAddresses: snapshot?.value.addresses = try payload.addresses()
        default: snapshot?.value.failures.append(ScanFailure(try payload.text(), try payload.integer()))
        }
    }

    private mutating func takeOrder(_ frame: TraceReader.Frame) throws(TraceError) {
        var payload = reader.payload(frame)
        switch frame.tag {
        case .scanRequest: orders.append(.scan(try payload.scanRequest()))
        case .absence: orders.append(.absence(from: try payload.integer(), to: try payload.integer()))
        case .mounts: orders.append(.mountsChanged)
        case .budget: orders.append(.budget(Int(clamping: try payload.integer(UInt64.self))))
        default:
            header.time = try payload.integer()
            // An earlier version did not say when it wrote the dump.
            guard !payload.isAtEnd else { return }
            orders.append(.dump(written: try payload.integer()))
            header.addresses = try payload.addresses()
        }
    }

    private mutating func takeReport(
        _ frame: TraceReader.Frame, _ drained: inout Drained
    ) throws(TraceError) {
        var payload = reader.payload(frame)
        switch frame.tag {
        case .drainLoss:
            let (loss, ended) = try payload.loss()
            drained.losses.append(loss)
            drained.ended = ended
        case .sources:
            state = (
                try payload.list { (payload) throws(TraceError) in try payload.source() },
                try payload.list { (payload) throws(TraceError) in try payload.text() },
                try payload.list { (payload) throws(TraceError) in try payload.blindSpot() }
            )
            drained.modeChanged = true
        default:
            let (source, cause) = (try payload.text(), try payload.text())
            let lost: UInt64 = try payload.integer()
            let (from, to): (UInt64, UInt64) = (try payload.integer(), try payload.integer())
            drained.gaps.append(
                Gap(
                    source: source, cause: cause, from: from, to: to, lost: lost,
                    resynchronised: try payload.integer()))
        }
    }
}
