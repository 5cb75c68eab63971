import Records
import Text

/// The two ends of a connection, from one side.
struct FourTuple: QuickKey {
    var transport: Transport
    /// The network namespace, by its inode, of a connection that stays within one that is not the daemon's own: each has a
    /// loopback, and any two can have the same two ends at once. 0 for every other (see `Observer.tuple`).
    var network: UInt32 = 0
    var local: Endpoint
    var remote: Endpoint

    /// The same connection from the other side.
    var mirrored: FourTuple {
        FourTuple(transport: transport, network: network, local: remote, remote: local)
    }

    /// Whether both ends are in one network namespace, whichever that is.
    var isWithinOne: Bool { remote.address.isLoopback || local.address == remote.address }

    /// The same two ends wherever they are.
    var placeless: FourTuple { FourTuple(transport: transport, local: local, remote: remote) }

    func hash(with hash: SeededHash) -> UInt64 {
        // The same two ends in several namespaces at once are few: what distinguishes them is compared alone.
        let ports = UInt64(transport.rawValue) << 32 | UInt64(local.port) << 16 | UInt64(remote.port)
        return hash(
            hash(local.address.high, local.address.low),
            hash(remote.address.high, remote.address.low), ports)
    }
}

// What the table holds.

extension SocketTable {
    /// A connection whose program is known.
    struct Connection {
        /// Its record in the ledger; `nil` where the program gets none, or where that was forgotten.
        var position: Int?
        /// Whether its record was forgotten: the next scan that meets it notes it anew.
        var isForgotten = false
        var program: ProgramID
        /// Its socket; 0 where only a scan or a notice has reported it.
        var socket: UInt64 = 0
        /// When a scan that reported it first, before any event, had read the sockets; 0 where none did.
        var found: UInt64 = 0
        /// When it was seen to be established; 0 where it was not.
        var established: UInt64 = 0
        /// When its client's end was established, which names a connection that has both ends here among
        /// those of the same two ends; 0 where that was not seen.
        var pair: UInt64 = 0
        /// The network namespace of its program, 0 where it is not known.
        var network: UInt64 = 0
        /// The traffic that was added to the record already.
        var sent: UInt64 = 0
        var received: UInt64 = 0
        /// When this side's own FIN was acknowledged; 0 while it was not.
        var finAcknowledged: UInt64 = 0
        /// All that the other side sent, once its socket has reported it; what was received is at most that.
        var peerSent: UInt64?
        /// When its socket was seen to leave its last state; 0 while it has not. The notice with its
        /// traffic follows from a work queue.
        var ended: UInt64 = 0
        /// Whether it is known who took the connection.
        var taker = Taker.known
        /// Whether this is the end that was accepted.
        var isAccepted = false
        /// Whether the other side has ended its stream: its FIN counts as a byte received.
        var endReceived = false
        /// Whether that is concluded from how long its last state took, which a busy processor may have drawn out.
        var isEndGuessed = false
        /// Whether more went over it than was counted, since no notice came of its end.
        var isLowerBound = false
        /// How well its own program is known, and when it was established, nanoseconds since 1970: what its record
        /// needs that is not written yet.
        var evidence = Evidence.exact
        var wall: UInt64 = 0

        /// Whether it was accepted by nobody who is known, and has no record.
        var isNameless: Bool { isAccepted && taker == .inferred && program == .unknown && position == nil }
    }

    /// Whether it is known which program took a connection: the kernel reports an accept in the name of whoever the
    /// packet interrupted, and a listener may be held by several programs.
    enum Taker: UInt8 {
        /// It is, or it is none of this host's.
        case known
        /// Not yet; there is no record of the connection.
        case open
        /// It was inferred from who waits at the address.
        case inferred
    }

    /// Where two ends were connected, and when.
    struct LatePlace {
        var network: UInt32
        var time: UInt64
        /// Whether the end that was taken has come.
        var isPaired = false
    }

    /// A connect on its way.
    struct Attempt {
        var program: ProgramID
        var evidence: Evidence
        var time: UInt64
        var network: NetworkPlace
        var pid: Int32 = 0
    }
}

extension SocketTable.Connection {
    func renumbered(_ change: Renumbering) -> Self {
        var connection = self
        connection.program = change(program)
        connection.position = position.flatMap { change.position($0) }
        if position != nil, connection.position == nil { connection.isForgotten = true }
        return connection
    }
}
