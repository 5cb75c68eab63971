import EventTrace
import Fanotify
import Glibc
import Observation
import Records
import SystemCalls
import TracepointRing
import Wire

/// Works off a recorded stream as the daemon did, and prints the dump that follows from it.
///
/// Needs no privileges: the kernel's bytes and the answers of the surroundings are in the recording.
public struct Replay: ~Copyable {
    private var reader: TraceReader
    private var observer: Observer
    private let answers: ReplaySurroundings
    private var decoder = BatchDecoder()
    private var layout: TransitionLayout?
    private var header = DumpHeader()
    private var batch = EventBatch()
    private var snapshot: (value: HostSnapshot, purpose: Observer.SnapshotPurpose)?
    private var hasBatch = false
    /// The frame behind the first, if it was looked at to see whether it is a scope and is not.
    private var second: Result<TraceReader.Frame?, TraceError>?
    /// Bytes of frames since the last whole batch or scan.
    private var gathered = 0
    /// Bytes of frames that a batch or a scan may have.
    static let mostGathered = 256 << 20

    /// Reads a recording and writes its dump to standard output.
    public static func printDump(of path: String) throws {
        do {
            var replay = try Replay(TraceReader(from: try RecordingFile(path).source))
            let end = replay.run()
            try replay.write()
            if let end { throw StartError("\(path): \(end); the dump is of what stands before it") }
        } catch let error as TraceError {
            throw StartError("\(path): \(error)")
        }
    }

    /// Starts with the first frame of a recording that is in memory.
    public init(_ bytes: [UInt8]) throws(TraceError) { try self.init(TraceReader(bytes)) }

    /// Starts with a recording's first frame.
    public init(_ recording: TraceReader) throws(TraceError) {
        reader = recording
        guard let frame = try reader.next(), frame.tag == .host else { throw .notATrace }
        var payload = reader.payload(frame)
        var header = DumpHeader()
        header.hostID = try payload.text()
        header.hostName = try payload.text()
        header.kernel = try payload.text()
        header.boot = try payload.text()
        let ownPid: Int32 = try payload.integer()
        header.version = try payload.text()
        header.started = try payload.integer()
        let layout = try payload.string()
        answers = ReplaySurroundings()
        var scope = Scope()
        // A recording that breaks off here is an empty one; what is wrong with it is said by `run`.
        do throws(TraceError) {
            second = .success(try reader.next())
            if case .success(let frame?) = second, frame.tag == .scope {
                var payload = reader.payload(frame)
                (scope, header.scope) = try payload.scope()
                second = nil
            }
        } catch { second = .failure(error) }
        self.header = header
        // Without the ring there is none.
        self.layout = try? TransitionLayout(layout)
        observer = Observer(ledger: Ledger(), surroundings: answers, ownPid: ownPid, scope: scope)
    }

    /// What was learnt.
    public var ledger: Ledger { _read { yield observer.ledger } }

    /// Works off the whole recording, or as much of it as is sound; returns what ended it early.
    public mutating func run() -> TraceError? {
        do throws(TraceError) {
            if let second {
                self.second = nil
                guard let frame = try second.get() else { return nil }
                try take(frame)
            }
            while let frame = try reader.next() { try take(frame) }
            finish()
            return nil
        } catch {
            finish()
            return error
        }
    }

    private mutating func take(_ frame: TraceReader.Frame) throws(TraceError) {
        gathered += frame.payload.count
        // Else one batch without an end could take all memory.
        guard gathered <= Self.mostGathered else { throw .malformed(offset: frame.payload.lowerBound) }
        var payload = reader.payload(frame)
        switch frame.tag {
        case .cycle:
            finish()
            batch.reset()
            batch.cutoff = try payload.integer()
            batch.wall = try payload.integer()
            header.time = batch.wall
            hasBatch = true
        case .fanotify:
            let start = batch.bytes.count
            batch.bytes.append(contentsOf: reader.raw(frame))
            decoder.addFileEvents(to: &batch, from: start)
        case .descriptorEvent:
            let mask = FanotifyMask(rawValue: try payload.integer())
            let pid: Int32 = try payload.integer()
            decoder.addFileEvent(mask, pid: pid, path: try payload.string(), to: &batch)
        case .process:
            let reader = reader
            reader.withRaw(frame) { decoder.addProcessEvent($0, to: &batch) }
        case .image: batch.images.append(try payload.image())
        case .tracepoint:
            guard let layout else { return }
            _ = TracepointSource.decode(Array(reader.raw(frame)), layout, into: &batch.transitions)
        case .closure:
            let reader = reader
            _ = reader.withRaw(frame) { decoder.addClosures($0, to: &batch) }
        case .directoryAnswer, .directoryChain, .processAnswer, .headAnswer, .kindAnswer, .addressesAnswer:
            try answers.add(frame.tag!, payload)
        case .snapshot:
            finish()
            var value = HostSnapshot()
            let purpose: UInt8 = try payload.integer()
            value.monotonic = try payload.integer()
            value.wall = try payload.integer()
            // Earlier recordings have none.
            if !payload.isAtEnd { value.socketsRead = try payload.integer() }
            header.time = value.wall
            snapshot = (value, purpose == 0 ? .start : .look)
        case .snapshotProcess: snapshot?.value.processes.append(try payload.processSnapshot())
        case .snapshotSocket: snapshot?.value.sockets.append(try payload.socketSnapshot())
        case .snapshotChannel: snapshot?.value.channels.append(try payload.channelSnapshot())
        case .snapshotAddresses: snapshot?.value.addresses = try payload.addresses()
        case .loss:
            finish()
            let source = try payload.text()
            let cause = try payload.text()
            let lost: UInt64 = try payload.integer()
            let since: UInt64 = try payload.integer()
            let until: UInt64 = try payload.integer()
            observer.ledger.gaps.append(
                Gap(
                    source: source, cause: cause, from: since, to: until, lost: lost,
                    resynchronised: try payload.integer()))
        case .dump:
            finish()
            header.time = try payload.integer()
        case .host, .scope, nil: break
        }
    }

    /// Works off what has gathered, now that its answers are all there.
    private mutating func finish() {
        gathered = 0
        if let snapshot { observer.take(snapshot.value, snapshot.purpose) }
        snapshot = nil
        if hasBatch { observer.interpret(batch) }
        hasBatch = false
    }

    private borrowing func write() throws(SystemError) {
        var header = header
        header.sources = [
            .init(name: "fanotify", mode: "replay", received: decoder.fileEvents, lost: decoder.overflows),
            .init(name: "proc_connector", mode: "replay", received: decoder.processEvents),
        ]
        try observer.ledger.writeNDJSON(header: header) {
            (bytes: UnsafeRawBufferPointer) throws(SystemError) in
            var offset = 0
            while offset < bytes.count {
                offset += try systemCall("write") {
                    Glibc.write(STDOUT_FILENO, bytes.baseAddress! + offset, bytes.count - offset)
                }
            }
        }
    }
}
