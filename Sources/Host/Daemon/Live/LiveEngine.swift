import CLinux
import Fanotify
import Glibc
import Observation
import ProcConnector
import Records
import SocketDiagnostics
import SystemCalls

/// The living kernel as an engine.
struct LiveEngine: ~Copyable, HostEngine {
    var kernel: EventSources
    private let scanner: BackgroundWorker<ScanRequest, FinishedScan>
    let recorder: TraceRecorder?
    private let started: UInt64

    /// Takes over the sources; scans are made on a thread of their own.
    init(
        _ kernel: consuming EventSources, _ network: HostNetwork, _ recorder: TraceRecorder?, started: UInt64
    ) throws(SystemError) {
        let (roots, calls) = (kernel.watch.roots, kernel.watch.calls)
        scanner = try BackgroundWorker { request in
            let files = FileAccess(roots: roots, calls: calls)
            let scanner = Scanner(roots: roots, network: network, files: files)
            return FinishedScan(request, scanner.scan(request))
        }
        self.kernel = kernel
        self.recorder = recorder
        self.started = started
    }

    mutating func drain(into batch: inout EventBatch) -> Drained {
        let drained = kernel.drain(into: &batch, recorder)
        return drained
    }

    mutating func requestScan(_ request: ScanRequest) { scanner.submit(request) }

    mutating func finishedScan() -> FinishedScan? {
        // Asked for one at a time.
        guard let finished = scanner.take().last else { return nil }
        recorder?.snapshot(finished.snapshot, finished.request.purpose == .start ? 0 : 1)
        return finished
    }

    mutating func flushRecording() { recorder?.flush() }

    mutating func mountsChanged() -> [String] {
        do throws(SystemError) {
            try kernel.watch.refresh()
            return []
        } catch {
            return ["the mount table cannot be read: \(error); new filesystems are not watched"]
        }
    }

    mutating func awaitSocketNotice(milliseconds: Int32) {
        var waiting = pollfd(fd: kernel.closures.number, events: Int16(POLLIN), revents: 0)
        _ = poll(&waiting, 1, milliseconds)
    }

    var hasTransitions: Bool { kernel.rings.isOn }
    var mountRetryTime: UInt64? { kernel.watch.retryTime }
    mutating func processorsChanged() -> [Int32] { kernel.rings.followProcessors() }

    var eventNumbers: [Int32] {
        var numbers = [kernel.watch.handles.number, kernel.connector.number, kernel.closures.number]
        if let number = kernel.watch.descriptorsNumber { numbers.append(number) }
        return numbers
    }

    var urgentNumbers: [Int32] { kernel.rings.numbers }
    var mountNumbers: [Int32] { [kernel.watch.mountTableNumber] }
    var processorNumbers: [Int32] { kernel.rings.processorsNumber.map { [$0] } ?? [] }
    var workerNumbers: [Int32] { [scanner.number] }

    var degraded: [String] {
        var sentences = kernel.failing
        if !kernel.rings.isOn { sentences.append("no tracepoint ring: \(kernel.rings.reason)") }
        if let remark = recorder?.remark { sentences.append(remark) }
        return sentences + kernel.watch.refused
    }

    /// Filesystems that are named one by one; of more than that the number has to do.
    private static var mostBlindSpots: Int { 64 }

    var blindSpots: [BlindSpot] {
        let unwatched = kernel.watch.unwatched.filter { $0.reason != .hidden }
        var spots = unwatched.prefix(Self.mostBlindSpots).map { filesystem in
            let point = String(decoding: filesystem.point, as: UTF8.self)
            let type = String(decoding: filesystem.type, as: UTF8.self)
            return BlindSpot(
                source: SourceName.files, cause: "not watched: \(point) (\(type))", since: filesystem.since)
        }
        if unwatched.count > Self.mostBlindSpots, let first = unwatched.map(\.since).min() {
            spots.append(
                BlindSpot(source: SourceName.files, cause: "not watched: further filesystems", since: first))
        }
        return spots
    }

    var sources: [DumpHeader.Source] {
        var mode = "fid"
        if kernel.watch.descriptorCount > 0 { mode += "+descriptor" }
        return [
            .init(
                name: SourceName.files, mode: mode, received: kernel.decoder.fileEvents,
                counters: [
                    ("filesystems", UInt64(kernel.watch.handleCount + kernel.watch.descriptorCount)),
                    ("filesystems_refused", UInt64(kernel.watch.unwatched.count)),
                    ("malformed", kernel.decoder.malformed),
                ]),
            .init(
                name: SourceName.processes, mode: kernel.connector.filtering.rawValue,
                received: kernel.decoder.processEvents,
                counters: [
                    ("sequence_gaps", kernel.decoder.sequenceGaps),
                    ("exec_notifications_lost", kernel.images.lost),
                ]),
            .init(
                name: SourceName.sockets, mode: "destroy notices and dumps", received: kernel.closureEvents),
            .init(
                name: SourceName.transitions,
                mode: kernel.rings.isOn ? "ring" : "off: \(kernel.rings.reason)",
                received: kernel.rings.received),
        ]
    }
}
