import Glibc
import Observation
import Records
import RecordStore
import SocketDiagnostics
import Synchronization
import SystemCalls
import TestSupport
import Testing
import TracepointRing

@testable import Daemon

/// How a scripted loop sleeps: what the test queued comes first, then what threads and clients really have, then the
/// next timer, with the clock put forward to it.
final class Clockwork {
    let script: KernelScript
    /// Wake-ups to come, one wait each.
    var wakeups: [[Wakeup]] = []
    /// Whether what the test queued comes only when a thread has finished something.
    var awaitsWorker = false
    /// What the waits fail with, before anything else.
    var failure: Int32?
    /// Until when real time is no matter.
    private var patience = Clock.monotonic() + 120_000_000_000
    /// Every call, in words.
    private(set) var log: [String] = []
    /// What is waited for, by number.
    private(set) var watched: [Int32: Wakeup] = [:]
    /// When each armed timer expires.
    private(set) var timers: [LoopTimer: UInt64] = [:]

    init(_ script: KernelScript) { self.script = script }

    func note(_ call: String) { log.append(call) }
    func clearLog() { log = [] }

    /// For a loop that follows another: the one before has closed its descriptors.
    func reset() {
        (wakeups, log, watched, timers) = ([], [], [:], [:])
        patience = Clock.monotonic() + 120_000_000_000
    }

    func watch(_ numbers: [Int32], as wakeup: Wakeup) {
        for number in numbers {
            watched[number] = wakeup
            log.append("watch \(number)")
        }
    }

    func unwatch(_ numbers: [Int32]) {
        for number in numbers {
            watched[number] = nil
            log.append("unwatch \(number)")
        }
    }

    func arm(_ timer: LoopTimer, _ nanoseconds: UInt64) {
        timers[timer] = script.now + nanoseconds
        log.append("arm \(timer)")
    }

    func wait() throws(SystemError) -> [Wakeup] {
        // A loop that never comes to its end must not keep the tests.
        guard Clock.monotonic() < patience else { throw SystemError("epoll_wait", code: ETIMEDOUT) }
        if let failure { throw SystemError("epoll_wait", code: failure) }
        if !wakeups.isEmpty {
            if awaitsWorker { _ = poll(milliseconds: 60_000) }
            return wakeups.removeFirst()
        }
        // Threads have a moment of real time before a moment of scripted time goes by.
        let ready = poll(milliseconds: timers.isEmpty ? 20_000 : 1)
        if !ready.isEmpty { return ready }
        guard let next = timers.min(by: { $0.value < $1.value }) else {
            throw SystemError("epoll_wait", code: ETIMEDOUT)
        }
        script.now = max(script.now, next.value)
        timers[next.key] = nil
        switch next.key {
        case .tick: return [.tick]
        case .store: return [.store]
        case .housekeeping: return [.housekeeping]
        }
    }

    /// What is ready of the descriptors that are real.
    private func poll(milliseconds: Int32) -> [Wakeup] {
        var descriptors = watched.filter { $0.key < 1000 }.map { number, _ in
            pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        }
        guard Glibc.poll(&descriptors, UInt(descriptors.count), milliseconds) > 0 else { return [] }
        let ready = descriptors.filter { $0.revents != 0 }.compactMap { watched[$0.fd] }
        return Array(Set(ready))
    }
}

struct ScriptedWaiting: ~Copyable, Waiting {
    let clock: Clockwork

    mutating func wait() throws(SystemError) -> [Wakeup] { try clock.wait() }
    mutating func watch(_ numbers: [Int32], as wakeup: Wakeup) { clock.watch(numbers, as: wakeup) }
    mutating func unwatch(_ numbers: [Int32]) { clock.unwatch(numbers) }
    mutating func arm(_ timer: LoopTimer, nanoseconds: UInt64) { clock.arm(timer, nanoseconds) }
    var monotonic: UInt64 { clock.script.now }
    var wall: UInt64 { clock.script.wall }
}

/// Answers a loop's questions: which directories and executables there are.
final class ScriptedSurroundings: Surroundings {
    func directory(_ identity: [UInt8], isKnown: (UnsafeRawBufferPointer) -> Bool) -> DirectoryAnswer? {
        DirectoryAnswer(path: Array("/dir\(identity.last ?? 0)".utf8))
    }
    func process(_ pid: Int32) -> ProcessFacts? {
        ProcessFacts(pid: pid, parent: 1, start: UInt64(pid), executable: Array("/bin/p\(pid)".utf8))
    }
    func head(ofFile path: [UInt8]) -> ExecutableHead { .plain }
    func kind(ofFile path: [UInt8]) -> FileKind? { .regular }
    func addresses() -> [NetworkAddress] { [] }
}

/// What threads beside a scripted loop find.
final class ScriptedWork: Sendable {
    struct State {
        var failures: [ScanFailure] = []
        var missing: [UnavailableSocketTable] = []
        var scans: [ScanRequest] = []
        var checks = 0
        /// Whether a scan does not come to its end.
        var isHeld = false
        /// The network namespace of process 100.
        var network: UInt64 = 7
        /// Further processes.
        var crowd = 0
    }
    let state = Mutex(State())

    var scans: [ScanRequest] { state.withLock { $0.scans } }

    func work(_ clock: @escaping @Sendable () -> UInt64) -> ScriptedLiveEngine.Work {
        ScriptedLiveEngine.Work(
            scan: { [self] request in
                while state.withLock({ $0.isHeld }) { pause(seconds: 0.002) }
                var snapshot = HostSnapshot()
                snapshot.monotonic = clock()
                snapshot.wall = snapshot.monotonic + KernelScript.epoch
                snapshot.failures = state.withLock { state in
                    state.scans.append(request)
                    return state.failures
                }
                let (network, crowd) = state.withLock { ($0.network, $0.crowd) }
                for pid in [1, 100] + (0..<Int32(crowd)).map({ 1000 + $0 }) {
                    let facts = ProcessFacts(
                        pid: pid, parent: pid == 1 ? 0 : 1, start: UInt64(pid),
                        executable: Array("/bin/p\(pid == 1 ? 1 : 100)".utf8),
                        network: request.depth == .open ? 0 : pid == 100 ? network : 7)
                    snapshot.processes.append(ProcessSnapshot(facts: facts, files: []))
                }
                return snapshot
            },
            missingTables: { [self] in
                state.withLock { state in
                    state.checks += 1
                    return state.missing
                }
            })
    }
}

typealias ScriptedWatcher = Watcher<ScriptedLiveEngine, ScriptedWaiting>

/// Puts a loop together in a folder, of the same parts as the daemon's but for the kernel, the clock and the scans.
struct WatcherBench {
    let folder: String
    let script = KernelScript()
    let clock: Clockwork
    let work = ScriptedWork()
    /// The moment that scans say they began at: theirs is another thread.
    private let scanTime = ScanTime()

    final class ScanTime: Sendable {
        let now = Mutex<UInt64>(0)
    }

    init(_ folder: String) {
        self.folder = folder
        clock = Clockwork(script)
    }

    var state: String { folder + "/state" }

    func watcher(
        record: String? = nil, configuration: String = "", lastWritten: UInt64? = nil,
        missing: [UnavailableSocketTable] = []
    ) throws -> ScriptedWatcher {
        clock.reset()
        let path = folder + "/conf"
        try write(configuration, to: path)
        let options = try Options(["--state-dir", state, "--config", path])
        let configuration = try Configuration.read(path)
        let host = Host(id: "0123", name: "db1", kernel: "6.18", boot: "b007")
        let network = HostNetwork()
        let stateFolder = try StateFolder(state)
        let stored = try StoredRecords.open(stateFolder.database, host: host.id)
        let handlers = try ControlHandlers(named: folder + "/socket", stateFolder: state)
        let started = script.wall
        let layout = Connections.layout
        let recorder = try record.map { path throws(StartError) in
            try TraceRecorder(
                path: path, host: host, scope: Scope(), ownPid: 23, layout: layout, started: started)
        }
        return try Self.assemble(
            options, configuration, host, network, stateFolder, stored, handlers, recorder, self, lastWritten,
            missing)
    }

    private static func assemble(
        _ options: Options, _ configuration: Configuration, _ host: Host, _ network: HostNetwork,
        _ folder: consuming StateFolder, _ opened: consuming StoredRecords,
        _ handlers: consuming ControlHandlers, _ recorder: TraceRecorder?, _ bench: WatcherBench,
        _ lastWritten: UInt64?, _ missing: [UnavailableSocketTable]
    ) throws -> ScriptedWatcher {
        var stored = opened
        let ledger = stored.takeLedger()
        let progress = StoreProgress(ledger)
        let surroundings: any Surroundings =
            recorder.map { RecordingSurroundings(ScriptedSurroundings(), $0) } ?? ScriptedSurroundings()
        var observer = Observer(ledger: ledger, surroundings: surroundings, ownPid: 23)
        observer.budget = configuration.recordBudget
        let scanTime = bench.scanTime
        scanTime.now.withLock { $0 = bench.script.now }
        let engine = try ScriptedLiveEngine(
            try ScriptedSources(bench.script), bench.work.work { scanTime.now.withLock { $0 } }, recorder,
            missingTables: missing, ownNetwork: 7, started: bench.script.wall)
        var session = Session(engine, observer, begun: bench.script.wall)
        if let from = lastWritten ?? stored.lastWritten {
            session.noteAbsence(from: from, to: bench.script.wall)
            recorder?.absence(from: from, to: bench.script.wall)
        }
        let writer = try StoreWriter(stored.takeStore(), path: folder.database, host: host.id)
        return Watcher(
            options: options, configuration: configuration, host: host, network: network, folder: folder,
            started: bench.script.wall, session: session, waiting: ScriptedWaiting(clock: bench.clock),
            store: StoreState(progress: progress, isOpen: stored.isOpen, error: stored.problem),
            storeWriter: writer, handlers: handlers, manager: ServiceManager(),
            dumpWriter: try DumpWriter(),
            describer: try ProcessDescriber())
    }

    /// Lets a loop turn until something is so; a scan began at the present moment of the script.
    func turn(
        _ watcher: inout ScriptedWatcher, until isSo: (borrowing ScriptedWatcher) -> Bool
    ) throws {
        // Patience, and no pass mark: threads and clients take real time.
        let end = Clock.monotonic() + 60_000_000_000
        while Clock.monotonic() < end {
            if isSo(watcher) { return }
            scanTime.now.withLock { $0 = script.now }
            _ = try watcher.turn()
        }
        Issue.record("it did not come to that")
    }
}
