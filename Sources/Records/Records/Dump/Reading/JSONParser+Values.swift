// Values that the format builds from strings and objects.

extension JSONParser {
    /// Reads a time: nanoseconds since 1970.
    mutating func time(_ key: LineKey) throws(JSONError) -> UInt64 { try time(key.rawValue) }

    mutating func time(_ key: String) throws(JSONError) -> UInt64 {
        guard let time = Timestamp.parse(try string().utf8) else {
            throw JSONError(.malformed(key: key), at: offset)
        }
        return time
    }

    /// Reads an address.
    mutating func address(_ key: String) throws(JSONError) -> NetworkAddress {
        guard let address = NetworkAddress(try string()) else {
            throw JSONError(.malformed(key: key), at: offset)
        }
        return address
    }

    /// Reads a number of observations, of which there is at least one.
    mutating func count() throws(JSONError) -> UInt64 {
        let start = offset
        let count = try unsigned()
        guard count > 0 else { throw JSONError(.range, at: start) }
        return count
    }

    /// Reads what a folded record stands for.
    mutating func fold() throws(JSONError) -> Fold {
        var fold = Fold()
        var seen = SeenKeys()
        var names: [[UInt8]] = []
        var rawNames: [[UInt8]]?
        try beginObject()
        while let word = try nextKey() {
            switch try seen.insert(word, at: offset) {
            case .paths: fold.paths = try count()
            case .names:
                try beginArray()
                while try nextElement() {
                    var name: [UInt8] = []
                    try string(into: &name)
                    names.append(name)
                }
            case .namesRaw:
                var decoded: [[UInt8]] = []
                try beginArray()
                while try nextElement() {
                    var text: [UInt8] = []
                    try string(into: &text)
                    guard let name = Base64.decode(text) else {
                        throw JSONError(.malformed(key: LineKey.namesRaw.rawValue), at: offset)
                    }
                    decoded.append(name)
                }
                rawNames = decoded
            default: try skip()
            }
        }
        try seen.require(.paths, at: offset)
        for name in rawNames ?? names { fold.add(name) }
        return fold
    }

    /// Reads a word of the vocabulary.
    mutating func word<Value>(_ key: LineKey, _ make: (String) -> Value?) throws(JSONError) -> Value {
        let word = try string()
        guard let value = make(word) else {
            throw JSONError(.unknown(word: word, key: key.rawValue), at: offset)
        }
        return value
    }

    /// Reads an object with an address and, unless it is the far end of an accept, a port.
    mutating func endpoint() throws(JSONError) -> (endpoint: Endpoint, hasPort: Bool) {
        var endpoint = Endpoint(NetworkAddress(high: 0, low: 0), port: 0)
        var seen = SeenKeys()
        try beginObject()
        while let word = try nextKey() {
            switch try seen.insert(word, at: offset) {
            case .address: endpoint.address = try address(word)
            case .port: endpoint.port = UInt16(try unsigned(maximum: UInt64(UInt16.max)))
            default: try skip()
            }
        }
        try seen.require(.address, at: offset)
        return (endpoint, seen.contains(.port))
    }
}

extension SeenKeys.Requirement {
    fileprivate static let address = Self(.address)
    fileprivate static let paths = Self(.paths)
}
