import CLinux
import Glibc
public import SystemCalls

/// What the kernel reports of processors that go offline and come online (`NETLINK_KOBJECT_UEVENT`).
///
/// A perf event of a processor falls silent for good when the processor goes offline, without an error, and does not
/// come back with it: whoever reads rings has to open a new one.
public struct ProcessorEvents: ~Copyable, Sendable {
    /// What happened to a processor.
    public enum Event: Equatable, Sendable {
        /// It came online.
        case online(Int32)
        /// It went offline.
        case offline(Int32)
        /// Messages were lost: any processor may have changed.
        case overrun
    }

    private let descriptor: FileDescriptor

    /// Opens the socket and joins the kernel's group. Works in the initial network namespace, to which the kernel
    /// speaks; needs no privilege.
    public init() throws(SystemError) { descriptor = try Self.open() }

    private static func open() throws(SystemError) -> FileDescriptor {
        let type = clinux_SOCK_RAW | clinux_SOCK_CLOEXEC | clinux_SOCK_NONBLOCK
        let descriptor = FileDescriptor(
            owning: try systemCall("socket") { socket(AF_NETLINK, type, NETLINK_KOBJECT_UEVENT) })
        let number = descriptor.number
        try filter(number)
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        address.nl_groups = 1
        _ = try systemCall("bind") {
            withUnsafePointer(to: &address) { address in
                address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(number, $0, socklen_t(MemoryLayout<sockaddr_nl>.size))
                }
            }
        }
        return descriptor
    }

    /// The number to poll.
    public var number: Int32 { descriptor.number }

    /// What has happened since the last call, in order.
    public borrowing func next() -> [Event] {
        var events: [Event] = []
        var bytes = [UInt8](repeating: 0, count: 4096)
        // Bounded, since a storm of messages may come as fast as they are read.
        for _ in 0..<1024 {
            var sender = sockaddr_nl()
            var size = socklen_t(MemoryLayout<sockaddr_nl>.size)
            let count = withUnsafeMutablePointer(to: &sender) { sender in
                sender.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(number, &bytes, bytes.count, 0, $0, &size)
                }
            }
            if count < 0 {
                if errno == EINTR { continue }
                if errno == ENOBUFS { events.append(.overrun) }
                if errno != ENOBUFS { break }
                continue
            }
            // Port 0 is the kernel's; udev sends to another group.
            if sender.nl_pid == 0, let event = Self.parse(bytes[..<count]) { events.append(event) }
        }
        return events
    }

    /// Reads a message: `ACTION@PATH`, NUL, then `KEY=VALUE` with a NUL each; `nil` unless it says that a processor
    /// came online or went offline.
    public static func parse(_ message: some Collection<UInt8>) -> Event? {
        let head = Array(message.prefix { $0 != 0 })
        let place = Array("@/devices/system/cpu/cpu".utf8)
        guard let at = head.firstIndex(of: UInt8(ascii: "@")), head[at...].starts(with: place) else {
            return nil
        }
        let digits = head[(at + place.count)...]
        guard !digits.isEmpty, digits.count <= 6, digits.allSatisfy({ (48...57).contains($0) }),
            let number = Int32(String(decoding: digits, as: UTF8.self)), number < ProcessorList.limit
        else { return nil }
        switch String(decoding: head[..<at], as: UTF8.self) {
        case "online": return .online(number)
        case "offline": return .offline(number)
        default: return nil
        }
    }

    /// A classic BPF program that passes what begins with `onli` or `offl`: a device that comes and goes must not
    /// wake anybody here.
    private static func filter(_ number: Int32) throws(SystemError) {
        func word(_ text: StaticString) -> UInt32 {
            UnsafeRawBufferPointer(start: text.utf8Start, count: 4).reduce(0) { $0 << 8 | UInt32($1) }
        }
        var program = [
            sock_filter(code: 0x20, jt: 0, jf: 0, k: 0),  // Load the first four bytes.
            sock_filter(code: 0x15, jt: 1, jf: 0, k: word("onli")),
            sock_filter(code: 0x15, jt: 0, jf: 1, k: word("offl")),
            sock_filter(code: 0x06, jt: 0, jf: 0, k: .max),
            sock_filter(code: 0x06, jt: 0, jf: 0, k: 0),
        ]
        let count = UInt16(program.count)
        _ = try systemCall("setsockopt") {
            program.withUnsafeMutableBufferPointer { program in
                var filter = sock_fprog(len: count, filter: program.baseAddress)
                return setsockopt(
                    number, SOL_SOCKET, SO_ATTACH_FILTER, &filter, socklen_t(MemoryLayout<sock_fprog>.size))
            }
        }
    }
}

/// The processors that are online: `perf_event_open` wants them one by one.
struct ProcessorList: Equatable {
    /// Their numbers, ascending.
    let numbers: [Int32]

    /// More than any kernel is built for, so that a hostile list cannot ask for much memory.
    static let limit: Int32 = 1 << 16

    /// Reads the running system's list.
    static func online() throws(SystemError) -> ProcessorList {
        let file = try FileDescriptor.open("/sys/devices/system/cpu/online", O_RDONLY)
        guard let list = ProcessorList(try file.readAll(limit: 1 << 16)) else {
            throw SystemError("read", code: EINVAL)
        }
        return list
    }

    /// Reads the kernel's notation, such as `0-3,8`; `nil` if it is none, or empty.
    init?(_ text: [UInt8]) {
        var numbers = [Int32]()
        let text = text.last == UInt8(ascii: "\n") ? text.dropLast() : text[...]
        for range in text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            let ends = range.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
                .map { Int32(String(decoding: $0, as: UTF8.self)) }
            guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil,
                first > numbers.last ?? -1, first <= last, last < Self.limit
            else { return nil }
            numbers.append(contentsOf: first...last)
        }
        if numbers.isEmpty { return nil }
        self.numbers = numbers
    }
}
