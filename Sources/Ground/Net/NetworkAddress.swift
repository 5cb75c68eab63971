import Text

/// An IPv4 or IPv6 address; an IPv4 address is kept in its IPv4-mapped form (RFC 4291, 2.5.5.2).
public struct NetworkAddress: Hashable, Sendable {
    /// The first eight bytes, as a big-endian number.
    public var high: UInt64
    /// The last eight bytes, as a big-endian number.
    public var low: UInt64

    /// Makes an address from its sixteen bytes as two big-endian numbers.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Makes an IPv4 address from its four bytes as a big-endian number.
    public init(v4 address: UInt32) {
        self.init(high: 0, low: 0xffff_0000_0000 | UInt64(address))
    }

    /// Whether this is an IPv4 address.
    public var isV4: Bool { high == 0 && low >> 32 == 0xffff }

    /// Whether this is 0.0.0.0, ::ffff:0.0.0.0 or ::, which as a local address mean every address.
    public var isWildcard: Bool { high == 0 && (low == 0 || low == 0xffff_0000_0000) }

    /// Whether this is 127.0.0.0/8 or ::1.
    public var isLoopback: Bool {
        high == 0 && (low == 1 || (isV4 && (low >> 24) & 0xff == 127))
    }
}

// MARK: Text

extension NetworkAddress: CustomStringConvertible {
    /// The canonical text form: RFC 5952, an IPv4 address as dotted quad (`10.0.0.9`, `2001:db8::1`).
    public var description: String {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads an address in any of the forms of RFC 4291, section 2.2, or as a dotted quad.
    ///
    /// Neither a zone (`%eth0`), nor leading zeros in a dotted quad, which some read as octal.
    public init?(_ text: some Collection<UInt8>) {
        // "0000:…:255.255.255.255" is the longest: 45 characters.
        guard text.count <= 45 else { return nil }
        var reader = AddressReader(text: Array(text))
        guard let address = reader.read() else { return nil }
        self = address
    }

    /// Reads an address from a string; see the initializer from bytes.
    public init?(_ text: String) { self.init(text.utf8) }

    package func append(to out: inout [UInt8]) {
        if isV4 {
            for shift in stride(from: 24, through: 0, by: -8) {
                out.append(decimal: low >> UInt64(shift) & 0xff)
                if shift > 0 { out.append(UInt8(ascii: ".")) }
            }
            return
        }
        let zeros = longestZeros
        var index = 0
        while index < 8 {
            if index == zeros.lowerBound, !zeros.isEmpty {
                out.append("::")
                index = zeros.upperBound
                continue
            }
            if index != 0, index != zeros.upperBound { out.append(UInt8(ascii: ":")) }
            out.append(contentsOf: String(group(index), radix: 16).utf8)
            index += 1
        }
    }

    /// One of the eight groups of sixteen bits.
    private func group(_ index: Int) -> UInt64 {
        (index < 4 ? high : low) >> UInt64(48 - 16 * (index % 4)) & 0xffff
    }

    /// The first of the longest runs of at least two zero groups: what `::` stands for (RFC 5952, 4.2).
    private var longestZeros: Range<Int> {
        var best = 8..<8
        var index = 0
        while index < 8 {
            var end = index
            while end < 8, group(end) == 0 { end += 1 }
            if end - index >= 2, end - index > best.count { best = index..<end }
            index = max(end, index + 1)
        }
        return best
    }
}

/// Reads an address from text.
private struct AddressReader {
    let text: [UInt8]
    var offset = 0

    init(text: [UInt8]) { self.text = text }

    mutating func read() -> NetworkAddress? {
        if !text.contains(UInt8(ascii: ":")) {
            guard let quad = dottedQuad() else { return nil }
            return NetworkAddress(v4: quad)
        }
        return groups()
    }

    private mutating func groups() -> NetworkAddress? {
        var groups: [UInt64] = []
        var elision: Int?
        if take("::") { elision = 0 }
        while offset < text.count {
            // A colon separates; behind `::` there is none.
            if !groups.isEmpty, elision != groups.count {
                if take("::") {
                    guard elision == nil else { return nil }
                    elision = groups.count
                    if offset == text.count { break }
                } else if !take(":") {
                    return nil
                }
            }
            if text[offset...].contains(UInt8(ascii: ".")), !text[offset...].contains(UInt8(ascii: ":")) {
                guard let quad = dottedQuad() else { return nil }
                groups += [UInt64(quad >> 16), UInt64(quad & 0xffff)]
                break
            }
            guard let group = hexadecimal() else { return nil }
            groups.append(group)
            if groups.count > 8 { return nil }
        }
        guard offset == text.count, elision == nil ? groups.count == 8 : groups.count < 8 else { return nil }
        if let elision { groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: elision) }
        let high = groups[..<4].reduce(0) { $0 << 16 | $1 }
        return NetworkAddress(high: high, low: groups[4...].reduce(0) { $0 << 16 | $1 })
    }

    private mutating func hexadecimal() -> UInt64? {
        var value: UInt64 = 0
        let start = offset
        while offset < text.count, offset - start < 4,
            let digit = Character(Unicode.Scalar(text[offset])).hexDigitValue
        {
            value = value << 4 | UInt64(digit)
            offset += 1
        }
        return offset > start ? value : nil
    }

    private mutating func dottedQuad() -> UInt32? {
        var value: UInt32 = 0
        for index in 0..<4 {
            if index > 0, !take(".") { return nil }
            let start = offset
            var part: UInt32 = 0
            while offset < text.count, offset - start < 3, (0x30...0x39).contains(text[offset]) {
                part = part * 10 + UInt32(text[offset] - 0x30)
                offset += 1
            }
            guard offset > start, part < 256, offset - start == 1 || text[start] != 0x30 else { return nil }
            value = value << 8 | part
        }
        return offset == text.count ? value : nil
    }

    private mutating func take(_ mark: StaticString) -> Bool {
        mark.withUTF8Buffer { mark in
            guard text[offset...].starts(with: mark) else { return false }
            offset += mark.count
            return true
        }
    }
}

/// An address and a port (host byte order).
public struct Endpoint: Hashable, Sendable {
    /// The address.
    public var address: NetworkAddress
    /// The port; 0 where it does not matter.
    public var port: UInt16

    /// Makes an endpoint.
    public init(_ address: NetworkAddress, port: UInt16) {
        self.address = address
        self.port = port
    }
}
