import Glibc
import Records
import SocketDiagnostics
import SystemCalls

/// A copy of the programs that is started at another host, while they go on here.
extension Departure {
    /// Brings a copy of one moment, starts it there, checks it, and has it let clients in.
    func replicate(_ report: Report) throws(MoveError) {
        try alone("replica") { () throws(MoveError) in
            guard state == "open" else { throw MoveError("\(order.name) is \(state) at \(order.host)") }
            try bring(report)
            let runs = try origin.runs(recipes)
            try beforeStop(report)
            let begin = Clock.monotonic()
            do throws(MoveError) { try bringAtRest(begin, report) } catch {
                endRest()
                throw error
            }
            let link = try connected()
            try journal.write(.start, .begun)
            try link.ask("start", startMembers(runs, isCutOff: false))
            try journal.write(.start, .done)
            phase("started", begin, report)
            try journal.write(.verify, .begun)
            try link.ask("verify")
            try passCheck(link)
            try journal.write(.verify, .done)
            try journal.write(.admit, .begun)
            try link.ask("admit")
            try journal.write(.admit, .done)
            _ = try? link.ask("deliver")
            phase("admitted", begin, report)
        }
    }

    /// Connections that the replica still has; 0 where there is none.
    func replicaConnections() throws(MoveError) -> UInt64 {
        try linked("connections")["connections"]?.integer.flatMap { UInt64(exactly: $0) } ?? 0
    }

    /// What has failed, or an agent that died, while the programs rested has left them so.
    func endRest() {
        guard journal.stands(.freeze) else { return }
        thaw()
        try? journal.write(.freeze, .undone)
    }

    /// Ends the replica, and has the copy removed; one that was not begun is no error.
    func endReplica() throws(MoveError) {
        guard journal.stands(.precopy) else { return }
        _ = try linked("retire")
        for step in [MoveStep.admit, .verify, .start, .precopy] where journal.stands(step) {
            try journal.write(step, .undone)
        }
        disconnect()
    }

    /// Asks by the connection that is open; one that was cut meanwhile is made anew.
    private func linked(_ verb: String) throws(MoveError) -> JSONValue {
        if let link, let answer = try? link.ask(verb) { return answer }
        disconnect()
        return try connected().ask(verb)
    }

    private func disconnect() {
        link?.close()
        (link, sender) = (nil, nil)
    }
}

extension Arrival {
    /// Connections to its ports that are open, also those that nobody has accepted, or that are being closed.
    func connections() throws(MoveError) -> Int {
        guard cell.isRunning else { return 0 }
        let numbers = Set(ports.filter(\.isTCP).map(\.number))
        do throws(SocketQueryError) {
            var query = try SocketQuery.inNetwork(of: cell.state.pid)
            var count = 0
            for family in [AddressFamily.v4, .v6] {
                for socket in try query.inet(family, .tcp, states: .all)
                where numbers.contains(socket.local.port) && socket.state != .listen
                    && socket.state != .timeWait && socket.state != .close
                {
                    count += 1
                }
            }
            return count
        } catch { throw MoveError("connections cannot be counted: \(error)") }
    }

    /// Ends the programs and removes the copy; nothing of it is left but the journal.
    func retire() throws(MoveError) {
        guard isReplica else { throw MoveError("\(name) lives here: it is no replica") }
        if journal.stands(.admit) {
            var state = cell.state
            state.isOn = false
            cell.state = state
            endCell()
            try journal.write(.admit, .undone)
        }
        try undo()
        try removeHold()
        receiver = nil
        try Tool.need(["rm", "-rf", "--one-file-system", "--", cell.folder], seconds: 600)
        for path in [cell.folder, cell.root] where mkdir(path, path == cell.root ? 0o755 : 0o700) != 0 {
            throw MoveError("\(path): \(SystemError.text(of: errno))")
        }
    }
}
