import CLinux
import Glibc
import SystemCalls

/// By which way this host reaches an address, as the kernel says (rtnetlink(7), `RTM_GETROUTE`).
struct Route: Equatable {
    /// The interface's name.
    var interface: String
    /// Whether the address is one of this host's own.
    var isLocal: Bool
    /// Whether another host passes packets on.
    var hasGateway: Bool
    /// The address that they have for their source, in network order; empty where the kernel names none.
    var source: [UInt8]

    /// - Parameter address: in network order.
    /// - Returns: `nil` where there is no way.
    static func to(_ address: [UInt8]) throws(MoveError) -> Route? {
        do throws(SystemError) {
            let answer = try Netlink.ask(Int32(NETLINK_ROUTE), request(address)).first
            guard let answer, answer.error == nil else { return nil }
            return Route(answer)
        } catch { throw MoveError("rtnetlink: \(error)") }
    }

    private static func request(_ address: [UInt8]) -> [UInt8] {
        var message = NetlinkMessage(26)
        // rtmsg: family, length of the destination's prefix; then nothing that is asked for.
        message.append(
            [UInt8(address.count == 16 ? AF_INET6 : AF_INET), UInt8(address.count * 8)]
                + [UInt8](repeating: 0, count: 10))
        message.attribute(1, address)
        return message.bytes()
    }

    /// Of an answer (`RTM_NEWROUTE`); `nil` for what is none, or leads nowhere.
    init?(_ answer: NetlinkAnswer) {
        guard answer.kind == 24, answer.body.count >= 12 else { return nil }
        let attributes = answer.attributes(behind: 12)
        // rtm_type: RTN_UNICAST, RTN_LOCAL; RTA_OIF.
        guard [1, 2].contains(answer.body[7]), let place = attributes[4], place.count == 4 else { return nil }
        let index = place.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
        var name = [CChar](repeating: 0, count: Int(IFNAMSIZ))
        guard if_indextoname(index, &name) != nil else { return nil }
        interface = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        isLocal = answer.body[7] == 2
        // RTA_GATEWAY, RTA_VIA, RTA_PREFSRC.
        hasGateway = attributes[5] != nil || attributes[18] != nil
        source = attributes[7] ?? []
    }
}
