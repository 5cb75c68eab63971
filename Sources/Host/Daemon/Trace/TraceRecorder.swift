import CLinux
import Control
import EventTrace
import Glibc
import Observation
import Records
import SystemCalls

/// Writes everything that the observation is given, and every answer that it gets, to a file.
final class TraceRecorder {
    private let file: FileDescriptor
    private let path: String
    private var writer = TraceWriter()
    /// The size of the file up to the end of the last whole frame.
    private var whole: off_t = 0
    /// Set when the file could not be written any more; recording then stops, watching goes on.
    private(set) var failure: SystemError?

    /// What to say of a recording that has stopped: in the status and the log; `nil` while it goes on.
    var remark: String? {
        failure.map {
            "the recording \(path) ended: \(SystemError.text(of: $0.code)); what it has up to there can be replayed"
        }
    }

    /// Begins a recording in a new file, or in place of an earlier one of the daemon's own user.
    ///
    /// A link is not followed and a file of somebody else not overwritten: root may be asked to record into a folder
    /// where others can write.
    init(
        path: String, host: Host, scope: Scope, ownPid: Int32, layout: [UInt8], started: UInt64
    ) throws(StartError) {
        file = try Self.create(path)
        self.path = path
        writer.add(.host) { payload in
            payload.put(host.id)
            payload.put(host.name)
            payload.put(host.kernel)
            payload.put(host.boot)
            payload.put(ownPid)
            payload.put(retinueVersion)
            payload.put(started)
            payload.put(layout)
        }
        if !host.scope.isWhole { writer.add(.scope) { $0.put(scope, host.scope) } }
    }

    private static func create(_ path: String) throws(StartError) -> FileDescriptor {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard let name = parts.last, !name.isEmpty else {
            throw StartError("cannot record to \(path): not a file")
        }
        let parent = parts.count == 1 ? "." : parts.dropLast().joined(separator: "/") + "/"
        let folder: FolderWalk.Place
        do throws(FolderWalk.Refusal) {
            folder = try FolderWalk.open(parent, .trustedLinks, making: false)
        } catch {
            throw StartError(
                error.code == EPERM
                    ? "cannot record to \(path): \(parent) \(error.reason)"
                    : "cannot record to \(path): \(SystemError.text(of: error.code))")
        }
        let file: FileDescriptor
        do throws(SystemError) {
            file = try folder.folder.openRelative(
                String(name), O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, mode: 0o600)
        } catch {
            throw StartError(
                "cannot record to \(path): "
                    + (error.code == ELOOP ? "it is a symbolic link" : SystemError.text(of: error.code)))
        }
        var status = stat()
        guard fstat(file.number, &status) == 0 else { throw StartError("\(path): \(SystemError("fstat"))") }
        if let objection = objection(to: status) {
            throw StartError("cannot record to \(path): it \(objection); name another file or remove it")
        }
        // It was somebody's to read; what is recorded is not.
        guard fchmod(file.number, 0o600) == 0, ftruncate(file.number, 0) == 0 else {
            throw StartError("cannot record to \(path): \(SystemError.text(of: errno))")
        }
        return file
    }

    /// Writes out what has gathered.
    func flush() {
        let bytes = writer.take()
        guard failure == nil, !bytes.isEmpty else { return }
        do throws(SystemError) {
            var failed: SystemError?
            bytes.withUnsafeBytes { bytes in
                do throws(SystemError) { try file.writeAll(bytes) } catch { failed = error }
            }
            if let failed { throw failed }
            whole += off_t(bytes.count)
        } catch { fail(error) }
    }

    /// Ends the recording, with its last whole frame.
    private func fail(_ error: SystemError) {
        failure = error
        _ = ftruncate(file.number, whole)
        writer = TraceWriter()
        Message.print(remark!)
    }

    /// Whether a frame is to be built; what has gathered is written out before it is much.
    private func isRecording() -> Bool {
        if writer.bytes.count > 8 << 20 { flush() }
        return failure == nil
    }

    func add(_ tag: TraceTag, raw bytes: some Collection<UInt8>) {
        guard isRecording() else { return }
        let bytes = Array(bytes)
        bytes.withUnsafeBytes { writer.add(tag, raw: $0) }
        if writer.hasLeftOut { fail(SystemError("write", code: EFBIG)) }
    }

    func add(_ tag: TraceTag, _ build: (inout PayloadWriter) -> Void) {
        guard isRecording() else { return }
        writer.add(tag, build)
        if writer.hasLeftOut { fail(SystemError("write", code: EFBIG)) }
    }

    func cycle(cutoff: UInt64, wall: UInt64) {
        add(.cycle) { payload in
            payload.put(cutoff)
            payload.put(wall)
        }
    }

    func notices(since time: UInt64) { add(.notices) { $0.put(time) } }

    func image(_ facts: ImageFacts) {
        add(.image) { payload in
            payload.put(facts.pid)
            payload.put(facts.time)
            payload.put(facts.executable)
            payload.put(optional: facts.script)
            payload.put(optional: facts.workload)
            payload.put(facts.network)
            payload.put(facts.reading.rawValue)
            payload.put(facts.name)
            payload.put(facts.argument)
            payload.put(facts.isReported)
            payload.put(facts.group)
            payload.put(facts.hasWorkload)
            payload.put(facts.isResolved)
            payload.put(facts.path)
        }
    }

    /// A datagram about sockets that have gone; see `ClosureEvent.network`.
    func closure(_ datagram: [UInt8], network: UInt64) {
        if network == 0 { return add(.closure, raw: datagram) }
        add(.closureElsewhere) { payload in
            payload.put(network)
            payload.put(datagram)
        }
    }

    func move(_ move: MoveEvent) {
        add(.move) { payload in
            payload.put(move.pid)
            payload.put(move.time)
            payload.put(optional: move.workload)
            payload.put(move.isKnown)
            payload.put(move.group)
            payload.put(move.isNamed)
        }
    }

    func snapshot(_ snapshot: borrowing HostSnapshot, _ purpose: UInt8) {
        let monotonic = snapshot.monotonic
        let wall = snapshot.wall
        let socketsRead = snapshot.socketsRead
        let isComplete = snapshot.isComplete
        let network = snapshot.network
        let networks = snapshot.networks
        add(.snapshot) { payload in
            payload.put(purpose)
            payload.put(monotonic)
            payload.put(wall)
            payload.put(socketsRead)
            payload.put(isComplete)
            payload.put(network)
            payload.put(list: networks) { $0.put($1) }
        }
        let addresses = snapshot.addresses
        add(.snapshotAddresses) { $0.put(addresses) }
        for process in snapshot.processes { add(.snapshotProcess) { $0.put(process) } }
        for socket in snapshot.sockets { add(.snapshotSocket) { $0.put(socket) } }
        for channel in snapshot.channels { add(.snapshotChannel) { $0.put(channel) } }
        for listener in snapshot.unixListeners { add(.snapshotListener) { $0.put(listener) } }
        for flow in snapshot.translations { add(.snapshotTranslation) { $0.put(flow) } }
        for failure in snapshot.failures {
            add(.snapshotFailure) { payload in
                payload.put(failure.what)
                payload.put(failure.code)
            }
        }
    }

    /// What a drain could not deliver.
    func losses(_ drained: Drained) {
        for loss in drained.losses { add(.drainLoss) { $0.put(loss, ended: drained.ended) } }
    }

    /// How the sources run, and what is not watched, from here on.
    func sources(_ sources: [DumpHeader.Source], degraded: [String], _ blindSpots: [BlindSpot]) {
        add(.sources) { payload in
            payload.put(list: sources) { $0.put($1) }
            payload.put(list: degraded) { $0.put($1) }
            payload.put(list: blindSpots) { $0.put($1) }
        }
    }

    func scanRequest(_ request: ScanRequest) { add(.scanRequest) { $0.put(request) } }

    func absence(from: UInt64, to: UInt64) {
        add(.absence) { payload in
            payload.put(from)
            payload.put(to)
        }
    }

    func mountsChanged() { add(.mounts) { _ in } }

    func budget(_ bytes: Int) { add(.budget) { $0.put(UInt64(bytes)) } }

    /// A dump that was asked for at a time is written at another; nanoseconds since 1970.
    func dump(asked time: UInt64, written wall: UInt64, addresses: [NetworkAddress]) {
        add(.dump) { payload in
            payload.put(time)
            payload.put(wall)
            payload.put(addresses)
        }
    }
}

/// Answers as another does, and keeps each answer.
final class RecordingSurroundings: Surroundings {
    private let inner: any Surroundings
    private let recorder: TraceRecorder

    init(_ inner: any Surroundings, _ recorder: TraceRecorder) {
        self.inner = inner
        self.recorder = recorder
    }

    func directory(
        _ identity: [UInt8], isKnown: (UnsafeRawBufferPointer) -> Bool
    ) -> DirectoryAnswer? {
        let answer = inner.directory(identity, isKnown: isKnown)
        recorder.add(.directoryChain) { payload in
            payload.put(identity)
            payload.put(answer)
        }
        return answer
    }

    func process(_ pid: Int32) -> ProcessFacts? { record(pid, inner.process(pid)) }

    func process(_ pid: Int32, unlessExecutedAfter time: UInt64) -> ProcessFacts? {
        record(pid, inner.process(pid, unlessExecutedAfter: time))
    }

    func needsLooks() { inner.needsLooks() }

    private func record(_ pid: Int32, _ answer: ProcessFacts?) -> ProcessFacts? {
        recorder.add(.processAnswer) { payload in
            payload.put(pid)
            payload.put(answer != nil)
            if let answer {
                payload.put(answer)
                payload.put(answer.network)
                payload.put(answer.reading.rawValue)
                payload.put(answer.name)
                payload.put(answer.argument)
            }
        }
        return answer
    }

    func head(ofFile path: [UInt8]) -> ExecutableHead {
        let answer = inner.head(ofFile: path)
        recorder.add(.headAnswer) { payload in
            payload.put(path)
            payload.put(answer)
        }
        return answer
    }

    func kind(ofFile path: [UInt8]) -> FileKind? {
        let answer = inner.kind(ofFile: path)
        recorder.add(.kindAnswer) { payload in
            payload.put(path)
            payload.put(answer.map { $0.rawValue + 1 } ?? 0)
        }
        return answer
    }

    func addresses() -> [NetworkAddress] {
        let answer = inner.addresses()
        recorder.add(.addressesAnswer) { $0.put(answer) }
        return answer
    }
}
