import SystemCalls

/// What the kernel knows of connections that were passed on (conntrack), found again by their marks: it outlives the rules by minutes,
/// and a client that takes the same port again would be led by it, to where nobody is any more.
enum TrackedConnections {
    /// `NETLINK_NETFILTER`.
    static let netfilter: Int32 = 12

    /// Has the kernel forget those with a mark (`IPCTNL_MSG_CT_DELETE`; Linux 5.8 for a choice by status).
    ///
    /// - Parameter unanswered: only those that never came to be (not `IPS_ASSURED`), so that no connection is cut off.
    static func forget(mark: UInt32, mask: UInt32, unanswered: Bool) throws(MoveError) {
        do throws(SystemError) {
            let bytes = request(mark: mark, mask: mask, unanswered: unanswered).bytes()
            for answer in try Netlink.ask(netfilter, bytes) {
                if let code = answer.error, code != 0 { throw SystemError("conntrack", code: code) }
            }
        } catch { throw MoveError("connections that were passed on are not forgotten: \(error)") }
    }

    static func request(mark: UInt32, mask: UInt32, unanswered: Bool) -> NetlinkMessage {
        // NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE; of all families.
        var message = NetlinkMessage(1 << 8 | 2, flags: NetlinkMessage.acknowledged)
        message.append([0, 0, 0, 0])
        // CTA_MARK, CTA_MARK_MASK.
        message.attribute(8, NetlinkMessage.raw(mark.bigEndian))
        message.attribute(21, NetlinkMessage.raw(mask.bigEndian))
        if unanswered {
            // CTA_STATUS, CTA_STATUS_MASK: IPS_ASSURED is not set.
            message.attribute(3, NetlinkMessage.raw(UInt32(0)))
            message.attribute(26, NetlinkMessage.raw(UInt32(4).bigEndian))
        }
        return message
    }
}
