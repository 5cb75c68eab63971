import Glibc
import Procfs
import Records
import SystemCalls
import Transfer
import Transport

/// A move of running processes, at the destination.
extension Arrival {
    private var packetLock: LiveLock { LiveLock(name: name, ports: ports) }

    /// What is brought next is a part of the programs' memory.
    ///
    /// - Parameter bytes: how much of it at most, where that is known.
    func beginImages(_ channel: StreamChannel, _ part: LivePart, bytes: UInt64) throws(MoveError) {
        try Criu().needVersion()
        let place = part.folder(of: cell)
        if part == .ahead {
            guard !journal.stands(.start) else { throw MoveError("\(name) was started here already") }
            var status = statvfs()
            if statvfs(cell.folder, &status) == 0 {
                try MemoryAhead.needRoom(
                    bytes, at: cell.folder, UInt64(status.f_bavail) * UInt64(status.f_frsize))
            }
            memoryChannel = channel
        }
        guard mkdir(place, 0o700) == 0 || errno == EEXIST else {
            throw MoveError("\(place): \(SystemError.text(of: errno))")
        }
        filesReceiver = receiver
        do throws(SystemError) {
            receiver = try FileReceiver(over: channel, root: place, own: nil)
        } catch { throw MoveError("\(place): \(error)") }
        if part == .ahead { Fault.pass("memory-begun") }
    }

    func endImages() {
        Fault.pass("memory-there")
        receiver = filesReceiver
        filesReceiver = nil
    }

    /// Whether the cell's first process has no more need of the images.
    var isRestored: Bool { access(CellInit.restored(cell), F_OK) == 0 }

    /// Before the programs are restored: their address has to be here for their connections, and nothing may answer from it.
    func beginLive() throws(MoveError) {
        unlink(CellInit.restored(cell))
        unlink(PageRelay.done(cell))
        // In a network of its own it has an address of its own, and nobody to answer.
        guard !cell.state.isCutOff else { return }
        var lock = packetLock
        // A tree that is there already must not be answered with a reset by the kernel, for one that is not yet.
        lock.isLocal = hasTrees
        try lock.load()
        if let kept { try kept.take() } else { try liveAddress?.add(to: "lo") }
    }

    /// When all is restored.
    func joinTrees() throws(MoveError) { if hasTrees, !cell.state.isCutOff { try packetLock.load() } }

    private var hasTrees: Bool { LiveDump.count(below: LivePart.images.folder(of: cell)) > 1 }

    private var liveAddress: ServiceAddress? { cell.state.liveAddress.flatMap { ServiceAddress($0) } }

    /// The address that another host keeps for what is here; `nil` where none does.
    var kept: KeptAddress? {
        let state = cell.state
        return state.addressStays ? state.liveAddress.flatMap { KeptAddress($0, name: name) } : nil
    }

    private var hasImages: Bool { access(LivePart.images.folder(of: cell), F_OK) == 0 }

    /// Ends what was started. Of what was restored no packet leaves this host, and no connection stays behind that would be in the
    /// way of the next attempt: they close in repair mode. Nothing is asked to end that goes on elsewhere.
    func endCell() {
        guard hasImages else { return cell.end(within: 10) }
        let first = cell.state.pid
        if first > 0, let space = ProcessDirectory(first)?.namespace("pid") {
            for pid in ProcessList.pids() where ProcessDirectory(pid)?.namespace("pid") == space {
                TCPRepair.each(of: pid, isIn: false) { socket in TCPRepair.begin(socket) }
            }
        }
        cell.end(within: 0)
    }

    /// Nothing is kept from their connections any more.
    func endLive(leavesAddress: Bool) throws(MoveError) {
        guard hasImages else { return }
        guard !cell.state.isCutOff else { return removeMemory() }
        try packetLock.remove()
        if leavesAddress { if let kept { try? kept.leave() } else { try? liveAddress?.remove(from: "lo") } }
        removeMemory()
    }

    /// What was brought of the programs' memory does not stay longer than it is needed.
    func removeMemory() {
        for part in LivePart.allCases.reversed() {
            let place = part.folder(of: cell)
            guard let inside = try? RootFolder(place) else { continue }
            for path in inside.paths().reversed() {
                let name = place + String(decoding: path, as: UTF8.self)
                if unlink(name) != 0 { rmdir(name) }
            }
            rmdir(place)
        }
    }

    /// A connection over which memory came has ended: its source does not know any more what is here.
    func forgetMemory(_ channel: StreamChannel) throws(MoveError) {
        guard memoryChannel === channel else { return }
        memoryChannel = nil
        if !journal.stands(.start), !journal.stands(.admit) { removeMemory() }
    }

    /// Whether the programs need their source no more: `there`, `missing`, or `ended`.
    var memoryState: String {
        guard cell.state.fetchesMemory else { return "there" }
        if access(PageRelay.done(cell), F_OK) == 0 { return "there" }
        return cell.isRunning ? "missing" : "ended"
    }

    /// Where programs have ended before all of their memory was here they begin anew, and need their source no more.
    func loseMemory() {
        var state = cell.state
        guard memoryState == "ended" else { return }
        Diagnostics.say(
            "\(name): the programs have ended before all of their memory was here: they are started anew")
        state.fetchesMemory = false
        cell.state = state
    }

    /// A connection of the source over which the cell's first process fetches memory, until that has all of it.
    func fetchMemory(over channel: StreamChannel) throws(TransferError) {
        guard memoryState != "there" else { throw .refused("\(name) fetches nothing here") }
        try channel.send(Frame(.reply, AgentLink.bytes(.object([.init("memory", .string(memoryState))]))))
        try channel.flush()
        // It is not there before the first process is.
        let limit = Clock.monotonic() + 8_000_000_000
        var found = PageRelay.connect(to: cell)
        while found == nil, Clock.monotonic() < limit {
            usleep(2_000)
            found = PageRelay.connect(to: cell)
        }
        guard let relay = found else { throw .refused("\(name) fetches nothing here yet") }
        while let question = PageRelay.read(relay.number, PagesWanted.size) {
            let wanted = try PagesWanted(question)
            try channel.send(Frame(.pagesWanted, wanted.question))
            let frame = try channel.receive()
            if frame.kind == .failure { throw .refused(String(decoding: frame.payload, as: UTF8.self)) }
            guard frame.kind == .pages, frame.payload.count > PagesWanted.size,
                try wanted.length(behind: Array(frame.payload[..<PagesWanted.size]))
                    == frame.payload.count - PagesWanted.size
            else { throw .malformed("\(frame.kind) in place of pages") }
            guard PageRelay.write(relay.number, frame.payload) else { return }
        }
    }
}
