import Control
import SystemCalls

/// Clients that come, and what is done from time to time.
extension Watcher {
    /// Sees to it that the house is kept so many nanoseconds from now at the latest. An earlier time stands:
    /// clients that come and go do not put off the sign of life that the service manager waits for.
    mutating func keepHouse(within nanoseconds: UInt64) throws(SystemError) {
        let due = Clock.monotonic() + nanoseconds
        guard housekeepingDue == 0 || due < housekeepingDue else { return }
        housekeepingDue = due
        try housekeeping.arm(nanoseconds: nanoseconds)
    }

    mutating func keepHouse() throws(SystemError) {
        try housekeeping.acknowledge()
        housekeepingDue = 0
        handlers.dropSilent(olderThan: 9_000_000_000)
        if isDeafToClients {
            isDeafToClients = false
            try listen()
        }
        if manager.watchdog > 0 {
            manager.notify("WATCHDOG=1")
            try keepHouse(within: manager.watchdog)
        }
        if handlers.count > 0 { try keepHouse(within: 10_000_000_000) }
    }

    // MARK: Clients

    func listen() throws(SystemError) {
        for number in handlers.numbers { try poller.add(number, token: Token.control) }
    }

    /// Takes new clients. Where they cannot even be turned away, for want of memory or descriptors, they
    /// are left alone for a second: the poller would report them at once and for ever.
    mutating func welcome() throws(SystemError) {
        for number in handlers.accept() { try poller.add(number, token: Token.client + UInt64(number)) }
        if handlers.count > 0 { try keepHouse(within: 10_000_000_000) }
        guard handlers.isStuck, !isDeafToClients else { return }
        isDeafToClients = true
        for number in handlers.numbers { try poller.remove(number) }
        try keepHouse(within: 1_000_000_000)
    }
}
