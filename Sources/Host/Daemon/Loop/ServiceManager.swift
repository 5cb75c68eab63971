import CLinux
import Glibc
import SystemCalls

/// The service manager that started the daemon, if one did (sd_notify(3)).
struct ServiceManager {
    private let address: [UInt8]
    /// How often it wants a sign of life, nanoseconds; 0 for never.
    let watchdog: UInt64

    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    init() {
        func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
        address = Array((variable("NOTIFY_SOCKET") ?? "").utf8)
        let isMeant = variable("WATCHDOG_PID").map { Int32($0) == getpid() } ?? true
        let interval = isMeant ? variable("WATCHDOG_USEC").flatMap { UInt64($0) } ?? 0 : 0
        // Twice as often as asked, as sd_watchdog_enabled(3) advises.
        watchdog = min(interval, 1 << 40) * 1000 / 2
        unsetenv("NOTIFY_SOCKET")
    }

    /// Sends a message such as `READY=1`; without a service manager nothing happens.
    func notify(_ message: String) {
        guard !address.isEmpty, address.count < 108 else { return }
        let number = socket(AF_UNIX, clinux_SOCK_DGRAM | clinux_SOCK_CLOEXEC, 0)
        guard number >= 0 else { return }
        let descriptor = FileDescriptor(owning: number)
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &name.sun_path) { path in
            path.copyBytes(from: address)
            // An abstract address is written with '@' in place of its NUL.
            if path[0] == UInt8(ascii: "@") { path[0] = 0 }
        }
        let size = socklen_t(2 + address.count)
        let bytes = Array(message.utf8)
        withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = sendto(descriptor.number, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, size)
            }
        }
    }
}
