import CLinux
import Glibc
import Records
import SystemCalls
import Transfer

/// Copies of one moment, while the source goes on.
extension Departure {
    /// A copy that is started there without a way out and checked, while the source goes on after a moment's rest.
    ///
    /// - Parameter isKept: whether the copy stays, as a backup that was tried.
    func copy(_ report: Report) throws(MoveError) {
        try alone("copy") { () throws(MoveError) in
            guard order.isolation != .host else {
                throw MoveError("a copy is not tried at the host itself: --isolation container, say")
            }
            guard !order.startsFirst else { throw MoveError("a copy has all files: leave --start-first out") }
            try refuseProblems(report)
            guard state == "open" else { throw MoveError("\(order.name) is \(state)") }
            if sender == nil { try bring(report) }
            let runs = try origin.runs(recipes)
            try beforeStop(report)
            do throws(MoveError) {
                let begin = Clock.monotonic()
                try bringAtRest(begin, report)
                let link = try connected()
                try journal.write(.start, .begun)
                try link.ask("start", startMembers(runs, isCutOff: true))
                try journal.write(.start, .done)
                try journal.write(.verify, .begun)
                try link.ask("verify")
                try passCheck(link)
                try journal.write(.verify, .done)
                phase("verified", begin, report)
                try undo(report)
            } catch {
                let reason = error
                try undo(report)
                throw reason
            }
        }
    }

    /// Brings the rest as it is in one moment, in which the programs rest.
    func bringAtRest(_ begin: UInt64, _ report: Report) throws(MoveError) {
        try journal.write(.freeze, .begun)
        try freeze()
        let round = try sendRound(isFinal: true)
        thaw()
        try journal.write(.freeze, .undone)
        phase("copied", begin, report, [.init("sent", .integer(Int128(round.sent)))])
        try furnish()
    }

    func freeze() throws(MoveError) {
        try origin.cell?.rest()
        for process in origin.processes() { Members.signal(process, SIGSTOP) }
    }

    func thaw() {
        if order.isLive { thawLive() }
        for process in origin.processes() { Members.signal(process, SIGCONT) }
        origin.cell?.resume()
    }
}
