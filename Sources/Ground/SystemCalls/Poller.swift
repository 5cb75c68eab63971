import CLinux
import Glibc

/// One epoll instance, where a thread sleeps until something happens.
///
/// Every source carries a token that comes back with its event; level-triggered throughout. One thread waits; any may
/// add and remove descriptors.
/// The corresponding C functions are `epoll_create1`, `epoll_ctl` and `epoll_wait`.
public struct Poller: ~Copyable, @unchecked Sendable {
    private let descriptor: FileDescriptor
    private let events: UnsafeMutableBufferPointer<epoll_event>

    /// What to wait for on a descriptor.
    public struct Interest: OptionSet, Sendable {
        /// epoll's bits.
        public let rawValue: UInt32
        /// Makes a set from epoll's bits.
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// There is something to read (`EPOLLIN`).
        public static let readable = Interest(rawValue: clinux_EPOLLIN)
        /// There is room to write (`EPOLLOUT`).
        public static let writable = Interest(rawValue: clinux_EPOLLOUT)
        /// An exceptional condition (`EPOLLPRI`): how /proc/self/mountinfo says that it changed.
        public static let exceptional = Interest(rawValue: clinux_EPOLLPRI)
    }

    /// Creates the instance.
    ///
    /// - Parameter capacity: how many ready descriptors one wait reports at most.
    public init(capacity: Int = 32) throws(SystemError) {
        let number = try systemCall("epoll_create1") { epoll_create1(clinux_EPOLL_CLOEXEC) }
        descriptor = FileDescriptor(owning: number)
        events = .allocate(capacity: capacity)
        events.initialize(repeating: epoll_event())
    }

    deinit { events.deallocate() }

    /// The number by which another one can wait for this: readable while any of its descriptors is ready.
    public var number: Int32 { descriptor.number }

    /// Starts to watch a descriptor.
    public borrowing func add(
        _ number: Int32, _ interest: Interest = .readable, token: UInt64
    ) throws(SystemError) {
        let poller = descriptor.number
        _ = try systemCall("epoll_ctl") { clinux_epoll_add(poller, number, interest.rawValue, token) }
    }

    /// Takes a descriptor out of its wait queue, so that its events no longer cost a wake-up call.
    public borrowing func remove(_ number: Int32) throws(SystemError) {
        let poller = descriptor.number
        _ = try systemCall("epoll_ctl") { clinux_epoll_delete(poller, number) }
    }

    /// Sleeps until something is ready, then calls `body` with the token of each ready descriptor.
    ///
    /// - Parameter timeout: milliseconds; -1 waits for ever, 0 not at all.
    /// - Returns: how many were ready.
    @discardableResult
    public borrowing func wait(
        timeout: Int32 = -1, _ body: (_ token: UInt64) -> Void
    ) throws(SystemError) -> Int {
        let poller = descriptor.number
        let events = events
        let ready = try systemCall("epoll_wait") {
            epoll_wait(poller, events.baseAddress, Int32(events.count), timeout)
        }
        for index in 0..<Int(ready) { body(clinux_epoll_data(events.baseAddress! + index)) }
        return Int(ready)
    }
}

/// A descriptor by which one thread signals another's poller that there is something to do.
/// The corresponding C function is `eventfd`.
public struct EventDescriptor: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    /// Creates it, not readable.
    public init() throws(SystemError) {
        descriptor = FileDescriptor(owning: try systemCall("eventfd") { clinux_eventfd() })
    }

    /// The number to poll.
    public var number: Int32 { descriptor.number }

    /// Makes it readable.
    public borrowing func raise() {
        var one: UInt64 = 1
        // Full can only be what is readable anyway.
        _ = write(descriptor.number, &one, 8)
    }

    /// Takes note of it, so that it is no longer readable.
    public borrowing func acknowledge() {
        var count: UInt64 = 0
        _ = read(descriptor.number, &count, 8)
    }
}

/// Signals as something to read instead of something that interrupts.
/// The corresponding C functions are `pthread_sigmask` and `signalfd`.
public struct SignalDescriptor: ~Copyable {
    private let descriptor: FileDescriptor

    /// Blocks the signals for this thread (and those it starts later) and opens the descriptor.
    public init(_ signals: [Int32]) throws(SystemError) {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        let failure = pthread_sigmask(SIG_BLOCK, &set, nil)
        if failure != 0 { throw SystemError("pthread_sigmask", code: failure) }
        let number = try systemCall("signalfd") {
            signalfd(-1, &set, clinux_SFD_CLOEXEC | clinux_SFD_NONBLOCK)
        }
        descriptor = FileDescriptor(owning: number)
    }

    /// The number to poll.
    public var number: Int32 { descriptor.number }

    /// The next pending signal, or `nil`.
    public borrowing func next() throws(SystemError) -> Int32? {
        var information = signalfd_siginfo()
        let count = try withUnsafeMutableBytes(of: &information) { bytes throws(SystemError) in
            try descriptor.read(into: bytes)
        }
        return count == nil ? nil : Int32(information.ssi_signo)
    }
}

/// A one-shot timer on `CLOCK_MONOTONIC` that becomes readable when it expires.
/// The corresponding C functions are `timerfd_create` and `timerfd_settime`.
public struct TimerDescriptor: ~Copyable {
    private let descriptor: FileDescriptor

    /// Creates a disarmed timer.
    public init() throws(SystemError) {
        let number = try systemCall("timerfd_create") {
            timerfd_create(CLOCK_MONOTONIC, clinux_TFD_CLOEXEC | clinux_TFD_NONBLOCK)
        }
        descriptor = FileDescriptor(owning: number)
    }

    /// The number to poll.
    public var number: Int32 { descriptor.number }

    /// Lets the timer expire once, so many nanoseconds from now; 0 disarms it.
    public borrowing func arm(nanoseconds: UInt64) throws(SystemError) {
        var value = itimerspec()
        value.it_value.tv_sec = Int(nanoseconds / 1_000_000_000)
        value.it_value.tv_nsec = Int(nanoseconds % 1_000_000_000)
        let number = number
        _ = try systemCall("timerfd_settime") { timerfd_settime(number, 0, &value, nil) }
    }

    /// Takes note of an expiry, so that the descriptor is no longer readable.
    public borrowing func acknowledge() throws(SystemError) {
        var expirations: UInt64 = 0
        _ = try withUnsafeMutableBytes(of: &expirations) { bytes throws(SystemError) in
            try descriptor.read(into: bytes)
        }
    }
}
