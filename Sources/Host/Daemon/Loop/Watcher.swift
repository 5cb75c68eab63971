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
    let describer: ProcessDescriber
    var pace = DrainPace()
    var isReady = false
    /// When the housekeeping is due, `CLOCK_MONOTONIC`, nanoseconds; 0 for never.
    var housekeepingDue: UInt64 = 0
    /// Whether the listening sockets are out of the poller for a while.
    var hasPausedClients = false
    /// Descriptors of sources that are in the wait queue while nothing happens.
    var waitedFor: [Int32] = []
    /// Whether the sources that are in it may be others by now.
    var mustRejoin = false
    /// Whether something is to be reported by a drain although no source has anything.
    var mustDrain = false
    /// When the last wait ended, nanoseconds since 1970.
    var woken: UInt64 = 0
    /// Sentences about what is amiss with the daemon itself.
    var troubles: [String] = []
    /// The dump on its way, and those that were asked for since.
    var job: DumpJob?
    var dumpProgress: DumpProgress?
    var waitingDumps: [DumpRequest] = []
    /// What clients want forgotten, and those that wait until it is gone from the store.
    var forgetting = Forgetting()
    var scanNumber: UInt64 = 0
    /// The last scan for connections, where changes of state or their ends are not reported; `CLOCK_MONOTONIC`, nanoseconds.
    var lastOpenScan: UInt64 = 0

    /// Runs until a signal ends it.
    mutating func run() throws(SystemError) {
        try start()
        while try turn() {}
        stop()
    }

    /// One wake-up; returns whether to go on.
    mutating func turn() throws(SystemError) -> Bool {
        var needsCycle = false
        var isOver = false
        let wakeups = try waiting.wait()
        // What was mounted before the last wait ended was reported by it, but for the moment in which it ended.
        session.engine.mountTableUnchanged(at: woken - min(woken, Self.mountSlack))
        woken = waiting.wall
        for wakeup in wakeups {
            switch wakeup {
            case .events: act(pace.eventArrived())
            case .urgent, .tick, .worker: needsCycle = true
            case .store: flush()
            case .mounts: mountsChanged()
            case .processors: session.engine.processorsChanged()
            case .clients: welcome()
            case .client(let number): serve(number)
            case .housekeeping:
                keepHouse()
                let isRetried = retrySources()
                needsCycle = needsCycle || session.due != nil || isRetried
            case .signal(SIGUSR1): askForDump(client: nil)
            case .signal(SIGHUP): reload()
            case .signal: isOver = true
            }
        }
        if needsCycle || mustDrain { cycle() }
        if mustRejoin, !pace.isBusy {
            leaveWaitQueue()
            joinWaitQueue()
        }
        mustRejoin = false
        return !isOver
    }

    /// Between the kernel's look at the mount table and the end of the wait, nanoseconds.
    private static var mountSlack: UInt64 { 1_000_000 }

    private mutating func watchEverything() {
        waiting.watch(session.engine.urgentNumbers, as: .urgent)
        waiting.watch(
            session.engine.workerNumbers + [dumpWriter.number, storeWriter.number, describer.number],
            as: .worker)
        waiting.watch(session.engine.mountNumbers, as: .mounts)
        waiting.watch(session.engine.processorNumbers, as: .processors)
        listenToClients()
        joinWaitQueue()
    }

    /// Puts the sources into the wait queue; those that are not there any more have left it when they were closed.
    private mutating func joinWaitQueue() {
        waitedFor = session.engine.eventNumbers
        waiting.watch(waitedFor, as: .events)
    }

    mutating func leaveWaitQueue() {
        waiting.unwatch(waitedFor)
        waitedFor = []
    }

    /// Sources live first, then the scan of what was there before: what happens meanwhile is followed as ever, and
    /// what both report is recorded once.
    mutating func start() throws(SystemError) {
        watchEverything()
        woken = waiting.wall
        session.engine.recorder?.budget(session.observer.budget)
        scanNumber += 1
        scan(ScanRequest(.full, .start, number: scanNumber))
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

    /// Notes what a cycle did, whoever asked for it.
    private mutating func take(_ cycle: Session<Source>.Cycle) {
        if cycle.modeChanged { mustRejoin = true }
        for scan in cycle.scansTaken {
            if !isReady, scan.purpose == .start { becomeReady() }
            scanTaken(scan)
        }
    }

    private mutating func becomeReady() {
        isReady = true
        drainAll()
        forgetOld()
        // At once: from here on the store says since when this run has observed, whatever ends it.
        store.isTimerArmed = true
        flush()
        manager.notify("READY=1")
        Message.print("ready")
    }

    mutating func stop() {
        manager.notify("STOPPING=1")
        drainAll()
        storeEverything()
        session.engine.recorder?.flush()
    }

    // MARK: Cycles

    /// Asks for a scan, which a recording has to know.
    mutating func scan(_ request: ScanRequest) {
        session.engine.recorder?.scanRequest(request)
        session.scan(request)
    }

    /// One cycle of the ordering protocol, and what is due after it.
    mutating func cycle() {
        let began = waiting.monotonic
        let cycle = session.cycle()
        let took = waiting.monotonic - began
        session.engine.recorder?.flush()
        mustDrain = false
        take(cycle)
        scanConnections()
        advanceDump(for: took)
        serveForgets()
        takeStoreOutcomes()
        armStore()
        let isIdle = cycle.isIdle && job == nil && !session.isScanInProgress && isReady
        act(pace.drainEnded(isIdle: isIdle))
        // Findings that wait to be taken in are not left until something happens.
        if session.isTakingIn, !pace.isBusy { keepBusy() }
        if let due = session.due { keepHouse(at: due) }
        if let retry = session.engine.sourceRetryTime { keepHouse(at: retry) }
    }

    private mutating func act(_ action: DrainPace.Action) {
        switch action {
        case .none: break
        case .leaveWaitQueue:
            leaveWaitQueue()
            waiting.arm(.tick, nanoseconds: configuration.batchInterval)
        case .rearm:
            // Lines of a dump do not wait for events to gather, nor does what a scan has found.
            let isWriting = job?.stage == .writing && dumpWriter.outstanding < DumpJob.mostWaiting
            waiting.arm(
                .tick, nanoseconds: isWriting || session.isTakingIn ? 1 : configuration.batchInterval)
        case .joinWaitQueue: joinWaitQueue()
        }
    }

    /// Without changes of state a connection is attributed by a scan that meets it alive: one a second while
    /// things happen, none while the host is idle. Without notices of the ends a scan finds what went over those that last.
    private mutating func scanConnections() {
        let now = session.cutoff.monotonic
        let pause: UInt64
        if !session.engine.hasTransitions {
            pause = 1_000_000_000
        } else if !session.engine.hasNotices {
            pause = 10_000_000_000
        } else {
            return
        }
        guard isReady, pace.isBusy, now > lastOpenScan + pause, !session.isScanInProgress else { return }
        lastOpenScan = now
        scan(ScanRequest(.open, .look))
    }

    /// Drains what is there: whatever a program completed before this call is interpreted.
    ///
    /// One cycle takes everything up to its cutoff; an exec that came while it drained has its turn in the second.
    mutating func drainAll() {
        for _ in 0..<2 { take(session.cycle()) }
    }

    mutating func mountsChanged() {
        for sentence in session.engine.mountsChanged() { Message.print(sentence) }
        // What was mounted is reported by the next drain.
        mustDrain = true
        session.engine.recorder?.mountsChanged()
        session.observer.mountsChanged()
        if let retry = session.engine.mountRetryTime { keepHouse(at: retry) }
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
            session.engine.recorder?.budget(new.recordBudget)
            forgetting.nextLook = 0
            Message.print("configuration reloaded")
        } catch {
            Message.print("\(error); the configuration stays as it was")
        }
        manager.notify("READY=1")
    }
}
