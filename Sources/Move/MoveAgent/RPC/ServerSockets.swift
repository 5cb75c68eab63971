import CLinux
import Glibc
import Procfs
import SystemCalls

/// Sockets of a server's processes, and whether a call runs in them (proc(5)).
struct ServerSockets {
    struct Socket: Equatable {
        var pid: Int32
        /// The number of its descriptor in that process.
        var number: Int32
        var isTCP: Bool
        /// TCP's state: 0x0A listens, 0x01 is connected.
        var state: UInt8
        var local: InternetAddress
        var remote: InternetAddress
        /// Bytes, or connections of a listener, that wait to be taken.
        var waiting: UInt32
    }

    private(set) var sockets: [Socket] = []

    init(of pids: [Int32]) {
        guard let first = pids.first else { return }
        var owners: [UInt64: (pid: Int32, number: Int32)] = [:]
        for found in Self.descriptors(of: pids) { owners[found.inode] = (found.pid, found.number) }
        for (file, isTCP) in [("tcp", true), ("tcp6", true), ("udp", false), ("udp6", false)] {
            let bytes = (try? FileDescriptor.open("/proc/\(first)/net/\(file)", O_RDONLY))?.all ?? []
            for line in bytes.split(separator: UInt8(ascii: "\n")).dropFirst() {
                guard let found = Self.parse(line, isTCP), let owner = owners[found.inode] else { continue }
                var socket = found.socket
                (socket.pid, socket.number) = owner
                sockets.append(socket)
            }
        }
    }

    /// All sockets that processes have open.
    static func descriptors(of pids: [Int32]) -> [(pid: Int32, number: Int32, inode: UInt64)] {
        var all: [(pid: Int32, number: Int32, inode: UInt64)] = []
        for pid in pids {
            guard let stream = opendir("/proc/\(pid)/fd") else { continue }
            defer { closedir(stream) }
            while let entry = readdir(stream) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                guard let number = Int32(name) else { continue }
                var text = [UInt8](repeating: 0, count: 64)
                let path = "/proc/\(pid)/fd/\(name)"
                let count = text.withUnsafeMutableBytes {
                    readlink(path, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
                }
                let link = String(decoding: text.prefix(max(count, 0)), as: UTF8.self)
                guard link.hasPrefix("socket:["), let inode = UInt64(link.dropFirst(8).dropLast()) else {
                    continue
                }
                all.append((pid, number, inode))
            }
        }
        return all
    }

    /// A line of /proc/PID/net/tcp and the like.
    static func parse(_ line: some Collection<UInt8>, _ isTCP: Bool) -> (socket: Socket, inode: UInt64)? {
        // sl local remote st tx:rx tr:when retrnsmt uid timeout inode
        let words = line.split(separator: UInt8(ascii: " ")).prefix(10).map {
            String(decoding: $0, as: UTF8.self)
        }
        guard words.count == 10, let state = UInt8(words[3], radix: 16), let inode = UInt64(words[9]),
            let local = address(words[1]), let remote = address(words[2]),
            let waiting = words[4].split(separator: ":").last.flatMap({ UInt32($0, radix: 16) })
        else { return nil }
        return (
            Socket(
                pid: 0, number: -1, isTCP: isTCP, state: state, local: local, remote: remote, waiting: waiting
            ),
            inode
        )
    }

    /// Of `0100007F:0CEA`; of an IPv6 address its last four bytes, which are the IPv4 address that it maps.
    private static func address(_ word: String) -> InternetAddress? {
        let parts = word.split(separator: ":")
        guard parts.count == 2, let port = UInt16(parts[1], radix: 16), parts[0].utf8.count >= 8,
            let address = UInt32(parts[0].suffix(8), radix: 16)
        else { return nil }
        return InternetAddress(address: UInt32(bigEndian: address), port: port)
    }

    /// Where it is called.
    var ports: [ServicePort] {
        var found: Set<ServicePort> = []
        for socket in sockets where socket.isTCP ? socket.state == 0x0a : socket.remote.port == 0 {
            found.insert(ServicePort(isTCP: socket.isTCP, number: socket.local.port))
        }
        return found.sorted { ($0.isTCP ? 1 : 0, $0.number) < ($1.isTCP ? 1 : 0, $1.number) }
    }

    /// Connections of clients.
    var connections: [Socket] {
        let listening = Set(ports.filter(\.isTCP).map(\.number))
        return sockets.filter { $0.isTCP && $0.state == 1 && listening.contains($0.local.port) }
    }

    /// Whether nothing waits to be taken.
    var isEmpty: Bool { sockets.allSatisfy { $0.waiting == 0 } }

    // MARK: Calls that run

    /// Whether each thread of some processes waits for what comes, without an end: no call runs then, as one that waits for something of its
    /// own, such as another server, has a time limit or is in another call of the system.
    static func areIdle(_ pids: [Int32]) -> Bool {
        for pid in pids {
            var class64 = true
            if let file = try? FileDescriptor.open("/proc/\(pid)/exe", O_RDONLY),
                let head = try? file.readOnce(limit: 5), head.count == 5
            {
                // EI_CLASS (elf(5)).
                class64 = head[4] != 1
            }
            for thread in ProcessDirectory(pid)?.threads() ?? [] {
                let path = "/proc/\(pid)/task/\(thread)/syscall"
                guard let bytes = (try? FileDescriptor.open(path, O_RDONLY))?.bytes else { continue }
                if !isWaiting(String(decoding: bytes, as: UTF8.self), is64: class64) { return false }
            }
        }
        return true
    }

    /// Which argument of a call of the system says how long it waits at most; -1 for those that have none.
    #if arch(arm64)
        private static let calls64: [Int: Int] = [
            73: 3, 72: 5, 22: 4, 441: 4, 202: -1, 242: -1, 207: -1, 212: -1, 98: -1, 133: -1,
        ]
    #else
        private static let calls64: [Int: Int] = [
            7: 3, 23: 5, 270: 5, 271: 3, 232: 4, 281: 4, 441: 4, 43: -1, 288: -1, 45: -1, 47: -1, 202: -1,
            34: -1,
            130: -1,
        ]
    #endif
    private static let calls32: [Int: Int] = [
        168: 3, 142: 5, 308: 5, 413: 5, 309: 3, 414: 3, 256: 4, 319: 4, 364: -1, 371: -1, 372: -1, 240: -1,
        422: -1,
        29: -1, 179: -1,
    ]

    /// Of a line of /proc/PID/task/TID/syscall: the number and six arguments.
    static func isWaiting(_ line: String, is64: Bool) -> Bool {
        let words = line.split { $0 == " " || $0 == "\n" }
        guard words.count >= 7, let call = Int(words[0]), let place = (is64 ? calls64 : calls32)[call] else {
            return false
        }
        guard place > 0 else { return true }
        guard let limit = UInt64(words[place].dropFirst(2), radix: 16) else { return false }
        // A number of milliseconds of -1, or no time at all where a pointer to one is expected.
        let isNumber = is64 ? [7, 232, 281, 22].contains(call) : [168, 256, 319].contains(call)
        return isNumber ? UInt32(truncatingIfNeeded: limit) == UInt32.max : limit == 0
    }
}
