import CLinux
import Glibc
import MovePlan
import Placeholders
import Records
import Synchronization
import SystemCalls
import Transfer
import Transport

/// What is made and started at the destination.
extension Arrival {
    func furnish(_ request: JSONValue) throws(MoveError) {
        var folders: [MoveContents.Folder] = []
        for value in request["folders"]?.array ?? [] {
            guard let path = value["path"]?.string.flatMap({ PlanText.bytes($0) }),
                let user = value["user"]?.integer.flatMap({ UInt32(exactly: $0) }),
                let group = value["group"]?.integer.flatMap({ UInt32(exactly: $0) }),
                let mode = value["mode"]?.integer.flatMap({ UInt32(exactly: $0) })
            else { throw MoveError("no folder") }
            folders.append(.init(path: path, user: user, group: group, mode: mode & 0o7777))
        }
        var files: [(path: [UInt8], text: [UInt8])] = []
        for value in request["files"]?.array ?? [] {
            guard let path = value["path"]?.string.flatMap({ PlanText.bytes($0) }),
                let text = value["text"]?.string.flatMap({ PlanText.bytes($0) })
            else { throw MoveError("no file") }
            files.append((path, text))
        }
        try cell.furnish(folders, files)
    }

    func start(
        _ request: JSONValue, _ runs: [ProgramRun], _ isolation: Isolation, isCutOff: Bool, seconds: UInt64,
        fetchFirst: [UInt32]
    ) throws(MoveError) -> JSONValue {
        guard !journal.stands(.admit) || !cell.isRunning else { throw MoveError("\(name) runs here already") }
        let isBooted = isolation == .machine && cell.isWaiting && !isCutOff
        if cell.isWaiting, !isBooted { cell.end(within: 1) }
        var state = cell.state
        (state.isolation, state.runs, state.isOn, state.isCutOff) = (isolation, runs, false, isCutOff)
        (state.units, state.enabled) = ([], [])
        state.shared = try sharedHere(request)
        state.isLive = request["live"] == .boolean(true)
        state.fetchesMemory = state.isLive && request["fetches_memory"] == .boolean(true)
        state.patience = patience
        // Alone, without a route to the others of its net.
        state.liveAddress =
            !state.isLive
            ? nil
            : request["address"]?.string?.split(separator: "/").first.map {
                $0 + ($0.contains(":") ? "/128" : "/32")
            }
        state.addressStays = state.isLive && !isCutOff && request["address_stays"] == .boolean(true)
        if state.addressStays, let text = request["address"]?.string, let address = ServiceAddress(text),
            try address.interface() != nil
        {
            // This is the host that keeps it.
            (state.liveAddress, state.addressStays) = (nil, false)
        }
        if isolation == .host {
            guard !isCutOff else { throw MoveError("a copy is not tried at the host itself") }
            (state.units, state.enabled) = try units(request)
        }
        if !isBooted { try joinNetwork(&state) }
        // It is lifted when nothing is heard of the source, as in a last copy that takes longer than that.
        if !isCutOff { try hold(nil) }
        var first = waiting
        waiting = nil
        // It has laid its mounts by now.
        if isCutOff || state.network != nil || first?.isolation != isolation || !state.shared.isEmpty
            || state.isLive
        {
            first = nil
        }
        if first == nil { cell.state = state }
        if isolation == .host {
            do throws(MoveError) { try place(replacing: request["replace"] == .boolean(true)) } catch {
                let reason = error
                try undo()
                throw reason
            }
        }
        try journal.write(.start, .begun)
        if state.isLive { try beginLive() }
        if let fetching, !fetching.isSealed { try fetching.seal(fetchFirst) }
        if let first { try cell.begin(state, by: first) } else { try cell.begin() }
        try journal.write(.start, .done)
        let begin = Clock.monotonic()
        let limit = begin + seconds * 1_000_000_000
        while true {
            guard cell.isRunning else {
                let words = cell.lastWords
                try undo()
                throw MoveError("it ended at once\(words.isEmpty ? "" : ": \(words)")")
            }
            let missing = cell.missing(ports)
            // Somebody listens before the last of it is restored.
            if missing.isEmpty, !state.isLive || isRestored { break }
            guard Clock.monotonic() < limit else {
                let words = cell.lastWords
                try undo()
                throw MoveError(
                    "after \(seconds) s nobody listens on \(missing.map(\.description).joined(separator: ", "))"
                        + (words.isEmpty ? "" : ": \(words)"))
            }
            usleep(1_000)
        }
        if state.isLive {
            // After a restart of this host they are started.
            var now = cell.state
            now.isLive = false
            cell.state = now
            try joinTrees()
        }
        return .object([
            .init("state", .string(self.state)), .init("took", .integer(Int128(Clock.monotonic() - begin))),
        ])
    }

    func startServer(
        _ runs: [ProgramRun], _ isolation: Isolation, _ request: JSONValue, seconds: UInt64
    ) throws(MoveError) -> JSONValue {
        guard !journal.stands(.admit) || !cell.isRunning else { throw MoveError("\(name) runs here already") }
        var state = cell.state
        (state.isolation, state.runs, state.isOn, state.isCutOff) = (isolation, runs, false, false)
        (state.units, state.enabled) = ([], [])
        cell.state = state
        try journal.write(.start, .begun)
        do throws(MoveError) {
            let answer = try server.start(request, seconds: seconds)
            try journal.write(.start, .done)
            return answer
        } catch {
            let reason = error
            try undo()
            throw reason
        }
    }

    /// Runs a command where the programs run: in their network, on this host.
    func attempt(_ command: String, seconds: UInt64) throws(MoveError) -> JSONValue {
        guard cell.isRunning else { throw MoveError("it does not run: \(cell.lastWords)") }
        let network: Int32 =
            cell.state.isCutOff || cell.state.network != nil
            ? open("/proc/\(cell.state.pid)/ns/net", O_RDONLY | O_CLOEXEC) : -1
        defer { if network >= 0 { close(network) } }
        let outcome = try Tool.run(["sh", "-c", command], seconds: Double(min(seconds, 3600))) {
            $0.network = network
        }
        return .object([
            .init("status", .integer(Int128(outcome.isLate ? 124 : outcome.status))),
            .init("output", .string(outcome.output)),
        ])
    }
}
