import Glibc
import Net
import SocketDiagnostics
import SystemCalls

/// What clients asked for just before they were held: a program that is asked to end in that moment would cut it off.
enum RequestsUnderWay {
    /// Nanoseconds for which nothing may have passed.
    private static let calm: UInt64 = 3_000_000

    /// What sock_diag(7) shows of the sockets at some ports.
    private struct Snapshot: Equatable {
        /// Connections that nobody has accepted, requests that nobody has read.
        var hasQueue = false
        /// Of each connection by its cookie what has come, gone, and not been read.
        var connections: [UInt64: [UInt64]] = [:]
    }

    /// Waits until no connection waits to be accepted, or to be read, and, for 3 ms, nothing has passed on those that are open; 20 ms at most, since a
    /// client that keeps its connection may go on asking by it. What takes a program longer than that is its own to end well.
    ///
    /// - Parameters:
    ///   - pid: a process in the network of the programs.
    ///   - limit: nanoseconds.
    static func wait(_ ports: [ServicePort], in pid: Int32, atMost limit: UInt64 = 20_000_000) {
        guard !ports.isEmpty else { return }
        let begin = Clock.monotonic()
        var last: (snapshot: Snapshot, since: UInt64)?
        while let now = try? snapshot(ports, pid) {
            let time = Clock.monotonic()
            if now.hasQueue || last?.snapshot != now {
                last = (now, time)
            } else if let last, time - last.since >= calm {
                return
            }
            guard time - begin < limit else { return }
            usleep(500)
        }
    }

    private static func snapshot(_ ports: [ServicePort], _ pid: Int32) throws(SocketQueryError) -> Snapshot {
        var query = try SocketQuery.inNetwork(of: pid)
        var found = Snapshot()
        let (tcp, udp) = (numbers(ports, isTCP: true), numbers(ports, isTCP: false))
        for family in [AddressFamily.v4, .v6] {
            if !tcp.isEmpty {
                for socket in try query.inet(family, .tcp, states: .owned)
                where tcp.contains(socket.local.port) {
                    if socket.state == .listen {
                        found.hasQueue = found.hasQueue || socket.waiting > 0
                    } else {
                        let traffic = socket.traffic
                        found.hasQueue =
                            found.hasQueue || (socket.state == .established && traffic?.unread ?? 0 > 0)
                        found.connections[socket.cookie] = [
                            UInt64(socket.state.rawValue), traffic?.bytesReceived ?? 0,
                            traffic?.bytesSent ?? 0,
                            UInt64(traffic?.unread ?? 0),
                        ]
                    }
                }
            }
            if !udp.isEmpty {
                for socket in try query.inet(family, .udp, states: SocketStates(.close))
                where udp.contains(socket.local.port) {
                    found.hasQueue = found.hasQueue || socket.waiting > 0
                }
            }
        }
        return found
    }

    private static func numbers(_ ports: [ServicePort], isTCP: Bool) -> Set<UInt16> {
        Set(ports.filter { $0.isTCP == isTCP }.map(\.number))
    }
}
