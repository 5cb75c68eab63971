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
