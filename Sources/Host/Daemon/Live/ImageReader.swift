import CLinux
import Glibc
import Observation
import ProcConnector
import Procfs
import SocketDiagnostics
import Synchronization
import SystemCalls
import TracepointRing
import Wire

/// Reads what a new image shows of itself the moment its exec is reported, before a short-lived process is gone.
///
/// No event carries arguments, and `bash x.sh` may live for less than a millisecond.
/// So this is the one thing that does not wait for a batch: a thread of its own, at the lowest real-time priority if it may, so
/// that it runs at once on a busy host too. It reads two or three small files and sleeps again. `RLIMIT_RTTIME` ends the daemon,
/// and not the host's work, should the thread ever run away; a storm of execs is none (see `Pace`).
///
/// It sleeps on a socket of its own that reports execs only; or, while it is selective, on rings of the execs that have to be looked
/// at (`ExecSelection`), and is not woken for the others.
final class ImageReader: Sendable {
    private struct State {
        /// What was read of images, oldest first; an empty executable if nothing could be read.
        var images: [ImageFacts] = []
        /// The same of those that the rings reported: their time is the ring's.
        var selected: [ImageFacts] = []
        var lost: UInt64 = 0
        var selective = Selective()
    }

    /// When it became selective last, and when it ceased to be, `CLOCK_MONOTONIC`, nanoseconds.
    private struct Selective {
        var since: UInt64 = .max
        var until: UInt64 = .max

        /// Whether an exec of that time was reported by the rings, if it had to be looked at.
        func contains(_ time: UInt64) -> Bool { time >= since && time < until }
    }

    private let state = Mutex(State())
    private let files: FileAccess
    private let numbers: NetworkNumbers?
    private let limit: Int
    private let notifications: Notifications
    /// `nil` where it is never selective.
    private let selected: Selected?
    /// For how long what was read waits for the event of its exec, nanoseconds.
    private static let patience: UInt64 = 10_000_000_000
    /// Whether the thread got its priority.
    let isRealTime: Bool

    /// Opens the socket and starts the thread.
    ///
    /// - Parameters:
    ///   - numbers: where the network namespaces of the new images are made known.
    ///   - isPrompt: whether to ask for the real-time priority (see `RealTimePriority`).
    ///   - limit: images that are kept until their batch takes them; beyond that the oldest go, counted as lost.
    ///   - urgent: those that have to be looked at; `nil` where they cannot be distinguished.
    init(
        files: FileAccess, numbers: NetworkNumbers? = nil, isPrompt: Bool = true, limit: Int = 8192,
        urgent: UrgentExecs? = nil
    ) throws(SystemError) {
        let notifications = Notifications(try ProcConnector(.execOnly, receiveBuffer: 4 << 20))
        self.files = files
        self.numbers = numbers
        self.limit = limit
        self.notifications = notifications
        selected = try urgent.map { urgent throws(SystemError) in try Selected(urgent, notifications) }
        isRealTime = isPrompt && RealTimePriority.isAllowed()
        let context = Unmanaged.passRetained(Work(reader: self, isRealTime: isRealTime))
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

    /// Becomes selective, or ceases to be.
    ///
    /// - Returns: whether that succeeded; where it did not, all execs are reported as before.
    func setSelective(_ isSelective: Bool) -> Bool {
        guard let urgent = selected?.urgent else { return !isSelective }
        do {
            if isSelective {
                try urgent.setOn(true)
                try notifications.connector.setMuted(true)
                state.withLock { $0.selective = Selective(since: Clock.monotonic()) }
            } else {
                try notifications.connector.setMuted(false)
                state.withLock { $0.selective.until = min($0.selective.until, Clock.monotonic()) }
                try urgent.setOn(false)
            }
            return true
        } catch {
            try? notifications.connector.setMuted(false)
            state.withLock { $0.selective.until = min($0.selective.until, Clock.monotonic()) }
            return false
        }
    }

    /// Opens the rings of processors that came online.
    func followProcessors() throws(TracepointError) {
        guard let selected else { return }
        try selected.urgent.followAll()
        selected.watch()
    }

    /// Exec notifications that were lost, and images that were read and not kept: all those are read again when
    /// their batch is worked off.
    var lost: UInt64 { state.withLock { $0.lost } }

    /// Hands over what was read of all execs of a batch.
    ///
    /// An exec of the batch may be on its way through the thread still: it is waited for, at most a few
    /// milliseconds in all. What was read of an exec that is yet to be reported stays for the batch that reports it.
    ///
    /// - Parameter known: what the kernel has reported of each event (`ReportedExecs.take`); empty where nothing is.
    func take(
        for events: [LifecycleEvent], known: [ReportedExecs.Exec?] = [], into images: inout [ImageFacts]
    ) {
        var execs = ExecTimes()
        var read: [ImageFacts] = []
        let selective = state.withLock { state in
            Self.move(&state, &execs, events, into: &read)
            return state.selective
        }
        // The last exec of each process of which nothing was read yet.
        var waited: [Int32: UInt64] = [:]
        var newest: UInt64 = 0
        for (index, event) in events.enumerated() where event.kind == .exec {
            newest = max(newest, event.time)
            if index < known.count, let exec = known[index], selective.contains(event.time),
                !ExecSelection.isUrgent(exec.path)
            {
                continue
            }
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
            state.withLock { Self.move(&$0, &execs, events, into: &read) }
        }
        // In most batches of programs of the system nothing had to be looked at.
        if read.isEmpty, execs.early.isEmpty { return }
        let early = read.filter { $0.time > newest }
        // One whose event was lost is not kept for ever.
        let selected = execs.early.filter { $0.time + Self.patience > newest }
        if !early.isEmpty || !selected.isEmpty {
            state.withLock { state in
                state.images.insert(contentsOf: early, at: 0)
                state.selected.insert(contentsOf: selected, at: 0)
                trim(&state)
            }
        }
        images.append(contentsOf: read.filter { $0.time <= newest && !$0.executable.isEmpty })
    }

    /// Takes what was read since the last time, with the times that the batch has.
    private static func move(
        _ state: inout State, _ execs: inout ExecTimes, _ events: [LifecycleEvent],
        into read: inout [ImageFacts]
    ) {
        if !state.images.isEmpty {
            read += state.images
            state.images.removeAll()
        }
        if !state.selected.isEmpty {
            read += execs.place(state.selected, events)
            state.selected.removeAll()
        }
    }

    /// Keeps the list within its bound: the oldest are those whose batch is likeliest to have gone by.
    private func trim(_ state: inout State) {
        let gone = trim(&state.images) + trim(&state.selected)
        if gone > 0 { state.lost += UInt64(gone) }
    }

    private func trim(_ images: inout [ImageFacts]) -> Int {
        let excess = images.count - limit
        guard excess > 0 else { return 0 }
        // Some room at once, so that a full list is not moved for each image.
        let gone = min(images.count, excess + limit / 8)
        images.removeFirst(gone)
        return gone
    }

    private final class Notifications: Sendable {
        let connector: ProcConnector
        init(_ connector: consuming ProcConnector) { self.connector = connector }
    }

    /// The execs that have to be looked at, and what the thread sleeps on: they or the connector.
    private final class Selected: Sendable {
        static let connector: UInt64 = 0
        private static let rings: UInt64 = 1
        let urgent: UrgentExecs
        let poller: Poller

        init(_ urgent: UrgentExecs, _ notifications: Notifications) throws(SystemError) {
            self.urgent = urgent
            poller = try Poller()
            try poller.add(notifications.connector.number, token: Self.connector)
            watch()
        }

        /// Waits for the rings there are now; those that were closed have left by themselves.
        func watch() {
            for number in urgent.numbers { try? poller.add(number, token: Self.rings) }
        }
    }

    private final class Work: Sendable {
        let reader: ImageReader
        let isRealTime: Bool
        init(reader: ImageReader, isRealTime: Bool) {
            self.reader = reader
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
        while true {
            let before = Clock.monotonic()
            let execs = next()
            let now = Clock.monotonic()
            if now - before > Pace.slept { awakeSince = now }
            answer(execs, &awakeSince)
        }
    }

    /// An exec that was reported, by the connector or by the rings.
    private struct Notice {
        var pid: Int32
        var time: UInt64
        var isSelected = false
    }

    /// Waits for execs: all that were reported together.
    private func next() -> [Notice] {
        var isWaiting = true
        var execs: [Notice] = []
        if let selected {
            var hasSelected = false
            isWaiting = false
            _ = try? selected.poller.wait { token in
                if token == Selected.connector { isWaiting = true } else { hasSelected = true }
            }
            if hasSelected {
                execs = selected.urgent.take().map {
                    Notice(pid: $0.process, time: $0.time, isSelected: true)
                }
            }
        }
        if isWaiting { receive(into: &execs, waits: selected == nil) }
        return execs
    }

    private func receive(into execs: inout [Notice], waits: Bool) {
        var buffer: [UInt8] = []
        repeat {
            buffer.removeAll(keepingCapacity: true)
            let received = try? receive(&buffer, waits)
            switch received {
            case .nothing: break
            // The socket is not as it should be: nothing is gained by asking at once.
            case nil: usleep(Pace.failure)
            case .overrun: state.withLock { $0.lost += 1 }
            case .datagram:
                guard case .event(let event)? = try? ProcessEvent.parse(buffer.span.bytes) else { continue }
                execs.append(Notice(pid: event.pid, time: event.time))
            }
        } while notifications.connector.hasReceived
    }

    private func receive(_ buffer: inout [UInt8], _ waits: Bool) throws(SystemError) -> ProcConnector.Received
    {
        waits
            ? try notifications.connector.waitAndReceive(appendingTo: &buffer)
            : try notifications.connector.receive(appendingTo: &buffer)
    }

    /// Reads the images of execs that were reported together.
    private func answer(_ execs: [Notice], _ awakeSince: inout UInt64) {
        for (position, exec) in execs.enumerated() {
            // Of several execs of one process only the last can still be read.
            let isLast = !execs[(position + 1)...].contains { $0.pid == exec.pid }
            let facts = isLast ? image(exec.pid, exec.time) : nil
            let result = facts ?? ImageFacts(pid: exec.pid, time: exec.time, executable: [])
            state.withLock { state in
                if exec.isSelected { state.selected.append(result) } else { state.images.append(result) }
                trim(&state)
            }
            if Clock.monotonic() - awakeSince > Pace.awake {
                usleep(Pace.sleep)
                awakeSince = Clock.monotonic()
            }
        }
    }

    /// Reads the image of a process now; `nil` if it is gone.
    ///
    /// - Parameter time: that of its exec.
    func image(_ pid: Int32, _ time: UInt64) -> ImageFacts? {
        guard let process = ProcessDirectory(pid) else { return nil }
        // Before the executable, which goes first when a process ends: one that is gone is not one in the root group.
        let groups = process.controlGroups()
        var read: [UInt8]?
        let namespace = files.namespaces.other(process)
        guard groups != nil || !ProcessDirectory.hasControlGroups,
            let executable = files.executable(of: process, in: namespace),
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
        // Arguments that were read behind it may be the next one's. Of a process that has ended by now the next exec was reported.
        if let now = files.executable(of: process, in: namespace), now != executable { return nil }
        facts.readAt = Clock.monotonic()
        return facts
    }
}

/// When the execs of a batch happened, by process: what the rings reported a moment before the connector did gets the
/// connector's time.
private struct ExecTimes {
    /// Collected when it is asked for first.
    private var times: [Int32: [UInt64]]?
    /// What was read of execs that are not in the batch.
    private(set) var early: [ImageFacts] = []

    private static func times(_ events: [LifecycleEvent]) -> [Int32: [UInt64]] {
        var times: [Int32: [UInt64]] = [:]
        for event in events where event.kind == .exec { times[event.pid, default: []].append(event.time) }
        for pid in times.keys { times[pid]?.sort() }
        return times
    }

    /// Those of the batch, with its times.
    mutating func place(_ images: [ImageFacts], _ events: [LifecycleEvent]) -> [ImageFacts] {
        let times = self.times ?? Self.times(events)
        self.times = times
        return images.compactMap { image in
            guard let time = times[image.pid]?.first(where: { $0 >= image.time }) else {
                early.append(image)
                return nil
            }
            var image = image
            image.time = time
            return image
        }
    }
}
