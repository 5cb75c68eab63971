import CLinux
import Wire

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
