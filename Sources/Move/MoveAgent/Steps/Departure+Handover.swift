import CLinux
import Glibc
import Records
import Synchronization
import SystemCalls
import Transfer

/// Giving the service up, finding out whether the destination has taken it, and taking it back.
extension Departure {
    func handOver(_ report: Report) throws(MoveError) {
        let link = try connected()
        try claimLive(report)
        var interface: String?
        let address = order.movingAddress.flatMap { ServiceAddress($0) }
        if let address { interface = try address.interface() }
        try journal.write(.release, .begun, interface.map { .string($0) } ?? .null)
        do throws(MoveError) {
            try leaveAddress()
            try journal.write(.admit, .begun)
            try link.ask("admit", admission())
        } catch {
            self.link = nil
            try resolve(report)
            return
        }
        try conclude(report)
    }

    /// Which address moves, and what was sent to it meanwhile.
    func admission() -> [JSONValue.Member] {
        [
            .init("address", order.movingAddress.map { .string($0) } ?? .null),
            .init("packets", storedForAddress()),
        ]
    }

    private func storedForAddress() -> JSONValue {
        guard let address = order.serviceAddress.flatMap({ ServiceAddress($0) }) else { return .array([]) }
        return status.withLock { $0.traffic }?.take(to: address) ?? .array([])
    }

    /// Passes on what came to the address while it moved; a client of which it is lost sends again. Has the destination remove what
    /// it held clients by.
    func deliver() {
        guard order.handover == nil else { return }
        _ = try? link?.ask("deliver", [.init("packets", storedForAddress())])
    }

    /// Takes the address that moves from this host, as the journal says where it was; not there any more is no error.
    func leaveAddress() throws(MoveError) {
        guard let interface = journal.detail(.release)?.string,
            let address = order.serviceAddress.flatMap({ ServiceAddress($0) })
        else { return }
        try address.remove(from: interface)
    }

    /// After the destination has said that clients are let in.
    func conclude(_ report: Report) throws(MoveError) {
        try journal.write(.admit, .done)
        let pause = Clock.monotonic() &- status.withLock { $0.heldSince }
        status.withLock {
            $0.lastPause = $0.heldSince == 0 ? 0 : pause
            $0.deadline = 0
        }
        deliver()
        if order.fetchesMemory {
            report(
                .object([.init("phase", .string("admitted")), .init("pause_ns", .integer(Int128(pause)))]))
            let isThere = try waitForMemory(report)
            try tidy()
            forgetMemory()
            guard isThere else { throw MoveError(memoryLost) }
            return
        }
        try tidy()
        if order.isLive { forgetMemory() }
        report(.object([.init("phase", .string("admitted")), .init("pause_ns", .integer(Int128(pause)))]))
    }

    /// What is left to be done here after clients were let in there; each of it may be done again.
    func tidy() throws(MoveError) {
        // Until then nothing is given up here.
        if order.fetchesMemory, journal.state(.stop) != .done {
            guard try isMemoryThere() else {
                throw MoveError(
                    "\(order.host) has not fetched all memory yet: the stopped programs stay here until then")
            }
        }
        do throws(MoveError) {
            // Before its connections are not known here any more: what still came for them would be answered with a reset.
            // Where that fails they are lost, and the programs here end all the same.
            if order.addressStays {
                do throws(MoveError) { try beginRedirection() } catch {
                    Diagnostics.say("\(order.name): \(error)")
                }
            }
            try endLive()
            try finishHandover()
            if !order.addressStays { try beginRedirection() }
            if order.handover == nil { try endHold() }
        } catch { Diagnostics.say("\(order.name): \(error)") }
        if journal.stands(.hold) { try journal.write(.hold, .undone) }
        try arrival?.give(true)
        disableUnits()
        if !order.clients.isEmpty, !journal.stands(.reconnect) { try journal.write(.reconnect, .begun) }
        try journal.write(.release, .done)
        // Last, since the agents of the clients' hosts may not answer.
        beginReconnection()
    }

    /// Asks the destination what it did, when the answer to `admit` did not come.
    func resolve(_ report: Report) throws(MoveError) {
        keepLive()
        // An agent that died right after the line was written has not come to this.
        try leaveAddress()
        let said: String
        do throws(MoveError) {
            let link = try connected()
            var state = try link.ask("state")["state"]?.string ?? ""
            if state == "started" {
                // The request did not come: it is made again; a refusal is an answer too.
                if let answer = try? link.ask("admit", admission()) {
                    state = answer["state"]?.string ?? state
                } else {
                    state = try link.ask("state")["state"]?.string ?? ""
                }
            }
            said = state
        } catch {
            throw MoveError(
                "\(order.host) was asked to let clients in, and its answer did not come (\(error)). Whether it did is not known "
                    + "here: it is asked again each second until it answers; nothing is started here meanwhile"
            )
        }
        switch said {
        case "admitted": try conclude(report)
        case "started":
            throw MoveError("\(order.host) did not let clients in yet; it is asked again each second")
        default:
            // It was ended there, for good: the service is this host's again.
            if let interface = journal.detail(.release)?.string,
                let address = order.serviceAddress.flatMap({ ServiceAddress($0) })
            {
                try address.add(to: interface)
            }
            try journal.write(.admit, .undone)
            try journal.write(.release, .undone)
            try undo(report)
            throw MoveError("\(order.host) had ended what was started there; the source serves again")
        }
    }

    /// Undoes what was done, in the other order; the source serves again.
    func rollback(_ report: Report) throws(MoveError) {
        progress.cancelled = true
        defer { progress.cancelled = false }
        let limit = Clock.monotonic() + 30_000_000_000
        while true {
            do throws(MoveError) {
                try alone("rollback") { () throws(MoveError) in
                    guard !journal.stands(.release) else {
                        throw MoveError(
                            "clients were let in at \(order.host), or may have been (\(state)): going back is a move from there"
                        )
                    }
                    try undo(report)
                }
                return
            } catch {
                // A transfer that is cancelled gives way in a moment, and undoes itself.
                guard
                    error.description.hasSuffix("busy: pre-copy")
                        || error.description.hasSuffix("busy: cut-over"),
                    Clock.monotonic() < limit
                else { throw error }
                usleep(50_000)
            }
        }
    }

    func undo(_ report: Report) throws(MoveError) {
        let wasThere = journal.stands(.start) || journal.stands(.holdThere)
        if journal.stands(.verify) { try journal.write(.verify, .undone) }
        if journal.stands(.start) { try journal.write(.start, .undone) }
        if journal.stands(.holdThere) { try journal.write(.holdThere, .undone) }
        if journal.stands(.fetch) { try journal.write(.fetch, .undone) }
        if journal.stands(.finalCopy) { try journal.write(.finalCopy, .undone) }
        // First: what has to be undone is that it is not called.
        try takeBack()
        if journal.stands(.freeze) {
            thaw()
            try journal.write(.freeze, .undone)
        }
        if journal.stands(.stop) {
            let runs = (journal.detail(.stop)?.array ?? []).compactMap { ProgramRun($0) }
            try origin.begin(runs)
            waitUntilListening()
            try journal.write(.stop, .undone)
        }
        if journal.stands(.hold) {
            try endHold()
            try journal.write(.hold, .undone)
        }
        try endTunnel()
        status.withLock { $0.deadline = 0 }
        // Last: the source does not wait for it, since the destination was never asked to let clients in; one that hears
        // nothing undoes it by itself.
        if wasThere || journal.stands(.install) {
            let answer = try? connected().ask("undo")
            // Asked again by a rollback, else.
            if journal.stands(.install), answer != nil { try journal.write(.install, .undone) }
        }
        link?.close()
        (link, sender) = (nil, nil)
        if order.isLive {
            forgetMemory()
            // An agent that died has left it.
            dump.clearAside()
        }
        report(.object([.init("phase", .string("undone"))]))
    }

    /// A process in the network that the programs have here.
    var processOfNetwork: pid_t {
        guard let first = origin.cell?.state.pid, first > 0 else { return getpid() }
        return first
    }

    func waitUntilListening() {
        let limit = Clock.monotonic() + 30_000_000_000
        while Clock.monotonic() < limit {
            if (origin.cell?.missing(order.ports) ?? Listening.missing(order.ports, in: getpid())).isEmpty {
                return
            }
            usleep(5_000)
        }
        Diagnostics.say("\(order.name): started again, but not all of its ports are waited on")
    }
}
