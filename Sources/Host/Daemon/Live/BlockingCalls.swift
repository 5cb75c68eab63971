import CLinux
import Glibc
import Synchronization
import SystemCalls

/// Runs calls that may never return on threads of their own, and waits for them only so long.
///
/// A thread that waits for a file server cannot be ended: in some states of a FUSE request not even SIGKILL does.
/// So no more than `limit` calls are outstanding, none into a place whose last call has not returned, and a place
/// that was too slow is left alone for a while, longer each time.
final class BlockingCalls: Sendable {
    /// A place of which one call at a time may be outstanding: a mount by its identity.
    typealias Place = UInt64

    /// What is known of a place that did not answer in time.
    struct Delay: Equatable, Sendable {
        /// When it first did not, `CLOCK_MONOTONIC`, nanoseconds.
        var since: UInt64
        /// How often in a row.
        var count: UInt64
        /// Whether the last call has still not returned.
        var isOutstanding: Bool
        /// Until when it is left alone, `CLOCK_MONOTONIC`, nanoseconds.
        var until: UInt64
    }

    private struct State {
        var outstanding: Set<Place> = []
        var delays: [Place: Delay] = [:]
        var expired: UInt64 = 0
        var refused: UInt64 = 0
    }

    private let state = Mutex(State())
    private let limit: Int
    private let deadline: UInt64
    private let firstPause: UInt64
    /// The longest time for which a place is left alone, nanoseconds.
    static let longestPause: UInt64 = 300_000_000_000
    /// Places that are kept in mind at most: who is on the list has been slow, and the list is the host's to fill.
    static let mostPlaces = 1024

    /// - Parameters:
    ///   - limit: calls that may be outstanding.
    ///   - deadline: how long each is waited for, nanoseconds.
    ///   - pause: how long a place is left alone after the first call that took longer, nanoseconds.
    init(limit: Int = 4, deadline: UInt64 = 200_000_000, pause: UInt64 = 1_000_000_000) {
        self.limit = limit
        self.deadline = deadline
        firstPause = pause
    }

    /// What became of calls since the start, and what is outstanding.
    struct Counts: Equatable, Sendable {
        /// Calls that have not returned.
        var outstanding = 0
        /// Calls that were not waited for any longer.
        var expired: UInt64 = 0
        /// Calls that were not made at all: the place or the pool was not free.
        var refused: UInt64 = 0
        /// Places that were too slow and have not answered in time since.
        var delayed = 0
    }

    var counts: Counts {
        state.withLock { state in
            Counts(
                outstanding: state.outstanding.count, expired: state.expired, refused: state.refused,
                delayed: state.delays.count)
        }
    }

    /// Calls that were not waited for any longer.
    var expired: UInt64 { state.withLock { $0.expired } }
    /// Calls that were not made at all: the place or the pool was not free.
    var refused: UInt64 { state.withLock { $0.refused } }
    /// Calls that have not returned.
    var outstanding: Int { state.withLock { $0.outstanding.count } }
    /// The places that were too slow and have not answered since.
    var delays: [Place: Delay] { state.withLock { $0.delays } }

    /// Runs `body` on a thread of its own and gives what it returns; `nil` if that took too long or if the call
    /// may not be made now. The caller waits no longer than the deadline; the body then ends unseen, whenever
    /// that is.
    func run<Answer: Sendable>(_ place: Place, _ body: @escaping @Sendable () -> Answer) -> Answer? {
        guard admit(place) else { return nil }
        let call = Call<Answer>()
        let started = Self.start { [self] in
            let answer = body()
            finish(place)
            call.give(answer)
        }
        guard started else {
            finish(place)
            return nil
        }
        if let answer = call.wait(until: Clock.monotonic() + deadline) { return answer }
        expire(place)
        return nil
    }

    private func admit(_ place: Place) -> Bool {
        let now = Clock.monotonic()
        return state.withLock { state in
            guard state.outstanding.count < limit, !state.outstanding.contains(place),
                state.delays[place].map({ $0.until <= now }) ?? true
            else {
                state.refused += 1
                return false
            }
            state.outstanding.insert(place)
            return true
        }
    }

    /// The call has returned. A place that was slow is forgiven only by an answer in time: it gets its next chance
    /// when its pause is over.
    private func finish(_ place: Place) {
        state.withLock { state in
            state.outstanding.remove(place)
            guard let delay = state.delays[place] else { return }
            if delay.isOutstanding {
                state.delays[place]?.isOutstanding = false
            } else {
                state.delays[place] = nil
            }
        }
    }

    private func expire(_ place: Place) {
        let now = Clock.monotonic()
        state.withLock { state in
            state.expired += 1
            // It may have returned in this very moment.
            let isOutstanding = state.outstanding.contains(place)
            let known = state.delays[place]
            let count = (known?.count ?? 0) + 1
            let pause = min(firstPause << min(count - 1, 16), Self.longestPause)
            if known == nil, state.delays.count >= Self.mostPlaces {
                // One whose pause is over loses nothing by being forgotten; if there is none, any one.
                let over = state.delays.first { !$0.value.isOutstanding && $0.value.until <= now }
                if let key = (over ?? state.delays.first { !$0.value.isOutstanding })?.key {
                    state.delays[key] = nil
                }
            }
            state.delays[place] = Delay(
                since: known?.since ?? now, count: count, isOutstanding: isOutstanding, until: now + pause)
        }
    }

    // MARK: Threads

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// A thread for each call: calls are rare, and one that waits for a dead server is lost for others anyway.
    private static func start(_ body: @escaping @Sendable () -> Void) -> Bool {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 256 << 10)
        // A caller of real-time priority does not pass it on.
        pthread_attr_setinheritsched(&attributes, Int32(PTHREAD_EXPLICIT_SCHED))
        let context = Unmanaged.passRetained(Body(body))
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, &attributes,
            { context in
                Unmanaged<Body>.fromOpaque(context!).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        if failure != 0 { context.release() }
        return failure == 0
    }

    /// One call's answer, and the way to sleep until it is there.
    private final class Call<Answer: Sendable>: @unchecked Sendable {
        private var mutex = pthread_mutex_t()
        private var condition = pthread_cond_t()
        private var answer: Answer?

        init() {
            pthread_mutex_init(&mutex, nil)
            var attributes = pthread_condattr_t()
            pthread_condattr_init(&attributes)
            pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
            pthread_cond_init(&condition, &attributes)
            pthread_condattr_destroy(&attributes)
        }

        deinit {
            pthread_cond_destroy(&condition)
            pthread_mutex_destroy(&mutex)
        }

        func give(_ answer: Answer) {
            pthread_mutex_lock(&mutex)
            self.answer = answer
            pthread_cond_signal(&condition)
            pthread_mutex_unlock(&mutex)
        }

        func wait(until deadline: UInt64) -> Answer? {
            var time = timespec(
                tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
            pthread_mutex_lock(&mutex)
            defer { pthread_mutex_unlock(&mutex) }
            while answer == nil, pthread_cond_timedwait(&condition, &mutex, &time) != ETIMEDOUT {}
            return answer
        }
    }
}
