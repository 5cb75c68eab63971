import CLinux
import Glibc
import SystemCalls

enum FreePort {
    /// A port that nothing of this host has at this moment, for IPv4 and any address.
    static func find(isTCP: Bool) throws(MoveError) -> UInt16 {
        let number = socket(
            AF_INET, Int32((isTCP ? SOCK_STREAM : SOCK_DGRAM).rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw MoveError("socket: \(SystemError.text(of: errno))") }
        defer { close(number) }
        var raw = InternetAddress(address: 0, port: 0).raw
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let done = withUnsafeMutablePointer(to: &raw) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, size) == 0 && getsockname(number, $0, &size) == 0
            }
        }
        guard done else { throw MoveError("a port: \(SystemError.text(of: errno))") }
        return InternetAddress(raw).port
    }
}
