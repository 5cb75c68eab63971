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
    let connector: ProcConnector
    let images: ImageReader
    let closures: DestroyListener
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

    /// What one cycle brought.
    struct Yield {
        var isEmpty = true
        var losses: [(source: String, cause: String, count: UInt64)] = []
    }

    /// Takes everything that waits, in the order that the protocol needs:
    ///
    /// the time T; fanotify; the proc connector (every fork that explains an event was queued before
    /// it); sockets that have gone; changes of state of sockets (each came before the socket's end).
    mutating func drain(into batch: inout EventBatch, _ recorder: TraceRecorder?) throws(SystemError) -> Yield
    {
        batch.reset()
        batch.cutoff = Clock.monotonic()
        batch.wall = Clock.wall()
        recorder?.cycle(cutoff: batch.cutoff, wall: batch.wall)
        var yield = Yield()
        try drainFiles(&batch, &yield, recorder)
        try drainProcesses(&batch, &yield, recorder)
        images.take(for: batch.lifecycle, into: &batch.images)
        if let recorder { for image in batch.images { recorder.image(image) } }
        try drainClosures(&batch, &yield, recorder)
        rings.drain(&batch, &yield, recorder)
        yield.isEmpty =
            batch.files.isEmpty && batch.lifecycle.isEmpty && batch.closures.isEmpty
            && batch.transitions.isEmpty && yield.losses.isEmpty
        return yield
    }

    /// A batch beyond this size is worked off before more is read: memory stays bounded while the
    /// kernel's own queue holds the rest.
    private static let mostBytes = 8 << 20

    private mutating func drainFiles(
        _ batch: inout EventBatch, _ yield: inout Yield, _ recorder: TraceRecorder?
    ) throws(SystemError) {
        while batch.bytes.count < Self.mostBytes {
            guard let range = try watch.handles.read(appendingTo: &batch.bytes) else { break }
            recorder?.add(.fanotify, raw: batch.bytes[range])
            decoder.addFileEvents(to: &batch, from: range.lowerBound)
        }
        drainDescriptorEvents(&batch, &yield, recorder)
        if decoder.overflows > 0 {
            yield.losses.append(("fanotify", "queue overflow", decoder.overflows))
            decoder.overflows = 0
        }
    }

    private mutating func drainDescriptorEvents(
        _ batch: inout EventBatch, _ yield: inout Yield, _ recorder: TraceRecorder?
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
        decoder.overflows += taken.overflows + taken.dropped
        decoder.malformed += taken.malformed
        for (code, count) in taken.failures {
            yield.losses.append(("fanotify", "open: \(SystemError.text(of: code))", count))
        }
    }

    private mutating func drainProcesses(
        _ batch: inout EventBatch, _ yield: inout Yield, _ recorder: TraceRecorder?
    ) throws(SystemError) {
        var scratch: [UInt8] = []
        while true {
            scratch.removeAll(keepingCapacity: true)
            switch try connector.receive(appendingTo: &scratch) {
            case .nothing: return
            case .overrun:
                connectorOverruns += 1
                yield.losses.append(("proc_connector", "ENOBUFS", 1))
            case .datagram:
                recorder?.add(.process, raw: scratch)
                decoder.addProcessEvent(scratch.span.bytes, to: &batch)
            }
        }
    }

    private mutating func drainClosures(
        _ batch: inout EventBatch, _ yield: inout Yield, _ recorder: TraceRecorder?
    ) throws(SystemError) {
        var scratch: [UInt8] = []
        while true {
            scratch.removeAll(keepingCapacity: true)
            switch try closures.receive(appendingTo: &scratch) {
            case .nothing: return
            case .overrun:
                closureOverruns += 1
                yield.losses.append(("sock_diag", "ENOBUFS", 1))
            case .datagram:
                recorder?.add(.closure, raw: scratch)
                closureEvents += UInt64(decoder.addClosures(scratch.span.bytes, to: &batch))
            }
        }
    }
}
