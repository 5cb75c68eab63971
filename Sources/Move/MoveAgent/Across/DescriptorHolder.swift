import CLinux
import Glibc
import PageFaults
import SystemCalls

/// A process beside the one that answers page faults, which has the same descriptors open: were they closed with that one, the threads
/// that wait would go on and read zeros (userfaultfd(2)).
///
/// Where the one that answers ends before it has said that all is over, the processes are stopped for good (`cgroup.freeze`), those that
/// wait for a page go on waiting, and this process stays until somebody has ended them.
final class DescriptorHolder {
    private let socket: FileDescriptor
    let pid: pid_t

    private static let over: UInt8 = 1
    private static let one: UInt8 = 0

    /// - Parameter group: of the processes that run here.
    init(_ group: AcrossGroup) throws(MoveError) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw MoveError("socketpair: \(SystemError.text(of: errno))")
        }
        socket = FileDescriptor(owning: ends[0])
        _ = fcntl(ends[1], F_SETFD, 0)
        defer { close(ends[1]) }
        pid = try Launch(["/proc/self/exe", "across-hold", "\(ends[1])", group.folder]).start()
    }

    /// Has it hold a descriptor as well.
    func hold(_ number: Int32) { say(Self.one, number) }

    /// Has it let all go, and end.
    func end() {
        say(Self.over, -1)
        while waitpid(pid, nil, 0) < 0, errno == EINTR {}
    }

    private func say(_ byte: UInt8, _ number: Int32) {
        var byte = byte
        // It reads at once; what has no room waits.
        while clinux_send_message(socket.number, &byte, 1, number) < 0, errno == EAGAIN || errno == EINTR {
            usleep(1_000)
        }
    }

    /// As many descriptors as this process may have.
    static func raiseLimit() {
        let kind = __rlimit_resource_t(7)
        var most = rlimit()
        getrlimit(kind, &most)
        most.rlim_cur = most.rlim_max
        setrlimit(kind, &most)
    }

    /// The other process.
    static func run(_ number: Int32, _ folder: String) -> Int32 {
        let group = AcrossGroup(folder: folder)
        raiseLimit()
        var held: [Int32] = []
        var swept = Clock.monotonic()
        while true {
            var waiting = [pollfd(fd: number, events: Int16(POLLIN), revents: 0)]
            let ready = poll(&waiting, 1, 5_000)
            if Clock.monotonic() - swept > 5_000_000_000 {
                swept = Clock.monotonic()
                // Those of processes that have ended are of no use.
                held.removeAll { number in
                    let isGone = !UserFault.isOfLiving(number)
                    if isGone { close(number) }
                    return isGone
                }
            }
            if ready <= 0 { continue }
            var (byte, descriptor, flags): (UInt8, Int32, Int32) = (0, -1, 0)
            let count = clinux_receive_message(number, &byte, 1, &descriptor, &flags)
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            if count == 1, byte == over { return 0 }
            if count == 1 {
                if descriptor >= 0 { held.append(descriptor) }
                continue
            }
            break
        }
        try? group.freeze(true)
        Diagnostics.say(
            "what passes pages on has ended: the processes in \(folder) stand, since they would read zeros: end them (echo 1 > \(folder)/cgroup.kill)"
        )
        while !group.members.isEmpty { sleep(1) }
        return 1
    }
}
