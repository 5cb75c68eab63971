import CLinux
import Glibc
import Records
import SunRPC
import SystemCalls

/// Takes the place of an RPC server that is being moved: keeps what clients send until the server is somewhere again, then passes it
/// there, calls with the numbers that it has there. A process of its own, `retinue-agent stand-in FOLDER`, which outlives the agent.
///
/// `order.json` of its folder says what it is started with, `route.json`, after a SIGUSR1, where the server is now; it says
/// itself in `state.json` how far it is: `open`, `passing`.
public final class StandIn {
    private let folder: String
    private let order: StandInOrder
    private var route: StandInRoute?
    private var doors: [Int32: Door] = [:]
    /// When it ends: answers to what it has kept are still passed on.
    private var ending: UInt64?
    /// Datagrams that were kept and not answered yet.
    private var unanswered = 0
    /// Datagrams that wait, per door.
    private var held: [(door: Int32, from: InternetAddress, bytes: [UInt8])] = []
    private var sessions: [Session: Int32] = [:]
    private var sessionOf: [Int32: (session: Session, used: UInt64)] = [:]
    private var pairs: [Int32: Pair] = [:]
    private var serverOf: [Int32: Int32] = [:]
    private var buffer = [UInt8](repeating: 0, count: 128 << 10)

    private struct Session: Hashable {
        var door: Int32
        var client: InternetAddress
    }

    /// A client's connection and the one to the server.
    private struct Pair {
        var door: Door
        var server: Int32 = -1
        var toServer: [UInt8] = []
        var toClient: [UInt8] = []
        var records: RecordRewriter?
        var isClientDone = false
        var isServerDone = false
    }

    private static let mostHeld = 4096
    private static let mostSessions = 1024
    private static let mostPairs = 1024
    private static let mostWaiting = 1 << 20

    /// Runs until it is asked to end.
    ///
    /// - Returns: the exit status.
    public static func run(_ folder: String) -> Int32 {
        guard let signals = try? SignalDescriptor([SIGUSR1, SIGTERM, SIGINT]) else { return 1 }
        do throws(MoveError) {
            guard let order = SafeFile.read(folder + "/order.json").flatMap({ StandInOrder($0) }) else {
                throw MoveError("\(folder)/order.json is not there")
            }
            let standIn = StandIn(folder, order)
            try standIn.open()
            try standIn.loop(signals)
        } catch {
            Diagnostics.say("stand-in: \(error)")
            try? SafeFile.write(
                .object([.init("error", .string(error.description))]), to: folder + "/state.json")
            return 1
        }
        return 0
    }

    private init(_ folder: String, _ order: StandInOrder) { (self.folder, self.order) = (folder, order) }

    private func open() throws(MoveError) {
        for door in order.doors {
            let number = socket(
                AF_INET,
                Int32(
                    (door.isTCP ? SOCK_STREAM : SOCK_DGRAM).rawValue | SOCK_CLOEXEC.rawValue
                        | SOCK_NONBLOCK.rawValue), 0)
            guard number >= 0 else { throw MoveError("socket: \(SystemError.text(of: errno))") }
            var on: Int32 = 1
            setsockopt(number, Int32(IPPROTO_IP), IP_TRANSPARENT, &on, 4)
            setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, 4)
            var size: Int32 = 4 << 20
            if !door.isTCP { setsockopt(number, SOL_SOCKET, SO_RCVBUF, &size, 4) }
            guard door.place.withRaw({ bind(number, $0, $1) }) == 0, !door.isTCP || listen(number, 128) == 0
            else {
                throw MoveError("\(door.isTCP ? "tcp" : "udp") \(door.place): \(SystemError.text(of: errno))")
            }
            doors[number] = door
        }
        if access(folder + "/route.json", F_OK) == 0 { try take() }
        try state(route == nil ? "open" : "passing")
    }

    private func state(_ word: String) throws(MoveError) {
        try SafeFile.write(.object([.init("state", .string(word))]), to: folder + "/state.json")
    }

    private func loop(_ signals: borrowing SignalDescriptor) throws(MoveError) {
        let limit = Clock.monotonic() + order.lease * 1_000_000_000
        while true {
            var list = [pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0)]
            for number in doors.keys { list.append(pollfd(fd: number, events: Int16(POLLIN), revents: 0)) }
            for number in sessionOf.keys {
                list.append(pollfd(fd: number, events: Int16(POLLIN), revents: 0))
            }
            for (client, pair) in pairs {
                list.append(
                    pollfd(
                        fd: client,
                        events: events(
                            reads: !pair.isClientDone && pair.toServer.count < Self.mostWaiting, pair.toClient
                        ),
                        revents: 0))
                if pair.server >= 0 {
                    list.append(
                        pollfd(
                            fd: pair.server,
                            events: events(
                                reads: !pair.isServerDone && pair.toClient.count < Self.mostWaiting,
                                pair.toServer),
                            revents: 0))
                }
            }
            let count = poll(&list, nfds_t(list.count), 1000)
            if count < 0 && errno != EINTR { throw MoveError("poll: \(SystemError.text(of: errno))") }
            if route == nil, Clock.monotonic() > limit {
                Diagnostics.say("stand-in: for \(order.lease) s nobody said where the server is")
                if !order.rules.isEmpty { try StandInRules(name: order.rules, doors: order.doors).remove() }
                try giveBack()
            }
            while let signal = try? signals.next() {
                if signal == SIGUSR1 {
                    try take()
                    try state("passing")
                } else if route == nil {
                    try giveBack()
                } else {
                    return
                }
            }
            if let ending, unanswered <= 0 || Clock.monotonic() > ending { return }
            if count <= 0 { continue }
            for ready in list.dropFirst() where ready.revents != 0 { serve(ready.fd, ready.revents) }
        }
    }

    private func events(reads: Bool, _ waiting: [UInt8]) -> Int16 {
        Int16((reads ? POLLIN : 0) | (waiting.isEmpty ? 0 : POLLOUT))
    }

    private func serve(_ number: Int32, _ events: Int16) {
        if let door = doors[number] {
            door.isTCP ? accept(number, door) : receive(number)
        } else if let known = sessionOf[number] {
            answer(number, known.session)
        } else if pairs[number] != nil {
            passClient(number, events)
        } else if let client = serverOf[number] {
            passServer(client, events)
        }
    }

    // MARK: Where the server is now

    private func take() throws(MoveError) {
        guard let new = SafeFile.read(folder + "/route.json").flatMap({ StandInRoute($0) }) else {
            throw MoveError("\(folder)/route.json says nothing")
        }
        let isFirst = route == nil
        route = new
        if isFirst { try release(new) }
    }

    /// The server stays where it was: what waits goes there, where packets go again, and its answers are passed on.
    private func giveBack() throws(MoveError) {
        var old = StandInRoute()
        for door in order.doors { old.places[door] = door.place }
        route = old
        ending = Clock.monotonic() + 3_000_000_000
        unanswered = held.count
        try release(old)
    }

    private func release(_ new: StandInRoute) throws(MoveError) {
        for connection in new.connections {
            let door = order.doors.first { $0.isTCP && $0.place.port == connection.local.port }
            guard let door else { continue }
            pairs[try connection.adopt()] = Pair(door: door)
        }
        for client in Array(pairs.keys) { connectServer(client) }
        let waiting = held
        held = []
        for datagram in waiting { pass(datagram.bytes, Session(door: datagram.door, client: datagram.from)) }
    }

    // MARK: Datagrams

    private func receive(_ number: Int32) {
        for _ in 0..<64 {
            let (count, from) = InternetAddress.receive(number, into: &buffer)
            guard count >= 0 else { return }
            let bytes = Array(buffer[..<count])
            if route != nil {
                pass(bytes, Session(door: number, client: from))
            } else if held.count < Self.mostHeld {
                held.append((number, from, bytes))
            }
        }
    }

    private func pass(_ bytes: [UInt8], _ session: Session) {
        guard let route, let door = doors[session.door], let to = route.places[door] else { return }
        var bytes = bytes
        route.rewriter.rewrite(&bytes)
        let upstream: Int32
        if let known = sessions[session] {
            upstream = known
        } else {
            if sessions.count >= Self.mostSessions { endOldestSession() }
            upstream = socket(
                AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
            guard upstream >= 0 else { return }
            guard to.withRaw({ connect(upstream, $0, $1) }) == 0 else {
                close(upstream)
                return
            }
            sessions[session] = upstream
        }
        sessionOf[upstream] = (session, Clock.monotonic())
        _ = send(upstream, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    private func endOldestSession() {
        guard let oldest = sessionOf.min(by: { $0.value.used < $1.value.used }) else { return }
        close(oldest.key)
        sessionOf[oldest.key] = nil
        sessions[oldest.value.session] = nil
    }

    private func answer(_ upstream: Int32, _ session: Session) {
        for _ in 0..<64 {
            let count = recv(upstream, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            guard count >= 0 else { return }
            unanswered -= 1
            let bytes = buffer[..<count]
            _ = bytes.withUnsafeBytes { raw in
                session.client.withRaw {
                    sendto(session.door, raw.baseAddress, raw.count, Int32(MSG_NOSIGNAL), $0, $1)
                }
            }
        }
    }

    // MARK: Connections

    private func accept(_ listener: Int32, _ door: Door) {
        let number = clinux_accept4(listener, Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue))
        guard number >= 0 else { return }
        guard pairs.count < Self.mostPairs else {
            close(number)
            return
        }
        pairs[number] = Pair(door: door)
        connectServer(number)
    }

    private func connectServer(_ client: Int32) {
        guard let route, var pair = pairs[client], pair.server < 0 else { return }
        guard let to = route.places[pair.door] else { return end(client) }
        let number = socket(
            AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard number >= 0 else { return end(client) }
        var on: Int32 = 1
        setsockopt(number, Int32(IPPROTO_TCP), TCP_NODELAY, &on, 4)
        guard to.withRaw({ connect(number, $0, $1) }) == 0 || errno == EINPROGRESS else {
            close(number)
            return end(client)
        }
        pair.server = number
        var records = RecordRewriter(route.rewriter)
        pair.toServer = records.rewrite(pair.toServer)
        pair.records = records
        pairs[client] = pair
        serverOf[number] = client
    }

    private func passClient(_ client: Int32, _ events: Int16) {
        guard var pair = pairs[client] else { return }
        if events & Int16(POLLOUT) != 0, !write(client, &pair.toClient) { return end(client) }
        if events & Int16(POLLIN | POLLHUP | POLLERR) != 0, !pair.isClientDone {
            let count = recv(client, &buffer, buffer.count, 0)
            if count > 0 {
                // Until the server is known its numbers are not, either.
                pair.toServer += pair.records?.rewrite(buffer[..<count]) ?? Array(buffer[..<count])
            } else if count == 0 {
                pair.isClientDone = true
            } else if errno != EAGAIN && errno != EINTR {
                return end(client)
            }
        }
        settle(client, &pair)
    }

    private func passServer(_ client: Int32, _ events: Int16) {
        guard var pair = pairs[client] else { return }
        if events & Int16(POLLOUT) != 0, !write(pair.server, &pair.toServer) { return end(client) }
        if events & Int16(POLLIN | POLLHUP | POLLERR) != 0 {
            let count = recv(pair.server, &buffer, buffer.count, 0)
            if count > 0 {
                pair.toClient += buffer[..<count]
            } else if count == 0 {
                pair.isServerDone = true
            } else if errno != EAGAIN && errno != EINTR && errno != EINPROGRESS {
                return end(client)
            }
        }
        settle(client, &pair)
    }

    /// Writes at once what can be, and passes the end of each direction on behind its last byte.
    private func settle(_ client: Int32, _ pair: inout Pair) {
        if !pair.toClient.isEmpty, !write(client, &pair.toClient) { return end(client) }
        if pair.server >= 0, !pair.toServer.isEmpty, !write(pair.server, &pair.toServer) {
            return end(client)
        }
        if pair.isServerDone && pair.toClient.isEmpty { return end(client) }
        if pair.isClientDone && pair.toServer.isEmpty && pair.server >= 0 {
            shutdown(pair.server, Int32(SHUT_WR))
        }
        pairs[client] = pair
    }

    private func write(_ number: Int32, _ bytes: inout [UInt8]) -> Bool {
        guard !bytes.isEmpty else { return true }
        let count = send(number, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        if count > 0 { bytes.removeFirst(count) }
        return count >= 0 || errno == EAGAIN || errno == EINTR || errno == ENOTCONN || errno == EINPROGRESS
    }

    private func end(_ client: Int32) {
        guard let pair = pairs.removeValue(forKey: client) else { return }
        if pair.server >= 0 {
            serverOf[pair.server] = nil
            close(pair.server)
        }
        close(client)
    }
}
