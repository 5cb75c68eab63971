import Glibc
import SystemCalls

/// Waiting in epoll.
struct LiveWaiting: ~Copyable, Waiting {
    private let poller: Poller
    private let signals: SignalDescriptor
    private let tick: TimerDescriptor
    private let store: TimerDescriptor
    private let housekeeping: TimerDescriptor

    /// Takes over the signals, which must have been blocked before any other thread was started.
    init(signals: consuming SignalDescriptor) throws(SystemError) {
        let poller = try Poller()
        let tick = try TimerDescriptor()
        let store = try TimerDescriptor()
        let housekeeping = try TimerDescriptor()
        try poller.add(signals.number, token: Self.token(.signal(0), 0))
        try poller.add(tick.number, token: Self.token(.tick, 0))
        try poller.add(store.number, token: Self.token(.store, 0))
        try poller.add(housekeeping.number, token: Self.token(.housekeeping, 0))
        self.poller = poller
        self.signals = signals
        self.tick = tick
        self.store = store
        self.housekeeping = housekeeping
    }

    var monotonic: UInt64 { Clock.monotonic() }
    var wall: UInt64 { Clock.wall() }

    mutating func wait() throws(SystemError) -> [Wakeup] {
        var tokens: [UInt64] = []
        try poller.wait { tokens.append($0) }
        var wakeups: [Wakeup] = []
        for token in tokens {
            let number = Int32(truncatingIfNeeded: token & 0xffff_ffff)
            switch token >> 32 {
            case 1: add(.events, to: &wakeups)
            case 2: add(.urgent, to: &wakeups)
            case 3:
                try tick.acknowledge()
                wakeups.append(.tick)
            case 4:
                try store.acknowledge()
                wakeups.append(.store)
            case 5:
                try housekeeping.acknowledge()
                wakeups.append(.housekeeping)
            case 6: add(.worker, to: &wakeups)
            case 7: wakeups.append(.mounts)
            case 8: add(.clients, to: &wakeups)
            case 9: wakeups.append(.client(number))
            case 11: wakeups.append(.processors)
            default: while let signal = try signals.next() { wakeups.append(.signal(signal)) }
            }
        }
        return wakeups
    }

    mutating func watch(_ numbers: [Int32], as wakeup: Wakeup) {
        for number in numbers {
            do throws(SystemError) {
                try poller.add(
                    number, wakeup == .mounts ? .exceptional : .readable, token: Self.token(wakeup, number))
            } catch  where error.code == EEXIST {
                // It waits already.
            } catch {
                // ENOMEM, ENOSPC: the housekeeping drains it all the same, only later.
                Message.print("a source cannot be waited for: \(error)")
            }
        }
    }

    mutating func unwatch(_ numbers: [Int32]) {
        for number in numbers { try? poller.remove(number) }
    }

    mutating func arm(_ timer: LoopTimer, nanoseconds: UInt64) {
        // Zero would disarm it. Arming cannot fail but for a bad descriptor or address.
        let nanoseconds = max(nanoseconds, 1)
        switch timer {
        case .tick: try? tick.arm(nanoseconds: nanoseconds)
        case .store: try? store.arm(nanoseconds: nanoseconds)
        case .housekeeping: try? housekeeping.arm(nanoseconds: nanoseconds)
        }
    }

    private func add(_ wakeup: Wakeup, to wakeups: inout [Wakeup]) {
        if !wakeups.contains(wakeup) { wakeups.append(wakeup) }
    }

    /// What epoll hands back: the kind above, the descriptor's number below.
    private static func token(_ wakeup: Wakeup, _ number: Int32) -> UInt64 {
        let kind: UInt64 =
            switch wakeup {
            case .events: 1
            case .urgent: 2
            case .tick: 3
            case .store: 4
            case .housekeeping: 5
            case .worker: 6
            case .mounts: 7
            case .clients: 8
            case .client: 9
            case .signal: 10
            case .processors: 11
            }
        return kind << 32 | UInt64(UInt32(bitPattern: number))
    }
}
