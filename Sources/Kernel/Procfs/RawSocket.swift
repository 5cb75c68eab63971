/// A raw IP or packet socket, as /proc/PID/net lists those of the process's network namespace.
///
/// These tables need no diagnostics module, and neither destroy notices nor changes of state report such sockets.
public struct RawSocket: Equatable, Sendable {
    /// What it takes.
    public enum Kind: Sendable {
        /// IP packets of one protocol (raw(7)).
        case ip
        /// Frames of one EtherType (packet(7)).
        case packet
    }

    /// What it takes.
    public var kind: Kind
    /// The local address as two big-endian numbers, an IPv4 one in its IPv4-mapped form; 0 for a packet socket.
    public var address: (high: UInt64, low: UInt64)
    /// The IP protocol's number, or the EtherType.
    public var number: UInt16
    /// The number in `/proc/PID/fd`'s `socket:[N]`.
    public var inode: UInt32

    /// Makes one.
    public init(kind: Kind, address: (high: UInt64, low: UInt64), number: UInt16, inode: UInt32) {
        self.kind = kind
        self.address = address
        self.number = number
        self.inode = inode
    }

    /// Whether two are alike in everything.
    public static func == (left: RawSocket, right: RawSocket) -> Bool {
        left.kind == right.kind && left.address == right.address && left.number == right.number
            && left.inode == right.inode
    }

    /// Reads the table `raw` or `raw6`; lines that are not as they should be are left out.
    public static func parse(ip table: [UInt8]) -> [RawSocket] {
        lines(table).compactMap { fields in
            // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …
            guard fields.count >= 10, let inode = UInt32(fields[9]) else { return nil }
            let place = fields[1].split(separator: ":")
            guard place.count == 2, let number = UInt16(place[1], radix: 16), let address = address(place[0])
            else { return nil }
            return RawSocket(kind: .ip, address: address, number: number, inode: inode)
        }
    }

    /// Reads the table `packet`; lines that are not as they should be are left out.
    public static func parse(packet table: [UInt8]) -> [RawSocket] {
        lines(table).compactMap { fields in
            // sk RefCnt Type Proto Iface R Rmem User Inode
            guard fields.count >= 9, let number = UInt16(fields[3], radix: 16), let inode = UInt32(fields[8])
            else { return nil }
            return RawSocket(kind: .packet, address: (0, 0), number: number, inode: inode)
        }
    }

    /// The fields of each line but the first, which is a heading.
    private static func lines(_ table: [UInt8]) -> [[Substring]] {
        String(decoding: table, as: UTF8.self).split(separator: "\n").dropFirst().map {
            $0.split(separator: " ")
        }
    }

    /// Words of 32 bits, each with its bytes in the host's order.
    private static func address(_ text: Substring) -> (high: UInt64, low: UInt64)? {
        guard text.utf8.count == 8 || text.utf8.count == 32 else { return nil }
        var words: [UInt64] = []
        var rest = text
        while !rest.isEmpty {
            guard let word = UInt32(rest.prefix(8), radix: 16) else { return nil }
            words.append(UInt64(word.bigEndian))
            rest = rest.dropFirst(8)
        }
        if words.count == 1 { return (0, 0xffff_0000_0000 | words[0]) }
        return (words[0] << 32 | words[1], words[2] << 32 | words[3])
    }
}

extension ProcessDirectory {
    /// The raw and packet sockets of the process's network namespace; an empty list of what cannot be read.
    public borrowing func rawSockets() -> [RawSocket] {
        var found: [RawSocket] = []
        for table in ["net/raw", "net/raw6"] {
            if let bytes = contents(table, limit: 1 << 22) { found += RawSocket.parse(ip: bytes) }
        }
        if let bytes = contents("net/packet", limit: 1 << 22) { found += RawSocket.parse(packet: bytes) }
        return found
    }
}
