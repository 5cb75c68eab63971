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
    var store: RecordStore
    var handlers: ControlHandlers
    let manager: ServiceManager
    let dumpWriter: DumpWriter
    var pace = DrainPace()
    var isReady = false
    var isStoreTimerArmed = false
    var storePace = StorePace()
    /// When the housekeeping is due, `CLOCK_MONOTONIC`, nanoseconds; 0 for never.
    var housekeepingDue: UInt64 = 0
    /// Whether the listening sockets are out of the poller for a while.
    var isDeafToClients = false
    var storeWritten: UInt64?
    var storeError: String?
    /// Sentences about what is amiss with the daemon itself.
    var troubles: [String] = []
    /// The dump on its way, and those that were asked for since.
    var job: DumpJob?
    var dumpProgress: DumpProgress?
    var waitingDumps: [(time: UInt64, client: Int32?)] = []
    var scanNumber: UInt64 = 0
    /// The last scan for connections, where changes of state are not reported; `CLOCK_MONOTONIC`, nanoseconds.
    var lastOpenScan: UInt64 = 0

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
            case .store: flush(most: StorePace.slice)
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
        waiting.watch(session.engine.workerNumbers + [dumpWriter.number], as: .worker)
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
        isReady = true
        manager.notify("READY=1")
        Message.print("ready")
    }

    private mutating func stop() {
        manager.notify("STOPPING=1")
        drainAll()
        flush(most: .max)
        if let storeError {
            let count = store.pending(session.observer.ledger)
            Message.print("\(count) records could not be stored and are lost: \(storeError)")
        }
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
        if !session.observer.ledger.dirty.isEmpty, !isStoreTimerArmed {
            isStoreTimerArmed = true
            waiting.arm(.store, nanoseconds: configuration.storeInterval)
        }
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

    // MARK: Store

    /// The pause between two slices, nanoseconds.
    private static var storePause: UInt64 { 5_000_000 }

    /// Writes to the store; what is beyond `most` rows waits for a turn soon after.
    private mutating func flush(most: Int) {
        storePace.begin(pending: store.pending(session.observer.ledger), most: most)
        let next: StorePace.Next
        do throws(StoreError) {
            let header = header(waiting.wall)
            try store.write(&session.observer.ledger, header: header, most: most)
            let isWhole = store.holds(session.observer.ledger)
            if isWhole { storeWritten = waiting.wall }
            next = storePace.end(isWhole: isWhole)
            if storeError != nil { Message.print("the store can be written again") }
            storeError = nil
        } catch {
            if storeError == nil { Message.print("records are kept in memory only: \(error)") }
            storeError = error.description
            next = storePace.fail()
        }
        isStoreTimerArmed = next != .whenChanged
        switch next {
        case .whenChanged: break
        case .soon: waiting.arm(.store, nanoseconds: Self.storePause)
        case .later: waiting.arm(.store, nanoseconds: configuration.storeInterval)
        }
    }

    private mutating func reload() {
        manager.notify("RELOADING=1\nMONOTONIC_USEC=\(waiting.monotonic / 1000)")
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
