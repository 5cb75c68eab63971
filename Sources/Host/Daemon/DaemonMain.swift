import CLinux
import Control
import Glibc
import KernelProbe
import Observation
import ProcConnector
import Procfs
import Records
import RecordStore
import SystemCalls

/// The daemon as a program: arguments in, exit status out.
public enum DaemonMain {
    /// Runs the daemon; returns its exit status.
    ///
    /// - Parameter writeCall: how a call is written, for `--format calls`.
    public static func run(
        _ arguments: [String], _ writeCall: Replay.CallWriter = { _, _, _ in }
    ) -> Int32 {
        do {
            let options = try Options(arguments)
            switch options.action {
            case .help:
                print(Options.usage, terminator: "")
            case .version:
                print("retinued \(retinueVersion)")
            case .replay(let path):
                switch options.replayFormat {
                case .dump: try Replay.printDump(of: path)
                case .calls: try Replay.printCalls(of: path, writeCall)
                }
            case .prepare: try Preparation.prepare(options)
            case .clear: try Preparation.clear()
            case .run:
                if geteuid() == 0 { try Preparation.takeOver(options) }
                var watcher = try start(options)
                try watcher.run()
            }
            return 0
        } catch {
            Message.print("\(error)")
            return 1
        }
    }

    private static func start(_ options: Options) throws -> Watcher<
        LiveEngine<LiveKernel, LiveRings>, LiveWaiting
    > {
        let started = Clock.wall()
        // A table that has grown leaves its former place behind. Given a size of its own, and not the one that
        // the C library would learn from the tables themselves, such a place goes back to the kernel at once:
        // a third less memory (mallopt(3)).
        clinux_set_mmap_threshold(256 << 10)
        // Signals wait from here on: one that comes while the daemon starts is answered when it is ready.
        let signals = try SignalDescriptor([SIGUSR1, SIGHUP, SIGTERM, SIGINT])
        signal(SIGPIPE, SIG_IGN)
        umask(0o077)
        if let missing = Capability.missing().first {
            throw StartError(
                "needs \(missing.name) (\(missing.purpose)): run as root or under the shipped unit")
        }
        let configuration = try Configuration.read(options.configuration)
        let network =
            try options.netns.map { name throws(StartError) in try HostNetwork(named: name) }
            ?? HostNetwork()
        let cgroup = try controlGroup(options)
        let host = Host.read(options, network, cgroup)
        let scope = Scope(
            network: network.inode,
            workload: ContainerNames.host.named(cgroup.map { Array($0.workload.utf8) }))
        let sources = EventSources(
            try LiveKernel(configuration, network),
            TracepointSource.open(isWanted: configuration.tracepoints),
            LocalConnects(isWanted: configuration.tracepoints)
        )
        let folder = try StateFolder(options.stateFolder)
        let live = Clock.wall()
        let opened = try StoredRecords.open(folder.database, host: host.id)
        let handlers = try ControlHandlers(named: options.socket, stateFolder: folder.path)
        for remark in handlers.remarks { Message.print(remark) }
        let (roots, calls) = (sources.kernel.watch.roots, sources.kernel.watch.calls)
        let ownPid = getpid()
        var recorder: TraceRecorder?
        if let path = options.record {
            recorder = try TraceRecorder(
                path: path, host: host, scope: scope, ownPid: ownPid, layout: sources.rings.layoutBytes,
                started: started)
        }
        var stored = opened
        var ledger = stored.takeLedger()
        ledger.beginRun(numbering: .random(in: 1 ... .max))
        let progress = StoreProgress(ledger)
        let surroundingsOfHost = LiveSurroundings(
            roots: roots, network: network, calls: calls, images: sources.kernel.images)
        let surroundings: any Surroundings =
            recorder.map { RecordingSurroundings(surroundingsOfHost, $0) } ?? surroundingsOfHost
        var observer = Observer(ledger: ledger, surroundings: surroundings, ownPid: ownPid, scope: scope)
        observer.budget = configuration.recordBudget
        let work = LiveEngine<LiveKernel, LiveRings>.Work(
            scan: { request in
                let files = FileAccess(roots: roots, calls: calls)
                return Scanner(roots: roots, network: network, files: files).scan(request)
            },
            missingTables: { network.missingSocketTables() })
        let engine = try LiveEngine(
            sources, work, recorder, missingTables: network.missingSocketTables(),
            ownNetwork: network.ownInode, otherMounts: roots.others, started: started)
        for sentence in engine.degraded
        where sentence.hasPrefix("no tracepoint") || sentence.hasPrefix("sock_diag") {
            Message.print("degraded: \(sentence)")
        }
        var session = Session(engine, observer, begun: started)
        if let from = stored.lastWritten {
            session.noteAbsence(from: from, to: live)
            recorder?.absence(from: from, to: live)
        }
        let storeWriter = try StoreWriter(stored.takeStore(), path: folder.database, host: host.id)
        return Watcher(
            options: options, configuration: configuration, host: host, network: network, folder: folder,
            started: started, session: session,
            waiting: try LiveWaiting(signals: signals),
            store: StoreState(progress: progress, isOpen: stored.isOpen, error: stored.problem),
            storeWriter: storeWriter,
            handlers: handlers, manager: ServiceManager(), dumpWriter: try DumpWriter(),
            describer: try ProcessDescriber())
    }

    /// The control group that was named, if one was. It need not be there yet: a service manager makes it
    /// when the service starts.
    private static func controlGroup(_ options: Options) throws -> ControlGroupPath? {
        guard let text = options.cgroup else { return nil }
        let cgroup = try ControlGroupPath(text, mounts: try Mount.all())
        if !cgroup.exists { Message.print("there is no control group \(cgroup.workload) yet") }
        return cgroup
    }
}
