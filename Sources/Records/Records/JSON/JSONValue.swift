/// A JSON value as a tree, for what is small: a schema, a configuration, a line under test.
public enum JSONValue: Equatable, Sendable {
    /// `null`
    case null
    /// `true` or `false`
    case boolean(Bool)
    /// A number without fraction and exponent.
    case integer(Int128)
    /// Any other number.
    case double(Double)
    /// A string.
    case string(String)
    /// An array.
    case array([JSONValue])
    /// An object's members in the order of the text; no key comes twice.
    case object([Member])

    /// A key and its value.
    public struct Member: Equatable, Sendable {
        /// The key.
        public var key: String
        /// The value.
        public var value: JSONValue

        /// Makes a member.
        public init(_ key: String, _ value: JSONValue) {
            self.key = key
            self.value = value
        }
    }

    /// Parses a text that holds one value; a key that comes twice is an error.
    ///
    /// - Parameter depthLimit: how deep values may stand in values.
    public init(parsing text: [UInt8], depthLimit: Int = 64) throws(JSONError) {
        self = try text.withUnsafeBufferPointer { text throws(JSONError) -> JSONValue in
            var parser = JSONParser(UnsafeRawBufferPointer(text), depthLimit: depthLimit)
            let value = try parser.value()
            try parser.end()
            return value
        }
    }

    /// Parses a string that holds one value.
    public init(parsing text: String, depthLimit: Int = 64) throws(JSONError) {
        self = try JSONValue(parsing: Array(text.utf8), depthLimit: depthLimit)
    }

    /// The value of a key; `nil` if there is none or this is no object.
    public subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// The string, if it is one.
    public var string: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    /// The elements, if it is an array.
    public var array: [JSONValue]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    /// The members, if it is an object.
    public var members: [Member]? {
        guard case .object(let members) = self else { return nil }
        return members
    }

    /// The number, if it is one without fraction.
    public var integer: Int128? {
        guard case .integer(let number) = self else { return nil }
        return number
    }
}

extension JSONParser {
    /// Reads a value of whatever type.
    package mutating func value() throws(JSONError) -> JSONValue {
        switch try kind() {
        case .object: try object()
        case .array: try array()
        case .string: .string(try string())
        case .number: try number()
        case .boolean: .boolean(try boolean())
        case .null: try nullValue()
        }
    }

    private mutating func nullValue() throws(JSONError) -> JSONValue {
        try null()
        return .null
    }

    private mutating func object() throws(JSONError) -> JSONValue {
        var members: [JSONValue.Member] = []
        // Bytes: strings that Unicode calls equivalent are different keys.
        var keys: Set<[UInt8]> = []
        try beginObject()
        while let key = try nextKey() {
            guard keys.insert(Array(key.utf8)).inserted else {
                throw JSONError(.duplicate(key: key), at: offset)
            }
            members.append(.init(key, try value()))
        }
        return .object(members)
    }

    private mutating func array() throws(JSONError) -> JSONValue {
        var elements: [JSONValue] = []
        try beginArray()
        while try nextElement() { elements.append(try value()) }
        return .array(elements)
    }

    private mutating func number() throws(JSONError) -> JSONValue {
        let token = try numberToken()
        let text = String(decoding: UnsafeRawBufferPointer(rebasing: bytes[token]), as: UTF8.self)
        if let integer = Int128(text) { return .integer(integer) }
        guard let double = Double(text), double.isFinite else {
            throw JSONError(.range, at: token.lowerBound)
        }
        return .double(double)
    }
}
