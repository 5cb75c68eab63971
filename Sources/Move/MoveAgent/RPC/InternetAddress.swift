import CLinux
import Glibc

/// An IPv4 address and a port, as sockets take it.
struct InternetAddress: Hashable, CustomStringConvertible {
    /// In host order.
    var address: UInt32
    var port: UInt16

    init(address: UInt32, port: UInt16) { (self.address, self.port) = (address, port) }

    /// Of `10.0.0.1`; `nil` for what is no IPv4 address.
    init?(_ text: String, port: UInt16) {
        var four = in_addr()
        guard inet_pton(AF_INET, text, &four) == 1 else { return nil }
        self.init(address: UInt32(bigEndian: four.s_addr), port: port)
    }

    init(_ raw: sockaddr_in) {
        self.init(address: UInt32(bigEndian: raw.sin_addr.s_addr), port: UInt16(bigEndian: raw.sin_port))
    }

    var raw: sockaddr_in {
        var raw = sockaddr_in()
        raw.sin_family = sa_family_t(AF_INET)
        raw.sin_port = port.bigEndian
        raw.sin_addr.s_addr = address.bigEndian
        return raw
    }

    var host: String { "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255)" }
    var description: String { "\(host):\(port)" }

    func withRaw<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var raw = raw
        return withUnsafePointer(to: &raw) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// Who sent a datagram; the count is that of recvfrom(2).
    static func receive(_ socket: Int32, into buffer: inout [UInt8]) -> (count: Int, from: InternetAddress) {
        var raw = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = withUnsafeMutablePointer(to: &raw) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(socket, &buffer, buffer.count, Int32(MSG_DONTWAIT), $0, &size)
            }
        }
        return (count, InternetAddress(raw))
    }
}
