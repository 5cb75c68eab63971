import CLinux
import Glibc
import SystemCalls

/// Why rpcbind(8) did not do what it was asked.
public struct RPCBindError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A sentence for people.
    public var description: String

    init(_ description: String) { self.description = description }
}

/// rpcbind(8) of this host, by its Unix socket: it takes registrations, and takes them back, from local callers alone, and what
/// another user has registered from root alone.
public struct RPCBind: Sendable {
    /// Where it is reached.
    public var path: String

    /// The one of this host's network and root.
    public init(path: String = "/run/rpcbind.sock") { self.path = path }

    /// Everything that is registered. The corresponding procedure is `RPCBPROC_DUMP`.
    public func registrations() throws(RPCBindError) -> [Registration] {
        let bytes = try call(.dump, [])
        do throws(XDRError) { return try Registration.list(from: bytes) } catch {
            throw RPCBindError("\(path): \(error)")
        }
    }

    /// Registers. The corresponding procedure is `RPCBPROC_SET`.
    ///
    /// - Returns: false where the numbers are taken over that transport.
    public func set(_ registration: Registration) throws(RPCBindError) -> Bool {
        try truth(.set, registration)
    }

    /// Takes a registration back, over its transport. The corresponding procedure is `RPCBPROC_UNSET`.
    ///
    /// - Returns: false where there was none, or another user's.
    public func unset(_ registration: Registration) throws(RPCBindError) -> Bool {
        try truth(.unset, registration)
    }

    private func truth(_ procedure: RPCBindMessage.Procedure, _ registration: Registration)
        throws(RPCBindError) -> Bool
    {
        var out = XDRWriter()
        registration.write(to: &out)
        var reader = XDRReader(try call(procedure, out.bytes))
        do throws(XDRError) { return try reader.boolean() } catch { throw RPCBindError("\(path): \(error)") }
    }

    private static let mostBytes = 4 << 20

    /// One call, over a connection of its own.
    private func call(_ procedure: RPCBindMessage.Procedure, _ arguments: [UInt8]) throws(RPCBindError)
        -> [UInt8]
    {
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw RPCBindError("socket: \(SystemError.text(of: errno))") }
        let descriptor = FileDescriptor(owning: number)
        var time = timeval(tv_sec: 5, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(number, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
        }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw RPCBindError("\(path) is too long for a socket's path")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let done = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard done == 0 else {
            throw RPCBindError("rpcbind does not answer: \(path): \(SystemError.text(of: errno))")
        }
        let xid = UInt32.random(in: 1...UInt32.max)
        let message = RecordMark.record(RPCBindMessage.call(procedure, xid: xid, arguments))
        do throws(SystemError) {
            try message.withUnsafeBufferPointer { bytes throws(SystemError) in
                try descriptor.writeAll(UnsafeRawBufferPointer(bytes))
            }
        } catch { throw RPCBindError("\(path): \(error)") }
        var assembler = RecordAssembler(mostBytes: Self.mostBytes)
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = recv(number, &buffer, buffer.count, 0)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw RPCBindError("\(path): rpcbind gave no answer") }
            do throws(XDRError) {
                assembler.add(buffer[..<count])
                if let reply = try assembler.next() { return try RPCBindMessage.result(of: reply, xid: xid) }
            } catch { throw RPCBindError("\(path): \(error)") }
        }
    }
}
