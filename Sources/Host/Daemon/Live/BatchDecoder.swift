import Fanotify
import Glibc
import Observation
import ProcConnector
import Records
import SocketDiagnostics
import Wire

/// From the kernel's bytes to the observation's words. The same code serves the living host and a replay.
struct BatchDecoder {
    /// Events that the kernel said it lost, since they were last taken.
    var overflows: UInt64 = 0
    /// Pieces of bytes that were not what they should be, by source.
    struct Malformed: Equatable {
        var files: UInt64 = 0
        var processes: UInt64 = 0
        var notices: UInt64 = 0
    }
    var malformed = Malformed()
    /// Events received, by source.
    var fileEvents: UInt64 = 0
    var processEvents: UInt64 = 0
    /// Running numbers of the proc connector that were skipped; filtered events advance them too.
    var sequenceGaps: UInt64 = 0
    private var sequences: [UInt32: UInt32] = [:]

    /// Turns the bytes of `batch` from `start` on, read from a group that names objects by handle, into
    /// events.
    mutating func addFileEvents(to batch: inout EventBatch, from start: Int) {
        var overflowed: UInt64 = 0
        var files: [FileEvent] = []
        swap(&files, &batch.files)
        let before = files.count
        do throws(WireError) {
            try FanotifyEvent.parse(batch.bytes.span.bytes, from: start) { event in
                if event.mask.contains(.overflow) {
                    overflowed += 1
                    return
                }
                files.append(
                    FileEvent(
                        Self.flags(event.mask), pid: event.pid, directory: Slice(event.directory),
                        name: Slice(event.name), target: Slice(event.target),
                        newDirectory: Slice(event.newDirectory), newName: Slice(event.newName)))
            }
        } catch {
            malformed.files += 1
        }
        fileEvents += UInt64(files.count - before)
        swap(&files, &batch.files)
        overflows += overflowed
    }

    /// Adds an event whose path was read from its descriptor.
    mutating func addFileEvent(_ mask: FanotifyMask, pid: Int32, path: [UInt8], to batch: inout EventBatch) {
        let start = batch.bytes.count
        batch.bytes.append(contentsOf: path)
        batch.files.append(FileEvent(Self.flags(mask), pid: pid, path: Slice(start..<batch.bytes.count)))
        fileEvents += 1
    }

    /// Adds what a datagram of the proc connector reports.
    mutating func addProcessEvent(_ datagram: RawSpan, to batch: inout EventBatch) {
        let message: ProcessEvent.Message
        do throws(WireError) {
            message = try ProcessEvent.parse(datagram)
        } catch {
            malformed.processes += 1
            return
        }
        guard case .event(let event) = message else { return }
        processEvents += 1
        if let last = sequences[event.processor] { sequenceGaps += UInt64(event.sequence &- last &- 1) }
        sequences[event.processor] = event.sequence
        let kind: LifecycleEvent.Kind =
            switch event.kind {
            case .fork: .fork
            case .exec: .exec
            case .exit: .exit
            }
        batch.lifecycle.append(
            LifecycleEvent(kind, pid: event.pid, parent: event.parent, time: event.time))
    }

    /// Adds the connections' sockets that a datagram says have gone from a network namespace; returns of how many sockets it
    /// says that.
    mutating func addClosures(_ datagram: RawSpan, network: UInt64 = 0, to batch: inout EventBatch) -> Int {
        var closures: [ClosureEvent] = []
        swap(&closures, &batch.closures)
        var notices = 0
        do throws(WireError) {
            try DestroyListener.parse(datagram) { socket in
                notices += 1
                guard !socket.isDuplicate else { return }
                closures.append(
                    ClosureEvent(
                        socket.transport == .tcp ? .tcp : .udp, local: Endpoint(socket.local),
                        remote: Endpoint(socket.remote), sent: socket.traffic?.bytesSent ?? 0,
                        received: socket.traffic?.bytesReceived ?? 0,
                        hasUnreadEnd: (socket.traffic?.unread ?? 0) == 1, network: network))
            }
        } catch {
            malformed.notices += 1
        }
        swap(&closures, &batch.closures)
        return notices
    }

    static func flags(_ mask: FanotifyMask) -> FileEvent.Flags {
        var flags: FileEvent.Flags = []
        if mask.contains(.open) { flags.insert(.opened) }
        if mask.contains(.openExec) { flags.insert(.executed) }
        if mask.contains(.closeWrite) { flags.insert(.closedWritable) }
        if mask.contains(.create) { flags.insert(.created) }
        if mask.contains(.rename) { flags.insert(.renamed) }
        if mask.contains(.directory) { flags.insert(.directory) }
        return flags
    }
}
