import Control
import Glibc
import Observation
import Records
import RecordStore
import Synchronization
import SystemCalls
import TestSupport

@testable import Daemon

/// The daemon's loop with a host and a clock that do what a test says; store, dumps and control socket are real.
///
/// It runs on a thread of its own until `stop`, with a turn of everything about every millisecond.
final class ScriptedDaemon: Sendable {
    let folder: String
    private let state: SharedState
    private let thread: Mutex<pthread_t?> = .init(nil)

    /// What the test and the daemon's thread share.
    final class SharedState: Sendable {
        let clock = Atomic<UInt64>(0)
        let opens = Mutex<[(pid: Int32, path: String)]>([])
        let isStopped = Atomic<Bool>(false)
        let isReady = Atomic<Bool>(false)
        let configuration: Configuration

        init(_ configuration: Configuration) { self.configuration = configuration }
    }

    static let epoch: UInt64 = 1_700_000_000_000_000_000

    /// Starts a daemon in a state folder, `days` after the first one of the test.
    init(_ folder: String, days: UInt64 = 0, retention: UInt64? = nil) throws {
        self.folder = folder
        var configuration = Configuration()
        configuration.retention = retention
        configuration.storeInterval = 1_000_000
        state = SharedState(configuration)
        state.clock.store(1_000_000_000 + days * 86_400_000_000_000, ordering: .relaxed)
        try start()
    }

    /// Programs open files: pid 10 is `/usr/bin/first`, 11 `/usr/bin/second` in `second.service`.
    func open(_ pid: Int32, _ paths: [String]) throws {
        state.opens.withLock { opens in opens += paths.map { (pid, $0) } }
        let isTaken: Bool? = eventually(within: 20, every: 0.001) {
            state.opens.withLock { $0.isEmpty } ? true : nil
        }
        guard isTaken == true else { throw Failure("the daemon takes no events") }
    }

    /// Lets time pass.
    func pass(days: UInt64) { state.clock.add(days * 86_400_000_000_000, ordering: .relaxed) }

    var socket: String { folder + "/control" }
    var database: String { folder + "/state/retinue.db" }

    /// Ends the daemon, with its store whole.
    func stop() {
        state.isStopped.store(true, ordering: .relaxed)
        if let thread = thread.withLock({ $0.take() }) { pthread_join(thread, nil) }
    }

    deinit { stop() }

    private func start() throws {
        var options = try Options([])
        options.stateFolder = folder + "/state"
        options.socket = socket
        let watcher = try Self.watcher(options, state)
        let body = Body(watcher)
        var made = pthread_t()
        let argument = Unmanaged.passRetained(body).toOpaque()
        pthread_create(
            &made, nil,
            { argument in
                Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, argument)
        thread.withLock { $0 = made }
        let isReady: Bool? = eventually(within: 20, every: 0.001) {
            state.isReady.load(ordering: .relaxed) ? true : nil
        }
        guard isReady == true else { throw Failure("the daemon does not become ready") }
    }

    private final class Body: @unchecked Sendable {
        private var watcher: Watcher<ScriptedHost, TimedWaiting>?
        init(_ watcher: consuming Watcher<ScriptedHost, TimedWaiting>) { self.watcher = consume watcher }
        func run() {
            guard var watcher = watcher.take() else { return }
            try? watcher.run()
        }
    }

    /// As `DaemonMain` puts it together.
    private static func watcher(
        _ options: Options, _ state: SharedState
    ) throws -> Watcher<ScriptedHost, TimedWaiting> {
        let folder = try StateFolder(options.stateFolder)
        let host = Host(id: "h1", name: "h", kernel: "6.1", boot: "b")
        var stored = try StoredRecords.open(folder.database, host: host.id)
        let handlers = try ControlHandlers(named: options.socket, stateFolder: folder.path)
        var ledger = stored.takeLedger()
        ledger.beginRun(numbering: .random(in: 1 ... .max))
        let progress = StoreProgress(ledger)
        let observer = Observer(ledger: ledger, surroundings: SilentSurroundings(), ownPid: 4242)
        let writer = try StoreWriter(stored.takeStore(), path: folder.database, host: host.id)
        return Watcher(
            options: options, configuration: state.configuration, host: host, network: HostNetwork(),
            folder: folder,
            started: 0, session: Session(ScriptedHost(state), observer), waiting: TimedWaiting(state),
            store: StoreState(progress: progress, isOpen: stored.isOpen, error: stored.problem),
            storeWriter: writer, handlers: handlers, manager: ServiceManager(), dumpWriter: try DumpWriter(),
            describer: try ProcessDescriber())
    }
}

/// Two programs.
private final class SilentSurroundings: Surroundings {
    func process(_ pid: Int32) -> ProcessFacts? {
        ProcessFacts(
            pid: pid, parent: 1, executable: Array((pid == 10 ? "/usr/bin/first" : "/usr/bin/second").utf8),
            workload: pid == 10 ? nil : Array("system.slice/second.service".utf8))
    }

    func directory(_ identity: [UInt8], isKnown: (UnsafeRawBufferPointer) -> Bool) -> DirectoryAnswer? { nil }
    func head(ofFile path: [UInt8]) -> ExecutableHead { .unknown }
    func kind(ofFile path: [UInt8]) -> FileKind? { .regular }
    func addresses() -> [NetworkAddress] { [] }
}

/// Opens that the test asks for; scans find nothing.
struct ScriptedHost: ~Copyable, HostEngine {
    private let state: ScriptedDaemon.SharedState
    private var finished: [FinishedScan] = []

    init(_ state: ScriptedDaemon.SharedState) { self.state = state }

    var sources: [DumpHeader.Source] { [] }
    var degraded: [String] { [] }
    var blindSpots: [BlindSpot] { [] }

    mutating func drain(into batch: inout EventBatch) -> Drained {
        let now = state.clock.add(1000, ordering: .relaxed).newValue
        batch.reset()
        batch.cutoff = now
        batch.wall = now + ScriptedDaemon.epoch
        var drained = Drained()
        let opens = state.opens.withLock { opens in
            defer { opens = [] }
            return opens
        }
        drained.isEmpty = opens.isEmpty
        for open in opens {
            let start = batch.bytes.count
            batch.bytes.append(contentsOf: open.path.utf8)
            batch.files.append(
                FileEvent(.opened, pid: open.pid, path: Slice(start..<batch.bytes.count)))
        }
        return drained
    }

    mutating func requestScan(_ request: ScanRequest) {
        var snapshot = HostSnapshot()
        snapshot.monotonic = state.clock.load(ordering: .relaxed)
        snapshot.wall = snapshot.monotonic + ScriptedDaemon.epoch
        finished.append(FinishedScan(request, snapshot))
    }

    mutating func finishedScan() -> FinishedScan? { finished.isEmpty ? nil : finished.removeFirst() }
}

/// Reports everything that could have happened, every time.
struct TimedWaiting: ~Copyable, Waiting {
    private let state: ScriptedDaemon.SharedState
    private var clients: Set<Int32> = []
    private var armed: Set<LoopTimer> = []
    private var turns = 0

    init(_ state: ScriptedDaemon.SharedState) { self.state = state }

    mutating func wait() -> [Wakeup] {
        usleep(500)
        turns += 1
        // The first scan is taken in by then.
        if turns > 10 { state.isReady.store(true, ordering: .relaxed) }
        if state.isStopped.load(ordering: .relaxed) { return [.signal(SIGTERM)] }
        state.clock.add(1_000_000, ordering: .relaxed)
        var wakeups: [Wakeup] = [.clients] + clients.sorted().map { .client($0) } + [.tick, .worker]
        if armed.remove(.store) != nil { wakeups.append(.store) }
        return wakeups
    }

    mutating func watch(_ numbers: [Int32], as wakeup: Wakeup) {
        if case .client(let number) = wakeup { clients.insert(number) }
    }

    mutating func unwatch(_ numbers: [Int32]) { clients.subtract(numbers) }
    mutating func arm(_ timer: LoopTimer, nanoseconds: UInt64) { armed.insert(timer) }
    var monotonic: UInt64 { state.clock.load(ordering: .relaxed) }
    var wall: UInt64 { monotonic + ScriptedDaemon.epoch }
}
