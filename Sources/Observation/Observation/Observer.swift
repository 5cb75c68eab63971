public import Records
import Text

/// Turns batches of kernel events into dependency records.
///
/// Pure: it holds no descriptor, asks only its `Surroundings`, and gives the same ledger for the same
/// batches and answers. How one batch is worked off is the ordering protocol of docs/architecture.md:
///
/// 1. name every object (the directory tree follows mkdir and rename in the order of the queue),
/// 2. apply forks, execs and exits in the order of time, pairing each exec with its chain of
///    `FAN_OPEN_EXEC` events,
/// 3. give every open to the image, or images, that it can belong to,
/// 4. follow the sockets.
public struct Observer: ~Copyable {
    /// What was learnt.
    public var ledger: Ledger
    /// What could not be determined, by reason.
    public internal(set) var counters = Counters()
    /// What it keeps to.
    public let scope: Scope
    /// The host's addresses, as the last scan found them: a connection to one of them has both ends here.
    public internal(set) var localAddresses: Set<NetworkAddress> = []

    /// What processes did, call by call; kept only for who wants to have it.
    public internal(set) var calls: CallLog?
    /// Whether it is: asked with every event.
    var isLogging = false

    let surroundings: any Surroundings
    let ownPid: Int32
    var tree = DirectoryTree()
    var processes = ProcessTable()
    var lineages = Lineages()
    var chainParser = ExecChainParser()
    var heads: [TextID: ExecutableHead] = [:]
    /// Kind of each path by its number, plus one; 0 where it was not asked for.
    var kinds: [UInt8] = []
    /// Lifecycle events that have to wait for the next batch.
    var held: [LifecycleEvent] = []
    /// Names of files of which the next batch says what made them.
    var heldNames = HeldNames()
    /// Processes whose last opens for execution wait to be confirmed.
    var pendingExecs: Set<Int32> = []
    /// Those of them whose leader has ended: another thread may have executed something, which is reported behind the leader's end.
    var endedWithPendingExec: [Int32] = []
    /// What was read of new images, of this batch and of the one before: the exec may be reported later, or wait.
    /// In the order of time.
    var images: [ImageFacts] = []
    /// The cutoff of the batch before.
    var lastCutoff: UInt64 = 0
    /// Changes of state, and ends of sockets, that have to wait for the next batch.
    var heldTransitions: [TransitionEvent] = []
    var heldClosures: [ClosureEvent] = []
    /// The cutoff of the last batch, `CLOCK_MONOTONIC`, nanoseconds.
    var drained: UInt64 = 0
    /// That of the batch that is worked off (`EventBatch.noticesSince`).
    var noticesSince: UInt64 = 0
    /// Moves between control groups that have to wait for the next batch.
    var heldMoves: [MoveEvent] = []
    /// Processes that were moved of late, and when: those that execute something at once need no record of the move.
    var recentMoves: [(pid: Int32, start: UInt64, time: UInt64, wall: UInt64)] = []
    var work = BatchWork()
    var sockets = SocketTable()
    let connects = UnixConnects()
    let datagrams = Datagrams()
    let routes = DatagramRoutes()
    /// The network namespace that the last scan was of, and whether there are others in which programs were met.
    var scannedNetwork: UInt64 = 0
    var hasOtherNetworks = false
    /// Which control groups, by number, processes of a workload were met in; see `isInherited`.
    var groups: Set<GroupOfWorkload> = []
    /// Batches, the present one included, in which the chain of an exec may not be whole.
    var lossyBatches = 0
    /// Images of pids that were used again, where events of the former life may still come in the next batch.
    var formerLives = PidTable<Image>()
    /// Bytes that records and tables may take.
    public var budget = Int.max
    /// How short memory is.
    var pressure = Pressure.none
    /// Whether records must stay where they are, since a dump is being written.
    public var mustKeepNumbers = false
    /// Records and texts that were left when memory was reclaimed last.
    var reclaimedTo = 0
    /// Opens that are kept for images to come, of all processes.
    var gapEntries = 0
    /// Processes that did something since the last scan was asked for.
    var activity: [Int32] = []
    /// Programs that were asked whether they get records.
    var recorded: [ProgramID: Bool] = [:]
    /// Programs that are Retinue's own: a few.
    var own: [ProgramID] = []
    /// A bit for the lowest six of each one's number: of almost every other program it says at once that it is none.
    var ownFilter: UInt64 = 0

    /// Things that happened and could not be turned into records.
    public struct Counters: Sendable {
        /// File events of a process that nothing is known of.
        public var unattributedFiles: UInt64 = 0
        /// File events of a pid that was used again within one batch: which of its lives they are of is inferred.
        public var ambiguousFiles: UInt64 = 0
        /// File events in a directory that is gone and was never met.
        public var unresolvedDirectories: UInt64 = 0
        /// File events whose path is too long to be written out (16 KiB): the record is that of a directory above.
        public var deepPaths: UInt64 = 0
        /// File events of paths for which there was no room: their folder's record stands for them.
        public var foldedFiles: UInt64 = 0
        /// Records that were taken into their folder's for want of memory.
        public var collapsedRecords: UInt64 = 0
        /// Times that caches were dropped for want of memory.
        public var cachesDropped: UInt64 = 0
        /// What there was no room to record.
        public var refused: UInt64 = 0
        /// Connections whose program is not known.
        public var unattributedConnections: UInt64 = 0
        /// Connections of whose end no notice was made, so that their bytes are a lower bound.
        public var unnoticedConnections: UInt64 = 0
        /// Notices of connections whose end had been taken without one.
        public var lateNotices: UInt64 = 0
        /// UDP sockets whose program is not known.
        public var unattributedDatagrams: UInt64 = 0
        /// Unix sockets that were connected, and programs that sent datagrams, whose other end is not known.
        public var unattributedUnix: UInt64 = 0
        /// Connections with a translated destination of which nobody is known who answers.
        public var untranslated: UInt64 = 0
        /// Network namespaces of which the last scan could not read connection tracking, though it is in use there.
        public var untranslatedNetworks: UInt64 = 0
        /// Connections and listeners that were evicted since there were too many at a time.
        public var evictedConnections: UInt64 = 0
        /// Execs without a trace of the file.
        public var unknownExecutables: UInt64 = 0
        /// Execs of an interpreter whose arguments could not be read in time.
        public var unknownScripts: UInt64 = 0
        /// Execs whose control group could not be read in time: they stand under that of the process before.
        public var inheritedWorkloads: UInt64 = 0
    }

    /// Makes an observer.
    ///
    /// - Parameters:
    ///   - ownPid: the daemon's own process, whose accesses leave no record.
    ///   - scope: what to keep to.
    public init(
        ledger: consuming Ledger, surroundings: any Surroundings, ownPid: Int32, scope: Scope = Scope()
    ) {
        self.ledger = ledger
        self.surroundings = surroundings
        self.ownPid = ownPid
        self.scope = scope
        findOwn()
    }

    /// Whether something waits for the next batch.
    public var hasHeldEvents: Bool {
        !held.isEmpty || !heldTransitions.isEmpty || !heldMoves.isEmpty || !heldNames.isEmpty
    }

    /// Sizes of the inner tables, for `status`.
    public var sizes: [(name: String, value: Int)] {
        [
            ("processes", processes.count), ("directories", tree.count),
            ("connections", sockets.live.count), ("lineages", lineages.count),
        ]
    }

    /// The mount table has changed: where filesystems are mounted is asked for again when it is next needed.
    public mutating func mountsChanged() { tree.doubtMounts() }

    /// Keeps the calls from now on.
    public mutating func keepCalls() {
        calls = CallLog()
        isLogging = true
    }

    /// Takes out the calls that were kept since.
    public mutating func takeCalls() -> [(call: CallLog.Call, time: UInt64)] { calls?.take() ?? [] }

    /// Works off one batch.
    public mutating func interpret(_ batch: borrowing EventBatch) {
        work.begin(batch)
        keep(batch.images)
        nameObjects(batch)
        settleNames(batch)
        collectExecs(batch)
        recallFormerLives()
        if isLogging { gatherCalls(batch) }
        applyLifecycle(batch)
        attributeFiles(batch)
        if isLogging { flushCalls() }
        if !batch.connects.isEmpty || !batch.datagramEnds.isEmpty { noteConnects(batch) }
        if !batch.datagramSends.isEmpty || !batch.datagramEnds.isEmpty { noteSends(batch) }
        if !batch.datagramRoutes.isEmpty { noteRoutes(batch) }
        followSockets(batch)
        settleForks()
        keepPendingExecs()
        keepImages(batch)
        gapEntries -= min(gapEntries, processes.evictExits())
        noteActivity(batch)
        evict()
        keepWithinBudget()
        if lossyBatches > 0 { lossyBatches -= 1 }
        work.end()
    }

    /// Says that process events are missing: until a process was read again, or an exec of it was seen whole, it
    /// may be another one than it was.
    public mutating func distrustProcesses() { processes.distrust() }

    /// Says that file events are missing: an exec of this batch or the next one may lack part of its chain.
    public mutating func distrustExecs() { lossyBatches = 2 }

    /// Says that a scan begins whose findings will be taken in.
    mutating func scanBegins() { sockets.scanBegins() }

    /// The processes that did something since this was last asked, for a scan to read first.
    mutating func takeActivity() -> [Int32] {
        defer { activity.removeAll() }
        return Array(Set(activity))
    }

    /// Processes that are remembered to have done something; when there are more, some are scanned later.
    private static var mostActivity: Int { 1 << 16 }

    private mutating func noteActivity(_ batch: borrowing EventBatch) {
        guard activity.count < Self.mostActivity else {
            activity = Array(Set(activity).prefix(Self.mostActivity / 2))
            return
        }
        activity.append(contentsOf: work.lengths.pids)
        activity.append(contentsOf: work.forked)
    }

    /// Wall-clock time of a moment on the monotonic clock, by this batch's pair of both.
    func wall(_ monotonic: UInt64, _ batch: borrowing EventBatch) -> UInt64 {
        monotonic <= batch.cutoff
            ? batch.wall &- (batch.cutoff - monotonic) : batch.wall &+ (monotonic - batch.cutoff)
    }
}
