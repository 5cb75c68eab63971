import Fanotify
import Glibc
import Observation
import ProcConnector
import SocketDiagnostics
import SystemCalls
import TracepointRing

@testable import Daemon

/// What a scripted kernel answers and what it was asked; the test holds on to it while an engine owns the kernel.
final class KernelScript {
    static let epoch: UInt64 = 1_700_000_000_000_000_000
    /// `CLOCK_MONOTONIC`; the wall clock runs with it.
    var now: UInt64 = 1_000_000_000
    var wall: UInt64 { now + Self.epoch }

    /// A source of bytes: what waits, and the errors with which the next calls fail before it can be had.
    struct Queue {
        var waiting: [[UInt8]] = []
        var failures: [Int32] = []
        /// An error with which every call fails.
        var standingFailure: Int32?
        /// An error with which it cannot be opened anew.
        var reopenFailure: Int32?
        /// When it was opened anew.
        var reopened: [UInt64] = []
        /// Calls of any kind.
        var calls = 0

        /// What a read of it gives, as the C library would: a count, or -1 and `errno`.
        mutating func read(appendingTo bytes: inout [UInt8]) -> Int {
            calls += 1
            if let code = failures.isEmpty ? standingFailure : failures.removeFirst() {
                errno = code
                return -1
            }
            guard !waiting.isEmpty else {
                errno = EAGAIN
                return -1
            }
            let piece = waiting.removeFirst()
            bytes += piece
            return piece.count
        }

        mutating func reopen(at now: UInt64) throws(SystemError) {
            reopened.append(now)
            if let reopenFailure { throw SystemError("socket", code: reopenFailure) }
            standingFailure = nil
        }
    }

    var files = Queue()
    var processes = Queue()
    var notices = Queue()
    /// Whether notices of TCP sockets were asked for, each time; and an error with which that fails.
    var noticesWanted: [Bool] = []
    var noticesFailure: Int32?
    /// Answers to how many file events wait.
    var waitingFailure: Int32?
    var waitingFileEvents = 0
    /// How many of these are to be read, and the calls that dropped some.
    var fileQueueBound: Int?
    var dropped: [Int] = []
    var filesystems = WatchedFilesystems(byHandle: 1)
    /// Filesystems that the next look at the mount table finds.
    var newFilesystems = 0
    var isMountTableChanged = true
    var mountTableFailure: Int32?
    var calls = BlockingCalls.Counts()
    /// What happens once while events are read.
    var duringDrain: (() -> Void)?

    // The rings.
    var records: [UInt8] = []
    var lostInRings: UInt64? = 0
    var lostFailure: Int32?
    var processorEvents: [ProcessorEvents.Event] = []
    /// Errors with which the ring of a processor cannot be opened.
    var ringFailures: [Int32: TracepointError] = [:]
    var followed: [Int32] = []
}

struct ScriptedKernel: ~Copyable, KernelSources {
    let script: KernelScript

    var monotonic: UInt64 { script.now }
    var wall: UInt64 { script.wall }

    mutating func readFileEvents(appendingTo bytes: inout [UInt8]) throws(SystemError) -> Range<Int>? {
        var read: [UInt8] = []
        script.duringDrain.take()?()
        let count = try systemCallUnlessBlocked("read") { script.files.read(appendingTo: &read) }
        guard let count else { return nil }
        bytes += read
        return bytes.count - count..<bytes.count
    }
    func waitingFileEvents() throws(SystemError) -> Int {
        if let code = script.waitingFailure { throw SystemError("ioctl", code: code) }
        return script.waitingFileEvents
    }
    var fileQueueBound: Int? { script.fileQueueBound }
    mutating func dropFileEvents(
        _ count: Int, appendingTo bytes: inout [UInt8]
    ) throws(SystemError) -> Range<Int>? {
        script.dropped.append(count)
        return FanotifyGroup.appendOverflow(to: &bytes)
    }
    mutating func reopenFileEvents() throws(SystemError) { try script.files.reopen(at: script.now) }
    func takeDescriptorEvents() -> DescriptorWatch.Taken? { nil }

    mutating func receiveProcessEvent(
        appendingTo bytes: inout [UInt8]
    ) throws(SystemError) -> ProcConnector.Received {
        while true {
            let start = bytes.count
            if script.processes.read(appendingTo: &bytes) >= 0 { return .datagram(start..<bytes.count) }
            if let received = try ProcConnector.received(failing: errno) { return received }
        }
    }
    mutating func reopenProcessEvents() throws(SystemError) { try script.processes.reopen(at: script.now) }
    func followProcessors() {}
    func processesWereMoved() {}
    var imagesReported: UInt64 { 0 }
    var namespacesMissed: UInt64 { 0 }
    var imageReportPauses: UInt64 { 0 }
    var imageNumbers: [Int32] { [] }
    func takeImages(for events: [LifecycleEvent], into images: inout [ImageFacts]) {}
    var imagesLost: UInt64 { 0 }
    var processFiltering: String { "scripted" }

    mutating func receiveSocketNotice(
        appendingTo bytes: inout [UInt8], network: inout UInt64
    ) throws(SystemError) -> DestroyListener.Received {
        network = 0
        while true {
            let start = bytes.count
            if script.notices.read(appendingTo: &bytes) >= 0 { return .datagram(start..<bytes.count) }
            if let received = try DestroyListener.received(failing: errno) { return received }
        }
    }
    mutating func reopenSocketNotices() throws(SystemError) { try script.notices.reopen(at: script.now) }

    mutating func setNotices(ofTCP isWanted: Bool) throws(SystemError) {
        if let code = script.noticesFailure { throw SystemError("setsockopt", code: code) }
        script.noticesWanted.append(isWanted)
    }

    var hearsOtherNetworks: Bool { true }

    var filesystems: WatchedFilesystems { script.filesystems }
    mutating func refreshFilesystems() throws(SystemError) -> FilesystemWatch.Change {
        if let code = script.mountTableFailure { throw SystemError("open", code: code) }
        defer { script.newFilesystems = 0 }
        return FilesystemWatch.Change(fresh: script.newFilesystems, isChanged: script.isMountTableChanged)
    }
    var blockingCalls: BlockingCalls.Counts { script.calls }

    static let fileNumber: Int32 = 1001
    static let processNumber: Int32 = 1002
    static let socketNumber: Int32 = 1003
    static let mountNumber: Int32 = 1004

    var fileNumbers: [Int32] { [Self.fileNumber] }
    var processNumber: Int32 { Self.processNumber }
    var socketNumber: Int32 { Self.socketNumber }
    var mountNumber: Int32 { Self.mountNumber }
}

struct ScriptedRings: ~Copyable, TransitionRings {
    let script: KernelScript

    static let processorsNumber: Int32 = 1005
    static let ringNumber: Int32 = 1100

    var numbers: [Int32] { [Self.ringNumber] }
    mutating func follow(processor: Int32) throws(TracepointError) {
        if let failure = script.ringFailures[processor] { throw failure }
        script.followed.append(processor)
    }
    mutating func followAll() throws(TracepointError) {
        for processor in 0..<2 as Range<Int32> { try follow(processor: processor) }
    }
    borrowing func take(appendingTo buffer: inout [UInt8]) {
        buffer += script.records
        script.records = []
    }
    borrowing func lost() throws(SystemError) -> UInt64? {
        if let code = script.lostFailure { throw SystemError("read", code: code) }
        return script.lostInRings
    }
    func processorEvents() -> [ProcessorEvents.Event] {
        defer { script.processorEvents = [] }
        return script.processorEvents
    }
    var processorsNumber: Int32? { Self.processorsNumber }
}

typealias ScriptedSources = EventSources<ScriptedKernel, ScriptedRings>
typealias ScriptedLiveEngine = LiveEngine<ScriptedKernel, ScriptedRings>

extension EventSources<ScriptedKernel, ScriptedRings> {
    init(_ script: KernelScript) throws {
        self.init(
            ScriptedKernel(script: script),
            TracepointSource(
                ScriptedRings(script: script), try TransitionLayout(Connections.layout)))
    }
}
