import CLinux
import Glibc
import MovePlan
import Records
import Synchronization
import SystemCalls
import Transfer
import Transport

/// What is brought, and what is removed behind it.
extension Departure {
    func connected() throws(MoveError) -> AgentLink {
        if let link { return link }
        let begin = Clock.monotonic()
        let made = try AgentLink(to: order.host, at: order.address, port: order.port, as: identity)
        try made.ask(
            "open",
            [
                .init("name", .string(order.name)), .init("ports", .array(order.ports.map(\.value))),
                .init("network", order.network?.value ?? .null), .init("owners", owners.value),
                .init("isolation", .string(order.isolation.rawValue)),
                .init("replica", .boolean(order.isReplica)),
            ])
        if order.isolation == .host {
            try askAccounts(made)
        }
        link = made
        connectTime = Clock.monotonic() - begin
        (furnished, furnishedIsBrought) = (nil, false)
        return made
    }

    func pathsToBring() throws(MoveError) -> [[UInt8]] {
        if contents == nil { contents = origin.contents() } else { contents?.renew() }
        guard contents != nil else { return origin.paths() }
        return (contents?.paths ?? []) + declared(beside: contents?.paths ?? [])
    }

    /// Files that a server declares, or that programs have that go on alive, and the plan does not bring, each behind the folders
    /// above it.
    func declared(beside known: [[UInt8]]) -> [[UInt8]] {
        let data =
            (order.handover?.data ?? []).map { Array($0.utf8) } + (order.isLive ? origin.liveFiles() : [])
        var seen = Set(known)
        var more: [[UInt8]] = []
        for path in data {
            for (index, byte) in path.enumerated().dropFirst() where byte == UInt8(ascii: "/") {
                if seen.insert(Array(path[..<index])).inserted { more.append(Array(path[..<index])) }
            }
            if seen.insert(path).inserted { more.append(path) }
        }
        return more
    }

    func size(_ paths: [[UInt8]]) -> UInt64 {
        var scan = FileScan(root: origin.root)
        return paths.reduce(0) {
            $0 + (scan.look(at: $1).map { $0.entry.kind == .file ? $0.entry.size : 0 } ?? 0)
        }
    }

    func sendRound(isFinal: Bool) throws(MoveError) -> FileSender.Round {
        let link = try connected()
        if sender == nil { sender = FileSender(over: link.channel, root: origin.root, progress: progress) }
        // While they run and when they ended: what was mapped has been changed behind the times' back either way.
        if !isFinal { mapped = origin.mappedFiles() }
        progress.isUrgent = isFinal
        let begin = Timeline.begin()
        // In each round the same: which of several names of a file is offered as the file depends on it.
        let paths = (order.copyOrder ?? .path).sorted(try pathsSent(), observed: order.plan.firstUsed)
        Timeline.end(begin, "paths")
        if let contents, !furnishedIsBrought {
            let made = Set(contents.folders.map(\.path) + contents.files.map(\.path))
            furnishedIsBrought = paths.contains { made.contains($0) }
        }
        let roundBegin = Timeline.begin()
        let round: FileSender.Round
        do throws(TransferError) {
            let deferral: FileSender.Deferral = !order.startsFirst ? .none : isFinal ? .placeholders : .later
            round = try sender!.send(
                paths, mapped: isFinal ? mapped : [], isMirror: true,
                syncsLater: isFinal && !order.startsFirst, deferral: deferral,
                isDeferred: Self.isDeferred)
        } catch {
            self.link = nil
            sender = nil
            throw MoveError(error)
        }
        Timeline.end(roundBegin, "round of \(round.offered) entries, \(round.sent) bytes")
        // At once: most of it is read while clients are served, and all of it before programs there can change it.
        try link.ask("compare")
        return round
    }

    func pathsSent() throws(MoveError) -> [[UInt8]] {
        let paths = try pathsToBring()
        // What is omitted is what programs do not need that are started.
        let omitted = order.isLive ? [] : try pathsOmitted()
        return omitted.isEmpty ? paths : paths.filter { !omitted.contains($0) }
    }

    func furnish() throws(MoveError) {
        guard let contents else { return }
        let owners = owners
        let folders: [JSONValue] = contents.folders.map {
            let (user, group) = owners.map(user: $0.user, group: $0.group)
            return .object([
                .init("path", .string(PlanText.text($0.path))), .init("user", .integer(Int128(user))),
                .init("group", .integer(Int128(group))), .init("mode", .integer(Int128($0.mode))),
            ])
        }
        let files: [JSONValue] = contents.files.map {
            .object([
                .init("path", .string(PlanText.text($0.path))),
                .init("text", .string(PlanText.text($0.text))),
            ])
        }
        let wanted: [JSONValue.Member] = [.init("folders", .array(folders)), .init("files", .array(files))]
        // After a pre-copy, over this connection. No round of it has brought or removed any of these: they are as they were made.
        if !furnishedIsBrought, JSONValue.object(wanted) == furnished { return }
        try connected().ask("furnish", wanted)
        furnished = .object(wanted)
    }

    func phase(
        _ name: StaticString, _ begin: UInt64, _ report: Report, _ more: [JSONValue.Member] = []
    ) {
        report(
            .object(
                [
                    .init("phase", .string("\(name)")),
                    .init("after_ns", .integer(Int128(Clock.monotonic() &- begin))),
                ] + more))
    }

    /// Removes what the plan has copied, of files that no package has; folders that are empty then go too.
    func removeFiles(_ report: Report) throws(MoveError) {
        guard origin.isAtHost else {
            throw MoveError("what an earlier move has brought here is a cell: it stays")
        }
        try journal.write(.remove, .begun)
        var count = 0
        let plan = origin.plan
        let trees = plan.entries.filter {
            ($0.treatment == .preCopy || $0.treatment == .finalCopy) && $0.kind != .folder
                && $0.ground != .implied
        }
        let paths = PlanContents(plan, root: "/").paths().filter { path in
            trees.contains { $0.path == path || path.starts(with: $0.path + [UInt8(ascii: "/")]) }
        }
        for path in paths.reversed() {
            let name = (path + [0]).map { CChar(bitPattern: $0) }
            if unlink(name) == 0 || rmdir(name) == 0 { count += 1 }
        }
        try journal.write(.remove, .done)
        report(.object([.init("removed", .integer(Int128(count)))]))
    }
}
