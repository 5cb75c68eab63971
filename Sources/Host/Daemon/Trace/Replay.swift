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

    /// Reads a recording and writes its dump to standard output.
    public static func printDump(of path: String) throws {
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try FileDescriptor.open(path, O_RDONLY).readAll(limit: .max)
        } catch {
            throw StartError("cannot read the recording \(path): \(SystemError.text(of: error.code))")
        }
        do {
            var replay = try Replay(bytes)
            let end = replay.run()
            try replay.write()
            if let end { throw StartError("\(path): \(end); the dump is of what stands before it") }
        } catch let error as TraceError {
            throw StartError("\(path): \(error)")
        }
    }

    /// Starts with a recording's first frame.
    public init(_ bytes: [UInt8]) throws(TraceError) {
        var reader = try TraceReader(bytes)
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
        let answers = ReplaySurroundings()
        var scope = Scope()
        var ahead = reader
        if let frame = try? ahead.next(), frame.tag == .scope {
            var payload = reader.payload(frame)
            (scope, header.scope) = try payload.scope()
            reader = ahead
        }
        self.reader = reader
        self.header = header
        self.answers = answers
        // Without the ring there is none.
        self.layout = try? TransitionLayout(layout)
        observer = Observer(ledger: Ledger(), surroundings: answers, ownPid: ownPid, scope: scope)
    }

    /// What was learnt.
    public var ledger: Ledger { _read { yield observer.ledger } }

    /// Works off the whole recording, or as much of it as is sound; returns what ended it early.
    public mutating func run() -> TraceError? {
        do throws(TraceError) {
            while let frame = try reader.next() { try take(frame) }
            finish()
            return nil
        } catch {
            finish()
            return error
        }
    }

    private mutating func take(_ frame: TraceReader.Frame) throws(TraceError) {
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
        case .directoryAnswer, .processAnswer, .headAnswer, .kindAnswer, .addressesAnswer:
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
