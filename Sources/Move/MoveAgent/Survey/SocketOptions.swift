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
                : MulticastMembership.all(of: copy, among: sockets.groups).map {
                    ("multicast", "a membership in the multicast group \($0.text)")
                }
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
}
