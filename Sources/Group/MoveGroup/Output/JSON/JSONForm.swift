import Records

/// The pieces of JSON that `retinue-group/1` and PROV-JSON are made of.
enum JSONForm {
    /// Appends a key, with the comma that goes before it.
    static func key(_ key: StaticString, to out: inout [UInt8]) {
        out.append(",\"")
        out.append(key)
        out.append("\":")
    }

    static func append(_ name: StaticString, number: UInt64, to out: inout [UInt8]) {
        key(name, to: &out)
        out.append(decimal: number)
    }

    static func append(_ name: StaticString, text: String, to out: inout [UInt8]) {
        key(name, to: &out)
        JSONText.append(text, to: &out)
    }

    static func append(_ name: StaticString, word: StaticString, to out: inout [UInt8]) {
        key(name, to: &out)
        out.append("\"")
        out.append(word)
        out.append("\"")
    }

    static func append(_ name: StaticString, time: UInt64, to out: inout [UInt8]) {
        key(name, to: &out)
        out.append("\"", time: time)
        out.append("\"")
    }

    /// Appends a byte string, and beside it, with the suffix `_raw`, the bytes where they are not UTF-8.
    static func append(_ name: StaticString, bytes: [UInt8], to out: inout [UInt8]) {
        key(name, to: &out)
        bytes.withUnsafeBytes { bytes in
            if JSONText.append(bytes, to: &out) { return }
            out.append(",\"")
            out.append(name)
            out.append("_raw\":\"")
            Base64.append(bytes, to: &out)
            out.append("\"")
        }
    }
}
