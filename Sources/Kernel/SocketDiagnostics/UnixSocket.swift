import CLinux
import Glibc
import Wire
public import Net

/// A Unix socket, as a dump shows it.
public struct UnixSocket: Equatable, Sendable {
    /// The number in `/proc/PID/fd`'s `socket:[N]`.
    public let inode: UInt32
    /// `SOCK_STREAM`, `SOCK_DGRAM` or `SOCK_SEQPACKET`, by number.
    public let type: UInt8
    /// `listen`, `established` (has a peer) or `close`.
    public let state: TCPState
    /// The inode of the socket at the other end, or 0. It may be in another network namespace, and in
    /// another dump then.
    public let peer: UInt32
    /// The bound name: a path as the program gave it (which may be relative), without the NUL at its
    /// end; or an abstract name with its leading NUL; empty where there is none.
    public let name: [UInt8]
    /// The file that a path is bound to (`UNIX_DIAG_VFS`): what says which file a relative path meant.
    public let file: File?
    /// The owner's user id (`UNIX_DIAG_UID`, Linux 4.19).
    public let userID: UInt32?
    /// The socket's number that is never used twice.
    public let cookie: UInt64

    /// A socket's file, by the kernel's numbers.
    public struct File: Equatable, Sendable {
        /// The inode's lower 32 bits.
        public let inode: UInt32
        /// The device in the kernel's form: major number times 2^20, plus minor.
        public let device: UInt32
    }

    /// Whether the name is an abstract one.
    public var isAbstract: Bool { name.first == 0 }

    /// Calls `body` with each socket of a dump's bytes; messages of other kinds are skipped.
    ///
    /// The corresponding C structure is `unix_diag_msg`.
    ///
    /// - Throws: `WireError`; an offset inside a message counts from its payload.
    public static func parse(
        _ dump: RawSpan, _ body: (borrowing UnixSocket) -> Void
    ) throws(WireError) {
        var messages = NetlinkMessages()
        while let message = try messages.next(in: dump) {
            guard Int32(message.type) == SOCK_DIAG_BY_FAMILY else { continue }
            if let socket = try UnixSocket(dump.extracting(message.payload)) { body(socket) }
        }
    }

    private init?(_ payload: RawSpan) throws(WireError) {
        let size = MemoryLayout<unix_diag_msg>.size
        _ = try payload.end(of: size, from: 0)
        guard try payload.integer(at: 0, as: UInt8.self) == UInt8(AF_UNIX) else { return nil }
        type = try payload.integer(at: 1)
        state = TCPState(try payload.integer(at: 2))
        inode = try payload.integer(at: 4)
        let low: UInt32 = try payload.integer(at: 8)
        let high: UInt32 = try payload.integer(at: 12)
        cookie = UInt64(high) << 32 | UInt64(low)

        var peer: UInt32 = 0
        var name = [UInt8]()
        var file: File?
        var userID: UInt32?
        var attributes = NetlinkAttributes(offset: size)
        while let attribute = try attributes.next(in: payload) {
            let value = attribute.value
            switch Int(attribute.type) {
            case UNIX_DIAG_NAME: name = Self.name(try payload.copy(value))
            case UNIX_DIAG_PEER where value.count >= 4:
                peer = try payload.integer(at: value.lowerBound)
            case UNIX_DIAG_VFS where value.count >= 8:
                file = File(
                    inode: try payload.integer(at: value.lowerBound),
                    device: try payload.integer(at: value.lowerBound + 4))
            case UNIX_DIAG_UID where value.count >= 4:
                userID = try payload.integer(at: value.lowerBound, as: UInt32.self)
            default: break
            }
        }
        self.peer = peer
        self.name = name
        self.file = file
        self.userID = userID
    }

    /// A path ends at its first NUL; an abstract name starts with one and may contain more.
    private static func name(_ bytes: [UInt8]) -> [UInt8] {
        bytes.first == 0 ? bytes : Array(bytes.prefix { $0 != 0 })
    }
}
