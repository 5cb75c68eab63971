import CLinux
import Glibc
import Records
import SystemCalls
import Transfer

/// Copies of one moment, while the source goes on.
extension Departure {
    /// A copy that is started there without a way out and checked, while the source goes on after a moment's rest. Of programs that
    /// would move alive the copy is of the processes: it is restored there, and goes on from that moment.
    func copy(_ report: Report) throws(MoveError) {
        try alone("copy") { () throws(MoveError) in
            guard order.isolation != .host else {
                throw MoveError("a copy is not tried at the host itself: --isolation container, say")
            }
            guard !order.startsFirst else { throw MoveError("a copy has all files: leave --start-first out") }
            try refuseProblems(report)
            guard state == "open" else { throw MoveError("\(order.name) is \(state)") }
            guard !order.fetchesMemory else {
                throw MoveError("a copy has all memory, since the source goes on: leave --memory fetched out")
            }
            if sender == nil { try bring(report) }
            let runs = try origin.runs(recipes)
            try beforeStop(report)
            do throws(MoveError) {
                let begin = Clock.monotonic()
                try order.isLive ? bringAlive(begin, report) : bringAtRest(begin, report)
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

    /// Brings the processes and the rest of the files as they are in one moment, in which the programs are stopped.
    private func bringAlive(_ begin: UInt64, _ report: Report) throws(MoveError) {
        try refuseLive()
        try freezeLive()
        let round = try sendRound(isFinal: true)
        let shared = try sendSharedMemory()
        let aside = try dump.setAside()
        // They have the programs' memory.
        defer { dump.clearAside() }
        thaw()
        try journal.write(.freeze, .undone)
        phase("copied", begin, report, [.init("sent", .integer(Int128(round.sent + shared)))])
        try furnish()
        let sent = try sendImages(from: aside)
        phase("images", begin, report, [.init("sent", .integer(Int128(sent)))])
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
