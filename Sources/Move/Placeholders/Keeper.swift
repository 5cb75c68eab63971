import CLinux
import Glibc
public import SystemCalls

/// The process that keeps the fanotify group of a cell's placeholders, and every access that waits, while fillers come and go.
///
/// When the last holder of a group is gone the kernel lets all accesses through, and programs read zeros. A filler that dies
/// leaves nothing behind: the access and its descriptor are the keeper's, which hands them to the next one. An access that
/// nobody has answered in time is denied with EIO. It does nothing else, so that there is little it could die of.
public struct Keeper: ~Copyable {
    private struct Access {
        var message: KeeperMessage
        var since: UInt64
        var isSent = false
    }

    /// Numbers of descriptors, and so of accesses, are below this.
    static let mostDescriptors: Int32 = 65536

    private let listener: FileDescriptor
    /// Nanoseconds after which an access is denied.
    private let patience: UInt64
    private var group: Int32 = -1
    private var filler: Int32 = -1
    /// Connections that have said nothing yet.
    private var others: [Int32] = []
    private var waiting: [Access] = []
    private var serial: UInt64 = 0

    /// Listens in a folder.
    public init(in folder: String, patience seconds: UInt64) throws(SystemError) {
        listener = try KeeperSocket.listen(folder)
        patience = seconds * 1_000_000_000
        var limit = rlimit()
        // A descriptor for each thread that waits.
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = min(limit.rlim_max, rlim_t(Self.mostDescriptors))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// Runs until it is asked to end.
    public mutating func run() {
        while true {
            var polled = [pollfd(fd: listener.number, events: Int16(POLLIN), revents: 0)]
            // A number below zero is passed over.
            polled.append(pollfd(fd: group, events: Int16(POLLIN), revents: 0))
            let isFull = filler >= 0 && waiting.contains { !$0.isSent }
            polled.append(pollfd(fd: filler, events: Int16(isFull ? POLLIN | POLLOUT : POLLIN), revents: 0))
            for other in others { polled.append(pollfd(fd: other, events: Int16(POLLIN), revents: 0)) }
            _ = poll(&polled, nfds_t(polled.count), 1000)
            if polled[0].revents != 0 {
                let number = clinux_accept4(listener.number, Int32(SOCK_CLOEXEC.rawValue))
                if number >= 0 { others.append(number) }
            }
            if polled[1].revents != 0 { readEvents() }
            if polled[2].revents & Int16(POLLIN | POLLHUP | POLLERR) != 0, !hear(filler) { return }
            for entry in polled.dropFirst(3) where entry.revents != 0 {
                if !hear(entry.fd) { return }
            }
            sendWaiting()
            deny()
        }
    }

    // MARK: Events

    private mutating func readEvents() {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { Glibc.read(group, $0.baseAddress, $0.count) }
        guard count > 0 else { return }
        for access in AccessEvent.parse(Array(buffer[..<count])) {
            serial += 1
            var message = KeeperMessage(.access)
            message.serial = serial
            (message.number, message.pid) = (access.descriptor, access.pid)
            (message.offset, message.length) = (access.offset, access.length)
            waiting.append(Access(message: message, since: Clock.monotonic()))
        }
    }

    private mutating func sendWaiting() {
        guard filler >= 0 else { return }
        for index in waiting.indices where !waiting[index].isSent {
            let message = waiting[index].message
            guard let isSent = try? message.send(over: filler, message.number) else {
                leave(filler)
                return
            }
            guard isSent else { return }
            waiting[index].isSent = true
        }
    }

    private mutating func answer(_ serial: UInt64, _ code: Int32) {
        guard let index = waiting.firstIndex(where: { $0.message.serial == serial }) else { return }
        let number = waiting[index].message.number
        Self.answer(group, number, code)
        close(number)
        waiting.remove(at: index)
    }

    static func answer(_ group: Int32, _ number: Int32, _ code: Int32) {
        _ = clinux_fanotify_answer(
            group, number, code == 0 ? clinux_FAN_ALLOW : clinux_FAN_DENY_ERRNO(code))
    }

    private mutating func deny() {
        let now = Clock.monotonic()
        for access in waiting where now - access.since > patience { answer(access.message.serial, EIO) }
    }

    // MARK: Connections

    private mutating func leave(_ socket: Int32) {
        close(socket)
        others.removeAll { $0 == socket }
        guard socket == filler else { return }
        filler = -1
        for index in waiting.indices { waiting[index].isSent = false }
    }

    /// Takes in what was said on a connection; false when it was asked to end.
    private mutating func hear(_ socket: Int32) -> Bool {
        while true {
            let received: (KeeperMessage, Int32)?
            do throws(SystemError) { received = try KeeperMessage.receive(from: socket) } catch {
                leave(socket)
                return true
            }
            guard let (message, descriptor) = received else { return true }
            switch message.kind {
            case .adopt where group < 0 && descriptor >= 0:
                group = descriptor
                continue
            case .fill:
                if filler >= 0 && filler != socket { leave(filler) }
                others.removeAll { $0 == socket }
                filler = socket
                _ = try? KeeperMessage(group >= 0 ? .group : .none).send(over: socket, group)
            case .hold: _ = try? KeeperMessage(group >= 0 ? .group : .none).send(over: socket, group)
            case .answer where socket == filler: answer(message.serial, message.code)
            case .end where socket == filler: return false
            default: break
            }
            if descriptor >= 0 { close(descriptor) }
        }
    }
}

/// An event of a group of the class `FAN_CLASS_PRE_CONTENT`.
struct AccessEvent: Equatable {
    /// The file, opened without events.
    var descriptor: Int32
    var pid: Int32
    var offset: UInt64
    var length: UInt64

    /// Reads what one `read` has brought (fanotify(7); `struct fanotify_event_info_range`, Linux 6.14). An event without a
    /// range is of the whole file.
    static func parse(_ bytes: [UInt8]) -> [AccessEvent] {
        var found: [AccessEvent] = []
        bytes.withUnsafeBytes { bytes in
            var start = 0
            while bytes.count - start >= 24 {
                let length = Int(bytes.loadUnaligned(fromByteOffset: start, as: UInt32.self))
                let head = Int(bytes.loadUnaligned(fromByteOffset: start + 6, as: UInt16.self))
                guard length >= 24, length <= bytes.count - start, head >= 24, head <= length else { return }
                var event = AccessEvent(
                    descriptor: bytes.loadUnaligned(fromByteOffset: start + 16, as: Int32.self),
                    pid: bytes.loadUnaligned(fromByteOffset: start + 20, as: Int32.self), offset: 0, length: 0
                )
                var place = start + head
                while start + length - place >= 4 {
                    let size = Int(bytes.loadUnaligned(fromByteOffset: place + 2, as: UInt16.self))
                    guard size >= 4, size <= start + length - place else { break }
                    if bytes[place] == clinux_FAN_EVENT_INFO_TYPE_RANGE, size >= 24 {
                        event.offset = bytes.loadUnaligned(fromByteOffset: place + 8, as: UInt64.self)
                        event.length = bytes.loadUnaligned(fromByteOffset: place + 16, as: UInt64.self)
                    }
                    place += size
                }
                if event.descriptor >= 0 { found.append(event) }
                start += length
            }
        }
        return found
    }
}
