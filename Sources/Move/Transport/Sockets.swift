import CLinux
import Glibc
public import SystemCalls

/// TCP sockets, and their time-outs.
public enum Sockets {
    /// Connects to a host, by name or address, within a time.
    ///
    /// - Parameters:
    ///   - seconds: for each of its addresses; also the time after which a connection that nobody answers on is cut
    ///     (`TCP_USER_TIMEOUT`).
    public static func connect(to host: String, port: UInt16, seconds: Int) throws(TLSError) -> FileDescriptor
    {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let failure = getaddrinfo(host, String(port), &hints, &list)
        guard failure == 0, let first = list else {
            throw TLSError("\(host): \(String(cString: gai_strerror(failure)))")
        }
        defer { freeaddrinfo(first) }
        var reason = "no address"
        var next: UnsafeMutablePointer<addrinfo>? = first
        while let info = next {
            next = info.pointee.ai_next
            let number = socket(
                info.pointee.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            guard number >= 0 else { continue }
            let descriptor = FileDescriptor(owning: number)
            var time = timeval(tv_sec: seconds, tv_usec: 0)
            // Linux takes it for connect(2) too.
            setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
            if Glibc.connect(number, info.pointee.ai_addr, info.pointee.ai_addrlen) == 0 {
                prepare(number, seconds: seconds)
                return descriptor
            }
            reason = SystemError.text(of: errno == EINPROGRESS ? ETIMEDOUT : errno)
        }
        throw TLSError("\(host):\(port): \(reason)")
    }

    /// A socket that waits for connections.
    public static func listen(on host: String, port: UInt16) throws(TLSError) -> FileDescriptor {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV | AI_PASSIVE | AI_NUMERICHOST
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &list) == 0, let info = list else {
            throw TLSError("\(host) is no address")
        }
        defer { freeaddrinfo(info) }
        let number = socket(info.pointee.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw TLSError("socket: \(SystemError.text(of: errno))") }
        let descriptor = FileDescriptor(owning: number)
        var on: Int32 = 1
        setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, 4)
        guard bind(number, info.pointee.ai_addr, info.pointee.ai_addrlen) == 0, Glibc.listen(number, 16) == 0
        else {
            throw TLSError("\(host):\(port): \(SystemError.text(of: errno))")
        }
        return descriptor
    }

    /// Cuts a connection on which the other end is silent, and sends small frames at once.
    public static func prepare(_ number: Int32, seconds: Int) {
        var on: Int32 = 1
        setsockopt(number, Int32(IPPROTO_TCP), TCP_NODELAY, &on, 4)
        setsockopt(number, SOL_SOCKET, SO_KEEPALIVE, &on, 4)
        var silence = Int32(max(1, seconds / 3))
        setsockopt(number, Int32(IPPROTO_TCP), TCP_KEEPIDLE, &silence, 4)
        setsockopt(number, Int32(IPPROTO_TCP), TCP_KEEPINTVL, &silence, 4)
        var count: Int32 = 3
        setsockopt(number, Int32(IPPROTO_TCP), TCP_KEEPCNT, &count, 4)
        var most = UInt32(seconds * 1000)
        setsockopt(number, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, &most, 4)
        var none = timeval(tv_sec: 0, tv_usec: 0)
        setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &none, socklen_t(MemoryLayout<timeval>.size))
    }
}
