import Control
import Fanotify
import Glibc
import Observation
import ProcConnector
import Records
import RecordStore
import SocketDiagnostics
import SystemCalls

/// The running daemon: one thread, one poller, every source in it.
///
/// It sleeps until something happens. The first event takes the busy sources out of the poller's wait
/// queues, so that events cost the watched programs no wake-up, and lets a timer drain them in batches;
/// the first batch that comes back empty puts them in again (what NAPI does for network cards).
struct Watcher: ~Copyable {
    let options: Options
    var configuration: Configuration
    let host: Host
    let network: HostNetwork
    let folder: StateFolder
    let started: UInt64
    var sources: EventSources
    var observer: Observer
    var store: RecordStore
    var desk: ControlDesk
    let recorder: TraceRecorder?
    let manager: ServiceManager
    let poller: Poller
    let signals: SignalDescriptor
    let tick: TimerDescriptor
    let storeTimer: TimerDescriptor
    let housekeeping: TimerDescriptor
    var batch = EventBatch()
    var isBusy = false
    var isReady = false
    var isStoreTimerArmed = false
    var storePace = StorePace()
    /// When the house is kept next, `CLOCK_MONOTONIC`, nanoseconds; 0 for never.
    var housekeepingDue: UInt64 = 0
    /// Whether the listening sockets are out of the poller for a while.
    var isDeafToClients = false
    var storeWritten: UInt64?
    var storeError: String?
    var degraded: [String] = []
    var pendingLosses: [Loss] = []
    var lossCounts: [String: UInt64] = [:]
    /// The last moment at which every source was drained without a loss, nanoseconds since 1970.
    var lastWhole: UInt64 = 0
    /// The last look for connections, where there is no ring; `CLOCK_MONOTONIC`, nanoseconds.
    var lastLook: UInt64 = 0

    /// What the poller hands back.
    enum Token {
        static let handles: UInt64 = 1
        static let descriptors: UInt64 = 2
        static let processes: UInt64 = 3
        static let closures: UInt64 = 5
        static let rings: UInt64 = 6
        static let signals: UInt64 = 7
        static let tick: UInt64 = 8
        static let store: UInt64 = 9
        static let mounts: UInt64 = 10
        static let control: UInt64 = 11
        static let housekeeping: UInt64 = 12
        /// A client: this plus its number.
        static let client: UInt64 = 1 << 32
    }

    /// Runs until a signal ends it.
    mutating func run() throws(SystemError) {
        try register()
        try start()
        var tokens: [UInt64] = []
        while true {
            tokens.removeAll(keepingCapacity: true)
            try poller.wait { tokens.append($0) }
            var needsCycle = false
            for token in tokens {
                switch token {
                case Token.handles, Token.descriptors, Token.processes, Token.closures:
                    if !isBusy { try enterBusy() }
                case Token.rings: needsCycle = true
                case Token.tick:
                    try tick.acknowledge()
                    needsCycle = true
                case Token.store: try flush(most: StorePace.slice)
                case Token.mounts: try mountsChanged()
                case Token.control: try welcome()
                case Token.housekeeping: try keepHouse()
                case Token.signals: break
                default:
                    if token >= Token.client { try serve(Int32(token - Token.client)) }
                }
            }
            if needsCycle { try tickOver() }
            if tokens.contains(Token.signals), try handleSignals() { break }
        }
        try stop()
    }

    private mutating func register() throws(SystemError) {
        try poller.add(signals.number, token: Token.signals)
        try poller.add(tick.number, token: Token.tick)
        try poller.add(storeTimer.number, token: Token.store)
        try poller.add(housekeeping.number, token: Token.housekeeping)
        for number in sources.rings.numbers { try poller.add(number, token: Token.rings) }
        try listen()
        try poller.add(sources.watch.mountTableNumber, .exceptional, token: Token.mounts)
        try joinWaitQueues()
    }

    /// Sources live first, then the scan of what was there before: what happens meanwhile waits in the
    /// sources, and what both tell is told once.
    private mutating func start() throws(SystemError) {
        lastWhole = Clock.wall()
        scan(.full, .start)
        try drainAll()
        isReady = true
        manager.notify("READY=1")
        if manager.watchdog > 0 { try keepHouse(within: manager.watchdog) }
        Message.print("ready")
    }

    private mutating func stop() throws(SystemError) {
        manager.notify("STOPPING=1")
        try drainAll()
        try flush(most: .max)
        recorder?.flush()
    }

    // MARK: Cycles

    private mutating func enterBusy() throws(SystemError) {
        isBusy = true
        try leaveWaitQueues()
        try tick.arm(nanoseconds: configuration.batchInterval)
    }

    private mutating func tickOver() throws(SystemError) {
        let wasEmpty = try cycle()
        guard isBusy else { return }
        if wasEmpty {
            isBusy = false
            try joinWaitQueues()
        } else {
            try tick.arm(nanoseconds: configuration.batchInterval)
        }
    }

    private func joinWaitQueues() throws(SystemError) {
        try poller.add(sources.watch.handles.number, token: Token.handles)
        if let number = sources.watch.descriptorsNumber { try poller.add(number, token: Token.descriptors) }
        try poller.add(sources.connector.number, token: Token.processes)
        try poller.add(sources.closures.number, token: Token.closures)
    }

    private func leaveWaitQueues() throws(SystemError) {
        try poller.remove(sources.watch.handles.number)
        if let number = sources.watch.descriptorsNumber { try poller.remove(number) }
        try poller.remove(sources.connector.number)
        try poller.remove(sources.closures.number)
    }

    /// One cycle: drain, interpret, see to losses. Returns whether nothing had happened.
    @discardableResult
    mutating func cycle() throws(SystemError) -> Bool {
        let yield = try sources.drain(into: &batch, recorder)
        if yield.isEmpty && batch.images.isEmpty && !observer.hasHeldEvents {
            lastWhole = batch.wall
            try resynchroniseIfNeeded()
            return true
        }
        observer.interpret(batch)
        recorder?.flush()
        for loss in yield.losses {
            lossCounts[loss.source, default: 0] += loss.count
            add(Loss(source: loss.source, cause: loss.cause, count: loss.count, since: lastWhole))
        }
        if yield.losses.isEmpty {
            lastWhole = batch.wall
            try resynchroniseIfNeeded()
        }
        try lookWithoutRing()
        if !observer.ledger.dirty.isEmpty, !isStoreTimerArmed {
            isStoreTimerArmed = true
            try storeTimer.arm(nanoseconds: configuration.storeInterval)
        }
        return yield.isEmpty
    }

    /// Without the tracepoint ring a connection is attributed by a scan that meets it alive: one a second
    /// while things happen, none while the host is idle.
    private mutating func lookWithoutRing() throws(SystemError) {
        guard !sources.rings.isOn, isReady, batch.cutoff > lastLook + 1_000_000_000 else { return }
        lastLook = batch.cutoff
        scan(.open, .look)
    }

    private mutating func add(_ loss: Loss) {
        if let found = pendingLosses.firstIndex(where: { $0.source == loss.source && $0.cause == loss.cause })
        {
            pendingLosses[found].count += loss.count
        } else {
            pendingLosses.append(loss)
        }
    }

    /// After a loss, once a drain came through whole: the host is scanned afresh and the gap closed.
    private mutating func resynchroniseIfNeeded() throws(SystemError) {
        guard !pendingLosses.isEmpty else { return }
        let until = Clock.wall()
        scan(.full, .start)
        let now = Clock.wall()
        for loss in pendingLosses {
            observer.note(loss, until: until, resynchronised: now)
            recorder?.loss(loss, until: until, resynchronised: now)
        }
        pendingLosses.removeAll()
    }

    /// Drains until nothing waits: everything that a program completed before this call is interpreted.
    mutating func drainAll() throws(SystemError) {
        // Bounded, since programs go on while the daemon drains.
        for _ in 0..<256 where try !cycle() { continue }
    }

    mutating func scan(_ depth: Scanner.Depth, _ purpose: Observer.SnapshotPurpose) {
        let files = FileAccess(roots: sources.watch.roots, calls: sources.watch.calls)
        let snapshot = Scanner(roots: sources.watch.roots, network: network, files: files).scan(depth)
        recorder?.snapshot(snapshot, purpose == .start ? 0 : 1)
        observer.take(snapshot, purpose)
    }

    private mutating func mountsChanged() throws(SystemError) {
        let hadDescriptors = sources.watch.descriptorsNumber != nil
        try sources.watch.refresh()
        if !hadDescriptors, !isBusy, let number = sources.watch.descriptorsNumber {
            try poller.add(number, token: Token.descriptors)
        }
    }

    // MARK: Store

    /// The pause between two slices, nanoseconds.
    private static let storePause: UInt64 = 5_000_000

    /// Writes to the store; what is beyond `most` rows waits for a turn soon after.
    private mutating func flush(most: Int) throws(SystemError) {
        try storeTimer.acknowledge()
        storePace.begin(pending: store.pending(observer.ledger), most: most)
        let next: StorePace.Next
        do throws(StoreError) {
            try store.write(&observer.ledger, header: header(Clock.wall()), most: most)
            let isWhole = store.holds(observer.ledger)
            if isWhole { storeWritten = Clock.wall() }
            next = storePace.end(isWhole: isWhole)
            if storeError != nil { Message.print("the store works again") }
            storeError = nil
        } catch {
            if storeError == nil { Message.print("records are kept in memory only: \(error)") }
            storeError = error.description
            next = storePace.fail()
        }
        isStoreTimerArmed = next != .whenChanged
        switch next {
        case .whenChanged: break
        case .soon: try storeTimer.arm(nanoseconds: Self.storePause)
        case .later: try storeTimer.arm(nanoseconds: configuration.storeInterval)
        }
    }

    // MARK: Signals and time

    /// Returns whether the daemon shall end.
    private mutating func handleSignals() throws(SystemError) -> Bool {
        while let signal = try signals.next() {
            switch signal {
            case SIGUSR1: try dump()
            case SIGHUP: try reload()
            default: return true
            }
        }
        return false
    }

    private mutating func reload() throws(SystemError) {
        manager.notify("RELOADING=1\nMONOTONIC_USEC=\(Clock.monotonic() / 1000)")
        do throws(StartError) {
            let new = try Configuration.read(options.configuration)
            if new.unlimitedQueue != configuration.unlimitedQueue
                || new.tracepoints != configuration.tracepoints
            {
                Message.print("fanotify.queue and tracepoints take effect at the next start")
            }
            configuration = new
            Message.print("configuration reloaded")
        } catch {
            Message.print("\(error); the configuration stays as it was")
        }
        manager.notify("READY=1")
    }
}
