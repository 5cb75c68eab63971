/// What hosts say to one another of a page of shared memory. Every message names its region, its page, and which change of the
/// page it belongs to.
public struct PageMessage: Equatable, Sendable {
    /// What is said.
    public enum Kind: UInt8, Sendable, CaseIterable {
        /// To the home: this host wants to read the page.
        case readRequest = 1
        /// To the home: this host wants to write the page.
        case writeRequest
        /// From the home to the owner: let `host` read it, and go on reading.
        case share
        /// From the home to the owner: give it to `host`, and keep nothing.
        case yield
        /// From the home: give up the copy.
        case invalidate
        /// To the home: the copy is given up.
        case acknowledged
        /// To whoever has asked: it may read the page.
        case readable
        /// To whoever has asked: it may write the page, and nobody else has it.
        case writable
        /// To the home: the page is in place.
        case installed
    }

    /// What is said.
    public var kind: Kind
    /// Of which memory.
    public var region: UInt16
    /// Which page of it, counted from 0.
    public var page: UInt32
    /// The number that the home has given to this change of the page; in a request 0.
    public var sequence: UInt64
    /// For whom, in `share` and `yield`.
    public var host: UInt8
    /// In `yield`: whether `host` has a copy already, so that contents are not needed.
    public var isCopyThere: Bool
    /// The page, in `readable` and `writable`; `nil` where the host that has asked has a copy.
    public var contents: [UInt8]?

    /// Makes one.
    public init(
        _ kind: Kind, region: UInt16, page: UInt32, sequence: UInt64 = 0, host: UInt8 = 0,
        isCopyThere: Bool = false, contents: [UInt8]? = nil
    ) {
        (self.kind, self.region, self.page, self.sequence) = (kind, region, page, sequence)
        (self.host, self.isCopyThere, self.contents) = (host, isCopyThere, contents)
    }
}

/// Why a message is not what this host can have been sent.
public enum PageError: Error, Equatable, Sendable {
    /// Its bytes are of no message.
    case malformed
    /// It names a region or a page that is not there.
    case unknown(region: UInt16, page: UInt32)
    /// Nothing that was said before leads to it.
    case unexpected(PageMessage.Kind, page: UInt32)
    /// A host asks for a page that it may already use so.
    case needless(page: UInt32)
}

// MARK: Bytes

extension PageMessage {
    /// Bytes before the contents: kind, flags, region, page, sequence, host; numbers in big-endian order.
    public static let headBytes = 17
    /// The most of one message.
    public static let mostBytes = headBytes + pageBytes
    /// Bytes of a page on the wire, which is what x86-64 has.
    public static let pageBytes = 4096

    private static let copyFlag: UInt8 = 1
    private static let contentsFlag: UInt8 = 2

    /// As it is sent.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.headBytes + (contents?.count ?? 0))
        bytes.append(kind.rawValue)
        bytes.append((isCopyThere ? Self.copyFlag : 0) | (contents == nil ? 0 : Self.contentsFlag))
        Self.append(UInt64(region), 2, to: &bytes)
        Self.append(UInt64(page), 4, to: &bytes)
        Self.append(sequence, 8, to: &bytes)
        bytes.append(host)
        if let contents { bytes += contents }
        return bytes
    }

    /// Reads one that another host has sent: all of the bytes are the message. Contents are a page exactly, and come with those
    /// kinds alone that have some.
    public init(_ bytes: [UInt8]) throws(PageError) {
        guard bytes.count >= Self.headBytes, let kind = Kind(rawValue: bytes[0]),
            bytes[1] & ~(Self.copyFlag | Self.contentsFlag) == 0
        else { throw .malformed }
        let isFull = bytes[1] & Self.contentsFlag != 0
        let isCopyThere = bytes[1] & Self.copyFlag != 0
        guard bytes.count == Self.headBytes + (isFull ? Self.pageBytes : 0),
            !isFull || kind == .readable || kind == .writable, !isCopyThere || kind == .yield
        else { throw .malformed }
        func number(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
        self.init(
            kind, region: UInt16(number(2..<4)), page: UInt32(number(4..<8)), sequence: number(8..<16),
            host: bytes[16], isCopyThere: isCopyThere,
            contents: isFull ? Array(bytes[Self.headBytes...]) : nil)
    }

    private static func append(_ value: UInt64, _ count: Int, to bytes: inout [UInt8]) {
        for shift in (0..<count).reversed() {
            bytes.append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(shift))))
        }
    }
}
