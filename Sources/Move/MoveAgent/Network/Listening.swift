import CLinux
import Glibc
import SocketDiagnostics
import SystemCalls

/// Which ports somebody listens on, in the network namespace of a process.
enum Listening {
    private struct Port: Hashable {
        var isTCP: Bool
        var number: UInt16
    }

    /// Of some ports those that nobody listens on.
    static func missing(_ ports: [ServicePort], in pid: Int32) -> [ServicePort] {
        let open = asked(in: pid) ?? read(in: pid)
        return ports.filter { !open.contains(Port(isTCP: $0.isTCP, number: $0.number)) }
    }

    /// By sock_diag(7): sockets that listen are in a table of their own.
    ///
    /// - Returns: `nil` where the kernel cannot be asked, such as for want of a module.
    private static func asked(in pid: Int32) -> Set<Port>? {
        do throws(SocketQueryError) {
            var query = try SocketQuery.inNetwork(of: pid)
            var open: Set<Port> = []
            for family in [AddressFamily.v4, .v6] {
                for socket in try query.inet(family, .tcp, states: .listening) {
                    open.insert(Port(isTCP: true, number: socket.local.port))
                }
                for socket in try query.inet(family, .udp, states: SocketStates(.close)) {
                    open.insert(Port(isTCP: false, number: socket.local.port))
                }
            }
            return open
        } catch { return nil }
    }

    /// By proc(5), which goes through the whole table of the kernel's connections (10 ms and more).
    private static func read(in pid: Int32) -> Set<Port> {
        var open: Set<Port> = []
        for (file, isTCP) in [("tcp", true), ("tcp6", true), ("udp", false), ("udp6", false)] {
            let bytes = (try? FileDescriptor.open("/proc/\(pid)/net/\(file)", O_RDONLY))?.all ?? []
            for line in bytes.split(separator: UInt8(ascii: "\n")).dropFirst() {
                // sl  local_address rem_address   st: 0A is LISTEN, 07 an unconnected UDP socket
                let words = line.split(separator: UInt8(ascii: " "), maxSplits: 4)
                guard words.count > 3, words[3].elementsEqual((isTCP ? "0A" : "07").utf8),
                    let port = UInt16(String(decoding: words[1].suffix(4), as: UTF8.self), radix: 16)
                else { continue }
                open.insert(Port(isTCP: isTCP, number: port))
            }
        }
        return open
    }
}

extension SocketQuery {
    /// Asks in the network namespace of a process.
    static func inNetwork(of pid: Int32) throws(SocketQueryError) -> SocketQuery {
        func namespace(_ process: String) throws(SocketQueryError) -> NetworkNamespace {
            do throws(SystemError) { return try NetworkNamespace(path: "/proc/\(process)/ns/net") } catch {
                throw .system(error)
            }
        }
        let other = try namespace("\(pid)")
        return other.inode == (try namespace("thread-self")).inode
            ? try SocketQuery() : try other.socketQuery()
    }
}

extension FileDescriptor {
    /// All of a file of procfs, however long.
    var all: [UInt8]? { try? readAll(limit: 1 << 28) }
}
