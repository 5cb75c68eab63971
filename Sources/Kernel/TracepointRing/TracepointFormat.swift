import Wire

/// What is wrong with a tracepoint's `format` file.
public enum FormatError: Error, Equatable, Sendable {
    /// There is no `ID:` line, or its number is no tracepoint's.
    case noIdentifier
    /// A field that is needed is not there.
    case noField(String)
    /// A field has a size that it should not have.
    case size(String, Int)
    /// A `field:` line, counted from 1, does not have the form of one.
    case line(Int)
    /// The file is longer than any real one.
    case tooLong
}

/// A tracepoint's `format` file: its number and where its fields lie.
///
/// Where a field lies is not kernel ABI; it is what this file is for.
public struct TracepointFormat: Equatable, Sendable {
    /// The tracepoint's number: what `perf_event_open` takes, and what each event starts with.
    public let identifier: UInt16
    /// The fields, in the file's order.
    public let fields: [Field]

    /// Where a field lies in an event.
    public struct Field: Equatable, Sendable {
        /// The C name, without brackets.
        public let name: String
        /// Bytes from the event's start.
        public let offset: UInt16
        /// Bytes.
        public let size: UInt16
    }

    /// Reads the file's bytes, which may be hostile.
    public init(_ bytes: [UInt8]) throws(FormatError) {
        guard bytes.count <= 1 << 16 else { throw .tooLong }
        var identifier: UInt16?
        var fields = [Field]()
        var number = 0
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            let line = line.drop { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }
            if let rest = line.after("ID:") {
                identifier = rest.decimal
            } else if let rest = line.after("field:") {
                guard let field = Field(rest) else { throw .line(number) }
                fields.append(field)
            } else if line.after("print fmt:") != nil {
                break
            }
        }
        guard let identifier, identifier > 0 else { throw .noIdentifier }
        self.identifier = identifier
        self.fields = fields
    }

    /// The field of a name.
    public func field(_ name: String) throws(FormatError) -> Field {
        guard let field = fields.first(where: { $0.name == name }) else { throw .noField(name) }
        return field
    }

    /// The offset of a field that has to have one size.
    public func offset(of name: String, size: UInt16) throws(FormatError) -> UInt16 {
        let field = try field(name)
        guard field.size == size else { throw .size(name, Int(field.size)) }
        return field.offset
    }
}

extension TracepointFormat.Field {
    /// Reads what follows `field:`, such as `__u8 saddr[4];⇥offset:32;⇥size:4;⇥signed:0;`.
    fileprivate init?(_ line: ArraySlice<UInt8>) {
        let parts = line.split(separator: UInt8(ascii: ";"))
        guard parts.count >= 3 else { return nil }
        // `__u8 saddr[4]`, and `__data_loc char[] comm` of what has no fixed length.
        guard
            let name = parts[0].split(separator: UInt8(ascii: " ")).last?
                .prefix(while: { $0 != UInt8(ascii: "[") }), !name.isEmpty,
            let offset = parts[1].trimmed.after("offset:")?.decimal,
            let size = parts[2].trimmed.after("size:")?.decimal
        else { return nil }
        let pointer = name.drop { $0 == UInt8(ascii: "*") }
        self.init(name: String(decoding: pointer, as: UTF8.self), offset: offset, size: size)
    }
}

extension ArraySlice<UInt8> {
    /// What follows a prefix, or `nil` where it is not there.
    fileprivate func after(_ prefix: StaticString) -> ArraySlice<UInt8>? {
        let length = prefix.utf8CodeUnitCount
        let text = UnsafeBufferPointer(start: prefix.utf8Start, count: length)
        return starts(with: text) ? dropFirst(length) : nil
    }

    fileprivate var trimmed: ArraySlice<UInt8> {
        drop { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }
    }

    /// A decimal number that fills the whole slice, blanks before it aside.
    fileprivate var decimal: UInt16? {
        let digits = trimmed
        guard !digits.isEmpty else { return nil }
        var value: UInt16 = 0
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = scaled.addingReportingOverflow(UInt16(digit - UInt8(ascii: "0")))
            if overflow || carry { return nil }
            value = sum
        }
        return value
    }
}
