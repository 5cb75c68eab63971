import Control
import Observation
import SystemCalls

/// Clients that come, and what is done from time to time.
extension Watcher where Source: ~Copyable, Wait: ~Copyable {
    /// Sees to it that the housekeeping is done so many nanoseconds from now at the latest. An earlier time stands:
    /// clients that come and go do not put off the sign of life that the service manager waits for.
    mutating func keepHouse(within nanoseconds: UInt64) {
        let due = waiting.monotonic + nanoseconds
        guard housekeepingDue == 0 || due < housekeepingDue else { return }
        housekeepingDue = due
        waiting.arm(.housekeeping, nanoseconds: nanoseconds)
    }

    /// The same for a moment, `CLOCK_MONOTONIC`, nanoseconds.
    mutating func keepHouse(at due: UInt64) {
        let now = waiting.monotonic
        keepHouse(within: due > now ? due - now : 1)
    }

    mutating func keepHouse() {
        housekeepingDue = 0
        handlers.dropSilent(olderThan: 9_000_000_000, sparing: busyClients)
        if hasPausedClients {
            hasPausedClients = false
            listenToClients()
        }
        if manager.watchdog > 0 {
            manager.notify("WATCHDOG=1")
            keepHouse(within: manager.watchdog)
        }
        if let retry = session.engine.mountRetryTime, retry <= waiting.monotonic { mountsChanged() }
        // There is one timer: who had it armed for later waits still.
        let now = waiting.monotonic
        for due in [session.engine.mountRetryTime, session.engine.sourceRetryTime, session.due] {
            if let due, due > now { keepHouse(at: due) }
        }
        if handlers.count > 0 { keepHouse(within: 10_000_000_000) }
    }

    /// Tries sources that are given up and whose pause is over; returns whether there are any.
    mutating func retrySources() -> Bool {
        guard let retry = session.engine.sourceRetryTime, retry <= waiting.monotonic else { return false }
        session.engine.retrySources()
        return true
    }

    /// Clients whose dump is being made, or who wait until something is forgotten.
    private var busyClients: Set<Int32> {
        var clients = Set(waitingDumps.compactMap(\.client))
        if let client = job?.client { clients.insert(client) }
        clients.formUnion(forgetting.clients)
        return clients
    }

    // MARK: Clients

    mutating func listenToClients() { waiting.watch(handlers.numbers, as: .clients) }

    /// Takes new clients. Where they cannot even be turned away, for want of memory or descriptors, they
    /// are left alone for a second: the poller would report them at once and for ever.
    mutating func welcome() {
        for number in handlers.accept() { waiting.watch([number], as: .client(number)) }
        if handlers.count > 0 { keepHouse(within: 10_000_000_000) }
        guard handlers.isStuck, !hasPausedClients else { return }
        hasPausedClients = true
        waiting.unwatch(handlers.numbers)
        keepHouse(within: 1_000_000_000)
    }
}
