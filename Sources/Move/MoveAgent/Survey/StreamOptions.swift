import CLinux
import Glibc
import Records
import SystemCalls

/// Options of a TCP socket that CRIU does not restore (tcp(7)).
struct StreamOptions: Equatable {
    /// `TCP_USER_TIMEOUT`, milliseconds (Linux 2.6.37).
    var userTimeout: Int32 = 0
    /// `TCP_DEFER_ACCEPT`, seconds (Linux 2.4).
    var deferAccept: Int32 = 0
    /// `TCP_CONGESTION` (Linux 2.6.13); empty for what sockets have unless another one was set.
    var congestion = ""

    init() {}

    /// Asks a socket; `nil` where it is none of TCP.
    init?(of socket: Int32) {
        guard let limit = Self.number(socket, TCP_USER_TIMEOUT) else { return nil }
        userTimeout = limit
        deferAccept = Self.number(socket, TCP_DEFER_ACCEPT) ?? 0
        var name = [UInt8](repeating: 0, count: 16)
        var size = socklen_t(name.count)
        if getsockopt(socket, Int32(IPPROTO_TCP), TCP_CONGESTION, &name, &size) == 0 {
            congestion = String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    private static func number(_ socket: Int32, _ option: Int32) -> Int32? {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(socket, Int32(IPPROTO_TCP), option, &value, &size) == 0 ? value : nil
    }

    /// Those that differ from what a socket has, the congestion control from a default; for people.
    func words(unlike congestion: String) -> [String] {
        var words: [String] = []
        if userTimeout > 0 { words.append("TCP_USER_TIMEOUT of \(userTimeout) ms") }
        if deferAccept > 0 { words.append("TCP_DEFER_ACCEPT of \(deferAccept) s") }
        if !congestion.isEmpty, !self.congestion.isEmpty, self.congestion != congestion {
            words.append("TCP_CONGESTION of \(self.congestion)")
        }
        return words
    }

    /// Sets what differs from what a socket has.
    func set(on socket: Int32) throws(SystemError) {
        for (option, value) in [(TCP_USER_TIMEOUT, userTimeout), (TCP_DEFER_ACCEPT, deferAccept)]
        where value > 0 {
            var value = value
            _ = try systemCall("setsockopt") {
                setsockopt(socket, Int32(IPPROTO_TCP), option, &value, socklen_t(MemoryLayout<Int32>.size))
            }
        }
        guard !congestion.isEmpty else { return }
        let name = Array(congestion.utf8)
        _ = try systemCall("setsockopt") {
            setsockopt(socket, Int32(IPPROTO_TCP), TCP_CONGESTION, name, socklen_t(name.count))
        }
    }

    var value: JSONValue {
        .object([
            .init("user_timeout", .integer(Int128(userTimeout))),
            .init("defer_accept", .integer(Int128(deferAccept))), .init("congestion", .string(congestion)),
        ])
    }

    /// Reads a tree; `nil` where it is none.
    init?(_ value: JSONValue) {
        guard let limit = value["user_timeout"]?.integer.flatMap({ Int32(exactly: $0) }), limit >= 0,
            let delay = value["defer_accept"]?.integer.flatMap({ Int32(exactly: $0) }), delay >= 0,
            let name = value["congestion"]?.string, name.utf8.count < 16
        else { return nil }
        (userTimeout, deferAccept, congestion) = (limit, delay, name)
    }
}
