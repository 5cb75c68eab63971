import EventTrace
import Fanotify
import Glibc
import Observation
import ProcConnector
import Procfs
import Records
import SocketDiagnostics
import SystemCalls
import TracepointRing
import Wire

/// Every source of events, drained together: one call is one cycle of the ordering protocol.
struct EventSources: ~Copyable {
    var watch: FilesystemWatch
    private(set) var connector: ProcConnector
    let images: ImageReader
    private(set) var closures: DestroyListener
    private let network: HostNetwork
    private var handleHealth = SourceHealth()
    private var processHealth = SourceHealth()
    private var socketHealth = SourceHealth()
    private var reportedMalformed: UInt64 = 0
    var rings: TracepointSource
    var decoder = BatchDecoder()
    var closureEvents: UInt64 = 0
    var connectorOverruns: UInt64 = 0
    var closureOverruns: UInt64 = 0

    init(_ configuration: Configuration, _ network: HostNetwork) throws(StartError) {
        // Everything that can fail comes before the first stored property.
        let watch = try Self.opening("fanotify", capability: "CAP_SYS_ADMIN", since: "Linux 5.17") {
            () throws(SystemError) in try FilesystemWatch(unlimitedQueue: configuration.unlimitedQueue)
        }
        let connector = try Self.opening(
            "the proc connector", capability: "CAP_NET_ADMIN", since: "Linux 2.6.14"
        ) {
            () throws(SystemError) in try ProcConnector(.lifecycle)
        }
        let images = try Self.opening(
            "the proc connector", capability: "CAP_NET_ADMIN", since: "Linux 2.6.14"
        ) {
            () throws(SystemError) in try ImageReader()
        }
        let closures = try Self.opening("socket diagnostics", capability: "CAP_NET_ADMIN", since: "Linux 4.5")
        {
            () throws(SystemError) in try network.destroyListener()
        }
        guard connector.provesDelivery() else {
            throw StartError(
                "the proc connector tells nothing: it works only in the initial pid and user namespace; "
                    + "run retinued on the host itself, not in a container")
        }
        self.network = network
        self.watch = watch
        self.connector = connector
        self.images = images
        self.closures = closures
        rings = TracepointSource(isWanted: configuration.tracepoints)
    }

    private static func opening<Source: ~Copyable>(
        _ interface: String, capability: String, since version: String,
        _ open: () throws(SystemError) -> Source
    ) throws(StartError) -> Source {
        do throws(SystemError) {
            return try open()
        } catch {
            throw StartError.missing(interface, error, capability: capability, since: version)
        }
    }

    /// Takes everything that waits, in the order that the protocol needs:
    ///
    /// the time T; fanotify; the proc connector (every fork that explains an event was queued before
    /// it); sockets that have gone; changes of state of sockets (each came before the socket's end).
    ///
    /// A read that fails is a loss of that source with the error for its cause. A source that goes on failing is
    /// given up for a while and opened anew.
    mutating func drain(into batch: inout EventBatch, _ recorder: TraceRecorder?) -> Drained {
        batch.reset()
        batch.cutoff = Clock.monotonic()
        batch.wall = Clock.wall()
        recorder?.cycle(cutoff: batch.cutoff, wall: batch.wall)
        var drained = Drained()
        drainFiles(&batch, &drained, recorder)
        drainProcesses(&batch, &drained, recorder)
        images.take(for: batch.lifecycle, into: &batch.images)
        if let recorder { for image in batch.images { recorder.image(image) } }
        drainClosures(&batch, &drained, recorder)
        rings.drain(&batch, &drained, recorder)
        drained.isEmpty =
            batch.files.isEmpty && batch.lifecycle.isEmpty && batch.closures.isEmpty
            && batch.transitions.isEmpty && drained.losses.isEmpty
        return drained
    }

    /// Reads everything that waited when the drain began.
    private mutating func drainFiles(
        _ batch: inout EventBatch, _ drained: inout Drained, _ recorder: TraceRecorder?
    ) {
        guard handleHealth.mayTry(batch.cutoff) else { return }
        do throws(SystemError) {
            var progress = QueueDrain()
            while progress.goesOn {
                guard let range = try watch.handles.read(appendingTo: &batch.bytes) else { break }
                recorder?.add(.fanotify, raw: batch.bytes[range])
                let before = batch.files.count
                let overflows = decoder.overflows
                decoder.addFileEvents(to: &batch, from: range.lowerBound)
                let taken = batch.files.count - before + Int(clamping: decoder.overflows - overflows)
                let total = batch.bytes.count
                try progress.took(taken, total: total) { () throws(SystemError) in
                    try watch.handles.waitingEvents()
                }
            }
            handleHealth.works()
        } catch {
            Self.fail(&handleHealth, SourceName.files, error, batch.cutoff, &drained)
        }
        drainDescriptorEvents(&batch, &drained, recorder)
        if decoder.overflows > 0 {
            // The kernel says that the queue was full, not how much it turned away.
            drained.losses.append(Loss(source: SourceName.files, cause: "queue overflow", count: nil))
            decoder.overflows = 0
        }
        if decoder.malformed > reportedMalformed {
            drained.losses.append(
                Loss(
                    source: SourceName.files, cause: "not understood",
                    count: decoder.malformed - reportedMalformed))
            reportedMalformed = decoder.malformed
        }
    }

    private mutating func drainDescriptorEvents(
        _ batch: inout EventBatch, _ drained: inout Drained, _ recorder: TraceRecorder?
    ) {
        var scratch: [UInt8] = []
        while watch.descriptors != nil {
            scratch.removeAll(keepingCapacity: true)
            do throws(SystemError) {
                // Every event is an open descriptor of this process: few at a time.
                guard try watch.descriptors?.read(appendingTo: &scratch, chunk: 4096) != nil else { return }
            } catch {
                // The kernel could not open the file of one event; it is gone from the queue.
                drained.losses.append(
                    Loss(source: SourceName.files, cause: SystemError.text(of: error.code), count: 1))
                continue
            }
            var events: [FanotifyEvent] = []
            do throws(WireError) {
                try FanotifyEvent.parse(scratch.span.bytes) { events.append($0) }
            } catch { decoder.malformed += 1 }
            for event in events {
                if event.mask.contains(.overflow) {
                    decoder.overflows += 1
                    continue
                }
                guard event.descriptor >= 0 else { continue }
                let descriptor = FileDescriptor(owning: event.descriptor)
                guard let path = SymbolicLink.read("/proc/self/fd/\(descriptor.number)") else { continue }
                recorder?.add(.descriptorEvent) { payload in
                    payload.put(event.mask.rawValue)
                    payload.put(event.pid)
                    payload.put(path)
                }
                decoder.addFileEvent(event.mask, pid: event.pid, path: path, to: &batch)
            }
        }
    }

    /// Reads what waited when this began: a host that forks without end is not followed for ever.
    private mutating func drainProcesses(
        _ batch: inout EventBatch, _ drained: inout Drained, _ recorder: TraceRecorder?
    ) {
        guard processHealth.mayTry(batch.cutoff) else { return }
        if processHealth.isFailing {
            do throws(SystemError) {
                connector = try ProcConnector(.lifecycle)
            } catch {
                Self.fail(&processHealth, SourceName.processes, error, batch.cutoff, &drained)
                return
            }
        }
        var scratch: [UInt8] = []
        let begun = Clock.monotonic()
        while true {
            scratch.removeAll(keepingCapacity: true)
            do throws(SystemError) {
                switch try connector.receive(appendingTo: &scratch) {
                case .nothing:
                    processHealth.works()
                    return
                case .overrun:
                    connectorOverruns += 1
                    drained.losses.append(
                        Loss(source: SourceName.processes, cause: "ENOBUFS", count: nil))
                case .datagram:
                    recorder?.add(.process, raw: scratch)
                    decoder.addProcessEvent(scratch.span.bytes, to: &batch)
                    if let last = batch.lifecycle.last, last.time > begun { return }
                }
            } catch {
                Self.fail(&processHealth, SourceName.processes, error, batch.cutoff, &drained)
                return
            }
        }
    }

    /// Notices of one drain at most: what is beyond waits for the next one, a moment later.
    private static let mostNotices = 1 << 17

    private mutating func drainClosures(
        _ batch: inout EventBatch, _ drained: inout Drained, _ recorder: TraceRecorder?
    ) {
        guard socketHealth.mayTry(batch.cutoff) else { return }
        if socketHealth.isFailing {
            do throws(SystemError) {
                closures = try network.destroyListener()
            } catch {
                Self.fail(&socketHealth, SourceName.sockets, error, batch.cutoff, &drained)
                return
            }
        }
        var scratch: [UInt8] = []
        for _ in 0..<Self.mostNotices {
            scratch.removeAll(keepingCapacity: true)
            do throws(SystemError) {
                switch try closures.receive(appendingTo: &scratch) {
                case .nothing:
                    socketHealth.works()
                    return
                case .overrun:
                    closureOverruns += 1
                    drained.losses.append(Loss(source: SourceName.sockets, cause: "ENOBUFS", count: nil))
                case .datagram:
                    recorder?.add(.closure, raw: scratch)
                    closureEvents += UInt64(decoder.addClosures(scratch.span.bytes, to: &batch))
                }
            } catch {
                Self.fail(&socketHealth, SourceName.sockets, error, batch.cutoff, &drained)
                return
            }
        }
    }

    private static func fail(
        _ health: inout SourceHealth, _ source: String, _ error: SystemError, _ now: UInt64,
        _ drained: inout Drained
    ) {
        health.failed(error, at: now)
        drained.losses.append(
            Loss(source: source, cause: SystemError.text(of: error.code), count: nil))
    }

    /// Sentences about sources that are given up for a while.
    var failing: [String] {
        let all = [
            (SourceName.files, handleHealth), (SourceName.processes, processHealth),
            (SourceName.sockets, socketHealth),
        ]
        return all.compactMap { name, health in health.sentence.map { "\(name): \($0)" } }
    }
}

extension StartError {
    /// A kernel interface that cannot be used: what is missing, and what to do.
    static func missing(
        _ interface: String, _ error: SystemError, capability: String, since version: String
    ) -> StartError {
        switch error.code {
        case EPERM, EACCES:
            StartError(
                "\(interface) needs \(capability): run as root or under the shipped unit (\(error))")
        case EINVAL, ENOSYS, EPROTONOSUPPORT, EOPNOTSUPP, ENOENT, ECONNREFUSED:
            StartError(
                "\(interface) as needed came with \(version) and this kernel does not have it (\(error))")
        default:
            StartError("\(interface) cannot be opened: \(error)")
        }
    }
}
