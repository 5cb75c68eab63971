import SystemCalls

/// What the loop wakes up for.
enum Wakeup: Hashable, Sendable {
    /// A source has something: the first event after a time in which there was none.
    case events
    /// A source is so full that it cannot wait for the timer.
    case urgent
    /// The timer between two batches.
    case tick
    /// The timer of the store.
    case store
    /// The timer for what is done from time to time.
    case housekeeping
    /// A thread beside the loop has finished something.
    case worker
    /// The mount table has changed.
    case mounts
    /// A processor came online or went.
    case processors
    /// Somebody connects to the control socket.
    case clients
    /// A client has sent something, or has gone.
    case client(Int32)
    /// A signal.
    case signal(Int32)
}

/// The loop's timers; each expires once when it was armed.
enum LoopTimer: CaseIterable, Sendable {
    case tick, store, housekeeping
}

/// How the loop sleeps, what wakes it, and what time it is.
///
/// The daemon waits in epoll; a test says what comes next and what time it is then.
protocol Waiting: ~Copyable {
    /// Sleeps until there is something to do.
    mutating func wait() throws(SystemError) -> [Wakeup]
    /// Puts descriptors into the wait queue, or takes them out: a source that nobody waits for costs the watched
    /// programs no wake-up.
    mutating func watch(_ numbers: [Int32], as wakeup: Wakeup)
    /// Takes descriptors out of the wait queue.
    mutating func unwatch(_ numbers: [Int32])
    /// Lets a timer expire once, so many nanoseconds from now.
    mutating func arm(_ timer: LoopTimer, nanoseconds: UInt64)
    /// `CLOCK_MONOTONIC`, nanoseconds.
    var monotonic: UInt64 { get }
    /// Nanoseconds since 1970.
    var wall: UInt64 { get }
}
