public import Records

/// One source of everything that the observation learns from: the living kernel, a recording, a script that a
/// test writes.
///
/// An engine knows how facts are obtained and nothing of what follows from them. It never throws: what could
/// not be delivered is a loss with its cause, and a source that cannot be used says so in its mode. So what is
/// done about losses and failures is decided in one place, `Session`, and is the same for each engine.
public protocol Engine: ~Copyable {
    /// Takes everything that has happened up to the batch's cutoff, and perhaps a little more, in the order that
    /// the ordering protocol needs.
    ///
    /// The rule of whole batches: of what a process did before the cutoff nothing stays behind in a source, or
    /// its absence is reported as a loss. Only then can an exec without its opens be known to have none.
    mutating func drain(into batch: inout EventBatch) -> Drained

    /// Asks for a scan of the host. It is made beside the loop and delivered by `finishedScan`.
    mutating func requestScan(_ request: ScanRequest)

    /// A scan that was finished before the last drain began, at most one a call.
    ///
    /// One that finished later may have met what a process did after the drain: its event is still in a source, and would
    /// count a second time what the scan has counted.
    mutating func finishedScan() -> FinishedScan?

    /// How each source fares, as a dump's header has it.
    var sources: [DumpHeader.Source] { get }

    /// What is not watched although it should be, a sentence each: named degraded modes.
    var degraded: [String] { get }

    /// What no event will ever be received of, as long as it lasts: it stands in every dump as a gap of unknown
    /// extent.
    var blindSpots: [BlindSpot] { get }
}

/// What one drain brought besides the events in the batch.
public struct Drained: Sendable {
    /// Whether nothing at all was there.
    public var isEmpty = true
    /// Whether nothing more will ever come: the end of a recording.
    public var isEnd = false
    /// What the sources could not deliver.
    public var losses: [Loss] = []
    /// When the last source had been drained, nanoseconds since 1970: until then a full one may have turned events
    /// away. 0 for the batch's cutoff.
    public var ended: UInt64 = 0
    /// Whether a source runs in another way than at the drain before: `sources`, `degraded` or `blindSpots` say
    /// something else. So nothing has to ask for them at every drain.
    public var modeChanged = false
    /// Whether filesystems are mounted elsewhere than before: their places are asked for again.
    public var mountsChanged = false
    /// Gaps that are over and were followed by a scan already: those of a recording of an earlier version.
    public var gaps: [Gap] = []

    /// Makes the result of a drain that found nothing.
    public init() {}
}

/// What is to be scanned, and why.
public struct ScanRequest: Sendable, Equatable {
    /// How much to read.
    public enum Depth: Sendable {
        /// Everything, executables and mapped files included.
        case full
        /// What can have changed without an event: files open or mapped for writing, sockets, channels, shared
        /// objects.
        case open
    }

    /// How much to read.
    public var depth: Depth
    /// How much of what is found is news.
    public var purpose: Observer.SnapshotPurpose
    /// Processes to read first: those that did something since they were last scanned.
    public var first: [Int32]
    /// Nanoseconds after which no further process is begun; 0 for no bound.
    public var limit: UInt64
    /// By which whoever asked knows it again.
    public var number: UInt64

    /// Makes a request.
    public init(
        _ depth: Depth, _ purpose: Observer.SnapshotPurpose, first: [Int32] = [], limit: UInt64 = 0,
        number: UInt64 = 0
    ) {
        self.depth = depth
        self.purpose = purpose
        self.first = first
        self.limit = limit
        self.number = number
    }
}

/// A scan that has come back.
public struct FinishedScan: Sendable {
    /// What was asked for.
    public var request: ScanRequest
    /// What was found.
    public var snapshot: HostSnapshot

    /// Makes a finished scan.
    public init(_ request: ScanRequest, _ snapshot: HostSnapshot) {
        self.request = request
        self.snapshot = snapshot
    }
}

/// Something that no source reports events of.
public struct BlindSpot: Hashable, Sendable {
    /// The source that would report them.
    public var source: String
    /// Why it does not.
    public var cause: String
    /// Since when, nanoseconds since 1970.
    public var since: UInt64
    /// Whether what happened meanwhile can be looked for when it is over: a scan makes up for a source that was given
    /// up, but not for a filesystem that is gone.
    public var isScannedAfter: Bool

    /// Makes a blind spot.
    public init(source: String, cause: String, since: UInt64, isScannedAfter: Bool = false) {
        self.source = source
        self.cause = cause
        self.since = since
        self.isScannedAfter = isScannedAfter
    }
}
