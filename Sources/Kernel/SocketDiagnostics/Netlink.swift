import CLinux
import Wire

// Why not libmnl here: `mnl_nlmsg_ok` of libmnl 1.0.4 (Debian 12) compares lengths as signed, so that
// a message which claims 2^32 - 1 bytes is found good, and `mnl_nlmsg_next` then stands still for ever.
// Recorded bytes may come from anywhere. The walk is ten lines over a span whose bounds are checked.

/// A walk over the netlink messages of a datagram (or of several, one behind the other).
struct NetlinkMessages {
    /// One message: the header's type and flags, and where its payload lies.
    struct Message {
        var type: UInt16
        var flags: UInt16
        var payload: Range<Int>
    }

    static let headerSize = 16
    private var offset = 0

    /// The next message, or `nil` at the end. Always advances, or throws.
    mutating func next(in bytes: RawSpan) throws(WireError) -> Message? {
        if offset == bytes.byteCount { return nil }
        let start = offset
        let length: UInt32 = try bytes.integer(at: start)
        let type: UInt16 = try bytes.integer(at: start + 4)
        let flags: UInt16 = try bytes.integer(at: start + 6)
        guard length >= UInt32(Self.headerSize) else { throw .malformed(offset: start) }
        let end = try bytes.end(of: Int(length), from: start)
        // The last message's padding may be missing.
        offset = min(padded(end - start) + start, bytes.byteCount)
        return Message(type: type, flags: flags, payload: start + Self.headerSize..<end)
    }
}

/// A walk over the attributes from `offset` to the end of the bytes.
struct NetlinkAttributes {
    /// One attribute: its type without flags, and where its value lies.
    struct Attribute {
        var type: UInt16
        var value: Range<Int>
    }

    static let headerSize = 4
    var offset: Int

    /// The next attribute, or `nil` at the end. Always advances, or throws.
    mutating func next(in bytes: RawSpan) throws(WireError) -> Attribute? {
        if offset == bytes.byteCount { return nil }
        let start = offset
        let length: UInt16 = try bytes.integer(at: start)
        let type: UInt16 = try bytes.integer(at: start + 2)
        guard length >= UInt16(Self.headerSize) else { throw .malformed(offset: start) }
        let end = try bytes.end(of: Int(length), from: start)
        offset = min(padded(end - start) + start, bytes.byteCount)
        // The two highest bits say "nested" and "in network order".
        return Attribute(type: type & 0x3fff, value: start + Self.headerSize..<end)
    }
}

/// Messages and attributes start at multiples of four.
private func padded(_ length: Int) -> Int { (length + 3) & ~3 }

/// How the kernel ended its answer: `NLMSG_ERROR` or `NLMSG_DONE`, with an error number and, from
/// kernels that know extended errors (Linux 4.12), a sentence.
struct Ending: Equatable {
    /// An `errno` value; 0 is success.
    var code: Int32 = 0
    var reason = ""

    private static let capped: UInt16 = 0x100  // NLM_F_CAPPED
    private static let hasAttributes: UInt16 = 0x200  // NLM_F_ACK_TLVS

    /// Reads a whole message, header included; `nil` if it ends nothing.
    init?(_ message: RawSpan) throws(WireError) {
        var walk = NetlinkMessages()
        guard let header = try walk.next(in: message) else { return nil }
        let payload = message.extracting(header.payload)
        var offset: Int
        switch Int32(header.type) {
        case NLMSG_DONE:
            // Old kernels end a dump without a number.
            if payload.byteCount < 4 { return }
            offset = 4
        case NLMSG_ERROR:
            // The request follows the number: its header, and the rest of it unless it was cut off.
            let length: UInt32 = try payload.integer(at: 4)
            offset = MemoryLayout<nlmsgerr>.size
            if header.flags & Self.capped == 0 {
                offset = 4 + (max(Int(length), NetlinkMessages.headerSize) + 3) & ~3
            }
        default: return nil
        }
        let number: Int32 = try payload.integer(at: 0)
        code = number == .min ? .max : abs(number)
        guard header.flags & Self.hasAttributes != 0 else { return }
        _ = try payload.end(of: 0, from: offset)
        var attributes = NetlinkAttributes(offset: offset)
        while let attribute = try attributes.next(in: payload) {
            guard attribute.type == UInt16(NLMSGERR_ATTR_MSG.rawValue) else { continue }
            let text = try payload.copy(attribute.value).prefix { $0 != 0 }
            reason = String(decoding: text, as: UTF8.self)
        }
    }
}
