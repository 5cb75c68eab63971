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

    mutating func keepHouse() {
        housekeepingDue = 0
        handlers.dropSilent(olderThan: 9_000_000_000, sparing: busyClients)
        if isDeafToClients {
            isDeafToClients = false
            listenToClients()
        }
        if manager.watchdog > 0 {
            manager.notify("WATCHDOG=1")
            keepHouse(within: manager.watchdog)
        }
        if let retry = session.engine.mountRetryTime, retry <= waiting.monotonic { mountsChanged() }
        if handlers.count > 0 { keepHouse(within: 10_000_000_000) }
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
        guard handlers.isStuck, !isDeafToClients else { return }
        isDeafToClients = true
        waiting.unwatch(handlers.numbers)
        keepHouse(within: 1_000_000_000)
    }
}
