import Glibc
import Records
import Synchronization
import SystemCalls
import Transfer

/// Memory of processes that go on alive, brought while they run.
extension Departure {
    /// Brings it in rounds, as files are, until what is changed meanwhile fits into the pause or stops becoming less. What fails here is
    /// no loss: all of it is brought while they are stopped.
    ///
    /// - Throws: that it was cancelled.
    func bringMemory(_ report: Report) throws(MoveError) {
        forgetMemory()
        guard order.isLive, order.memory == .ahead, order.rounds > 0 else { return }
        do throws(MoveError) {
            try dump.lay([dump.folder])
            guard let ahead = try MemoryAhead(of: origin.liveProcesses(), in: dump.ahead) else { return }
            memoryAhead = ahead
            let link = try connected()
            try link.ask(
                "images",
                [
                    .init("part", .string(LivePart.ahead.rawValue)),
                    .init("bytes", .integer(Int128(ahead.bytes))),
                ])
            let sender = FileSender(over: link.channel, root: dump.ahead, progress: progress)
            var last = UInt64.max
            for number in 0..<order.rounds {
                let begin = Clock.monotonic()
                let changed = try ahead.read(progress)
                Fault.pass("memory-read")
                let sent = try round(ahead.paths, over: sender, syncsLater: false)
                Fault.pass("memory-sent")
                let seconds = Double(Clock.monotonic() - begin) / 1e9
                report(
                    .object([
                        .init("memory", .integer(Int128(ahead.bytes))), .init("sent", .integer(Int128(sent))),
                        .init("seconds", .double(seconds)),
                    ]))
                if sent > 4 << 20 { rate = Double(sent) / seconds }
                let throttle = progress.bytesPerSecond
                let pace = throttle > 0 ? min(rate, Double(throttle)) : rate
                if number > 0, Double(changed) <= pace * order.downtime / 4 || changed > last / 4 * 3 {
                    break
                }
                last = changed
            }
            try link.ask("images-end")
            memoryLink = link
        } catch {
            forgetMemory()
            guard !progress.cancelled else { throw error }
            Diagnostics.say("\(order.name): memory does not come ahead: \(error)")
            report(.object([.init("memory_why", .string(error.description))]))
        }
    }

    /// Has the images be the difference from what the destination has, which has it as long as the connection is the same.
    func compareMemory() throws(MoveError) -> MemoryDifference.Figures? {
        guard !order.fetchesMemory, dump.leavesMemory || memoryAhead != nil else { return nil }
        let isThere = link != nil && link === memoryLink
        let pids = Dictionary(
            origin.liveProcesses().map { (NamespaceNumber.of($0.pid), $0.pid) },
            uniquingKeysWith: { first, _ in first })
        var all = MemoryDifference.Figures()
        for number in 0..<LiveDump.count(below: dump.images) {
            let figures = try MemoryDifference(
                images: dump.tree(number).images, pids: pids, ahead: isThere ? memoryAhead : nil
            ).make(parent: "../../\(LivePart.ahead.rawValue)")
            all.all += figures.all
            all.known += figures.known
        }
        Fault.pass("memory-compared")
        return all
    }

    func forgetMemory() {
        (memoryAhead, memoryLink) = (nil, nil)
        MemoryAhead.remove(dump.ahead)
    }

    // MARK: Memory that is fetched

    /// Serves pages over a connection of its own until that ends; called again each second as long as they are wanted.
    func serveMemory() {
        guard order.fetchesMemory, dump.leavesMemory else { return }
        serveAlone { [self] () throws(MoveError) in try servePages() }
    }

    private func servePages() throws(MoveError) {
        let pids = Dictionary(
            origin.liveProcesses().map { (NamespaceNumber.of($0.pid), $0.pid) },
            uniquingKeysWith: { first, _ in first })
        let server = try PageServer(images: dump.images, pids: pids, progress: progress)
        let link = try AgentLink(to: order.host, at: order.address, port: order.port, as: identity)
        defer { link.close() }
        try link.ask("pages", [.init("name", .string(order.name))])
        do throws(TransferError) { try server.serve(link.channel) } catch { throw MoveError(error) }
    }

    /// Whether the destination has all memory, or has ended what needed it: asked over the connection that there is, or a new one.
    func isMemoryThere() throws(MoveError) -> Bool {
        switch try memoryThere() {
        case "missing": return false
        case "ended":
            Diagnostics.say("\(order.name): \(memoryLost)")
            return true
        default: return true
        }
    }

    private func memoryThere() throws(MoveError) -> String {
        try connected().ask("memory")["memory"]?.string ?? "there"
    }

    /// What there is to say where the programs have ended.
    var memoryLost: String {
        "the programs have ended at \(order.host) before all of their memory was there, and go on nowhere: they are started anew when the agent there is"
    }

    /// After clients were let in.
    ///
    /// - Returns: whether the programs go on.
    /// - Throws: that the connection ended meanwhile; it goes on by itself.
    func waitForMemory(_ report: Report) throws(MoveError) -> Bool {
        let begin = Clock.monotonic()
        while true {
            let state: String
            do throws(MoveError) { state = try memoryThere() } catch {
                throw MoveError(
                    "\(order.host) serves, and has not all memory yet; it cannot be reached (\(error)). The stopped programs stay here: it is tried again each second, by itself"
                )
            }
            if state == "ended" { return false }
            if state != "missing" { break }
            serveMemory()
            usleep(50_000)
        }
        phase("memory-there", begin, report)
        return true
    }

    /// Each second: what a connection that ended, or an agent that was killed, has left undone.
    func watchMemory() {
        guard order.fetchesMemory, dump.leavesMemory, journal.stands(.start), journal.state(.stop) != .done
        else {
            return
        }
        serveMemory()
        guard state == "moved", journal.state(.release) == .begun else { return }
        try? alone("memory") { () throws(MoveError) in
            do throws(MoveError) {
                guard try memoryThere() != "missing" else { return }
                try tidy()
                forgetMemory()
            } catch {
                link = nil
                throw error
            }
        }
    }
}
