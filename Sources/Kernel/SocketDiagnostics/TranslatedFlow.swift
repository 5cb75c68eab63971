import CLinux
import Glibc
public import SystemCalls
import Wire

/// A connection whose destination the kernel translates (DNAT, as container engines publish ports), as connection tracking
/// knows it.
public struct TranslatedFlow: Hashable, Sendable {
    /// 6 for TCP, 17 for UDP.
    public let transport: UInt8
    /// Who asked, as it sees itself.
    public let client: SocketAddress
    /// What was asked for.
    public let asked: SocketAddress
    /// Who answers.
    public let server: SocketAddress
    /// Whom the one that answers sees as the one that asked.
    public let seen: SocketAddress

    /// Calls `body` with each flow of a dump's bytes whose destination is translated; the bytes may be hostile.
    ///
    /// The corresponding C definitions are in `linux/netfilter/nfnetlink_conntrack.h`.
    public static func parse(_ dump: RawSpan, _ body: (TranslatedFlow) -> Void) throws(WireError) {
        var messages = NetlinkMessages()
        while let message = try messages.next(in: dump) {
            guard message.type == Attributes.newFlow else { continue }
            if let flow = try TranslatedFlow(dump.extracting(message.payload)) { body(flow) }
        }
    }

    private enum Attributes {
        static let newFlow: UInt16 = 1 << 8
        static let original: UInt16 = 1
        static let reply: UInt16 = 2
        static let status: UInt16 = 3
        /// `IPS_DST_NAT`.
        static let isTranslated: UInt32 = 1 << 5
    }

    private init?(_ payload: RawSpan) throws(WireError) {
        // struct nfgenmsg.
        _ = try payload.end(of: 4, from: 0)
        var status: UInt32 = 0
        var original: Tuple?
        var reply: Tuple?
        var attributes = NetlinkAttributes(offset: 4)
        while let attribute = try attributes.next(in: payload) {
            switch attribute.type {
            case Attributes.original: original = try Tuple(payload.extracting(attribute.value))
            case Attributes.reply: reply = try Tuple(payload.extracting(attribute.value))
            case Attributes.status:
                status = UInt32(bigEndian: try payload.integer(at: attribute.value.lowerBound))
            default: break
            }
        }
        guard status & Attributes.isTranslated != 0, let original, let reply,
            original.transport == 6 || original.transport == 17
        else { return nil }
        transport = original.transport
        client = original.source
        asked = original.destination
        server = reply.source
        seen = reply.destination
    }

    /// The addresses of one direction.
    private struct Tuple {
        var transport: UInt8 = 0
        var source: SocketAddress
        var destination: SocketAddress

        init(_ bytes: RawSpan) throws(WireError) {
            var addresses = (source: (UInt64(0), UInt64(0)), destination: (UInt64(0), UInt64(0)))
            var ports = (source: UInt16(0), destination: UInt16(0))
            var parts = NetlinkAttributes(offset: 0)
            while let part = try parts.next(in: bytes) {
                let inner = bytes.extracting(part.value)
                var fields = NetlinkAttributes(offset: 0)
                while let field = try fields.next(in: inner) {
                    let at = field.value.lowerBound
                    switch (part.type, field.type) {
                    case (1, 1): addresses.source = try Self.v4(inner, at)
                    case (1, 2): addresses.destination = try Self.v4(inner, at)
                    case (1, 3): addresses.source = try Self.v6(inner, at)
                    case (1, 4): addresses.destination = try Self.v6(inner, at)
                    case (2, 1): transport = try inner.integer(at: at)
                    case (2, 2): ports.source = UInt16(bigEndian: try inner.integer(at: at))
                    case (2, 3): ports.destination = UInt16(bigEndian: try inner.integer(at: at))
                    default: break
                    }
                }
            }
            source = SocketAddress(high: addresses.source.0, low: addresses.source.1, port: ports.source)
            destination = SocketAddress(
                high: addresses.destination.0, low: addresses.destination.1, port: ports.destination)
        }

        private static func v4(_ bytes: RawSpan, _ at: Int) throws(WireError) -> (UInt64, UInt64) {
            (0, 0xffff_0000_0000 | UInt64(UInt32(bigEndian: try bytes.integer(at: at))))
        }

        private static func v6(_ bytes: RawSpan, _ at: Int) throws(WireError) -> (UInt64, UInt64) {
            (UInt64(bigEndian: try bytes.integer(at: at)), UInt64(bigEndian: try bytes.integer(at: at + 8)))
        }
    }
}

/// Asks connection tracking (`NETLINK_NETFILTER`, ctnetlink) for the flows of the calling thread's network namespace.
public enum ConnectionTracking {
    /// Whether anything is tracked here: asking loads modules, which must not be this program's doing.
    static var isUsed: Bool {
        guard let file = try? FileDescriptor.open("/proc/sys/net/netfilter/nf_conntrack_count", O_RDONLY),
            let text = try? file.readAll(limit: 64)
        else { return false }
        return text.first.map { $0 != UInt8(ascii: "0") } ?? false
    }

    /// The flows whose destination is translated, those included that have just ended. Needs `CAP_NET_ADMIN`, Linux 2.6.14.
    ///
    /// - Throws: what the kernel refuses; `EPROTONOSUPPORT` or `EOPNOTSUPP` where it has no ctnetlink.
    public static func translatedFlows() throws(SystemError) -> [TranslatedFlow] {
        guard isUsed else { return [] }
        let type = clinux_SOCK_RAW | clinux_SOCK_CLOEXEC
        let descriptor = FileDescriptor(
            owning: try systemCall("socket") { socket(AF_NETLINK, type, NETLINK_NETFILTER) })
        let number = descriptor.number
        // An answer that does not come must not hold up the scan for ever.
        var patience = timeval(tv_sec: 5, tv_usec: 0)
        _ = try systemCall("setsockopt") {
            setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        }
        try ask(descriptor)
        var flows: [TranslatedFlow] = []
        while true {
            let bytes = try descriptor.readOnce(limit: 1 << 16)
            guard !bytes.isEmpty else { return flows }
            let end: Int32?
            do throws(WireError) {
                end = try ending(bytes.span.bytes)
                try TranslatedFlow.parse(bytes.span.bytes) { flows.append($0) }
            } catch { throw SystemError("recv", code: EBADMSG) }
            guard let end else { continue }
            if end != 0 { throw SystemError("recv", code: end) }
            return flows
        }
    }

    /// A dump of flows whose status has `IPS_DST_NAT`; kernels before 5.17 send all.
    private static func ask(_ descriptor: borrowing FileDescriptor) throws(SystemError) {
        var request: [UInt8] = []
        func put16(_ value: UInt16) { withUnsafeBytes(of: value) { request += $0 } }
        func put32(_ value: UInt32) { withUnsafeBytes(of: value) { request += $0 } }
        put32(36)
        put16(1 << 8 | 1)  // NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET
        put16(UInt16(NLM_F_REQUEST) | 0x300)  // NLM_F_DUMP
        put32(1)
        put32(0)
        put32(0)  // struct nfgenmsg: any family.
        for type: UInt16 in [3, 26] {  // CTA_STATUS, CTA_STATUS_MASK
            put16(8)
            put16(type)
            put32(UInt32(1 << 5).bigEndian)
        }
        var failure: SystemError?
        request.withUnsafeBytes { bytes in
            do throws(SystemError) { try descriptor.writeAll(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// The error number with which a datagram ends the dump; `nil` while it goes on.
    private static func ending(_ bytes: RawSpan) throws(WireError) -> Int32? {
        var messages = NetlinkMessages()
        while let message = try messages.next(in: bytes) {
            guard Int32(message.type) == NLMSG_ERROR || Int32(message.type) == NLMSG_DONE else { continue }
            guard message.payload.count >= 4 else { return 0 }
            let code: Int32 = try bytes.integer(at: message.payload.lowerBound)
            return code == .min ? .max : abs(code)
        }
        return nil
    }
}
