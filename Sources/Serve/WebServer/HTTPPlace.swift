import Control
import Glibc
import Net
import Synchronization
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

/// The name of a Unix socket, taken for a server: a socket that nobody answers on is removed, whatever else has the name stays.
///
/// The library, left to itself, removes any socket of that name, also one that another server answers on.
final class SocketName: Sendable {
    private let place: SocketPlace
    private let lock: Mutex<PlaceLock?>
    private let own = Mutex<SocketPlace.Occupant?>(nil)

    private init(_ place: consuming SocketPlace) {
        lock = Mutex(place.lock())
        self.place = place
    }

    /// Keeps other servers from taking the name until `listens`.
    static func take(_ path: String) throws(HTTPListenError) -> SocketName {
        // The library knows no other spelling of a path than its own.
        guard path.utf8.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path) else {
            throw HTTPListenError(description: "cannot listen at \(path): the path has more than 107 bytes")
        }
        let name = SocketName(try open(path))
        guard let occupant = name.place.occupant() else { return name }
        guard occupant.isSocket else {
            throw HTTPListenError(description: "\(path) exists and is not a socket; move it away")
        }
        guard try !isAnswered(name.place, path) else {
            throw HTTPListenError(description: "another server answers on \(path)")
        }
        name.place.remove(occupant)
        return name
    }

    private static func open(_ path: String) throws(HTTPListenError) -> SocketPlace {
        do throws(ControlError) {
            return try SocketPlace(path)
        } catch {
            if case .notRunning = error {
                throw HTTPListenError(description: "\(path): there is no such folder")
            }
            throw HTTPListenError(description: "cannot listen at \(path): \(error)")
        }
    }

    private static func isAnswered(_ place: borrowing SocketPlace, _ path: String) throws(HTTPListenError)
        -> Bool
    {
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else {
            throw HTTPListenError(
                description: "cannot listen at \(path): \(String(cString: strerror(errno)))")
        }
        let probe = FileDescriptor(owning: number)
        return place.withAddress { connect(probe.number, $0, $1) == 0 || errno != ECONNREFUSED }
    }

    /// Notes that the server has the name now.
    func listens() {
        own.withLock { $0 = place.occupant() }
        lock.withLock { $0 = nil }
    }

    /// Removes it, unless somebody else has it by now.
    func remove() {
        if let own = own.withLock({ $0 }) { place.remove(own) }
    }
}
