import CLinux
import Glibc
import Procfs
import SocketDiagnostics

/// Options of sockets that CRIU does not restore, and that no table of the kernel shows: they are read from the sockets themselves
/// (pidfd_getfd(2), Linux 5.6; needs `PTRACE_MODE_ATTACH`). Nothing is changed, and a duplicate is closed at once.
struct SocketOptions {
    let sockets: SurveyedSockets

    /// More sockets of one process are not asked.
    private static let mostSockets = 256

    func found(_ process: SurveyedProcess) -> [Obstacle] {
        let handle = clinux_pidfd_open(process.pid)
        guard handle >= 0 else { return [] }
        defer { close(handle) }
        var obstacles: [Obstacle] = []
        var asked = 0
        for descriptor in process.descriptors {
            // A datagram socket without a port is in no dump, and may have joined groups all the same.
            guard asked < Self.mostSockets, case .socket(let inode) = descriptor.kind,
                sockets.unix[inode] == nil
            else { continue }
            let socket = sockets.inet[inode]
            let isStream = socket?.transport == .tcp
            guard isStream || !sockets.groups.isEmpty else { continue }
            asked += 1
            let copy = clinux_pidfd_getfd(handle, descriptor.number)
            guard copy >= 0 else { continue }
            let found =
                isStream
                ? StreamOptions(of: copy)?.words(unlike: sockets.congestion).map { ("tcp-option", $0) } ?? []
                : memberships(copy)
            for (kind, what) in found {
                obstacles.append(
                    Obstacle(
                        rulesOut: .live, effect: .lost, pid: process.pid,
                        place: .descriptor(descriptor.number), kind: kind, what: what, peer: nil,
                        cure: kind == "multicast"
                            ? "have the program join it again after the move, or use cold"
                            : "have the program set it again after the move, or use cold"))
            }
            close(copy)
        }
        return obstacles
    }

    /// Which of the namespace's groups the socket has joined: the kernel gives the sources that it takes from those alone.
    private func memberships(_ copy: Int32) -> [(String, String)] {
        sockets.groups.compactMap { group in
            // struct group_filter of <netinet/in.h>: interface, group, mode, number of sources.
            var filter = [UInt8](repeating: 0, count: 144 + 128)
            filter.replaceSubrange(0..<4, with: withUnsafeBytes(of: group.interface, Array.init))
            let isFour = group.address.count == 4
            let family = UInt16(isFour ? AF_INET : AF_INET6)
            filter.replaceSubrange(8..<10, with: withUnsafeBytes(of: family, Array.init))
            let offset = isFour ? 12 : 16
            filter.replaceSubrange(offset..<offset + group.address.count, with: group.address)
            var size = socklen_t(144)
            let level = Int32(isFour ? IPPROTO_IP : IPPROTO_IPV6)
            guard getsockopt(copy, level, MCAST_MSFILTER, &filter, &size) == 0 else { return nil }
            return ("multicast", "a membership in the multicast group \(Self.text(group))")
        }
    }

    private static func text(_ group: MulticastGroup) -> String {
        var text = [CChar](repeating: 0, count: 64)
        var address = group.address
        inet_ntop(address.count == 4 ? AF_INET : AF_INET6, &address, &text, socklen_t(text.count))
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
