import CLinux
import Glibc
import SystemCalls

/// Which ports are waited on, in the network namespace of a process (proc(5), /proc/PID/net).
enum Listening {
    /// Of some ports those that nobody waits on.
    static func missing(_ ports: [ServicePort], in pid: Int32) -> [ServicePort] {
        var open: Set<UInt32> = []
        for (file, isTCP) in [("tcp", true), ("tcp6", true), ("udp", false), ("udp6", false)] {
            let bytes = (try? FileDescriptor.open("/proc/\(pid)/net/\(file)", O_RDONLY))?.all ?? []
            for line in bytes.split(separator: UInt8(ascii: "\n")).dropFirst() {
                // sl  local_address rem_address   st: 0A is LISTEN, 07 an unconnected UDP socket
                let words = line.split(separator: UInt8(ascii: " "), maxSplits: 4)
                guard words.count > 3, words[3].elementsEqual((isTCP ? "0A" : "07").utf8),
                    let port = UInt16(String(decoding: words[1].suffix(4), as: UTF8.self), radix: 16)
                else { continue }
                open.insert(UInt32(port) | (isTCP ? 1 << 16 : 0))
            }
        }
        return ports.filter { !open.contains(UInt32($0.number) | ($0.isTCP ? 1 << 16 : 0)) }
    }
}

extension FileDescriptor {
    /// All of a file of procfs, however long.
    var all: [UInt8]? { try? readAll(limit: 1 << 28) }
}
