import CLinux
import Glibc
import Records
import SystemCalls
import Transfer
import Transport

/// Takes connections in of the other hosts of a tree: by which pages come, and at a host that joins, by which the source says what to do.
final class AcrossListener: @unchecked Sendable {
    /// Where a host waits for others, unless another port is said.
    static let standardPort: UInt16 = 7421

    private let socket: FileDescriptor
    private let identity: TLSIdentity
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var host: AcrossHost?
    /// Whose orders are taken; empty where none are.
    private let accepted: [String]
    private let take: @Sendable (StreamChannel, String) -> Void

    /// - Parameter take: carries out what another host says; called in a thread of its own.
    init(
        _ socket: consuming FileDescriptor, _ identity: TLSIdentity, accepted: [String],
        take: @escaping @Sendable (StreamChannel, String) -> Void
    ) {
        self.socket = socket
        (self.identity, self.accepted, self.take) = (identity, accepted, take)
        pthread_mutex_init(lock, nil)
    }

    /// Pages are for these processes from now on; for none with `nil`.
    func serve(_ host: AcrossHost?) {
        pthread_mutex_lock(lock)
        self.host = host
        pthread_mutex_unlock(lock)
    }

    private var served: AcrossHost? {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return host
    }

    func start() throws(MoveError) {
        do throws(SystemError) {
            try DetachedThread.start { [self] in
                while true {
                    let number = clinux_accept(socket.number)
                    guard number >= 0 else {
                        if errno != EINTR { usleep(100_000) }
                        continue
                    }
                    try? DetachedThread.start { self.welcome(FileDescriptor(owning: number)) }
                }
            }
        } catch { throw MoveError("\(error)") }
    }

    private func welcome(_ connection: consuming FileDescriptor) {
        Sockets.prepare(connection.number, seconds: AgentLink.patience)
        guard let stream = try? identity.protect(connection, isClient: false, expecting: nil) else { return }
        let channel = StreamChannel(stream)
        guard let frame = try? channel.receive(), frame.kind == .request,
            let request = try? JSONValue(parsing: frame.payload), let verb = request["verb"]?.string
        else { return channel.close() }
        switch verb {
        case "hello" where accepted.contains(stream.peer): take(channel, stream.peer)
        case "across-pages": hear(channel, stream.peer, request)
        default:
            let reason = "\(stream.peer) may not have processes run here: across-join --accept \(stream.peer)"
            try? channel.send(Frame(.failure, Array(reason.utf8)))
            try? channel.flush()
            channel.close()
        }
    }

    private func hear(_ channel: StreamChannel, _ peer: String, _ request: JSONValue) {
        // The others may be notified a moment before this host.
        for _ in 0..<1000 where served == nil { usleep(10_000) }
        guard let host = served, let name = request["name"]?.string, name == host.order.name,
            let index = request["host"]?.integer.flatMap({ Int(exactly: $0) }),
            host.order.hosts.indices.contains(index), host.order.hosts[index].name == peer,
            index != host.index
        else { return channel.close() }
        host.service.hear(channel, from: UInt8(index))
        channel.close()
    }
}
