import Fanotify
import Glibc
import KernelProbe
import Observation
import ProcConnector
import Procfs
import SocketDiagnostics
import SystemCalls

/// The system calls behind the sources, and nothing of what is done about their failures: so that a test can play a
/// kernel that answers each of them with any error.
protocol KernelSources: ~Copyable {
    /// `CLOCK_MONOTONIC` and nanoseconds since 1970.
    var monotonic: UInt64 { get }
    var wall: UInt64 { get }

    /// Reads file events; `nil` when none wait.
    mutating func readFileEvents(appendingTo bytes: inout [UInt8]) throws(SystemError) -> Range<Int>?
    /// How many file events wait.
    func waitingFileEvents() throws(SystemError) -> Int
    /// How many file events are to be read of those that wait, where the kernel does not bound their queue.
    var fileQueueBound: Int? { get }
    /// Drops so many, and appends what the kernel reports of those that it turns away.
    mutating func dropFileEvents(
        _ count: Int, appendingTo bytes: inout [UInt8]
    ) throws(SystemError) -> Range<Int>?
    /// Makes a new group and sets every mark again.
    mutating func reopenFileEvents() throws(SystemError)
    /// What came from filesystems that are watched by descriptor.
    func takeDescriptorEvents() -> DescriptorWatch.Taken?

    mutating func receiveProcessEvent(
        appendingTo bytes: inout [UInt8]
    ) throws(SystemError) -> ProcConnector.Received
    mutating func reopenProcessEvents() throws(SystemError)
    /// What was read of the images of a batch's execs.
    func takeImages(for events: [LifecycleEvent], into images: inout [ImageFacts])
    /// Exec notifications that were lost.
    var imagesLost: UInt64 { get }
    /// Images that are known from what the kernel has reported, without a look at the process.
    var imagesReported: UInt64 { get }
    /// Mount namespaces, at least, that were reported and gone before they could be entered.
    var namespacesMissed: UInt64 { get }
    /// How often the kernel was no longer asked for the namespaces of images.
    var imageReportPauses: UInt64 { get }
    /// The numbers to poll for reports of images that fill their rings.
    var imageNumbers: [Int32] { get }
    /// How process events are filtered.
    var processFiltering: String { get }
    /// Opens the rings of processors that came online.
    func followProcessors()
    /// Some process was moved to another control group.
    func processesWereMoved()

    /// Receives a datagram about sockets that have gone, from any network namespace: see `ClosureEvent.network`.
    mutating func receiveSocketNotice(
        appendingTo bytes: inout [UInt8], network: inout UInt64
    ) throws(SystemError) -> DestroyListener.Received
    mutating func reopenSocketNotices() throws(SystemError)
    /// Has the kernel make no notices of TCP sockets, or make them again.
    mutating func setNotices(ofTCP isWanted: Bool) throws(SystemError)
    /// Whether notices of other network namespaces come, or none are wanted.
    var hearsOtherNetworks: Bool { get }

    /// What is watched of the mount table.
    var filesystems: WatchedFilesystems { get }
    /// Watches what is mounted now.
    mutating func refreshFilesystems() throws(SystemError) -> FilesystemWatch.Change
    /// Calls that a file server may keep waiting.
    var blockingCalls: BlockingCalls.Counts { get }

    /// The numbers to poll: of file events, of process events, of socket notices, of the mount table.
    var fileNumbers: [Int32] { get }
    var processNumber: Int32 { get }
    var socketNumber: Int32 { get }
    var mountNumber: Int32 { get }
}

/// Which filesystems send events and which do not.
struct WatchedFilesystems {
    var byHandle = 0
    var byDescriptor = 0
    var unwatched: [UnwatchedFilesystem] = []
    /// File events that may wait; `nil` for as many as memory holds.
    var queueLimit: Int?
    /// When filesystems that were set aside are tried again, `CLOCK_MONOTONIC`, nanoseconds; `nil` if there are none.
    var retryTime: UInt64?
}

/// The living kernel.
struct LiveKernel: ~Copyable, KernelSources {
    private(set) var watch: FilesystemWatch
    private var connector: ProcConnector
    let images: NewImages
    private var closures: DestroyListener
    private let network: HostNetwork
    /// Bytes of the queue of process events.
    private let processQueue: Int32

    init(_ configuration: Configuration, _ network: HostNetwork) throws(StartError) {
        // Everything that can fail comes before the first stored property.
        let watch = try Self.opening(.fanotify, capability: "CAP_SYS_ADMIN", since: "Linux 5.17") {
            () throws(SystemError) in
            try FilesystemWatch(
                queueLimit: configuration.queueLimit, descriptorTypes: configuration.descriptorTypes)
        }
        let processQueue = Int32(clamping: configuration.memoryLimit / 16)
        let connector = try Self.opening(
            .procConnector, capability: "CAP_NET_ADMIN", since: "Linux 2.6.14"
        ) {
            () throws(SystemError) in try ProcConnector(.lifecycle, receiveBuffer: processQueue)
        }
        let (roots, calls) = (watch.roots, watch.calls)
        let images = try Self.opening(
            .procConnector, capability: "CAP_NET_ADMIN", since: "Linux 2.6.14"
        ) {
            () throws(SystemError) in
            try NewImages(
                files: FileAccess(roots: roots, calls: calls), numbers: network.numbers,
                isWanted: configuration.tracepoints)
        }
        let closures = try Self.opening(.socketDiagnostics, capability: "CAP_NET_ADMIN", since: "Linux 4.5") {
            () throws(SystemError) in try network.destroyListener()
        }
        guard connector.provesDelivery() else {
            let explanation = KernelEnvironment.read().explanation(of: .procConnector, code: ENOMSG)
            throw StartError(
                explanation ?? "the proc connector reports nothing, not even a process of this daemon's own")
        }
        self.network = network
        self.watch = watch
        self.connector = connector
        self.images = images
        self.closures = closures
        self.processQueue = processQueue
    }

    private static func opening<Source: ~Copyable>(
        _ interface: KernelEnvironment.Interface, capability: String, since version: String,
        _ open: () throws(SystemError) -> Source
    ) throws(StartError) -> Source {
        do throws(SystemError) {
            return try open()
        } catch {
            throw StartError.missing(interface, error, capability: capability, since: version)
        }
    }

    var monotonic: UInt64 { Clock.monotonic() }
    var wall: UInt64 { Clock.wall() }

    mutating func readFileEvents(appendingTo bytes: inout [UInt8]) throws(SystemError) -> Range<Int>? {
        try watch.handles.read(appendingTo: &bytes)
    }
    func waitingFileEvents() throws(SystemError) -> Int { try watch.handles.waitingEvents() }
    var fileQueueBound: Int? { watch.handles.bound }
    mutating func dropFileEvents(
        _ count: Int, appendingTo bytes: inout [UInt8]
    ) throws(SystemError) -> Range<Int>? { try watch.handles.drop(count, appendingTo: &bytes) }
    mutating func reopenFileEvents() throws(SystemError) { try watch.reopen() }
    func takeDescriptorEvents() -> DescriptorWatch.Taken? { watch.descriptors?.take() }

    mutating func receiveProcessEvent(
        appendingTo bytes: inout [UInt8]
    ) throws(SystemError) -> ProcConnector.Received { try connector.receive(appendingTo: &bytes) }
    mutating func reopenProcessEvents() throws(SystemError) {
        connector = try ProcConnector(.lifecycle, receiveBuffer: processQueue)
    }
    func takeImages(for events: [LifecycleEvent], into batch: inout [ImageFacts]) {
        images.take(for: events, into: &batch)
    }
    var imagesLost: UInt64 { images.lost }
    var imagesReported: UInt64 { images.reportedImages }
    var namespacesMissed: UInt64 { images.namespacesMissed }
    var imageReportPauses: UInt64 { images.pauses }
    var imageNumbers: [Int32] { images.numbersToPoll }
    func followProcessors() { images.followProcessors() }
    func processesWereMoved() { images.processesWereMoved() }
    var processFiltering: String { connector.filtering.rawValue }

    mutating func receiveSocketNotice(
        appendingTo bytes: inout [UInt8], network place: inout UInt64
    ) throws(SystemError) -> DestroyListener.Received {
        var number: Int32?
        let received = try closures.receive(appendingTo: &bytes, from: &number)
        place = 0
        if let number, let numbers = network.numbers {
            let inode = numbers.inode(of: number) ?? ClosureEvent.unknownNetwork
            place = inode == numbers.own ? 0 : inode
        }
        return received
    }
    mutating func reopenSocketNotices() throws(SystemError) { closures = try network.destroyListener() }
    mutating func setNotices(ofTCP isWanted: Bool) throws(SystemError) {
        if isWanted { try closures.joinTCP() } else { try closures.leaveTCP() }
    }

    var hearsOtherNetworks: Bool { closures.hearsOthers || network.inode != nil }

    var filesystems: WatchedFilesystems {
        WatchedFilesystems(
            byHandle: watch.handleCount, byDescriptor: watch.descriptorCount, unwatched: watch.unwatched,
            queueLimit: watch.queueLimit, retryTime: watch.retryTime)
    }
    mutating func refreshFilesystems() throws(SystemError) -> FilesystemWatch.Change { try watch.refresh() }
    var blockingCalls: BlockingCalls.Counts { watch.calls.counts }

    var fileNumbers: [Int32] { [watch.handles.number] + (watch.descriptorsNumber.map { [$0] } ?? []) }
    var processNumber: Int32 { connector.number }
    var socketNumber: Int32 { closures.number }
    var mountNumber: Int32 { watch.mountTableNumber }
}
