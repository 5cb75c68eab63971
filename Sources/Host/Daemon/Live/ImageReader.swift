import CLinux
import Glibc
import Observation
import ProcConnector
import Procfs
import Synchronization
import SystemCalls
import Wire

/// Looks at each new image the moment its exec is told, before a short-lived process is gone.
///
/// Arguments and control group are told by nobody, and `bash x.sh` may live for less than a millisecond.
/// So this is the one thing that does not wait for a batch: a thread of its own, asleep on a socket of its
/// own that tells execs only, at the lowest real-time priority if it may, so that it runs at once on a busy
/// host too. It reads two or three small files and sleeps again. `RLIMIT_RTTIME` ends the daemon, and not
/// the host's work, should it ever run away.
final class ImageReader: Sendable {
    /// One exec that was told, and what could be read; an empty executable if nothing could.
    typealias Look = ImageFacts

    private struct State {
        var looks: [Look] = []
        var lost: UInt64 = 0
    }

    private let state = Mutex(State())
    /// Whether the thread got its priority.
    let isRealTime: Bool

    /// Opens the socket and starts the thread.
    ///
    /// - Parameter isPrompt: whether to ask for the real-time priority (`CAP_SYS_NICE`).
    init(isPrompt: Bool = true) throws(SystemError) {
        let bell = Bell(try ProcConnector(.execOnly, receiveBuffer: 4 << 20))
        isRealTime = isPrompt && Self.mayBeRealTime()
        let context = Unmanaged.passRetained(Work(reader: self, bell: bell, isRealTime: isRealTime))
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

    /// Bells that were lost; those images are looked at when their batch is worked off.
    var lost: UInt64 { state.withLock { $0.lost } }

    /// Hands over the looks at all execs of a batch.
    ///
    /// An exec of the batch may be on its way through the thread still: it is waited for, at most a few
    /// milliseconds in all. A look at an exec that is yet to be told stays for the batch that tells it.
    func take(for events: [LifecycleEvent], into images: inout [ImageFacts]) {
        var looks = state.withLock { state in
            defer { state.looks.removeAll() }
            return state.looks
        }
        // The last exec of each process that was not looked at yet.
        var waited: [Int32: UInt64] = [:]
        var newest: UInt64 = 0
        for event in events where event.kind == .exec {
            newest = max(newest, event.time)
            waited[event.pid] = max(waited[event.pid] ?? 0, event.time)
        }
        var met = 0
        for _ in 0..<60 {
            for look in looks[met...] where look.time >= waited[look.pid] ?? .max { waited[look.pid] = nil }
            met = looks.count
            if waited.isEmpty { break }
            usleep(50)
            state.withLock { state in
                looks += state.looks
                state.looks.removeAll()
            }
        }
        let early = looks.filter { $0.time > newest }
        if !early.isEmpty { state.withLock { $0.looks.insert(contentsOf: early, at: 0) } }
        images.append(contentsOf: looks.filter { $0.time <= newest && !$0.executable.isEmpty })
    }

    private final class Bell: Sendable {
        let connector: ProcConnector
        init(_ connector: consuming ProcConnector) { self.connector = connector }
    }

    private final class Work: Sendable {
        let reader: ImageReader
        let bell: Bell
        let isRealTime: Bool
        init(reader: ImageReader, bell: Bell, isRealTime: Bool) {
            self.reader = reader
            self.bell = bell
            self.isRealTime = isRealTime
        }
    }

    private func run(_ work: Work) -> Never {
        if work.isRealTime {
            var parameters = sched_param()
            parameters.sched_priority = 1
            pthread_setschedparam(pthread_self(), SCHED_RR, &parameters)
        }
        while true {
            var waiting = pollfd(fd: work.bell.connector.number, events: Int16(POLLIN), revents: 0)
            _ = poll(&waiting, 1, -1)
            answer(work.bell.connector)
        }
    }

    /// Looks at the images of all execs that were told since.
    private func answer(_ bell: borrowing ProcConnector) {
        var buffer: [UInt8] = []
        var told: [(pid: Int32, time: UInt64)] = []
        receive: while told.count < 256 {
            buffer.removeAll(keepingCapacity: true)
            switch try? bell.receive(appendingTo: &buffer) {
            case .nothing, nil: break receive
            case .overrun: state.withLock { $0.lost += 1 }
            case .datagram:
                guard case .event(let event)? = try? ProcessEvent.parse(buffer.span.bytes) else { continue }
                told.append((event.pid, event.time))
            }
        }
        for (position, entry) in told.enumerated() {
            // Of several execs of one process only the last can still be looked at.
            let isLast = !told[(position + 1)...].contains { $0.pid == entry.pid }
            let look = isLast ? Self.look(entry.pid, entry.time) : nil
            let result = look ?? Look(pid: entry.pid, time: entry.time, executable: [])
            state.withLock { $0.looks.append(result) }
        }
    }

    private static func look(_ pid: Int32, _ time: UInt64) -> Look? {
        guard let process = ProcessDirectory(pid), let executable = process.executable(),
            case .read(let script) = RunningScript(executable: executable, process)
        else { return nil }
        return Look(
            pid: pid, time: time, executable: executable, script: script, workload: process.controlGroup(),
            network: process.namespace("net") ?? 0)
    }

    /// Whether a thread may have the priority; puts the limit in place that ends a runaway.
    private static func mayBeRealTime() -> Bool {
        guard clinux_limit_real_time(2_000_000) == 0 else { return false }
        var parameters = sched_param()
        parameters.sched_priority = 1
        // Tried on this thread, which does not keep it.
        guard sched_setscheduler(0, SCHED_RR, &parameters) == 0 else { return false }
        parameters.sched_priority = 0
        sched_setscheduler(0, SCHED_OTHER, &parameters)
        return true
    }
}
