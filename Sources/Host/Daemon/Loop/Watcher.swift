import Control
import Glibc
import Observation
import Records
import RecordStore
import SystemCalls

/// The running daemon: one thread, one place to wait, every source in it.
///
/// What it watches is an engine, how it waits a `Waiting`: the daemon has the living kernel and epoll, a test
/// scripts both. Whatever may take long is done beside it: scans and the disk by threads, what is left in slices
/// with drains in between.
struct Watcher<Source: HostEngine & ~Copyable, Wait: Waiting & ~Copyable>: ~Copyable {
    let options: Options
    var configuration: Configuration
    let host: Host
    let network: HostNetwork
    let folder: StateFolder
    let started: UInt64
    var session: Session<Source>
    var waiting: Wait
    var store: StoreState
    let storeWriter: StoreWriter
    var handlers: ControlHandlers
    let manager: ServiceManager
    let dumpWriter: DumpWriter
    var pace = DrainPace()
    var isReady = false
    /// When the housekeeping is due, `CLOCK_MONOTONIC`, nanoseconds; 0 for never.
    var housekeepingDue: UInt64 = 0
    /// Whether the listening sockets are out of the poller for a while.
    var isDeafToClients = false
    /// Where the gap of the time before this run begins, nanoseconds since 1970, until the first scan is over.
    var restartGap: UInt64?
    /// Sentences about what is amiss with the daemon itself.
    var troubles: [String] = []
    /// The dump on its way, and those that were asked for since.
    var job: DumpJob?
    var dumpProgress: DumpProgress?
    var waitingDumps: [(time: UInt64, client: Int32?)] = []
    /// What clients want forgotten, and those that wait until it is gone from the store.
    var forgetting = Forgetting()
    var scanNumber: UInt64 = 0
    /// The last scan for connections, where changes of state are not reported; `CLOCK_MONOTONIC`, nanoseconds.
    var lastOpenScan: UInt64 = 0

    /// The cause of the gap between two runs.
    static var notRunning: String { "not running" }

    /// Runs until a signal ends it.
    mutating func run() throws(SystemError) {
        watchEverything()
        try start()
        while try turn() {}
        stop()
    }

    /// One wake-up; returns whether to go on.
    mutating func turn() throws(SystemError) -> Bool {
        var needsCycle = false
        var isOver = false
        for wakeup in try waiting.wait() {
            switch wakeup {
            case .events: act(pace.eventArrived())
            case .urgent, .tick, .worker: needsCycle = true
            case .store: flush()
            case .mounts: mountsChanged()
            case .processors: waiting.watch(session.engine.processorsChanged(), as: .urgent)
            case .clients: welcome()
            case .client(let number): serve(number)
            case .housekeeping:
                keepHouse()
                needsCycle = needsCycle || session.due != nil
            case .signal(SIGUSR1): askForDump(client: nil)
            case .signal(SIGHUP): reload()
            case .signal: isOver = true
            }
        }
        if needsCycle { cycle() }
        return !isOver
    }

    private mutating func watchEverything() {
        waiting.watch(session.engine.urgentNumbers, as: .urgent)
        waiting.watch(session.engine.workerNumbers + [dumpWriter.number, storeWriter.number], as: .worker)
        waiting.watch(session.engine.mountNumbers, as: .mounts)
        waiting.watch(session.engine.processorNumbers, as: .processors)
        listenToClients()
        waiting.watch(session.engine.eventNumbers, as: .events)
    }

    /// Sources live first, then the scan of what was there before: what happens meanwhile is followed as ever, and
    /// what both report is recorded once.
    private mutating func start() throws(SystemError) {
        scanNumber += 1
        session.scan(ScanRequest(.full, .start, number: scanNumber))
        act(pace.eventArrived())
        while !isReady {
            guard try turn() else {
                isReady = true
                waiting.arm(.tick, nanoseconds: 1)
                return
            }
        }
        if manager.watchdog > 0 { keepHouse(within: manager.watchdog) }
    }

    private mutating func becomeReady() {
        drainAll()
        if let from = restartGap.take() {
            session.observer.ledger.closeGap(
                source: SourceName.daemon, cause: Self.notRunning, from: from, resynchronised: waiting.wall)
        }
        isReady = true
        forgetOld()
        manager.notify("READY=1")
        Message.print("ready")
    }

    private mutating func stop() {
        manager.notify("STOPPING=1")
        drainAll()
        storeEverything()
        session.engine.flushRecording()
    }

    // MARK: Cycles

    /// One cycle of the ordering protocol, and what is due after it.
    mutating func cycle() {
        pace.drainBegan(waiting.monotonic)
        let cycle = session.cycle()
        session.engine.flushRecording()
        for scan in cycle.scansTaken {
            if !isReady, scan.purpose == .start { becomeReady() }
            scanTaken(scan)
        }
        scanWithoutTransitions()
        advanceDump()
        serveForgets()
        takeStoreOutcomes()
        armStore()
        let isIdle = cycle.isIdle && job == nil && !session.isScanInProgress && isReady
        act(pace.drainEnded(waiting.monotonic, isIdle: isIdle))
        if let due = session.due { keepHouse(within: due > waiting.monotonic ? due - waiting.monotonic : 1) }
    }

    private mutating func act(_ action: DrainPace.Action) {
        switch action {
        case .none: break
        case .leaveWaitQueue:
            waiting.unwatch(session.engine.eventNumbers)
            waiting.arm(.tick, nanoseconds: configuration.batchInterval)
        case .rearm:
            // Lines of a dump do not wait for events to gather.
            let isWriting = job?.stage == .writing && dumpWriter.outstanding < DumpJob.mostWaiting
            waiting.arm(.tick, nanoseconds: isWriting ? 1 : configuration.batchInterval)
        case .joinWaitQueue: waiting.watch(session.engine.eventNumbers, as: .events)
        }
    }

    /// Without changes of state a connection is attributed by a scan that meets it alive: one a second while
    /// things happen, none while the host is idle.
    private mutating func scanWithoutTransitions() {
        let now = session.cutoff.monotonic
        guard !session.engine.hasTransitions, isReady, pace.isBusy, now > lastOpenScan + 1_000_000_000,
            !session.isScanInProgress
        else { return }
        lastOpenScan = now
        session.scan(ScanRequest(.open, .look))
    }

    /// Drains what is there: whatever a program completed before this call is interpreted.
    ///
    /// One cycle takes everything up to its cutoff; an exec that came while it drained has its turn in the second.
    mutating func drainAll() {
        for _ in 0..<2 { _ = session.cycle() }
    }

    mutating func mountsChanged() {
        let before = session.engine.eventNumbers
        for sentence in session.engine.mountsChanged() { Message.print(sentence) }
        let new = session.engine.eventNumbers.filter { !before.contains($0) }
        if !pace.isBusy { waiting.watch(new, as: .events) }
        session.observer.mountsChanged()
        if let retry = session.engine.mountRetryTime {
            keepHouse(within: retry > waiting.monotonic ? retry - waiting.monotonic : 1)
        }
    }

    private mutating func reload() {
        manager.notify("RELOADING=1\nMONOTONIC_USEC=\(waiting.monotonic / 1000)")
        do throws(StartError) {
            let new = try Configuration.read(options.configuration)
            if new.queueLimit != configuration.queueLimit || new.tracepoints != configuration.tracepoints {
                Message.print("fanotify.queue and tracepoints take effect at the next start")
            }
            configuration = new
            session.observer.budget = new.recordBudget
            forgetting.nextLook = 0
            Message.print("configuration reloaded")
        } catch {
            Message.print("\(error); the configuration stays as it was")
        }
        manager.notify("READY=1")
    }
}
