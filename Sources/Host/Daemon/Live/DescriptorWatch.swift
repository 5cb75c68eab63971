import Fanotify
import Glibc
import Procfs
import Synchronization
import SystemCalls
import Wire

/// Events of filesystems that cannot name their objects by handle, read by a thread of its own.
///
/// Reading such an event opens the file, and whoever serves it can let the reader wait for ever: so nothing else
/// waits with it. What the thread has read is taken when a batch is put together; it was queued before any process
/// event that is drained behind it, as the ordering protocol needs.
final class DescriptorWatch: Sendable {
    /// An event and the path of its object.
    struct Event: Sendable {
        var mask: FanotifyMask
        var pid: Int32
        var path: [UInt8]
    }

    /// What has come since it was last taken.
    struct Taken: Sendable {
        var events: [Event] = []
        /// Events whose object could not be opened, by `errno`: one counted loss each.
        var failures: [Int32: UInt64] = [:]
        /// How often the kernel said that its queue was full.
        var overflows: UInt64 = 0
        /// Events for which there was no room here.
        var dropped: UInt64 = 0
        /// Reads that did not hold together.
        var malformed: UInt64 = 0
    }

    private final class Group: Sendable {
        let group: FanotifyGroup
        init(_ group: consuming FanotifyGroup) { self.group = group }
    }

    private let group: Group
    private let roots: MountRoots?
    private let state = Mutex(Taken())
    private let readable: EventDescriptor
    /// Events that wait here at most; the kernel's own queue holds the rest.
    static let mostEvents = 16_384

    /// Opens the group and starts its thread.
    init(
        unlimitedQueue: Bool, _ roots: MountRoots? = nil, reportingOpenErrors: Bool = true
    ) throws(SystemError) {
        self.roots = roots
        group = Group(
            try FanotifyGroup(
                .descriptor, unlimitedQueue: unlimitedQueue, reportingOpenErrors: reportingOpenErrors))
        readable = try EventDescriptor()
        let context = Unmanaged.passRetained(self)
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { context in Unmanaged<DescriptorWatch>.fromOpaque(context!).takeRetainedValue().run() },
            context.toOpaque())
        if failure != 0 {
            context.release()
            throw SystemError("pthread_create", code: failure)
        }
        pthread_detach(thread)
    }

    /// The number to poll: readable while events wait to be taken.
    var number: Int32 { readable.number }

    /// What marks filesystems for it.
    var marker: FanotifyGroup.Marker { group.group.marker }

    /// Hands over what has been read.
    func take() -> Taken {
        state.withLock { state in
            readable.acknowledge()
            defer { state = Taken() }
            return state
        }
    }

    private func run() -> Never {
        var buffer: [UInt8] = []
        while true {
            var waiting = pollfd(fd: group.group.number, events: Int16(POLLIN), revents: 0)
            _ = poll(&waiting, 1, -1)
            // In batches: what waits in the kernel is merged there.
            usleep(10_000)
            // No more than waits now, so that a queue that cannot be read at all keeps nobody busy.
            var rest = (try? group.group.waitingEvents()) ?? 1
            while rest > 0 {
                rest -= 1
                buffer.removeAll(keepingCapacity: true)
                do throws(SystemError) {
                    guard let range = try group.group.read(appendingTo: &buffer) else { break }
                    add(buffer, range)
                } catch {
                    note { $0.failures[error.code, default: 0] += 1 }
                }
            }
        }
    }

    private func add(_ bytes: [UInt8], _ range: Range<Int>) {
        var events: [FanotifyEvent] = []
        do throws(WireError) {
            try FanotifyEvent.parse(bytes.span.bytes, from: range.lowerBound) { events.append($0) }
        } catch { note { $0.malformed += 1 } }
        for event in events {
            if event.mask.contains(.overflow) {
                note { $0.overflows += 1 }
                continue
            }
            guard event.descriptor >= 0 else {
                note { $0.failures[-event.descriptor, default: 0] += 1 }
                continue
            }
            let descriptor = FileDescriptor(owning: event.descriptor)
            guard let seen = SymbolicLink.read("/proc/self/fd/\(descriptor.number)"),
                let path = path(descriptor, seen)
            else {
                note { $0.failures[ENOENT, default: 0] += 1 }
                continue
            }
            note { state in
                if state.events.count < Self.mostEvents {
                    state.events.append(Event(mask: event.mask, pid: event.pid, path: path))
                } else {
                    state.dropped += 1
                }
            }
        }
    }

    /// The path here of an open file: that of its layer, for a file of an overlay, in whatever mount namespace, as newer
    /// kernels report it by themselves; `nil` for one that this namespace does not show.
    private func path(_ file: borrowing FileDescriptor, _ seen: [UInt8]) -> [UInt8]? {
        guard let roots, let status = FileStatus(descriptor: file.number), status.mount != 0 else {
            return seen
        }
        let table = roots.table
        if let overlay = table.overlay(status.mount) ?? roots.others.overlay(status.mount) {
            return NamespaceView.layerPath(of: seen, on: overlay, status)
        }
        return table.kind(ofMount: status.mount) == nil ? nil : seen
    }

    private func note(_ change: (inout Taken) -> Void) {
        state.withLock { state in
            change(&state)
            readable.raise()
        }
    }
}
