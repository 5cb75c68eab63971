public import Records

/// A Unix socket that was connected, or sent a datagram, in the context of the process that did it.
public struct LocalConnect: Sendable {
    /// What was done.
    public enum Call: UInt8, Sendable {
        /// A stream or sequenced-packet socket was connected.
        case connect = 0
        /// A datagram socket was connected, or one was sent a datagram.
        case datagram = 1
        /// A datagram was to be sent to a name; nobody knows whether it was.
        case send = 2
    }

    /// `CLOCK_MONOTONIC`, nanoseconds.
    public var time: UInt64
    /// The process.
    public var pid: Int32
    /// What was done.
    public var call: Call
    /// The socket at the other end: its address in the kernel, good as a name while it lives; 0 where it is not known.
    public var socket: UInt64
    /// The name that was asked for, an abstract one with its leading NUL; `nil` where it could not be read.
    public var name: [UInt8]?

    /// Makes one.
    public init(time: UInt64, pid: Int32, call: Call, socket: UInt64 = 0, name: [UInt8]? = nil) {
        self.time = time
        self.pid = pid
        self.call = call
        self.socket = socket
        self.name = name
    }
}

/// A process sent a datagram from a UDP socket that is not connected, or closed a UDP socket.
public struct DatagramEvent: Sendable {
    /// `CLOCK_MONOTONIC`, nanoseconds.
    public var time: UInt64
    /// The process.
    public var pid: Int32
    /// This end; its address may be unknown.
    public var local: Endpoint
    /// Where it was sent, or the other end; without a port if there is none.
    public var remote: Endpoint

    /// Makes one.
    public init(time: UInt64, pid: Int32, local: Endpoint, remote: Endpoint) {
        self.time = time
        self.pid = pid
        self.local = local
        self.remote = remote
    }
}

/// A Unix socket with a name, as a scan finds it.
public struct UnixListener: Sendable {
    /// Its number.
    public var inode: UInt32
    /// Whether datagrams are sent to it; else it listens.
    public var isDatagram: Bool
    /// The string that it was bound to, an abstract name with its leading NUL.
    public var bound: [UInt8]
    /// The name in records.
    public var name: [UInt8]
    /// Processes that hold it.
    public var holders: [Int32]
    /// When the file that it is bound to was made or last changed, nanoseconds since 1970; 0 where that is not known, or the
    /// name leads to another file.
    public var changed: UInt64
    /// Whether all are known that hold it.
    var isWhole = true

    /// Makes one.
    public init(
        inode: UInt32, isDatagram: Bool, bound: [UInt8], name: [UInt8], holders: [Int32], changed: UInt64 = 0
    ) {
        self.changed = changed
        self.inode = inode
        self.isDatagram = isDatagram
        self.bound = bound
        self.name = name
        self.holders = holders
    }
}
