import EventTrace
import Fanotify
import Glibc
import KernelProbe
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
        let watch = try Self.opening(.fanotify, capability: "CAP_SYS_ADMIN", since: "Linux 5.17") {
            () throws(SystemError) in
            try FilesystemWatch(
                unlimitedQueue: configuration.unlimitedQueue, descriptorTypes: configuration.descriptorTypes)
        }
        let connector = try Self.opening(
            .procConnector, capability: "CAP_NET_ADMIN", since: "Linux 2.6.14"
        ) {
            () throws(SystemError) in try ProcConnector(.lifecycle)
        }
        let (roots, calls) = (watch.roots, watch.calls)
        let images = try Self.opening(
            .procConnector, capability: "CAP_NET_ADMIN", since: "Linux 2.6.14"
        ) {
            () throws(SystemError) in try ImageReader(files: FileAccess(roots: roots, calls: calls))
        }
        let closures = try Self.opening(.socketDiagnostics, capability: "CAP_NET_ADMIN", since: "Linux 4.5") {
            () throws(SystemError) in try network.destroyListener()
        }
        guard connector.provesDelivery() else {
            let explanation = KernelEnvironment.read().explanation(of: .procConnector, code: ENOMSG)
            throw StartError(
                explanation ?? "the proc connector reports nothing, not even a process of this daemon's own")
        }
        self.network = network
        self.watch = watch
        self.connector = connector
        self.images = images
        self.closures = closures
        rings = TracepointSource(isWanted: configuration.tracepoints)
    }

    private static func opening<Source: ~Copyable>(
        _ interface: KernelEnvironment.Interface, capability: String, since version: String,
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
        if !drained.losses.isEmpty { drained.ended = Clock.wall() }
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
        guard let taken = watch.descriptors?.take() else { return }
        for event in taken.events {
            recorder?.add(.descriptorEvent) { payload in
                payload.put(event.mask.rawValue)
                payload.put(event.pid)
                payload.put(event.path)
            }
            decoder.addFileEvent(event.mask, pid: event.pid, path: event.path, to: &batch)
        }
        decoder.overflows += taken.overflows
        decoder.malformed += taken.malformed
        if taken.dropped > 0 {
            drained.losses.append(
                Loss(source: SourceName.files, cause: "events by descriptor, too many", count: taken.dropped))
        }
        for (code, count) in taken.failures {
            drained.losses.append(
                Loss(
                    source: SourceName.files, cause: "open: \(SystemError.text(of: code))", count: count))
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
