import CLinux
import Glibc
import SystemCalls

/// What opens a flow to some ports of this host, as it arrives (packet(7), `ETH_P_IP` and `ETH_P_IPV6`): before netfilter, so
/// that a packet is seen whether it is dropped there or not.
///
/// The kernel keeps what was not taken yet, some 8 MiB; what does not fit is lost here, and sent again by its client.
final class PacketCapture: Sendable {
    private let four: FileDescriptor
    private let six: FileDescriptor

    init(_ ports: [ServicePort]) throws(MoveError) {
        four = try Self.open(UInt16(ETH_P_IP), ports)
        six = try Self.open(UInt16(ETH_P_IPV6), ports)
    }

    private static func open(_ kind: UInt16, _ ports: [ServicePort]) throws(MoveError) -> FileDescriptor {
        do throws(SystemError) {
            // Without a protocol nothing arrives before the filter is there.
            let number = try systemCall("socket") {
                socket(AF_PACKET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            }
            let descriptor = FileDescriptor(owning: number)
            var program = CaptureFilter.program(
                isIPv6: kind == UInt16(ETH_P_IPV6), tcp: Set(ports.filter(\.isTCP).map(\.number)),
                udp: Set(ports.filter { !$0.isTCP }.map(\.number)))
            let count = UInt16(program.count)
            _ = try systemCall("setsockopt") {
                program.withUnsafeMutableBufferPointer { program in
                    var filter = sock_fprog(len: count, filter: program.baseAddress)
                    return setsockopt(
                        number, SOL_SOCKET, SO_ATTACH_FILTER, &filter,
                        socklen_t(MemoryLayout<sock_fprog>.size))
                }
            }
            var (on, room): (Int32, Int32) = (1, 8 << 20)
            setsockopt(number, SOL_PACKET, PACKET_AUXDATA, &on, 4)
            setsockopt(number, SOL_SOCKET, SO_RCVBUFFORCE, &room, 4)
            var place = sockaddr_ll()
            place.sll_family = UInt16(AF_PACKET)
            place.sll_protocol = kind.bigEndian
            _ = try systemCall("bind") {
                withUnsafePointer(to: &place) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        bind(number, $0, socklen_t(MemoryLayout<sockaddr_ll>.size))
                    }
                }
            }
            return descriptor
        } catch { throw MoveError("packets cannot be stored: \(error)") }
    }

    /// Hands over what has arrived for this host itself, and the number of the interface.
    func drain(_ body: (HeldPacket, UInt32) -> Void) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        for number in [four.number, six.number] {
            // Not for ever, if they come faster than they are read.
            for _ in 0..<65_536 {
                var from = sockaddr_ll()
                var status: UInt32 = 0
                let count = clinux_receive_packet(number, &buffer, buffer.count, &from, &status)
                if count < 0 && errno == EINTR { continue }
                guard count >= 0 else { break }
                guard from.sll_pkttype == UInt8(PACKET_HOST), var packet = HeldPacket(buffer[..<count])
                else { continue }
                if status & UInt32(TP_STATUS_CSUMNOTREADY) != 0 { packet.completeChecksum() }
                body(packet, UInt32(from.sll_ifindex))
            }
        }
    }
}
