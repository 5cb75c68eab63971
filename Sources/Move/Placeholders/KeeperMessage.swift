import CLinux
import Glibc
import SystemCalls

/// What the keeper and the filler say to each other: a datagram of 40 bytes, with a descriptor where one belongs to it.
struct KeeperMessage: Equatable {
    enum Kind: UInt8 {
        /// To the keeper: the sender fills from now on.
        case fill = 1
        /// To the keeper: the group, which it keeps.
        case adopt
        /// To the keeper: the answer to an access.
        case answer
        /// To the keeper: the sender keeps the group as well.
        case hold
        /// To the keeper: all is complete, it may end.
        case end
        /// From the keeper: the group.
        case group
        /// From the keeper: it has none.
        case none
        /// From the keeper: a program is about to touch a range of a file; the file's descriptor is one without events.
        case access
    }

    var kind: Kind
    /// Which access, by a number that is never given twice.
    var serial: UInt64 = 0
    /// The event's number in the group, by which it is answered, and the process that waits.
    var number: Int32 = -1
    var pid: Int32 = 0
    /// The range in bytes; no length stands for all that follows.
    var offset: UInt64 = 0
    var length: UInt64 = 0
    /// Of an answer: the errno; 0 lets the program go on.
    var code: Int32 = 0

    static let size = 40

    init(_ kind: Kind) { self.kind = kind }

    var bytes: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.size)
        bytes.withUnsafeMutableBytes {
            $0.storeBytes(of: kind.rawValue, as: UInt8.self)
            $0.storeBytes(of: code, toByteOffset: 4, as: Int32.self)
            $0.storeBytes(of: serial, toByteOffset: 8, as: UInt64.self)
            $0.storeBytes(of: number, toByteOffset: 16, as: Int32.self)
            $0.storeBytes(of: pid, toByteOffset: 20, as: Int32.self)
            $0.storeBytes(of: offset, toByteOffset: 24, as: UInt64.self)
            $0.storeBytes(of: length, toByteOffset: 32, as: UInt64.self)
        }
        return bytes
    }

    init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.size, let kind = Kind(rawValue: bytes[0]) else { return nil }
        self.kind = kind
        bytes.withUnsafeBytes {
            code = $0.load(fromByteOffset: 4, as: Int32.self)
            serial = $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            number = $0.load(fromByteOffset: 16, as: Int32.self)
            pid = $0.load(fromByteOffset: 20, as: Int32.self)
            offset = $0.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
            length = $0.loadUnaligned(fromByteOffset: 32, as: UInt64.self)
        }
    }

    /// Sends one.
    ///
    /// - Returns: whether there was room for it.
    func send(over socket: Int32, _ descriptor: Int32 = -1) throws(SystemError) -> Bool {
        let bytes = bytes
        return try systemCallUnlessBlocked("sendmsg") {
            bytes.withUnsafeBytes { clinux_send_message(socket, $0.baseAddress, $0.count, descriptor) }
        } != nil
    }

    /// The next one that is there, and its descriptor or -1; `nil` when none is.
    static func receive(from socket: Int32) throws(SystemError) -> (KeeperMessage, Int32)? {
        var buffer = [UInt8](repeating: 0, count: size + 1)
        var descriptor: Int32 = -1
        var flags: Int32 = 0
        let count = try systemCallUnlessBlocked("recvmsg") {
            buffer.withUnsafeMutableBytes {
                clinux_receive_message(socket, $0.baseAddress, $0.count, &descriptor, &flags)
            }
        }
        guard let count else { return nil }
        guard count == size, let message = KeeperMessage(Array(buffer[..<size])) else {
            if descriptor >= 0 { close(descriptor) }
            throw SystemError("recvmsg", code: count == 0 ? ECONNRESET : EPROTO)
        }
        return (message, descriptor)
    }
}

/// The keeper's socket in a folder: reached through the folder's descriptor, since such a path has no room for a long one.
enum KeeperSocket {
    private static func address(_ folder: Int32) -> sockaddr_un {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) {
            $0.copyBytes(from: "/proc/self/fd/\(folder)/keeper".utf8)
        }
        return address
    }

    private static func call(
        _ folder: String, _ name: StaticString,
        _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(SystemError) -> FileDescriptor {
        let place = try FileDescriptor.open(folder, O_PATH | O_DIRECTORY)
        let number = try systemCall("socket") {
            socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0)
        }
        let made = FileDescriptor(owning: number)
        var address = address(place.number)
        _ = try systemCall(name) {
            withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
        }
        return made
    }

    static func connect(_ folder: String) throws(SystemError) -> FileDescriptor {
        try call(folder, "connect") { Glibc.connect($0, $1, $2) }
    }

    /// A socket that listens, for root alone: the folder is.
    static func listen(_ folder: String) throws(SystemError) -> FileDescriptor {
        unlink(folder + "/keeper")
        let made = try call(folder, "bind") { fchmod($0, 0o600) == 0 ? bind($0, $1, $2) : -1 }
        let number = made.number
        _ = try systemCall("listen") { Glibc.listen(number, 8) }
        return made
    }
}
