import CLinux
import Glibc
import Observation
import ProcConnector
import Procfs
import SocketDiagnostics
import Synchronization
import SystemCalls
import Wire

/// Reads what a new image shows of itself the moment its exec is reported, before a short-lived process is gone.
///
/// No event carries arguments and control group, and `bash x.sh` may live for less than a millisecond.
/// So this is the one thing that does not wait for a batch: a thread of its own, asleep on a socket of its
/// own that reports execs only, at the lowest real-time priority if it may, so that it runs at once on a busy
/// host too. It reads two or three small files and sleeps again. `RLIMIT_RTTIME` ends the daemon, and not
/// the host's work, should the thread ever run away; a storm of execs is none (see `Pace`).
final class ImageReader: Sendable {
    private struct State {
        /// What was read of images, oldest first; an empty executable if nothing could be read.
        var images: [ImageFacts] = []
        var lost: UInt64 = 0
    }

    private let state = Mutex(State())
    private let files: FileAccess
    private let numbers: NetworkNumbers?
    private let limit: Int
    /// Whether the thread got its priority.
    let isRealTime: Bool

    /// Opens the socket and starts the thread.
    ///
    /// - Parameters:
    ///   - numbers: where the network namespaces of the new images are made known.
    ///   - isPrompt: whether to ask for the real-time priority (see `RealTimePriority`).
    ///   - limit: images that are kept until their batch takes them; beyond that the oldest go, counted as lost.
    init(
        files: FileAccess, numbers: NetworkNumbers? = nil, isPrompt: Bool = true, limit: Int = 8192
    ) throws(SystemError) {
        let notifications = Notifications(try ProcConnector(.execOnly, receiveBuffer: 4 << 20))
        self.files = files
        self.numbers = numbers
        self.limit = limit
        isRealTime = isPrompt && RealTimePriority.isAllowed()
        let context = Unmanaged.passRetained(
            Work(reader: self, notifications: notifications, isRealTime: isRealTime))
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { context in
                let work = Unmanaged<Work>.fromOpaque(context!).takeRetainedValue()
                work.reader.run(work)
            }, context.toOpaque())
        if failure != 0 {
            context.release()
            throw SystemError("pthread_create", code: failure)
        }
        pthread_detach(thread)
    }

    /// Exec notifications that were lost, and images that were read and not kept: all those are read again when
    /// their batch is worked off.
    var lost: UInt64 { state.withLock { $0.lost } }

    /// Hands over what was read of all execs of a batch.
    ///
    /// An exec of the batch may be on its way through the thread still: it is waited for, at most a few
    /// milliseconds in all. What was read of an exec that is yet to be reported stays for the batch that reports it.
    func take(for events: [LifecycleEvent], into images: inout [ImageFacts]) {
        var read = state.withLock { state in
            defer { state.images.removeAll() }
            return state.images
        }
        // The last exec of each process of which nothing was read yet.
        var waited: [Int32: UInt64] = [:]
        var newest: UInt64 = 0
        for event in events where event.kind == .exec {
            newest = max(newest, event.time)
            waited[event.pid] = max(waited[event.pid] ?? 0, event.time)
        }
        var seen = 0
        for _ in 0..<60 {
            for image in read[seen...] where image.time >= waited[image.pid] ?? .max {
                waited[image.pid] = nil
            }
            seen = read.count
            if waited.isEmpty { break }
            usleep(50)
            state.withLock { state in
                read += state.images
                state.images.removeAll()
            }
        }
        let early = read.filter { $0.time > newest }
        if !early.isEmpty {
            state.withLock { state in
                state.images.insert(contentsOf: early, at: 0)
                trim(&state)
            }
        }
        images.append(contentsOf: read.filter { $0.time <= newest && !$0.executable.isEmpty })
    }

    /// Keeps the list within its bound: the oldest are those whose batch is likeliest to have gone by.
    private func trim(_ state: inout State) {
        let excess = state.images.count - limit
        guard excess > 0 else { return }
        // Some room at once, so that a full list is not moved for each image.
        let gone = min(state.images.count, excess + limit / 8)
        state.images.removeFirst(gone)
        state.lost += UInt64(gone)
    }

    private final class Notifications: Sendable {
        let connector: ProcConnector
        init(_ connector: consuming ProcConnector) { self.connector = connector }
    }

    private final class Work: Sendable {
        let reader: ImageReader
        let notifications: Notifications
        let isRealTime: Bool
        init(reader: ImageReader, notifications: Notifications, isRealTime: Bool) {
            self.reader = reader
            self.notifications = notifications
            self.isRealTime = isRealTime
        }
    }

    /// How the thread keeps within `RLIMIT_RTTIME`, which counts its processor time since it last slept.
    ///
    /// While notifications keep coming a receive returns at once and is no sleep, and one image may take milliseconds: an
    /// interpreter with ten thousands of arguments. So the thread sleeps for a moment after so much time awake.
    private enum Pace {
        /// Nanoseconds.
        static let awake: UInt64 = 5_000_000
        /// A call that took longer than this, nanoseconds, has slept.
        static let slept: UInt64 = 20_000
        /// Microseconds.
        static let sleep: UInt32 = 50
        static let failure: UInt32 = 10_000
    }

    private func run(_ work: Work) -> Never {
        if work.isRealTime { RealTimePriority.take() }
        var awakeSince = Clock.monotonic()
        while true { answer(work.notifications.connector, &awakeSince) }
    }

    /// Waits for an exec and reads its image, and those of all that were reported together with it.
    private func answer(_ connector: borrowing ProcConnector, _ awakeSince: inout UInt64) {
        var buffer: [UInt8] = []
        var execs: [(pid: Int32, time: UInt64)] = []
        let before = Clock.monotonic()
        repeat {
            buffer.removeAll(keepingCapacity: true)
            switch try? connector.waitAndReceive(appendingTo: &buffer) {
            case .nothing: break
            // The socket is not as it should be: nothing is gained by asking at once.
            case nil: usleep(Pace.failure)
            case .overrun: state.withLock { $0.lost += 1 }
            case .datagram:
                guard case .event(let event)? = try? ProcessEvent.parse(buffer.span.bytes) else { continue }
                execs.append((event.pid, event.time))
            }
        } while connector.hasReceived
        let now = Clock.monotonic()
        if now - before > Pace.slept { awakeSince = now }
        for (position, exec) in execs.enumerated() {
            // Of several execs of one process only the last can still be read.
            let isLast = !execs[(position + 1)...].contains { $0.pid == exec.pid }
            let facts = isLast ? image(exec.pid, exec.time) : nil
            let result = facts ?? ImageFacts(pid: exec.pid, time: exec.time, executable: [])
            state.withLock { state in
                state.images.append(result)
                trim(&state)
            }
            if Clock.monotonic() - awakeSince > Pace.awake {
                usleep(Pace.sleep)
                awakeSince = Clock.monotonic()
            }
        }
    }

    private func image(_ pid: Int32, _ time: UInt64) -> ImageFacts? {
        guard let process = ProcessDirectory(pid) else { return nil }
        // Before the executable, which goes first when a process ends: one that is gone is not one in the root group.
        let groups = process.controlGroups()
        var read: [UInt8]?
        guard groups != nil || !ProcessDirectory.hasControlGroups,
            let executable = files.executable(of: process, in: files.namespaces.other(process)),
            case .read(let script, let reading) = RunningScript(
                executable: executable, process, files, .exec, arguments: &read)
        else { return nil }
        var facts = ImageFacts(
            pid: pid, time: time, executable: executable, script: script, reading: reading,
            workload: groups.flatMap(ContainerNames.host.workload(ofGroups:)),
            network: process.namespace("net") ?? 0)
        // Before it can have made a connection whose end would not be heard of.
        if let numbers, facts.network != 0, facts.network != numbers.own,
            let namespace = process.openNamespace("net")
        {
            numbers.meet(namespace)
        }
        if script == nil {
            let arguments = ProcessDirectory.firstArguments(in: read ?? process.argumentBytes(limit: 512))
            facts.name = arguments.name
            if !arguments.next.isEmpty { facts.argument = NameHash.of(arguments.next) }
        }
        return facts
    }
}
