/// A message of CRIU's images (protobuf's wire format), of which one number may be replaced: everything else, and what is not known
/// here, stays as it is.
struct ImageMessage {
    enum Value: Equatable {
        case number(UInt64)
        case bytes(ArraySlice<UInt8>)
        /// Of four or eight bytes.
        case fixed(ArraySlice<UInt8>)
    }

    private(set) var fields: [(number: UInt64, value: Value)] = []

    /// One of numbers.
    init(_ numbers: KeyValuePairs<UInt64, UInt64>) {
        fields = numbers.map { ($0.key, .number($0.value)) }
    }

    /// Reads one; `nil` where the bytes are none.
    init?(_ bytes: ArraySlice<UInt8>) {
        var rest = bytes
        while !rest.isEmpty {
            guard let key = Self.number(&rest) else { return nil }
            func take(_ count: UInt64) -> ArraySlice<UInt8>? {
                guard let count = Int(exactly: count), count <= rest.count else { return nil }
                defer { rest = rest.dropFirst(count) }
                return rest.prefix(count)
            }
            switch key & 7 {
            case 0:
                guard let value = Self.number(&rest) else { return nil }
                fields.append((key >> 3, .number(value)))
            case 1, 5:
                guard let value = take(key & 7 == 1 ? 8 : 4) else { return nil }
                fields.append((key >> 3, .fixed(value)))
            case 2:
                guard let count = Self.number(&rest), let value = take(count) else { return nil }
                fields.append((key >> 3, .bytes(value)))
            default: return nil
            }
        }
    }

    /// The numbers of a message are little-endian groups of seven bits, ten of them at most.
    private static func number(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = rest.popFirst() else { return nil }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }

    private static func add(_ number: UInt64, to bytes: inout [UInt8]) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        for field in fields {
            switch field.value {
            case .number(let value):
                Self.add(field.number << 3, to: &bytes)
                Self.add(value, to: &bytes)
            case .bytes(let value):
                Self.add(field.number << 3 | 2, to: &bytes)
                Self.add(UInt64(value.count), to: &bytes)
                bytes += value
            case .fixed(let value):
                Self.add(field.number << 3 | (value.count == 8 ? 1 : 5), to: &bytes)
                bytes += value
            }
        }
        return bytes
    }

    /// The number of a field; what is no number is not replaced by one.
    subscript(number: UInt64) -> UInt64? {
        get {
            guard case .number(let value)? = fields.last(where: { $0.number == number })?.value else {
                return nil
            }
            return value
        }
        set {
            guard let newValue, let index = fields.lastIndex(where: { $0.number == number }),
                case .number = fields[index].value
            else { return }
            fields[index].value = .number(newValue)
        }
    }

    /// The message of a field: of the last one, which `replace` replaces; `nil` where that is none.
    func message(_ number: UInt64) -> ImageMessage? {
        guard case .bytes(let value)? = fields.last(where: { $0.number == number })?.value else { return nil }
        return ImageMessage(value)
    }

    /// Of a field that may be there several times.
    func messages(_ number: UInt64) -> [ImageMessage] {
        content(number).compactMap { ImageMessage($0) }
    }

    func content(_ number: UInt64) -> [ArraySlice<UInt8>] {
        fields.compactMap { field in
            guard field.number == number, case .bytes(let value) = field.value else { return nil }
            return value
        }
    }

    mutating func replace(_ number: UInt64, with message: ImageMessage) {
        guard let index = fields.lastIndex(where: { $0.number == number }), case .bytes = fields[index].value
        else { return }
        fields[index].value = .bytes(message.bytes[...])
    }
}
