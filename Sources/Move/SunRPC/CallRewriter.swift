/// Which program, and which version of it (RFC 5531, 8.1).
public struct ProgramNumber: Hashable, Sendable, CustomStringConvertible {
    /// The program's number.
    public var program: UInt32
    /// The version of its protocol.
    public var version: UInt32

    /// Makes one.
    public init(program: UInt32, version: UInt32) { (self.program, self.version) = (program, version) }

    /// `536870913.1`
    public var description: String { "\(program).\(version)" }

    /// Where numbers lie that a site may give to programs that come and go ("transient", RFC 5531, 8.1).
    public static let transient: ClosedRange<UInt32> = 0x4000_0000...0x5fff_ffff
}

/// Changes the numbers in the headers of calls; replies name neither program nor version, and have the call's own xid.
public struct CallRewriter: Equatable, Sendable {
    /// What is changed into what; a program that is not named keeps its numbers.
    public var numbers: [ProgramNumber: ProgramNumber]

    /// xid, type, version of RPC, program, version, procedure: 24 bytes; the first 20 are looked at.
    static let headerBytes = 20

    /// Makes one.
    public init(_ numbers: [ProgramNumber: ProgramNumber]) { self.numbers = numbers }

    /// Whether nothing is changed.
    public var isIdle: Bool { numbers.allSatisfy { $0.key == $0.value } }

    /// Changes a datagram, which is a whole message. What is no call stays as it is.
    ///
    /// - Returns: whether it was changed.
    @discardableResult
    public func rewrite(_ message: inout [UInt8]) -> Bool {
        guard message.count >= Self.headerBytes, message.bigEndian(at: 4) == 0, message.bigEndian(at: 8) == 2
        else { return false }
        let was = ProgramNumber(program: message.bigEndian(at: 12), version: message.bigEndian(at: 16))
        guard let now = numbers[was] else { return false }
        message.setBigEndian(now.program, at: 12)
        message.setBigEndian(now.version, at: 16)
        return true
    }
}

/// Changes the calls in a stream of bytes with record marks (RFC 5531, 11), however it is cut into pieces.
///
/// At most a header and its marks are kept back; what was read is passed on as soon as that is known.
public struct RecordRewriter: Sendable {
    private let rewriter: CallRewriter
    /// Of the record: what has been kept back, with the marks.
    private var kept: [UInt8] = []
    /// Where in `kept` each byte of the header lies.
    private var places: [Int] = []
    /// Of the fragment: bytes of the mark, and of the payload that are to come.
    private var mark: [UInt8] = []
    private var left = 0
    private var isLast = false
    /// Whether the header of this record was passed on.
    private var isPassing = false

    /// At the first byte of a record.
    public init(_ rewriter: CallRewriter) { self.rewriter = rewriter }

    /// Fragments that may follow one another before a header is whole: more of them are passed on as they are.
    private static let mostKept = 4096

    /// Takes the next bytes; what may be passed on now.
    public mutating func rewrite(_ piece: some Collection<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(piece.count + kept.count)
        var rest = Array(piece)[...]
        while !rest.isEmpty {
            if left == 0 {
                let byte = rest.removeFirst()
                mark.append(byte)
                if isPassing { out.append(byte) } else { kept.append(byte) }
                guard mark.count == 4 else { continue }
                let word = mark.bigEndian(at: 0)
                (isLast, left) = (word >> 31 == 1, Int(word & 0x7fff_ffff))
                mark = []
                if left == 0 { endFragment(&out) }
                continue
            }
            if isPassing {
                let part = rest.prefix(left)
                out += part
                rest = rest.dropFirst(part.count)
                left -= part.count
            } else {
                let part = rest.prefix(min(left, CallRewriter.headerBytes - places.count))
                places += kept.count..<kept.count + part.count
                kept += part
                rest = rest.dropFirst(part.count)
                left -= part.count
                if places.count == CallRewriter.headerBytes { passHeader(&out) }
            }
            if left == 0 { endFragment(&out) }
        }
        if kept.count > Self.mostKept { pass(&out) }
        return out
    }

    private mutating func passHeader(_ out: inout [UInt8]) {
        var header = places.map { kept[$0] }
        if rewriter.rewrite(&header) {
            for (index, place) in places.enumerated() { kept[place] = header[index] }
        }
        pass(&out)
    }

    private mutating func pass(_ out: inout [UInt8]) {
        out += kept
        (kept, places) = ([], [])
        isPassing = true
    }

    private mutating func endFragment(_ out: inout [UInt8]) {
        guard isLast else { return }
        // A record shorter than a header is none of a call.
        pass(&out)
        isPassing = false
    }
}
