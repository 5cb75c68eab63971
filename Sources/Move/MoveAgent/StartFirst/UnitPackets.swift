import Placeholders
import Transfer

/// What a destination wants of a file, and what it has of it already.
struct UnitsWanted: Equatable {
    var number: UInt32
    var first: Int
    var count: Int
    /// Bytes that are to be fetched in all.
    var missing: UInt64
    /// Of the units that it has from before, by the hashes of their bytes; none, or one for each.
    var hashes: [BlockHash]

    /// Units in one answer: it has to fit into a frame.
    static let most = 128

    var frame: Frame {
        var packet = PacketWriter()
        packet.integer(number)
        packet.integer(UInt64(first))
        packet.integer(UInt32(count))
        packet.integer(missing)
        packet.integer(UInt32(hashes.count))
        for hash in hashes { packet.hash(hash) }
        return Frame(.unitsWanted, packet.bytes)
    }

    init(number: UInt32, first: Int, count: Int, missing: UInt64, hashes: [BlockHash]) {
        (self.number, self.first, self.count) = (number, first, count)
        (self.missing, self.hashes) = (missing, hashes)
    }

    init(_ frame: Frame) throws(TransferError) {
        guard frame.kind == .unitsWanted else { throw .malformed("\(frame.kind) in place of a wish") }
        var packet = PacketReader(frame.payload)
        number = try packet.integer()
        first = Int(clamping: try packet.integer(UInt64.self))
        count = Int(try packet.integer(UInt32.self))
        missing = try packet.integer()
        hashes = []
        for _ in 0..<(try packet.count(ofAtLeast: 16)) { hashes.append(try packet.hash()) }
        guard first < 1 << 32, (1...Self.most).contains(count), hashes.isEmpty || hashes.count == count,
            packet.isAtEnd
        else { throw .malformed("units that cannot be") }
    }
}

/// What the source says of one of them.
enum UnitSent: Equatable {
    case bytes([UInt8])
    case zeros
    /// It is what the destination has.
    case same

    static func frame(_ units: [UnitSent]) -> Frame {
        var packet = PacketWriter()
        packet.integer(UInt8(0))
        packet.integer(UInt32(units.count))
        for unit in units {
            switch unit {
            case .bytes(let bytes):
                packet.integer(UInt8(0))
                packet.string(bytes)
            case .zeros: packet.integer(UInt8(1))
            case .same: packet.integer(UInt8(2))
            }
        }
        return Frame(.units, packet.bytes)
    }

    /// That this file is not served, and why.
    static func refusal(_ reason: String) -> Frame {
        var packet = PacketWriter()
        packet.integer(UInt8(1))
        packet.string(Array(reason.utf8))
        return Frame(.units, packet.bytes)
    }

    static func read(_ packet: inout PacketReader) throws(TransferError) -> [UnitSent] {
        guard try packet.integer(UInt8.self) == 0 else {
            throw .refused(String(decoding: try packet.string(), as: UTF8.self))
        }
        var units: [UnitSent] = []
        for _ in 0..<(try packet.count(ofAtLeast: 1)) {
            switch try packet.integer(UInt8.self) {
            case 0: units.append(.bytes(try packet.string()))
            case 1: units.append(.zeros)
            case 2: units.append(.same)
            default: throw .malformed("a unit of another kind")
            }
        }
        guard packet.isAtEnd else { throw .malformed("more than units") }
        return units
    }
}
