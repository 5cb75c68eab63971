import CLinux
import Control
import Glibc
import Net
import SystemCalls

/// Where a server listens: `unix:PATH`, `ADDRESS:PORT`, `[IPv6]:PORT`, `localhost:PORT`.
public enum HTTPPlace: Equatable, Sendable, CustomStringConvertible {
    case unix(path: String)
    case internet(NetworkAddress, port: UInt16)

    /// Reads it as it is typed; names other than `localhost` are not resolved.
    public init?(_ text: String) {
        if text.hasPrefix("unix:") {
            self = .unix(path: String(text.dropFirst(5)))
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = String(text[..<colon])
        if host == "localhost" { host = "127.0.0.1" }
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]") && host.utf8.count > 2
        if isBracketed { host = String(host.dropFirst().dropLast()) }
        guard let address = NetworkAddress(host), isBracketed != address.isV4 else { return nil }
        self = .internet(address, port: port)
    }

    /// Whether nobody outside this host can connect.
    public var isLocal: Bool {
        switch self {
        case .unix: true
        case .internet(let address, _): address.isLoopback
        }
    }

    /// As it is typed.
    public var description: String {
        switch self {
        case .unix(let path): "unix:\(path)"
        case .internet(let address, let port): address.isV4 ? "\(address):\(port)" : "[\(address)]:\(port)"
        }
    }
}

/// Why a place cannot be listened at: a sentence that says so.
public struct HTTPListenError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The sentence.
    public let description: String
}

/// A listening socket. The corresponding C functions are `socket`, `bind` and `listen`.
public final class HTTPListener: Sendable {
    private let socket: FileDescriptor
    /// Where it listens; with the port that the kernel chose for 0.
    public let place: HTTPPlace
    private let name: (place: String, own: SocketPlace.Occupant)?

    /// Binds and listens. A Unix socket that nobody answers on is replaced; whatever else has the name stays. Whoever is
    /// its owner or in its group may connect (mode 0660).
    public init(_ place: HTTPPlace) throws(HTTPListenError) {
        switch place {
        case .unix(let path):
            var own: SocketPlace.Occupant?
            socket = try Self.listen(path, &own)
            name = own.map { (path, $0) }
            self.place = place
        case .internet(let address, let port):
            var chosen = port
            socket = try Self.listen(address, &chosen)
            name = nil
            self.place = .internet(address, port: chosen)
        }
    }

    deinit {
        // As an own value, since the folder is looked up again: what has the name now may be another's.
        if let name, let place = try? SocketPlace(name.place) { place.remove(name.own) }
    }

    /// The number to poll.
    public var number: Int32 { socket.number }

    private static func listen(
        _ path: String, _ own: inout SocketPlace.Occupant?
    ) throws(HTTPListenError) -> FileDescriptor {
        do {
            let place = try SocketPlace(path)
            let socket = try open(AF_UNIX)
            let number = socket.number
            // The name gets the mode of the socket, less the umask, at once.
            guard fchmod(number, 0o660) == 0 else { throw SystemError("fchmod") }
            let lock = place.lock()
            try bind(number, to: place)
            own = place.occupant()
            guard Glibc.listen(number, backlog) == 0 else { throw SystemError("listen") }
            lock?.end()
            return socket
        } catch let error as HTTPListenError {
            throw error
        } catch let error as ControlError {
            if case .notRunning = error {
                throw HTTPListenError(description: "\(path): there is no such folder")
            }
            throw HTTPListenError(description: "cannot listen at \(path): \(error)")
        } catch {
            throw HTTPListenError(description: "cannot listen at \(path): \(error)")
        }
    }

    private static func bind(_ number: Int32, to place: borrowing SocketPlace) throws {
        // More than once only if others remove and make sockets of this name at the same time.
        for _ in 0..<8 {
            if place.withAddress({ Glibc.bind(number, $0, $1) }) == 0 { return }
            guard errno == EADDRINUSE else { throw SystemError("bind") }
            guard let occupant = place.occupant() else { continue }
            guard occupant.isSocket else {
                throw HTTPListenError(description: "\(place.path) exists and is not a socket; move it away")
            }
            let probe = try open(AF_UNIX)
            if place.withAddress({ connect(probe.number, $0, $1) }) == 0 || errno != ECONNREFUSED { break }
            place.remove(occupant)
        }
        throw HTTPListenError(description: "another server answers on \(place.path)")
    }

    private static func listen(
        _ address: NetworkAddress, _ port: inout UInt16
    ) throws(HTTPListenError) -> FileDescriptor {
        do {
            // An IPv4 address as one of IPv6 (RFC 4291, section 2.5.5.2): one form for both.
            let socket = try open(AF_INET6)
            let number = socket.number
            var on: Int32 = 1
            var off: Int32 = 0
            let size = socklen_t(MemoryLayout<Int32>.size)
            _ = setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, size)
            _ = setsockopt(number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &off, size)
            var raw = sockaddr_in6()
            raw.sin6_family = sa_family_t(AF_INET6)
            raw.sin6_port = port.bigEndian
            withUnsafeMutableBytes(of: &raw.sin6_addr) { bytes in
                bytes.storeBytes(of: address.high.bigEndian, as: UInt64.self)
                bytes.storeBytes(of: address.low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
            let bound = withUnsafePointer(to: &raw) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.bind(number, $0, length) }
            }
            guard bound == 0 else { throw SystemError("bind") }
            guard Glibc.listen(number, backlog) == 0 else { throw SystemError("listen") }
            let named = withUnsafeMutablePointer(to: &raw) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &length) }
            }
            guard named == 0 else { throw SystemError("getsockname") }
            port = UInt16(bigEndian: raw.sin6_port)
            return socket
        } catch {
            throw HTTPListenError(
                description: "cannot listen at \(HTTPPlace.internet(address, port: port)): \(error)")
        }
    }

    private static func open(_ family: Int32) throws(SystemError) -> FileDescriptor {
        FileDescriptor(
            owning: try systemCall("socket") {
                Glibc.socket(family, clinux_SOCK_STREAM | clinux_SOCK_CLOEXEC | clinux_SOCK_NONBLOCK, 0)
            })
    }

    private static let backlog: Int32 = 512
}
