import EventTrace
import Observation
import Records
import SocketDiagnostics
import SystemCalls

/// The living kernel as an engine.
struct LiveEngine<Kernel: KernelSources & ~Copyable, Rings: TransitionRings & ~Copyable>:
    ~Copyable, HostEngine
{
    /// What takes long, on threads of their own.
    struct Work {
        /// Makes a scan.
        var scan: @Sendable (ScanRequest) -> HostSnapshot
        /// Asks for each of the kernel's socket tables.
        var missingTables: @Sendable () -> [UnavailableSocketTable]
    }

    private var sourcesOfEvents: EventSources<Kernel, Rings>
    private let scanner: BackgroundWorker<ScanRequest, FinishedScan>
    /// A scan that was finished when the last drain began.
    private var finished: FinishedScan?
    private let tableCheck: BackgroundWorker<Void, [UnavailableSocketTable]>
    private var tables = SocketTableState()
    private var otherNetworks: OtherNetworks
    private let otherMounts: OtherMountNamespaces
    /// The version of these that was reported.
    private var otherMountsVersion: UInt64 = 0
    let recorder: TraceRecorder?
    private let started: UInt64
    /// Filesystems that were mounted since the last drain.
    private var mounted: [Loss] = []
    /// The last moment at which every filesystem of the mount table was marked.
    private var lastTable: UInt64
    /// Whether the modes are others than at the last drain; at the first they are new.
    private var modeChanged = true

    /// Takes over the sources, of which the first look at the socket tables has shown what is missing.
    init(
        _ sources: consuming EventSources<Kernel, Rings>, _ work: Work, _ recorder: TraceRecorder?,
        missingTables: [UnavailableSocketTable] = [], ownNetwork: UInt64? = nil,
        otherMounts: OtherMountNamespaces = OtherMountNamespaces(), started: UInt64
    ) throws(SystemError) {
        let (scan, ask) = (work.scan, work.missingTables)
        // Everything that can fail comes before the first stored property.
        let scanner = try BackgroundWorker<ScanRequest, FinishedScan> { FinishedScan($0, scan($0)) }
        let tableCheck = try BackgroundWorker<Void, [UnavailableSocketTable]> { ask() }
        otherNetworks = OtherNetworks(own: ownNetwork)
        self.otherMounts = otherMounts
        self.scanner = scanner
        self.tableCheck = tableCheck
        _ = tables.take(missingTables, now: sources.kernel.monotonic, wall: sources.kernel.wall)
        sourcesOfEvents = sources
        self.recorder = recorder
        self.started = started
        lastTable = started
    }

    mutating func drain(into batch: inout EventBatch) -> Drained {
        // Asked for one at a time. Before the sources are read, so that the events of everything it met are in this batch or
        // an earlier one.
        if let scan = scanner.take().last { finished = scan }
        var drained = sourcesOfEvents.drain(into: &batch, recorder)
        if otherMounts.filesystems.takeMoved() {
            recorder?.mountsChanged()
            drained.mountsChanged = true
        }
        if otherMounts.filesystems.takeFresh() {
            // Since when they are mounted nobody says; the last scan met every namespace, and marked what it found.
            mounted.append(
                Loss(
                    source: SourceName.files, cause: "new filesystem in another mount namespace", count: nil,
                    since: otherMounts.lastScan))
        }
        if !mounted.isEmpty {
            drained.losses += mounted
            drained.isEmpty = false
            mounted.removeAll()
        }
        if tables.isChecking {
            for found in tableCheck.take()
            where tables.take(found, now: batch.cutoff, wall: batch.wall) {
                modeChanged = true
            }
        }
        let version = otherMounts.version
        if version != otherMountsVersion {
            otherMountsVersion = version
            modeChanged = true
        }
        if modeChanged { drained.modeChanged = true }
        modeChanged = false
        if let recorder {
            recorder.losses(drained)
            if drained.modeChanged { recorder.sources(sources, degraded: degraded, blindSpots) }
        }
        return drained
    }

    var longestPause: UInt64 { sourcesOfEvents.longestPause }

    mutating func requestScan(_ request: ScanRequest) { scanner.submit(request) }

    mutating func finishedScan() -> FinishedScan? {
        guard let finished = finished.take() else { return nil }
        recorder?.snapshot(finished.snapshot, finished.request.purpose == .start ? 0 : 1)
        if finished.request.depth == .full, otherNetworks.take(finished.snapshot) { modeChanged = true }
        // Perhaps a module was unloaded.
        if finished.snapshot.failures.contains(where: { $0.source == SourceName.sockets }),
            tables.missing.isEmpty
        {
            checkTables()
        }
        return finished
    }

    mutating func mountTableUnchanged(at wall: UInt64) { lastTable = wall }

    mutating func mountsChanged() -> [String] {
        modeChanged = true
        do throws(SystemError) {
            let isRetry = mountRetryTime.map { $0 <= sourcesOfEvents.kernel.monotonic } ?? false
            let change = try sourcesOfEvents.kernel.refreshFilesystems()
            // Between its mount and its mark nothing of a filesystem was reported; nor of one that has come and gone.
            let cause: String? =
                if change.fresh > 0 { "new filesystem" } else if !change.isChanged && !isRetry {
                    "mounted and unmounted"
                } else { nil }
            if let cause {
                mounted.append(Loss(source: SourceName.files, cause: cause, count: nil, since: lastTable))
            }
            return []
        } catch {
            return ["the mount table cannot be read: \(error); new filesystems are not watched"]
        }
    }

    var hasTransitions: Bool { sourcesOfEvents.rings.isOn }
    var hasNotices: Bool { !sourcesOfEvents.noticePace.isPaused }
    var mountRetryTime: UInt64? { sourcesOfEvents.kernel.filesystems.retryTime }
    mutating func processorsChanged() {
        sourcesOfEvents.rings.followProcessors(
            now: sourcesOfEvents.kernel.monotonic, wall: sourcesOfEvents.kernel.wall)
        sourcesOfEvents.local.followProcessors()
        sourcesOfEvents.kernel.followProcessors()
    }

    var sourceRetryTime: UInt64? {
        // Asked for after each cycle: nothing is allocated.
        func earlier(_ one: UInt64?, _ other: UInt64?) -> UInt64? {
            guard let one, let other else { return one ?? other }
            return min(one, other)
        }
        var first = earlier(tables.retryTime, sourcesOfEvents.rings.unseen.retryTime)
        first = earlier(first, sourcesOfEvents.fileHealth.retryTime)
        first = earlier(first, sourcesOfEvents.local.retryTime)
        first = earlier(first, sourcesOfEvents.processHealth.retryTime)
        return earlier(first, sourcesOfEvents.socketHealth.retryTime)
    }

    mutating func retrySources() {
        let now = sourcesOfEvents.kernel.monotonic
        if let time = tables.retryTime, time <= now { checkTables() }
        if sourcesOfEvents.rings.unseen.isDue(now) { processorsChanged() }
    }

    private mutating func checkTables() {
        guard !tables.isChecking else { return }
        tables.checkBegins()
        tableCheck.submit(())
    }

    /// Those that are given up for a while are not waited for: one that fails may be ready for ever.
    var eventNumbers: [Int32] {
        var numbers: [Int32] = []
        let kernel = sourcesOfEvents.failing.map(\.source)
        if !kernel.contains(SourceName.files) { numbers += sourcesOfEvents.kernel.fileNumbers }
        if !kernel.contains(SourceName.processes) { numbers.append(sourcesOfEvents.kernel.processNumber) }
        if !kernel.contains(SourceName.sockets) { numbers.append(sourcesOfEvents.kernel.socketNumber) }
        return numbers
    }

    var urgentNumbers: [Int32] {
        sourcesOfEvents.rings.numbers + sourcesOfEvents.local.numbers + sourcesOfEvents.kernel.imageNumbers
    }
    var mountNumbers: [Int32] { [sourcesOfEvents.kernel.mountNumber] }
    var processorNumbers: [Int32] { sourcesOfEvents.rings.processorsNumber.map { [$0] } ?? [] }
    var workerNumbers: [Int32] { [scanner.number, tableCheck.number] }
    var blockingCalls: BlockingCalls.Counts { sourcesOfEvents.kernel.blockingCalls }

    // MARK: What it has to do without

    var degraded: [String] {
        var sentences = sourcesOfEvents.failing.map { source, health in
            "\(source): \(health.sentence ?? "")"
        }
        if !sourcesOfEvents.rings.isOn {
            sentences.append("no tracepoint ring: \(sourcesOfEvents.rings.reason)")
        }
        if !sourcesOfEvents.rings.unseen.isEmpty {
            sentences.append(
                "tracepoint: \(Self.unseenProcessor): \(sourcesOfEvents.rings.unseen.reason); it is tried again"
            )
        }
        if let sentence = sourcesOfEvents.local.sentence { sentences.append(sentence) }
        sentences += tables.missing.map { "sock_diag: \($0.table.description); it is looked for again" }
        if !sourcesOfEvents.kernel.hearsOtherNetworks {
            sentences.append("sock_diag: \(OtherNetworks.deafSentence)")
        }
        if let sentence = otherNetworks.sentence { sentences.append("sock_diag: \(sentence)") }
        if let sentence = otherMounts.sentence { sentences.append("fanotify: \(sentence)") }
        if let remark = recorder?.remark { sentences.append(remark) }
        // What lies under another filesystem cannot be opened by its path: nothing is missed there.
        let unwatched = sourcesOfEvents.kernel.filesystems.unwatched.filter { $0.reason != .hidden }
        return sentences + UnwatchedFilesystem.sentences(unwatched) { SystemError.text(of: $0) }
    }

    private static var unseenProcessor: String { "a processor that came online is not seen" }

    /// Filesystems that are named one by one; of more than that the number has to do.
    private static var mostBlindSpots: Int { 64 }

    var blindSpots: [BlindSpot] {
        var spots = sourcesOfEvents.failing.map { source, health in
            BlindSpot(
                source: source, cause: "given up: \(health.reason ?? "")", since: health.since,
                isScannedAfter: true)
        }
        spots += tables.blindSpots + otherNetworks.blindSpots + otherMounts.blindSpots
        if !sourcesOfEvents.kernel.hearsOtherNetworks { spots.append(OtherNetworks.deaf(since: started)) }
        if !sourcesOfEvents.rings.isOn {
            spots.append(
                BlindSpot(
                    source: SourceName.transitions, cause: "off: \(sourcesOfEvents.rings.reason)",
                    since: started))
        }
        if !sourcesOfEvents.rings.unseen.isEmpty {
            spots.append(
                BlindSpot(
                    source: SourceName.transitions, cause: Self.unseenProcessor,
                    since: sourcesOfEvents.rings.unseen.since, isScannedAfter: true))
        }
        spots += sourcesOfEvents.local.blindSpots(started: started)
        return spots + unwatchedSpots
    }

    private var unwatchedSpots: [BlindSpot] {
        let unwatched = sourcesOfEvents.kernel.filesystems.unwatched.filter { $0.reason != .hidden }
        var spots = unwatched.prefix(Self.mostBlindSpots).map { filesystem in
            let point = String(decoding: filesystem.point, as: UTF8.self)
            let type = String(decoding: filesystem.type, as: UTF8.self)
            return BlindSpot(
                source: SourceName.files, cause: "not watched: \(point) (\(type))", since: filesystem.since)
        }
        if unwatched.count > Self.mostBlindSpots, let first = unwatched.map(\.since).min() {
            spots.append(
                BlindSpot(source: SourceName.files, cause: "not watched: further filesystems", since: first))
        }
        return spots
    }

    /// How a source runs: as it should, or not for now.
    private func mode(_ health: SourceHealth, _ usual: String) -> String {
        health.reason.map { "given up: \($0)" } ?? usual
    }

    var sources: [DumpHeader.Source] {
        let decoder = sourcesOfEvents.decoder
        let filesystems = sourcesOfEvents.kernel.filesystems
        return [
            .init(
                name: SourceName.files,
                mode: mode(
                    sourcesOfEvents.fileHealth, filesystems.byDescriptor > 0 ? "fid+descriptor" : "fid"),
                received: decoder.fileEvents,
                counters: [
                    ("filesystems", UInt64(filesystems.byHandle + filesystems.byDescriptor)),
                    ("filesystems_refused", UInt64(filesystems.unwatched.count)),
                    ("filesystems_in_namespaces", UInt64(otherMounts.filesystems.count)),
                    ("filesystems_elsewhere", UInt64(otherMounts.all.reduce(0) { $0 + $1.filesystems })),
                    ("namespaces_missed", sourcesOfEvents.kernel.namespacesMissed),
                    ("held_elsewhere", otherMounts.filesCounted),
                    ("malformed", decoder.malformed.files),
                    ("queue_limit", UInt64(filesystems.queueLimit ?? 0)),
                ]),
            .init(
                name: SourceName.processes,
                mode: mode(sourcesOfEvents.processHealth, sourcesOfEvents.kernel.processFiltering),
                received: decoder.processEvents,
                counters: [
                    ("sequence_gaps", decoder.sequenceGaps),
                    ("exec_notifications_lost", sourcesOfEvents.kernel.imagesLost),
                    ("images_reported", sourcesOfEvents.kernel.imagesReported),
                    ("reports_paused", sourcesOfEvents.kernel.imageReportPauses),
                    ("malformed", decoder.malformed.processes),
                ]),
            .init(
                name: SourceName.sockets,
                mode: mode(sourcesOfEvents.socketHealth, "destroy notices and dumps" + tables.mode),
                received: sourcesOfEvents.closureEvents,
                counters: [
                    ("malformed", decoder.malformed.notices),
                    ("notices_paused", sourcesOfEvents.noticePace.pauses),
                ]),
            .init(
                name: SourceName.transitions,
                mode: sourcesOfEvents.rings.isOn ? "ring" : "off: \(sourcesOfEvents.rings.reason)",
                received: sourcesOfEvents.rings.received,
                counters: [("moves", sourcesOfEvents.rings.moves)]),
            .init(
                name: SourceName.local, mode: sourcesOfEvents.local.mode,
                received: sourcesOfEvents.local.received),
        ]
    }
}
