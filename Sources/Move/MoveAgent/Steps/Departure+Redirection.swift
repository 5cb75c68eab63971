import CLinux
import Glibc
import MovePlan
import Records
import Synchronization
import SystemCalls
import Transfer
import Transport

/// Where clients are sent after a move, and no more when the service is back.
extension Departure {
    private var forward: Forward {
        Forward(name: order.name, ports: order.ports, to: order.address, published: order.published)
    }

    /// What sends clients to where the service went, as far as that was ordered. Done again it changes nothing.
    func beginRedirection() throws(MoveError) {
        guard order.forwards || order.addressStays, state == "moved" else { return }
        if let kept = order.keptAddress {
            if journal.state(.forward) != .done { try journal.write(.forward, .begun, .boolean(true)) }
            try kept.forward(order.ports, to: order.address)
            if journal.state(.forward) != .done { try journal.write(.forward, .done) }
            return
        }
        // What a run that did not come to its end has found is how the host was.
        var was = forward.isForwarding
        if journal.stands(.forward), case .boolean(let before)? = journal.detail(.forward) { was = before }
        if journal.state(.forward) != .done { try journal.write(.forward, .begun, .boolean(was)) }
        try forward.begin()
        if journal.state(.forward) != .done { try journal.write(.forward, .done) }
    }

    /// Lets it rest, until it begins again.
    func suspendRedirection() throws(MoveError) {
        // What comes to an address that stays is the connections' of the running processes: here it would be answered with a reset.
        if journal.stands(.forward), !order.addressStays { try forward.suspend() }
    }

    /// The service is here again: what sends its clients elsewhere is undone.
    func endRedirection() throws(MoveError) {
        status.withLock { $0.isReturned = true }
        // Clients' hosts may not answer, and nobody waits for them: `watch` asks again.
        if journal.stands(.reconnect) { try? DetachedThread.start { [self] in watchClients() } }
        guard journal.stands(.forward) else { return }
        try KeptAddress.endForwarding(name: order.name)
        // Not known is as it is: another move may have begun to forward since.
        let was = journal.detail(.forward) != .boolean(false)
        try forward.end(wasForwarding: was)
        try journal.write(.forward, .undone)
    }
}
