import Observation

/// What the daemon's loop has to know of an engine besides the contract: what to wait for, and what a change of
/// the host asks of it. An engine without descriptors has none of it.
protocol HostEngine: Engine, ~Copyable {
    /// Descriptors whose first event ends the sleep; out of the wait queue while batches are drained on a timer.
    var eventNumbers: [Int32] { get }
    /// Descriptors that ask to be drained at once.
    var urgentNumbers: [Int32] { get }
    /// Descriptors that report that the mount table has changed (`EPOLLPRI`).
    var mountNumbers: [Int32] { get }
    /// Descriptors that report that a processor came online or went.
    var processorNumbers: [Int32] { get }
    /// Descriptors that report that a scan is finished.
    var workerNumbers: [Int32] { get }
    /// Whether changes of state of sockets are reported; where they are not, scans find connections.
    var hasTransitions: Bool { get }
    /// Whether the ends of connections are reported with the bytes that went over; where they are not, scans find those of the
    /// long ones.
    var hasNotices: Bool { get }
    /// Watches what is mounted now; returns sentences about what went wrong.
    mutating func mountsChanged() -> [String]
    /// When filesystems that were set aside are tried again, `CLOCK_MONOTONIC`, nanoseconds; `nil` if there are none.
    var mountRetryTime: UInt64? { get }
    /// Follows processors that came online.
    mutating func processorsChanged()
    /// Notes that the mount table was read as it is at this moment, nanoseconds since 1970.
    mutating func mountTableUnchanged(at wall: UInt64)
    /// When sources that are given up are tried again, `CLOCK_MONOTONIC`, nanoseconds; `nil` if there are none.
    var sourceRetryTime: UInt64? { get }
    /// Tries what the next drain does not try by itself.
    mutating func retrySources()
    /// The longest time from the beginning of one drain to that of the next while events flowed, nanoseconds.
    var longestPause: UInt64 { get }
    /// What became of calls that a file server may keep waiting.
    var blockingCalls: BlockingCalls.Counts { get }
    /// The recording of everything that it delivers, if there is one.
    var recorder: TraceRecorder? { get }
}

extension HostEngine where Self: ~Copyable {
    var eventNumbers: [Int32] { [] }
    var urgentNumbers: [Int32] { [] }
    var mountNumbers: [Int32] { [] }
    var processorNumbers: [Int32] { [] }
    var workerNumbers: [Int32] { [] }
    var mountRetryTime: UInt64? { nil }
    mutating func processorsChanged() {}
    var hasTransitions: Bool { true }
    var hasNotices: Bool { true }
    mutating func mountsChanged() -> [String] { [] }
    mutating func mountTableUnchanged(at wall: UInt64) {}
    var sourceRetryTime: UInt64? { nil }
    mutating func retrySources() {}
    var longestPause: UInt64 { 0 }
    var blockingCalls: BlockingCalls.Counts { BlockingCalls.Counts() }
    var recorder: TraceRecorder? { nil }
}
