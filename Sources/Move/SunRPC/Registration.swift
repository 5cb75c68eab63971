/// What rpcbind(8) knows of a program: under which numbers and over which transport it is called where (RFC 1833, 2.1).
public struct Registration: Hashable, Sendable, CustomStringConvertible {
    /// Program and version.
    public var number: ProgramNumber
    /// The transport: `udp`, `tcp`, `udp6`, `tcp6` and more.
    public var network: String
    /// The universal address: `0.0.0.0.3.77` for port 845.
    public var address: String
    /// Who registered it: `superuser`, or a user's number.
    public var owner: String

    /// Makes one.
    public init(_ number: ProgramNumber, network: String, address: String, owner: String = "superuser") {
        (self.number, self.network, self.address, self.owner) = (number, network, address, owner)
    }

    /// Of a port of all addresses.
    public init(_ number: ProgramNumber, network: String, port: UInt16) {
        self.init(number, network: network, address: "0.0.0.0.\(port >> 8).\(port & 255)")
    }

    /// The port; `nil` for a transport that has none.
    public var port: UInt16? {
        let parts = address.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count >= 3, let high = UInt8(parts[parts.count - 2]),
            let low = UInt8(parts[parts.count - 1])
        else { return nil }
        return UInt16(high) << 8 | UInt16(low)
    }

    /// `udp 536870913.1 0.0.0.0.3.77`
    public var description: String { "\(network) \(number) \(address)" }

    /// The longest name that is accepted, in bytes.
    static let mostText = 256

    func write(to out: inout XDRWriter) {
        out.integer(number.program)
        out.integer(number.version)
        out.opaque(network.utf8)
        out.opaque(address.utf8)
        out.opaque(owner.utf8)
    }

    init(from reader: inout XDRReader) throws(XDRError) {
        number = ProgramNumber(program: try reader.integer(), version: try reader.integer())
        network = try reader.string(most: Self.mostText)
        address = try reader.string(most: Self.mostText)
        owner = try reader.string(most: Self.mostText)
    }

    /// A list as `RPCBPROC_DUMP` answers with.
    static func list(from bytes: [UInt8]) throws(XDRError) -> [Registration] {
        var reader = XDRReader(bytes)
        var found: [Registration] = []
        while try reader.boolean() { found.append(try Registration(from: &reader)) }
        return found
    }

    static func write(_ list: [Registration], to out: inout XDRWriter) {
        for registration in list {
            out.boolean(true)
            registration.write(to: &out)
        }
        out.boolean(false)
    }
}

/// Messages of version 3 of the protocol of rpcbind (RFC 1833); version 4 has these procedures unchanged.
enum RPCBindMessage {
    static let program: UInt32 = 100_000
    static let version: UInt32 = 3

    enum Procedure: UInt32 {
        case null = 0
        case set = 1
        case unset = 2
        case address = 3
        case dump = 4
    }

    /// A call without credentials: rpcbind knows the caller by its Unix socket.
    static func call(_ procedure: Procedure, xid: UInt32, _ arguments: [UInt8]) -> [UInt8] {
        var out = XDRWriter()
        for word in [xid, 0, 2, program, version, procedure.rawValue, 0, 0, 0, 0] { out.integer(word) }
        out.raw(arguments)
        return out.bytes
    }

    /// The result of an accepted reply.
    static func result(of reply: [UInt8], xid: UInt32) throws(XDRError) -> [UInt8] {
        var reader = XDRReader(reply)
        guard try reader.integer() == xid, try reader.integer() == 1 else {
            throw XDRError("no reply to this call")
        }
        guard try reader.integer() == 0 else { throw XDRError("the call was denied") }
        _ = try reader.integer()
        _ = try reader.opaque(most: 400)
        let status = try reader.integer()
        guard status == 0 else { throw XDRError("the call was not carried out: accept_stat \(status)") }
        return Array(reply.suffix(reader.rest))
    }
}

/// Answers in the place of rpcbind(8): a server that is started beside it registers here, and nothing of others is touched.
///
/// It keeps what is registered, and leaves it to its owner to make that known under numbers that are free.
public struct RegistrationBook: Sendable {
    /// What was registered and not taken back.
    public private(set) var registrations: [Registration] = []

    /// More are refused.
    static let most = 256

    /// An empty one.
    public init() {}

    /// The reply to a call; `nil` for what is no call.
    public mutating func answer(_ call: [UInt8]) -> [UInt8]? {
        var reader = XDRReader(call)
        guard let xid = try? reader.integer(), (try? reader.integer()) == 0,
            let version = try? reader.integer()
        else {
            return nil
        }
        var out = XDRWriter()
        out.integer(xid)
        out.integer(1)
        guard version == 2 else {
            // Denied, RPC_MISMATCH, from 2 to 2.
            for word: UInt32 in [1, 0, 2, 2] { out.integer(word) }
            return out.bytes
        }
        for word: UInt32 in [0, 0, 0] { out.integer(word) }
        do throws(XDRError) {
            let program = try reader.integer()
            let version = try reader.integer()
            let procedure = RPCBindMessage.Procedure(rawValue: try reader.integer())
            for _ in 0..<2 {
                _ = try reader.integer()
                _ = try reader.opaque(most: 400)
            }
            guard program == RPCBindMessage.program else {
                out.integer(1)
                return out.bytes
            }
            guard version == 3 || version == 4 else {
                for word: UInt32 in [2, 3, 4] { out.integer(word) }
                return out.bytes
            }
            guard let procedure else {
                out.integer(3)
                return out.bytes
            }
            var result = XDRWriter()
            try carryOut(procedure, &reader, &result)
            out.integer(0)
            out.raw(result.bytes)
        } catch {
            // GARBAGE_ARGS
            out.integer(4)
        }
        return out.bytes
    }

    private mutating func carryOut(
        _ procedure: RPCBindMessage.Procedure, _ reader: inout XDRReader, _ result: inout XDRWriter
    ) throws(XDRError) {
        switch procedure {
        case .null: break
        case .dump: Registration.write(registrations, to: &result)
        case .set:
            let new = try Registration(from: &reader)
            let isFree = !registrations.contains { ($0.number, $0.network) == (new.number, new.network) }
            let isTaken = isFree && registrations.count < Self.most && !new.network.isEmpty
            if isTaken { registrations.append(new) }
            result.boolean(isTaken)
        case .unset:
            let old = try Registration(from: &reader)
            let before = registrations.count
            registrations.removeAll {
                $0.number == old.number && (old.network.isEmpty || old.network == $0.network)
            }
            result.boolean(registrations.count < before)
        case .address:
            let wanted = try Registration(from: &reader)
            let found = registrations.first { ($0.number, $0.network) == (wanted.number, wanted.network) }
            result.opaque((found?.address ?? "").utf8)
        }
    }
}
