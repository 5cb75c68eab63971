import CLinux
import Glibc
import MovePlan
import Records
import SystemCalls

/// A TCP connection with everything that its other end relies on, so that another socket, on another host, goes on with it.
///
/// By `TCP_REPAIR` (tcp(7), Linux 3.5; the windows 4.8), for which root of the network namespace is needed: a socket in that mode
/// sends nothing, not even when it is closed.
struct OpenConnection: Equatable {
    var local: InternetAddress
    var remote: InternetAddress
    /// The next sequence number to be written and to be received.
    var sendNext: UInt32 = 0
    var receiveNext: UInt32 = 0
    /// What was written and not acknowledged; what was received and not read.
    var sending: [UInt8] = []
    var received: [UInt8] = []
    var segment: UInt32 = 536
    /// `TCPI_OPT_…`, and the scales of the windows.
    var options: UInt8 = 0
    var sendScale: UInt8 = 0
    var receiveScale: UInt8 = 0
    var timestamp: UInt32 = 0
    /// When it was frozen: nanoseconds since 1970.
    var frozen: UInt64 = 0
    /// snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup.
    var windows: [UInt32] = [0, 0, 0, 0, 0]

    /// More waits in neither direction between calls.
    private static let mostBytes = 256 << 10

    // MARK: Taking it

    /// Puts a connected socket into repair mode and reads it.
    static func freeze(_ socket: Int32) throws(MoveError) -> OpenConnection {
        try set(socket, TCP_REPAIR, TCP_REPAIR_ON)
        let now = Clock.wall()
        var connection = OpenConnection(
            local: try name(socket, getsockname), remote: try name(socket, getpeername))
        (connection.sendNext, connection.sending) = try queue(socket, TCP_SEND_QUEUE)
        (connection.receiveNext, connection.received) = try queue(socket, TCP_RECV_QUEUE)
        try set(socket, TCP_REPAIR_QUEUE, Int32(TCP_NO_QUEUE))
        connection.frozen = now
        connection.segment = try word(socket, TCP_MAXSEG)
        connection.timestamp = try word(socket, TCP_TIMESTAMP)
        // tcpi_options, then the scales of sending and receiving, four bits each.
        let information = try bytes(socket, TCP_INFO, 8)
        (connection.options, connection.sendScale, connection.receiveScale) = (
            information[5], information[6] & 15, information[6] >> 4
        )
        let windows = try bytes(socket, TCP_REPAIR_WINDOW, 20)
        connection.windows = (0..<5).map { index in
            windows.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self) }
        }
        return connection
    }

    /// As it is some time after it was frozen: its clock has gone on, and what was not acknowledged may have been sent again with the
    /// time of that moment, before which the other end takes nothing (PAWS, RFC 7323).
    func aged(at now: UInt64) -> OpenConnection {
        var connection = self
        let milliseconds = now > frozen ? (now - frozen) / 1_000_000 : 0
        connection.timestamp &+= UInt32(truncatingIfNeeded: milliseconds + 50)
        return connection
    }

    /// Lets a socket that was frozen go on.
    static func thaw(_ socket: Int32) { try? set(socket, TCP_REPAIR, TCP_REPAIR_OFF) }

    // MARK: Going on with it

    /// A socket that goes on with it; its address need not be one of this host (`IP_TRANSPARENT`).
    func adopt() throws(MoveError) -> Int32 {
        let number = socket(
            AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard number >= 0 else { throw MoveError("socket: \(SystemError.text(of: errno))") }
        do throws(MoveError) { try rebuild(number) } catch {
            // Still in repair mode it is closed without a word.
            close(number)
            throw MoveError("the connection of \(remote) to \(local): \(error)")
        }
        return number
    }

    private func rebuild(_ number: Int32) throws(MoveError) {
        var on: Int32 = 1
        setsockopt(number, Int32(IPPROTO_IP), IP_TRANSPARENT, &on, 4)
        try Self.set(number, TCP_REPAIR, TCP_REPAIR_ON)
        guard local.withRaw({ bind(number, $0, $1) }) == 0 else {
            throw MoveError("bind: \(SystemError.text(of: errno))")
        }
        for (queue, next, waiting) in [
            (TCP_RECV_QUEUE, receiveNext, received), (TCP_SEND_QUEUE, sendNext, sending),
        ] {
            try Self.set(number, TCP_REPAIR_QUEUE, Int32(queue))
            try Self.set(
                number, TCP_QUEUE_SEQ, Int32(bitPattern: next &- UInt32(truncatingIfNeeded: waiting.count)))
        }
        guard remote.withRaw({ connect(number, $0, $1) }) == 0 else {
            throw MoveError("connect: \(SystemError.text(of: errno))")
        }
        // TCPOPT_MAXSEG, TCPOPT_WINDOW, TCPOPT_SACK_PERMITTED, TCPOPT_TIMESTAMP.
        var list: [UInt32] = [UInt32(TCPOPT_MAXSEG), segment]
        if options & UInt8(TCPI_OPT_WSCALE) != 0 {
            list += [UInt32(TCPOPT_WINDOW), UInt32(sendScale) | UInt32(receiveScale) << 16]
        }
        if options & UInt8(TCPI_OPT_SACK) != 0 { list += [UInt32(TCPOPT_SACK_PERMITTED), 0] }
        if options & UInt8(TCPI_OPT_TIMESTAMPS) != 0 { list += [UInt32(TCPOPT_TIMESTAMP), 0] }
        try Self.set(number, TCP_REPAIR_OPTIONS, list)
        try Self.set(number, TCP_TIMESTAMP, Int32(bitPattern: timestamp))
        for (queue, waiting) in [(TCP_RECV_QUEUE, received), (TCP_SEND_QUEUE, sending)] where !waiting.isEmpty
        {
            try Self.set(number, TCP_REPAIR_QUEUE, Int32(queue))
            var offset = 0
            while offset < waiting.count {
                let count = waiting.withUnsafeBytes {
                    send(number, $0.baseAddress! + offset, $0.count - offset, 0)
                }
                guard count > 0 else { throw MoveError("its queue: \(SystemError.text(of: errno))") }
                offset += count
            }
        }
        try Self.set(number, TCP_REPAIR_QUEUE, Int32(TCP_NO_QUEUE))
        try Self.set(number, TCP_REPAIR_WINDOW, windows)
        // Without the probe that the kernel would send: its answer would go the old way still, where the address may be another host's.
        try Self.set(number, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP)
        setsockopt(number, Int32(IPPROTO_TCP), TCP_NODELAY, &on, 4)
    }

    /// The segment that makes the other end send what it could not send while it was held: an acknowledgement of what it has sent
    /// already, with its IP header. Without it that waits for a timer of 200 ms and more.
    var nudge: [UInt8] {
        func word(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
        func half(_ value: UInt16) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
        let hasTimes = options & UInt8(TCPI_OPT_TIMESTAMPS) != 0
        let times: [UInt8] = hasTimes ? [1, 1, 8, 10] + word(timestamp) + word(0) : []
        let window = UInt16(truncatingIfNeeded: min(max(windows[3], 1) >> UInt32(receiveScale), 65535))
        let length = UInt16(20 + times.count)
        let words = UInt8(length / 4) << 4
        var segment: [UInt8] = half(local.port) + half(remote.port)
        segment += word(sendNext) + word(receiveNext)
        segment += [words, 0x10]
        segment += half(window) + [0, 0, 0, 0] + times
        let pseudo: [UInt8] = word(local.address) + word(remote.address) + [0, 6] + half(length)
        var sum: UInt32 = 0
        let summed = pseudo + segment
        for index in stride(from: 0, to: summed.count, by: 2) {
            sum += UInt32(summed[index]) << 8 | UInt32(summed[index + 1])
        }
        while sum >> 16 != 0 { sum = sum & 0xffff + sum >> 16 }
        let check = ~UInt16(truncatingIfNeeded: sum)
        (segment[16], segment[17]) = (UInt8(check >> 8), UInt8(check & 255))
        // The kernel fills in length, identification and checksum (raw(7)).
        var header: [UInt8] = [0x45, 0]
        header += half(length + 20) + [0, 0, 0, 0, 64, 6, 0, 0]
        header += word(local.address) + word(remote.address)
        return header + segment
    }

    /// Sends the nudge to a client of this host.
    func sendNudge() {
        let number = socket(AF_INET, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), Int32(IPPROTO_RAW))
        guard number >= 0 else { return }
        defer { close(number) }
        let packet = nudge
        _ = InternetAddress(address: remote.address, port: 0).withRaw {
            sendto(number, packet, packet.count, 0, $0, $1)
        }
    }

    // MARK: Options of sockets

    private static func set(_ socket: Int32, _ option: Int32, _ value: Int32) throws(MoveError) {
        try set(socket, option, [UInt32(bitPattern: value)])
    }

    private static func set(_ socket: Int32, _ option: Int32, _ words: [UInt32]) throws(MoveError) {
        guard setsockopt(socket, Int32(IPPROTO_TCP), option, words, socklen_t(words.count * 4)) == 0 else {
            throw MoveError("option \(option) of TCP: \(SystemError.text(of: errno))")
        }
    }

    static func bytes(_ socket: Int32, _ option: Int32, _ count: Int) throws(MoveError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var size = socklen_t(count)
        guard getsockopt(socket, Int32(IPPROTO_TCP), option, &bytes, &size) == 0 else {
            throw MoveError("option \(option) of TCP: \(SystemError.text(of: errno))")
        }
        return bytes
    }

    private static func word(_ socket: Int32, _ option: Int32) throws(MoveError) -> UInt32 {
        try bytes(socket, option, 4).withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
    }

    private static func queue(_ socket: Int32, _ queue: Int) throws(MoveError) -> (
        UInt32, [UInt8]
    ) {
        try set(socket, TCP_REPAIR_QUEUE, Int32(queue))
        let next = try word(socket, TCP_QUEUE_SEQ)
        var waiting = [UInt8](repeating: 0, count: mostBytes)
        let count = recv(socket, &waiting, waiting.count, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        guard count >= 0 || errno == EAGAIN else {
            throw MoveError("its queue: \(SystemError.text(of: errno))")
        }
        guard count < mostBytes else { throw MoveError("more than \(mostBytes) bytes wait in a connection") }
        return (next, Array(waiting.prefix(max(count, 0))))
    }

    private static func name(
        _ socket: Int32,
        _ ask: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) throws(MoveError) -> InternetAddress {
        // Of an IPv6 socket the IPv4 address that it maps.
        var raw = sockaddr_in6()
        var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let done = withUnsafeMutablePointer(to: &raw) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { ask(socket, $0, &size) }
        }
        guard done == 0 else { throw MoveError("its address: \(SystemError.text(of: errno))") }
        let bytes = withUnsafeBytes(of: &raw) { Array($0) }
        let port = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
        let four = raw.sin6_family == sa_family_t(AF_INET) ? bytes[4..<8] : bytes[20..<24]
        let isMapped = bytes[8..<20].elementsEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255])
        guard raw.sin6_family == sa_family_t(AF_INET) || isMapped else {
            throw MoveError("a connection over IPv6")
        }
        return InternetAddress(address: four.reduce(0) { $0 << 8 | UInt32($1) }, port: port)
    }

    // MARK: As JSON

    var value: JSONValue {
        func number(_ value: some BinaryInteger) -> JSONValue { .integer(Int128(value)) }
        return .object([
            .init("local", local.value), .init("remote", remote.value), .init("send_next", number(sendNext)),
            .init("receive_next", number(receiveNext)), .init("sending", .string(PlanText.text(sending))),
            .init("received", .string(PlanText.text(received))), .init("segment", number(segment)),
            .init("options", number(options)), .init("send_scale", number(sendScale)),
            .init("receive_scale", number(receiveScale)), .init("timestamp", number(timestamp)),
            .init("frozen", number(frozen)),
            .init("windows", .array(windows.map { number($0) })),
        ])
    }

    init(local: InternetAddress, remote: InternetAddress) { (self.local, self.remote) = (local, remote) }

    init?(_ value: JSONValue) {
        func number<Number: FixedWidthInteger>(_ key: String) -> Number? {
            value[key]?.integer.flatMap { Number(exactly: $0) }
        }
        guard let local = value["local"].flatMap({ InternetAddress($0) }),
            let remote = value["remote"].flatMap({ InternetAddress($0) }),
            let sendNext: UInt32 = number("send_next"), let receiveNext: UInt32 = number("receive_next"),
            let sending = value["sending"]?.string.flatMap({ PlanText.bytes($0) }),
            let received = value["received"]?.string.flatMap({ PlanText.bytes($0) }),
            let segment: UInt32 = number("segment"), let options: UInt8 = number("options"),
            let sendScale: UInt8 = number("send_scale"), sendScale < 15,
            let receiveScale: UInt8 = number("receive_scale"), receiveScale < 15,
            let timestamp: UInt32 = number("timestamp"), let frozen: UInt64 = number("frozen"),
            let windows = value["windows"]?.array?.compactMap({ $0.integer.flatMap { UInt32(exactly: $0) } }),
            windows.count == 5
        else { return nil }
        self.init(local: local, remote: remote)
        (self.sendNext, self.receiveNext, self.sending, self.received) = (
            sendNext, receiveNext, sending, received
        )
        (self.segment, self.options, self.sendScale, self.receiveScale) = (
            segment, options, sendScale, receiveScale
        )
        self.frozen = frozen
        (self.timestamp, self.windows) = (timestamp, windows)
    }
}

extension InternetAddress {
    var value: JSONValue {
        .object([.init("address", .string(host)), .init("port", .integer(Int128(port)))])
    }

    init?(_ value: JSONValue) {
        guard let host = value["address"]?.string,
            let port = value["port"]?.integer.flatMap({ UInt16(exactly: $0) })
        else { return nil }
        self.init(host, port: port)
    }
}
