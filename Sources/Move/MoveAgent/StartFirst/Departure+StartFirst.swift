import Glibc
import MovePlan
import Records
import Synchronization
import SystemCalls
import Transfer

/// Starting before everything is there: the source serves what the destination asks for until that has all of it.
extension Departure {
    /// Whether a file is fetched when it is touched. Programs and libraries are not, since mapping one waits for all of it, nor
    /// is what is small: a placeholder would cost more than it.
    static func isDeferred(_ entry: FileEntry) -> Bool {
        guard entry.size >= 64 << 10, entry.size < 1 << 44, entry.mode & 0o111 == 0 else { return false }
        let top = entry.path.dropFirst().prefix { $0 != UInt8(ascii: "/") }
        return !["usr", "bin", "sbin", "etc"].contains { top.elementsEqual($0.utf8) }
            && !top.starts(with: "lib".utf8)
    }

    private var servedPath: String { folder + "/served.json" }

    /// After the last round, before programs are started there.
    func beginServing() throws(MoveError) {
        guard order.startsFirst, let placeholders = sender?.placeholders, !placeholders.isEmpty else {
            return
        }
        try UnitServer.write(placeholders, to: servedPath)
        try journal.write(.fetch, .begun)
        serve()
    }

    private var fetchOrder: [[UInt8]] {
        // As they were offered, otherwise.
        guard order.copyOrder != .path else { return [] }
        return FetchOrder.paths(open: openFiles, observed: order.plan.firstUsed)
    }

    /// In which order files are fetched that nobody has touched: those first that the programs had open, then those that they opened
    /// when they were observed, in that order.
    var fetchMembers: [JSONValue.Member] {
        guard order.startsFirst, let placeholders = sender?.placeholders else { return [] }
        let numbers = Dictionary(placeholders.enumerated().map { ($1.path, $0) }) { first, _ in first }
        return [
            .init(
                "fetch_first",
                .array(
                    fetchOrder.compactMap { numbers[$0] }.map { .integer(Int128($0)) }))
        ]
    }

    /// Connects for what is fetched, unless that is done already; called each second.
    func serve() {
        guard journal.state(.fetch) == .begun else { return }
        serveAlone { [self] () throws(MoveError) in
            defer { status.withLock { $0.server = nil } }
            try serveUnits()
        }
    }

    /// Serves the destination on a thread, unless that is being done; why it ended is part of the status.
    func serveAlone(_ serve: @escaping @Sendable () throws(MoveError) -> Void) {
        let isFirst = status.withLock { status in
            defer { status.isServing = true }
            return !status.isServing
        }
        guard isFirst else { return }
        let started: Void? = try? DetachedThread.start { [self] in
            do throws(MoveError) { try serve() } catch {
                status.withLock { $0.whyNotServing = error.description }
            }
            status.withLock { $0.isServing = false }
        }
        if started == nil { status.withLock { $0.isServing = false } }
    }

    private func serveUnits() throws(MoveError) {
        guard let server = UnitServer(servedPath, root: origin.root, progress: progress) else {
            throw MoveError("\(servedPath) is not what was written")
        }
        let link = try AgentLink(to: order.host, at: order.address, port: order.port, as: identity)
        defer { link.close() }
        let answer = try link.ask("fetch", [.init("name", .string(order.name))])
        if answer["complete"] == .boolean(true) {
            // Undone meanwhile, it is for somebody else to say.
            if journal.state(.fetch) == .begun { try journal.write(.fetch, .done) }
            return
        }
        status.withLock {
            $0.server = server
            $0.whyNotServing = ""
        }
        do throws(TransferError) { try server.serve(link.channel) } catch { throw MoveError(error) }
    }

    /// What is said of it; `nil` where nothing is fetched later.
    var fetchValue: JSONValue? {
        guard let state = journal.state(.fetch), state != .undone else { return nil }
        let (server, why) = status.withLock { ($0.server, $0.whyNotServing) }
        return .object([
            .init("state", .string(state.rawValue)),
            .init("missing", server?.missing.withLock { $0 }.map { .integer(Int128($0)) } ?? .null),
            .init("error", why.isEmpty ? .null : .string(why)),
        ])
    }

    /// Refuses what would take from the destination what it has not fetched yet.
    func needFetched() throws(MoveError) {
        guard journal.state(.fetch) == .begun else { return }
        throw MoveError(
            "\(order.host) has not fetched all files yet: they stay here until then (retinue move status)")
    }
}
