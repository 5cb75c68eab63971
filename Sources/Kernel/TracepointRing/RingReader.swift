import Glibc
import Synchronization
public import SystemCalls

/// Empties the rings when the loop has no time to.
///
/// A ring holds a fifth of a second of five thousand connections a second, and what finds it full is lost: on a host
/// whose processors are all taken the loop may get none for longer. So a thread, at the lowest real-time priority where
/// it may, sleeps until a ring is a quarter full, and puts what it holds aside for the loop. While the loop keeps up no
/// ring ever is, and the thread never wakes.
public final class RingReader: Sendable {
    /// Bytes that are put aside at most; what is beyond stays in the rings, which count what they have no room for.
    public static let mostAside = 16 << 20
    /// Between two turns, microseconds: the thread never holds a processor.
    private static let rest: UInt32 = 1000

    private struct State: ~Copyable {
        var rings: TracepointRings
        var aside: [UInt8] = []
    }

    private let state: Mutex<State>
    private let poller: Poller
    private let filled: EventDescriptor
    private let ending: EventDescriptor
    private static let endToken: UInt64 = 1

    /// Takes over the rings and starts the thread, which lives until `end`. The corresponding C functions are
    /// `epoll_wait` and, for the priority, `pthread_setschedparam`.
    public init(
        _ rings: consuming sending TracepointRings
    ) throws(SystemError) {
        let poller = try Poller()
        let filled = try EventDescriptor()
        let ending = try EventDescriptor()
        try poller.add(ending.number, token: Self.endToken)
        self.poller = poller
        self.filled = filled
        self.ending = ending
        let numbers = rings.numbers
        state = Mutex(State(rings: rings))
        watch(numbers)
        let isRealTime = RealTimePriority.isAllowed()
        try DetachedThread.start { [self] in
            if isRealTime { RealTimePriority.take() }
            while turn() {}
        }
    }

    /// The number to poll: readable when something was put aside.
    public var number: Int32 { filled.number }

    /// Puts what was put aside, and what the rings hold now, behind what `buffer` holds.
    public func take(appendingTo buffer: inout [UInt8]) {
        state.withLock { state in
            filled.acknowledge()
            if buffer.isEmpty {
                swap(&buffer, &state.aside)
            } else {
                buffer += state.aside
            }
            state.aside.removeAll(keepingCapacity: state.aside.capacity <= 1 << 20)
            state.rings.drain(appendingTo: &buffer)
        }
    }

    /// Opens the ring of a processor anew; what the one before held is put aside.
    public func follow(processor: Int32) throws(TracepointError) {
        try state.withLock { state throws(TracepointError) in
            defer { watch(state.rings.numbers) }
            _ = try state.rings.reopen(processor: processor, drainingInto: &state.aside)
        }
    }

    /// The same for all that are online.
    public func followAll() throws(TracepointError) {
        try state.withLock { state throws(TracepointError) in
            defer { watch(state.rings.numbers) }
            _ = try state.rings.reopenAll(drainingInto: &state.aside)
        }
    }

    /// Events dropped since the start; `nil` where the kernel does not count.
    public func lost() throws(SystemError) -> UInt64? {
        try state.withLock { state throws(SystemError) in try state.rings.lost() }
    }

    /// Waits for these; those that are waited for already are refused, and those that were closed have left by themselves.
    private func watch(_ numbers: [Int32]) {
        // Of a ring that cannot be waited for the loop takes what it holds when it drains.
        for number in numbers { _ = try? poller.add(number, token: 0) }
    }

    /// Ends the thread; the rings are given back when it has ended and nobody holds this any more.
    public func end() { ending.raise() }

    private func turn() -> Bool {
        var isOver = false
        // Whatever fails is met by the loop when it drains.
        _ = try? poller.wait { if $0 == Self.endToken { isOver = true } }
        guard !isOver else { return false }
        state.withLock { state in
            if state.aside.count < Self.mostAside { state.rings.drain(appendingTo: &state.aside) }
            filled.raise()
        }
        usleep(Self.rest)
        return true
    }
}
