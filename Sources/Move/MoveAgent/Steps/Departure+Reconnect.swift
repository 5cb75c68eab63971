import Records
import Synchronization
import SystemCalls
import Transport

/// Clients that stay, and have to find the service at another address.
extension Departure {
    /// Asks the clients' hosts to send them to the destination; those that do not answer are asked again each second.
    func beginReconnection() {
        guard !order.clients.isEmpty else { return }
        do throws(MoveError) {
            if !journal.stands(.reconnect) { try journal.write(.reconnect, .begun) }
            try askClients("redirect", Redirection.value(order.reconnection, identity.name)) {
                () throws(MoveError) in
                try redirection.begin(order.reconnection, from: identity.name)
            }
            try journal.write(.reconnect, .done)
        } catch { Diagnostics.say("\(order.name): \(error)") }
    }

    /// Each second: what was not answered yet, either way.
    func watchClients() {
        let isReturned = status.withLock { $0.isReturned } || state == "open"
        guard journal.stands(.reconnect),
            isReturned || journal.state(.reconnect) == .begun && state == "moved"
        else { return }
        try? alone("reconnection") { () throws(MoveError) in
            guard journal.stands(.reconnect) else { return }
            guard isReturned else { return beginReconnection() }
            do throws(MoveError) {
                try askClients("restore", .object([.init("name", .string(order.name))])) {
                    () throws(MoveError) in
                    try redirection.end(order.name)
                }
                try journal.write(.reconnect, .undone)
            } catch { Diagnostics.say("\(order.name): \(error)") }
        }
    }

    /// Asks all of them, and says which did not do it.
    private func askClients(
        _ verb: String, _ what: JSONValue, here: () throws(MoveError) -> Void
    ) throws(MoveError) {
        var failures: [String] = []
        func attempt(_ body: () throws(MoveError) -> Void) {
            do throws(MoveError) { try body() } catch { failures.append(error.description) }
        }
        attempt(here)
        for client in order.clients where client.name != identity.name {
            attempt { () throws(MoveError) in
                let link = try AgentLink(
                    to: client.name, at: client.address, port: client.port, as: identity)
                defer { link.close() }
                try link.ask(verb, [.init("what", what)])
            }
        }
        guard failures.isEmpty else {
            throw MoveError(
                "clients were not all \(verb == "redirect" ? "sent on" : "sent back"): "
                    + failures.joined(separator: "; "))
        }
    }
}
