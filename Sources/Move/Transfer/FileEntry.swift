/// A file, folder or link as it is on the source.
public struct FileEntry: Equatable, Sendable {
    /// What it is.
    public enum Kind: UInt8, Sendable {
        case file = 0
        case folder
        case link
        case pipe
        case character
        case block
        /// Another name of a file that was named before: `target`.
        case hardLink
    }

    /// Its path on the source, absolute, without links, `.` and `..`.
    public var path: [UInt8]
    /// What it is.
    public var kind: Kind
    /// Permissions, with set-user-ID and the like.
    public var mode: UInt32 = 0
    /// Numbers of owner and group.
    public var user: UInt32 = 0
    /// See `user`.
    public var group: UInt32 = 0
    /// When its content was changed, nanoseconds since 1970.
    public var modified: Int64 = 0
    /// Bytes of a file.
    public var size: UInt64 = 0
    /// Number of a device.
    public var device: UInt64 = 0
    /// Where a link leads, or the first name of a hard link.
    public var target: [UInt8] = []
    /// Extended attributes, access lists and capabilities among them (xattr(7)).
    public var attributes: [Attribute] = []

    /// An extended attribute.
    public struct Attribute: Equatable, Sendable {
        /// `user.name`, NUL not included.
        public var name: [UInt8]
        /// Its value.
        public var value: [UInt8]
    }

    /// Makes one.
    public init(_ path: [UInt8], _ kind: Kind) { (self.path, self.kind) = (path, kind) }

    /// Whether a path can be made below a root, and nowhere else: `/`, or parts that are names.
    public static func isSound(_ path: [UInt8]) -> Bool {
        guard path.first == UInt8(ascii: "/"), path.count < 1 << 16, !path.contains(0) else { return false }
        if path.count == 1 { return true }
        return path.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            .allSatisfy {
                !$0.isEmpty && $0.count < 256 && !$0.elementsEqual(".".utf8) && !$0.elementsEqual("..".utf8)
            }
    }

    /// Appends it to a packet.
    public func append(to packet: inout PacketWriter) {
        packet.string(path)
        packet.integer(kind.rawValue)
        packet.integer(mode)
        packet.integer(user)
        packet.integer(group)
        packet.integer(modified)
        packet.integer(size)
        packet.integer(device)
        packet.string(target)
        packet.integer(UInt32(attributes.count))
        for attribute in attributes {
            packet.string(attribute.name)
            packet.string(attribute.value)
        }
    }

    /// Reads one.
    public init(from packet: inout PacketReader) throws(TransferError) {
        path = try packet.string()
        guard let kind = Kind(rawValue: try packet.integer()) else { throw .malformed("a kind of file") }
        self.kind = kind
        (mode, user, group) = (try packet.integer(), try packet.integer(), try packet.integer())
        (modified, size, device) = (try packet.integer(), try packet.integer(), try packet.integer())
        target = try packet.string()
        guard Self.isSound(path), kind != .hardLink || Self.isSound(target), size < 1 << 62 else {
            throw .malformed("a path that cannot be")
        }
        for _ in 0..<(try packet.count(ofAtLeast: 8)) {
            let attribute = Attribute(name: try packet.string(), value: try packet.string())
            guard !attribute.name.isEmpty, !attribute.name.contains(0) else {
                throw .malformed("an attribute's name")
            }
            attributes.append(attribute)
        }
    }
}
