import CLinux
import Glibc
import SystemCalls

/// The daemon's end of the control socket: an `AF_UNIX` `SOCK_SEQPACKET` listener for an event loop.
///
/// Nothing here blocks, except `init` for some milliseconds. The corresponding C functions are
/// `socket`, `bind`, `listen` and `accept4`.
public struct ControlServer: ~Copyable {
    private let place: SocketPlace
    private let socket: FileDescriptor
    /// What `bind` made.
    private let own: SocketPlace.Occupant?
    /// The group whose members are served too; `nil` for none.
    private let group: UInt32?
    /// Why members of that group cannot connect all the same.
    public private(set) var groupRefusal: SystemError?
    private let isServed: @Sendable (ControlPeer) -> Bool
    private let spare = SpareDescriptor()

    /// Binds a path and listens. A socket that nobody answers on is replaced; whatever else has the name stays.
    ///
    /// The folder must exist.
    ///
    /// - Parameter group: the group whose members may ask for the status and for dumps: the socket is theirs to connect to, mode
    ///   0660; with `nil` it is its owner's alone, mode 0600. See `ControlPeer.groupNumber()`.
    public init(path: String, group: UInt32? = nil) throws(ControlError) {
        try self.init(path: path, group: group) { $0.role != nil }
    }

    /// The same with another rule for who is served, so that tests can be refused.
    init(
        path: String, group: UInt32? = nil, isServed: @escaping @Sendable (ControlPeer) -> Bool
    ) throws(ControlError) {
        let place = try Self.place(path)
        let socket = try controlSocket(clinux_SOCK_NONBLOCK, path: path)
        // Linux gives the name that bind makes the mode of the socket, less the umask: set before, it
        // is never wider, not for a moment, and no other thread's files feel a changed umask.
        guard fchmod(socket.number, 0o600) == 0 else {
            throw .system(SystemError("fchmod"), path: path)
        }
        let lock = place.lock()
        try Self.bind(socket, to: place)
        let own = place.occupant()
        // Connections that come all at once wait here, and nobody's can push out another's.
        guard listen(socket.number, Self.backlog) == 0 else {
            let error = SystemError("listen")
            if let own { place.remove(own) }
            throw .system(error, path: path)
        }
        if let group, let own { groupRefusal = place.give(own, to: group) }
        lock?.end()
        self.place = place
        self.socket = socket
        self.own = own
        self.group = group
        self.isServed = isServed
        spare.hold(copyOf: self.socket.number)
    }

    deinit {
        if let own { place.remove(own) }
    }

    /// The number to poll; readable when `accept` has something.
    public var number: Int32 { socket.number }

    /// The next connection, or `nil` when there is none now. Peers that are not served get a sentence
    /// and are never returned; so do all while the process has no descriptor left.
    ///
    /// - Throws: `.system` when not even one can be had to turn a peer away, or no memory. The connection
    ///   still waits then, and a level-triggered poller would report it again at once: stop polling
    ///   `number` for a while.
    public borrowing func accept() throws(ControlError) -> ControlConnection? {
        spare.hold(copyOf: socket.number)
        // A bound, so that peers to be refused cannot keep the loop.
        for _ in 0..<64 {
            var isSpare = false
            var accepted = try take()
            if case .noDescriptor = accepted, spare.giveUp() {
                isSpare = true
                accepted = try take()
            }
            // Only once the connection that was taken in its place is let go.
            defer { if isSpare { spare.hold(copyOf: socket.number) } }
            switch accepted {
            case .nothing: return nil
            case .aborted: continue
            case .noDescriptor(let error): throw .system(error, path: place.path)
            case .number(let number):
                let socket = FileDescriptor(owning: number)
                guard let peer = ControlPeer(of: number, group: group) else { continue }
                let connection = ControlConnection(socket, peer)
                if isSpare {
                    try? connection.reply(error: "the daemon has no file descriptor left; ask again later")
                    continue
                }
                if isServed(peer) { return connection }
                try? connection.reply(
                    error:
                        "user \(peer.user) is not served; ask as root, as the daemon's user, or for the status "
                        + "and dumps as a member of the group \(ControlPeer.group)")
            }
        }
        return nil
    }

    /// What one call of `accept4` gave.
    private enum Accepted {
        case number(Int32), nothing, aborted
        /// The process, or the system, has no descriptor left (EMFILE, ENFILE). Said before it is looked
        /// whether a connection waits at all.
        case noDescriptor(SystemError)
    }

    private borrowing func take() throws(ControlError) -> Accepted {
        let listener = socket.number
        do throws(SystemError) {
            let number = try systemCallUnlessBlocked("accept4") {
                clinux_accept4(listener, clinux_SOCK_NONBLOCK | clinux_SOCK_CLOEXEC)
            }
            return number.map { .number($0) } ?? .nothing
        } catch {
            switch error.code {
            case ECONNABORTED: return .aborted
            case EMFILE, ENFILE: return .noDescriptor(error)
            default: throw .system(error, path: place.path)
            }
        }
    }

    /// Connections that may wait to be accepted.
    private static let backlog: Int32 = 128

    private static func place(_ path: String) throws(ControlError) -> SocketPlace {
        do throws(ControlError) {
            return try SocketPlace(path)
        } catch {
            // For a server a missing folder is not the absence of a daemon.
            if case .notRunning = error { throw .system(SystemError("bind", code: ENOENT), path: path) }
            throw error
        }
    }

    private static func bind(
        _ socket: borrowing FileDescriptor, to place: borrowing SocketPlace
    ) throws(ControlError) {
        let number = socket.number
        // More than once only if others remove and make sockets of this name at the same time.
        for _ in 0..<8 {
            do throws(SystemError) {
                _ = try systemCall("bind") { place.withAddress { Glibc.bind(number, $0, $1) } }
                return
            } catch {
                guard error.code == EADDRINUSE else {
                    throw error.code == EACCES || error.code == EPERM
                        ? .noPermission(path: place.path) : .system(error, path: place.path)
                }
            }
            guard let occupant = place.occupant() else { continue }
            guard occupant.isSocket else { throw .notASocket(path: place.path) }
            if try isAnswered(place) { throw .inUse(path: place.path) }
            place.remove(occupant)
        }
        throw .inUse(path: place.path)
    }

    /// Whether somebody listens there, or holds a socket of another type open under this name.
    private static func isAnswered(_ place: borrowing SocketPlace) throws(ControlError) -> Bool {
        let probe = try controlSocket(clinux_SOCK_NONBLOCK, path: place.path)
        let number = probe.number
        do throws(SystemError) {
            _ = try systemCall("connect") { place.withAddress { connect(number, $0, $1) } }
            return true
        } catch {
            switch error.code {
            case ECONNREFUSED, ENOENT: return false
            // EAGAIN: its queue of connections is full; EPROTOTYPE: a stream or datagram socket.
            case EAGAIN, EPROTOTYPE: return true
            default: throw ControlError(error, path: place.path)
            }
        }
    }
}
