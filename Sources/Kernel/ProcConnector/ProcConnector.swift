import CLinux
import CMnl
import Glibc
public import SystemCalls
import Wire

/// A listener of the kernel's process events (`NETLINK_CONNECTOR`, `CN_IDX_PROC`).
///
/// Needs `CAP_NET_ADMIN` in the initial user and pid namespace. libmnl carries the socket; bytes are
/// handed on as received, so that they can be recorded and parsed elsewhere.
///
/// It may be handed to another thread: a libmnl socket is a descriptor and its address, and every call on
/// it is one system call.
public struct ProcConnector: ~Copyable, @unchecked Sendable {
    private let socket: OpaquePointer
    private let selection: Selection
    private let waiting: Waiting

    /// Datagrams that were received together and not yet handed on.
    ///
    /// A process that executes something and ends makes three, and each system call costs about as much as what is in them.
    private final class Waiting {
        // A proc_event datagram has 76 bytes.
        static let room = 256
        let bytes = UnsafeMutableRawBufferPointer.allocate(
            byteCount: room * Int(clinux_most_datagrams), alignment: 8)
        var lengths = [UInt32](repeating: 0, count: Int(clinux_most_datagrams))
        var next = 0
        var count = 0
        deinit { bytes.deallocate() }
    }

    /// Which events reach the socket.
    public enum Selection: Sendable {
        /// Fork, exec and exit of processes; those of threads are dropped in the kernel.
        case lifecycle
        /// Exec only: a notification of each new image.
        case execOnly
    }

    /// How well the kernel filters.
    public enum Filtering: String, Sendable {
        /// The registration named the events (Linux 6.6).
        case registration = "registration filter"
        /// A classic BPF program on the socket does it.
        case socketFilter = "socket filter"
    }

    /// How the kernel filters for this listener.
    public let filtering: Filtering

    /// Opens the socket, filters, joins the group and registers.
    ///
    /// - Parameters:
    ///   - receiveBuffer: bytes of socket buffer to ask for (`SO_RCVBUFFORCE`).
    ///   - registrationFilter: whether to name the events in the registration. An older kernel takes
    ///     that longer message without a word and then sends nothing, so decide by `release`.
    public init(
        _ selection: Selection, receiveBuffer: Int32 = 32 << 20,
        registrationFilter: Bool = ProcConnector.kernelFiltersRegistrations()
    ) throws(SystemError) {
        socket = try Self.open(selection, receiveBuffer, registrationFilter)
        self.selection = selection
        waiting = Waiting()
        filtering = registrationFilter ? .registration : .socketFilter
    }

    deinit { mnl_socket_close(socket) }

    /// The number to poll.
    public var number: Int32 { mnl_socket_get_fd(socket) }

    /// Has the kernel drop everything that would come, or let through again what was selected. What was dropped meanwhile is
    /// not counted. The corresponding C constant is `SO_ATTACH_FILTER`.
    public borrowing func setMuted(_ isMuted: Bool) throws(SystemError) {
        try Self.attachFilter(socket, isMuted ? nil : selection)
    }

    /// What one receive brought.
    public enum Received: Equatable, Sendable {
        /// One datagram, at this range of the buffer.
        case datagram(Range<Int>)
        /// Nothing is waiting.
        case nothing
        /// The kernel had to drop messages (ENOBUFS); receiving goes on behind the gap.
        case overrun
    }

    /// Receives one datagram behind what `buffer` holds.
    ///
    /// What waits is taken from the kernel some at a time; whoever receives until nothing is waiting has had all of it.
    public borrowing func receive(appendingTo buffer: inout [UInt8]) throws(SystemError) -> Received {
        try receive(appendingTo: &buffer, Int32(MSG_DONTWAIT))
    }

    /// The same; sleeps until there is one, if none was received together with the one before. For a thread that does
    /// nothing else.
    public borrowing func waitAndReceive(appendingTo buffer: inout [UInt8]) throws(SystemError) -> Received {
        try receive(appendingTo: &buffer, clinux_MSG_WAITFORONE)
    }

    /// Whether the next receive is without a system call.
    public var hasReceived: Bool { waiting.next < waiting.count }

    private borrowing func receive(
        appendingTo buffer: inout [UInt8], _ flags: Int32
    ) throws(SystemError) -> Received {
        while waiting.next >= waiting.count {
            waiting.next = 0
            waiting.count = max(
                0,
                Int(
                    clinux_receive_several(
                        number, waiting.bytes.baseAddress, Waiting.room, flags, &waiting.lengths)))
            if waiting.count == 0, let received = try Self.received(failing: errno) { return received }
        }
        let (index, length) = (waiting.next, Int(waiting.lengths[waiting.next]))
        waiting.next += 1
        guard length > 0 else { return .overrun }
        let start = buffer.count
        buffer.append(
            contentsOf: UnsafeRawBufferPointer(
                rebasing: waiting.bytes[(index * Waiting.room)...].prefix(length)))
        return .datagram(start..<buffer.count)
    }

    /// What the `errno` of a receive means; `nil` if it is to be tried again at once.
    ///
    /// - Throws: where the socket itself is not as it should be.
    public static func received(failing code: Int32) throws(SystemError) -> Received? {
        switch code {
        case EINTR: nil
        case EAGAIN: .nothing
        // libmnl's word for a datagram that was cut off is ENOSPC.
        case ENOBUFS, ENOSPC: .overrun
        default: throw SystemError("recvmsg", code: code)
        }
    }

    /// Makes a child that ends at once and waits for the event of it.
    ///
    /// A registration that the kernel does not understand, or one from the wrong namespace, is taken
    /// without a word and nothing ever comes: only an event proves that events come. Events that wait
    /// are thrown away, so call this before anything depends on them.
    ///
    /// - Returns: whether the fork was reported within a second.
    public borrowing func provesDelivery() -> Bool {
        let own = getpid()
        guard clinux_make_and_reap_child() > 0 else { return false }
        var buffer: [UInt8] = []
        for _ in 0..<100 {
            while true {
                buffer.removeAll(keepingCapacity: true)
                guard case .datagram? = try? receive(appendingTo: &buffer) else { break }
                if case .event(let event)? = try? ProcessEvent.parse(buffer.span.bytes),
                    event.kind == .fork, event.parent == own
                {
                    return true
                }
            }
            var waiting = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            _ = poll(&waiting, 1, 10)
        }
        return false
    }

    /// Whether this kernel filters registrations (Linux 6.6), by its release number.
    public static func kernelFiltersRegistrations() -> Bool {
        var name = utsname()
        guard uname(&name) == 0 else { return false }
        let release = withUnsafeBytes(of: &name.release) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        return filtersRegistrations(release: release)
    }

    /// The same for a given release, such as `6.1.0-18-amd64`.
    public static func filtersRegistrations(release: String) -> Bool {
        let numbers = release.split(separator: ".", maxSplits: 2)
            .map { Int($0.prefix { $0.isNumber }) ?? 0 }
        guard numbers.count >= 2 else { return false }
        return (numbers[0], numbers[1]) >= (6, 6)
    }

    private static func open(
        _ selection: Selection, _ receiveBuffer: Int32, _ registrationFilter: Bool
    ) throws(SystemError) -> OpaquePointer {
        guard
            // A thread sleeps on that of execs: see `waitAndReceive`.
            let socket = mnl_socket_open2(
                NETLINK_CONNECTOR, clinux_SOCK_CLOEXEC | (selection == .lifecycle ? clinux_SOCK_NONBLOCK : 0))
        else { throw SystemError("socket") }
        do throws(SystemError) {
            try setReceiveBuffer(socket, receiveBuffer)
            try attachFilter(socket, selection)
            // Port 0 lets the kernel choose: a process may have several listeners.
            if mnl_socket_bind(socket, UInt32(CN_IDX_PROC), 0) != 0 { throw SystemError("bind") }
            try register(socket, selection, registrationFilter)
        } catch {
            mnl_socket_close(socket)
            throw error
        }
        return socket
    }

    private static func setReceiveBuffer(_ socket: OpaquePointer, _ bytes: Int32) throws(SystemError) {
        let number = mnl_socket_get_fd(socket)
        for option in [SO_RCVBUFFORCE, SO_RCVBUF] {
            var bytes = bytes
            if setsockopt(number, SOL_SOCKET, option, &bytes, socklen_t(MemoryLayout<Int32>.size)) == 0 {
                return
            }
        }
        throw SystemError("setsockopt")
    }

    /// Sends the registration: netlink header, cn_msg, operation.
    private static func register(
        _ socket: OpaquePointer, _ selection: Selection, _ filtered: Bool
    ) throws(SystemError) {
        var message = [UInt8](repeating: 0, count: 128)
        let types: UInt32 =
            switch selection {
            case .lifecycle:
                clinux_PROC_EVENT_FORK | clinux_PROC_EVENT_EXEC
                    | clinux_PROC_EVENT_EXIT
            case .execOnly: clinux_PROC_EVENT_EXEC
            }
        let sent = message.withUnsafeMutableBytes { bytes -> Int in
            let header = mnl_nlmsg_put_header(bytes.baseAddress!)!
            header.pointee.nlmsg_type = UInt16(NLMSG_DONE)
            let size = filtered ? MemoryLayout<clinux_proc_input>.size : 4
            let body = mnl_nlmsg_put_extra_header(header, MemoryLayout<cn_msg>.size + size)!
            body.storeBytes(of: UInt32(CN_IDX_PROC), toByteOffset: 0, as: UInt32.self)
            body.storeBytes(of: UInt32(CN_VAL_PROC), toByteOffset: 4, as: UInt32.self)
            body.storeBytes(of: UInt16(size), toByteOffset: 16, as: UInt16.self)
            body.storeBytes(of: UInt32(PROC_CN_MCAST_LISTEN.rawValue), toByteOffset: 20, as: UInt32.self)
            if filtered { body.storeBytes(of: types, toByteOffset: 24, as: UInt32.self) }
            return mnl_socket_sendto(socket, header, Int(header.pointee.nlmsg_len))
        }
        if sent < 0 { throw SystemError("sendto") }
    }

    /// A classic BPF program that passes acknowledgements and what was selected, and drops the events
    /// of threads before they cost a wake-up; for `nil`, everything.
    private static func attachFilter(_ socket: OpaquePointer, _ selection: Selection?) throws(SystemError) {
        // Loads convert from network byte order, so constants are compared swapped.
        func load(_ offset: UInt32) -> sock_filter { sock_filter(code: 0x20, jt: 0, jf: 0, k: offset) }
        func equal(_ value: UInt32, _ yes: UInt8, _ no: UInt8) -> sock_filter {
            sock_filter(code: 0x15, jt: yes, jf: no, k: value.bigEndian)
        }
        let toIndex = sock_filter(code: 0x07, jt: 0, jf: 0, k: 0)
        func equalToIndex(orSkip no: UInt8) -> sock_filter { sock_filter(code: 0x1d, jt: 0, jf: no, k: 0) }
        let pass = sock_filter(code: 0x06, jt: 0, jf: 0, k: .max)
        let drop = sock_filter(code: 0x06, jt: 0, jf: 0, k: 0)
        let fork = clinux_PROC_EVENT_FORK
        let exec = clinux_PROC_EVENT_EXEC
        let exit = clinux_PROC_EVENT_EXIT
        var program: [sock_filter] =
            switch selection {
            case nil: [drop]
            case .execOnly:
                [load(36), equal(exec, 1, 0), equal(0, 0, 1), pass, drop]
            case .lifecycle:
                [
                    load(36),  // proc_event.what
                    equal(exec, 6, 0), equal(0, 5, 0),
                    equal(fork, 0, 5),
                    load(60), toIndex, load(64), equalToIndex(orSkip: 7), pass,  // child_pid, child_tgid
                    equal(exit, 0, 5),
                    load(52), toIndex, load(56), equalToIndex(orSkip: 1), pass,  // process_pid, process_tgid
                    drop,
                ]
            }
        let count = UInt16(program.count)
        let number = mnl_socket_get_fd(socket)
        let result = program.withUnsafeMutableBufferPointer { program in
            var filter = sock_fprog(len: count, filter: program.baseAddress)
            return setsockopt(
                number, SOL_SOCKET, SO_ATTACH_FILTER, &filter, socklen_t(MemoryLayout<sock_fprog>.size))
        }
        if result != 0 { throw SystemError("setsockopt") }
    }
}
