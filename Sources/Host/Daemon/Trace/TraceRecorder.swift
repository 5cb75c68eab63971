import Control
import EventTrace
import Glibc
import Observation
import Records
import SystemCalls

/// Writes everything that the observation is told, and every answer that it gets, to a file.
final class TraceRecorder {
    private let file: FileDescriptor
    private var writer = TraceWriter()
    /// Set when the file could not be written any more; recording then stops, watching goes on.
    private(set) var failure: SystemError?

    init(
        path: String, host: Host, scope: Scope, ownPid: Int32, layout: [UInt8], started: UInt64
    ) throws(StartError) {
        do throws(SystemError) {
            file = try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
        } catch {
            throw StartError("cannot record to \(path): \(SystemError.text(of: error.code))")
        }
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
        } catch { failure = error }
    }

    func add(_ tag: TraceTag, raw bytes: some Collection<UInt8>) {
        let bytes = Array(bytes)
        bytes.withUnsafeBytes { writer.add(tag, raw: $0) }
    }

    func add(_ tag: TraceTag, _ build: (inout PayloadWriter) -> Void) { writer.add(tag, build) }

    func cycle(cutoff: UInt64, wall: UInt64) {
        writer.add(.cycle) { payload in
            payload.put(cutoff)
            payload.put(wall)
        }
    }

    func image(_ facts: ImageFacts) {
        writer.add(.image) { payload in
            payload.put(facts.pid)
            payload.put(facts.time)
            payload.put(facts.executable)
            payload.put(optional: facts.script)
            payload.put(optional: facts.workload)
            payload.put(facts.network)
        }
    }

    func snapshot(_ snapshot: borrowing HostSnapshot, _ purpose: UInt8) {
        let monotonic = snapshot.monotonic
        let wall = snapshot.wall
        let socketsRead = snapshot.socketsRead
        writer.add(.snapshot) { payload in
            payload.put(purpose)
            payload.put(monotonic)
            payload.put(wall)
            payload.put(socketsRead)
        }
        let addresses = snapshot.addresses
        writer.add(.snapshotAddresses) { $0.put(addresses) }
        for process in snapshot.processes { writer.add(.snapshotProcess) { $0.put(process) } }
        for socket in snapshot.sockets { writer.add(.snapshotSocket) { $0.put(socket) } }
        for channel in snapshot.channels { writer.add(.snapshotChannel) { $0.put(channel) } }
    }

    func loss(_ loss: Loss, until: UInt64, resynchronised: UInt64) {
        writer.add(.loss) { payload in
            payload.put(loss.source)
            payload.put(loss.cause)
            payload.put(loss.count ?? 0)
            payload.put(loss.since)
            payload.put(until)
            payload.put(resynchronised)
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

    func directoryPath(_ identity: [UInt8]) -> [UInt8]? {
        let answer = inner.directoryPath(identity)
        recorder.add(.directoryAnswer) { payload in
            payload.put(identity)
            payload.put(optional: answer)
        }
        return answer
    }

    func process(_ pid: Int32) -> ProcessFacts? {
        let answer = inner.process(pid)
        recorder.add(.processAnswer) { payload in
            payload.put(pid)
            payload.put(answer != nil)
            if let answer {
                payload.put(answer)
                payload.put(answer.network)
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
