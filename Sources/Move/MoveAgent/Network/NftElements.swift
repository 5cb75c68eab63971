import Glibc
import SystemCalls

/// Changes of the elements of sets of one table, in one transaction of the kernel (nf_tables; Linux 4.10).
///
/// A chain that is added or removed, as a table with its chains is, costs a grace period of the kernel (some 15 ms), and nft(8) a
/// process; elements of a set that is there cost neither. So what clients wait for is a set that is filled or emptied.
struct NftElements {
    /// One element, in network order; each part of a concatenation is filled up to four bytes.
    struct Element: Equatable {
        var key: [UInt8]
        /// Seconds after which the kernel removes it.
        var timeout: Int?

        /// A port (`inet_service`).
        static func port(_ number: UInt16, timeout: Int? = nil) -> Element {
            Element(key: [UInt8(number >> 8), UInt8(number & 255)], timeout: timeout)
        }

        /// An IPv4 address and a port (`ipv4_addr . inet_service`).
        static func place(_ place: InternetAddress) -> Element {
            Element(
                key: withUnsafeBytes(of: place.address.bigEndian) { Array($0) }
                    + [UInt8(place.port >> 8), UInt8(place.port & 255), 0, 0])
        }
    }

    private let table: String
    private let family: UInt8
    private var messages: [NetlinkMessage] = []

    init(_ table: NftTable) {
        self.table = table.name
        // NFPROTO_IPV4, NFPROTO_INET.
        family = table.family == "ip" ? 2 : 1
    }

    /// `NETLINK_NETFILTER`.
    private static let netfilter: Int32 = 12
    // NFNL_SUBSYS_NFTABLES; NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM.
    private static let subsystem: UInt16 = 10
    private static let (addition, removal): (UInt16, UInt16) = (12, 14)
    private static let (batchBegin, batchEnd): (UInt16, UInt16) = (0x10, 0x11)

    /// Empties a set; an empty one is no error.
    mutating func flush(_ set: String) { append(Self.removal, set) { _ in } }

    /// Adds elements; those that are there are no error, and keep the time that they have.
    mutating func add(_ elements: [Element], to set: String) {
        guard !elements.isEmpty else { return }
        let list = elements.flatMap { element in
            // NFTA_LIST_ELEM: NFTA_SET_ELEM_KEY with NFTA_DATA_VALUE, NFTA_SET_ELEM_TIMEOUT in milliseconds.
            NetlinkMessage.nested(
                1,
                NetlinkMessage.nested(1, NetlinkMessage.attribute(1, element.key))
                    + (element.timeout.map {
                        NetlinkMessage.attribute(4, NetlinkMessage.raw((UInt64($0) * 1000).bigEndian))
                    } ?? []))
        }
        // NLM_F_CREATE; NFTA_SET_ELEM_LIST_ELEMENTS.
        append(Self.addition, set, flags: 0x400) { $0.append(NetlinkMessage.nested(3, list)) }
    }

    private mutating func append(
        _ kind: UInt16, _ set: String, flags: UInt16 = 0, _ more: (inout NetlinkMessage) -> Void
    ) {
        var message = NetlinkMessage(Self.subsystem << 8 | kind, flags: flags | NetlinkMessage.acknowledged)
        message.append([family, 0, 0, 0])
        // NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET.
        message.attribute(1, Array(table.utf8) + [0])
        message.attribute(2, Array(set.utf8) + [0])
        more(&message)
        messages.append(message)
    }

    /// As it is sent: a batch, each message with a number of its own.
    var bytes: [UInt8] {
        func edge(_ kind: UInt16) -> NetlinkMessage {
            var message = NetlinkMessage(kind)
            message.append([0, 0] + NetlinkMessage.raw(Self.subsystem.bigEndian))
            return message
        }
        let all = [edge(Self.batchBegin)] + messages + [edge(Self.batchEnd)]
        return all.enumerated().flatMap { $1.bytes(sequence: UInt32($0)) }
    }

    /// Has the kernel take all of it, or nothing; when this returns it holds.
    ///
    /// - Throws: `ENOENT` where the table is not there.
    func commit() throws(SystemError) {
        guard !messages.isEmpty else { return }
        let begin = Timeline.begin()
        defer { Timeline.end(begin, "elements \(table)") }
        for answer in try Netlink.ask(Self.netfilter, bytes, answers: messages.count) {
            if let code = answer.error, code != 0 { throw SystemError("nf_tables", code: code) }
        }
    }
}
