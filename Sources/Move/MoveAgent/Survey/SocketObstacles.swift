import Procfs
import Records
import SocketDiagnostics
import Text

/// What CRIU refuses of a process's sockets, and what of them ends with the move.
struct SocketObstacles {
    let relations: Relations
    /// Who has the other ends.
    let holders: [UInt64: [Int32]]
    /// The address that moves along; empty where none does.
    let address: String
    /// Ports whose packets are held back as long as not all trees are there.
    let ports: Set<UInt16>

    /// Protocols whose sockets CRIU 4.2 restores, as the kernel names them.
    private static let kept: Set<String> = [
        "TCP", "TCPv6", "UDP", "UDPv6", "UDP-Lite", "UDPLITEv6", "PING", "PINGv6", "RAW", "RAWv6", "UNIX",
        "UNIX-STREAM", "NETLINK", "PACKET",
    ]

    /// The other ends that have to be looked for.
    static func wanted(of process: SurveyedProcess, in sockets: SurveyedSockets) -> Set<UInt64> {
        var found: Set<UInt64> = []
        for descriptor in process.descriptors {
            guard case .socket(let inode) = descriptor.kind else { continue }
            if let peer = sockets.unix[inode]?.peer, peer != 0 { found.insert(UInt64(peer)) }
            if let socket = sockets.inet[inode], let end = sockets.otherEnd(of: socket) { found.insert(end) }
        }
        return found
    }

    func found(
        _ process: SurveyedProcess, _ directory: borrowing ProcessDirectory, in sockets: SurveyedSockets
    ) -> [Obstacle] {
        var obstacles: [Obstacle] = []
        for descriptor in process.descriptors {
            guard case .socket(let inode) = descriptor.kind else { continue }
            var obstacle = Obstacle(
                rulesOut: .live, effect: .refused, pid: process.pid, place: .descriptor(descriptor.number),
                kind: "", what: "", peer: nil, cure: "")
            let found: Bool
            if let socket = sockets.unix[inode] {
                found = unix(socket, process, sockets, &obstacle)
            } else if let socket = sockets.inet[inode] {
                if socket.transport == .udp, socket.waiting > 0 {
                    var waiting = obstacle
                    (waiting.effect, waiting.kind) = (.lost, "waiting-datagrams")
                    waiting.what = "datagrams that wait to be read, on \(Self.text(socket.local))"
                    waiting.cure = "have it read them first, or let their senders send again"
                    obstacles.append(waiting)
                }
                found = socket.transport == .tcp && tcp(socket, process, sockets, &obstacle)
            } else if let name = directory.socketProtocolName(descriptor.number),
                !Self.kept.contains(Printable.text(name))
            {
                obstacle.kind = "socket-protocol"
                obstacle.what = "a socket of \(Printable.text(name))"
                obstacle.cure = "have the program use TCP or UDP, close it, or use cold"
                found = true
            } else {
                found = false
            }
            if found { obstacles.append(obstacle) }
        }
        return obstacles
    }

    /// A Unix socket whose other end stays behind.
    private func unix(
        _ socket: UnixSocket, _ process: SurveyedProcess, _ sockets: SurveyedSockets,
        _ obstacle: inout Obstacle
    ) -> Bool {
        guard socket.peer != 0 else { return false }
        let peer = sockets.unix[UInt64(socket.peer)]
        let name = peer.map { $0.name.isEmpty ? socket.name : $0.name } ?? socket.name
        // --ext-unix-sk connects datagram sockets again, by the name.
        if socket.type == 2, !name.isEmpty { return false }
        var pids = holders[UInt64(socket.peer)] ?? []
        if pids.isEmpty, let listener = sockets.listener(named: name) { pids = holders[listener] ?? [] }
        let place = name.isEmpty ? "" : " at \(Self.text(name))"
        obstacle.kind = "unix-socket"
        obstacle.what =
            "a Unix connection\(name.isEmpty ? "" : " to \(Self.text(name))") whose other end is not in its tree"
        guard let outsider = relations.outsider(among: pids, to: process.tree) else {
            guard pids.isEmpty else { return false }
            // Nobody has accepted it, or the other end is on its way in a message.
            obstacle.cure = "close it, or use cold"
            return true
        }
        obstacle.peer = outsider.name + place
        obstacle.cure = outsider.cure(close: "close it")
        return true
    }

    /// A TCP connection that does not go on: the address of its end does not move, or its other end stays at this host.
    private func tcp(
        _ socket: InetSocket, _ process: SurveyedProcess, _ sockets: SurveyedSockets,
        _ obstacle: inout Obstacle
    ) -> Bool {
        guard socket.remote.port != 0, socket.state != .listen, socket.state != .close else { return false }
        obstacle.effect = .lost
        if let end = sockets.otherEnd(of: socket) {
            guard let pids = holders[end], let outsider = relations.outsider(among: pids, to: process.tree)
            else { return false }
            if outsider.isMember, ports.contains(socket.local.port) || ports.contains(socket.remote.port) {
                return false
            }
            obstacle.kind = "local-connection"
            obstacle.peer = outsider.name
            obstacle.cure = outsider.cure(close: "let it connect again")
            guard outsider.isMember else {
                obstacle.what = "a TCP connection to a program of this host"
                return true
            }
            // Of the two the one that others would connect to.
            let ends = [socket.local.port, socket.remote.port]
            let port = ends.first { sockets.listening.contains($0) } ?? ends.min()!
            obstacle.what = "a TCP connection by port \(port), which the plan does not have"
            obstacle.cure = "add port \(port) to the plan's `ports`, \(obstacle.cure)"
            return true
        }
        let local = NetworkAddress(high: socket.local.high, low: socket.local.low).description
        guard local != address else { return false }
        obstacle.kind = "connection"
        obstacle.what = "a TCP connection of \(local), which does not move"
        obstacle.cure = "--address \(local)/PREFIX, where it can move; or let its other end connect again"
        return true
    }

    static func text(_ address: SocketAddress) -> String {
        let host = NetworkAddress(high: address.high, low: address.low).description
        return host.contains(":") ? "[\(host)]:\(address.port)" : "\(host):\(address.port)"
    }

    /// A name as ss(8) has it: an abstract one with `@` in place of its NULs.
    static func text(_ name: [UInt8]) -> String {
        name.first == 0 ? Printable.text(name.map { $0 == 0 ? UInt8(ascii: "@") : $0 }) : Printable.text(name)
    }
}
