/// A byte string that is being read: from its key, or byte for byte from the key that ends in `_raw`.
struct NameBuffer {
    private(set) var bytes: [UInt8] = []
    private var isRaw = false

    /// Forgets what was read, and keeps the memory.
    mutating func clear() {
        bytes.removeAll(keepingCapacity: true)
        isRaw = false
    }

    /// Reads the text form, which says nothing new if the bytes themselves are known.
    mutating func read(_ parser: inout JSONParser) throws(JSONError) {
        if isRaw {
            _ = try parser.string()
        } else {
            try parser.string(into: &bytes)
        }
    }

    /// Reads the bytes in base64, which outdo the text form.
    mutating func readRaw(_ parser: inout JSONParser, key: LineKey) throws(JSONError) {
        var text: [UInt8] = []
        try parser.string(into: &text)
        guard let decoded = Base64.decode(text) else {
            throw JSONError(.malformed(key: key.rawValue), at: parser.offset)
        }
        bytes = decoded
        isRaw = true
    }
}

extension TextTree {
    /// The number of what was read; the empty string is `.none`.
    mutating func intern(_ name: borrowing NameBuffer) -> TextID {
        name.bytes.isEmpty ? .none : intern(name.bytes)
    }
}

/// Room for the names of a line, used again for each.
struct NameBuffers: ~Copyable {
    /// `path` or `name`.
    var object = NameBuffer()
    var executable = NameBuffer()
    var script = NameBuffer()
    var workload = NameBuffer()
}
