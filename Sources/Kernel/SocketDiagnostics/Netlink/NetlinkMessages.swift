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
