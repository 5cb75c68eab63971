import Records

/// Writes JSON object by object; keys come in the order in which they are given.
struct JSONBuilder {
    private(set) var bytes: [UInt8] = []
    private var isFirst = true

    private mutating func begin(_ key: StaticString?) {
        if !isFirst { bytes.append(UInt8(ascii: ",")) }
        isFirst = false
        guard let key else { return }
        bytes.append("\"")
        bytes.append(key)
        bytes.append("\":")
    }

    mutating func object(_ key: StaticString? = nil, _ body: (inout JSONBuilder) -> Void) {
        begin(key)
        nest("{", "}", body)
    }

    /// An array of objects, one a line.
    mutating func array<Element>(
        _ key: StaticString, _ elements: [Element], _ body: (inout JSONBuilder, Element) -> Void
    ) {
        begin(key)
        nest("[", "]") { out in
            for element in elements {
                if !out.isFirst { out.bytes.append(UInt8(ascii: ",")) }
                out.bytes.append(UInt8(ascii: "\n"))
                out.nest("{", "}") { body(&$0, element) }
                out.isFirst = false
            }
        }
    }

    private mutating func nest(
        _ open: StaticString, _ close: StaticString, _ body: (inout JSONBuilder) -> Void
    ) {
        bytes.append(open)
        isFirst = true
        body(&self)
        bytes.append(close)
        isFirst = false
    }

    mutating func text(_ key: StaticString, _ text: String) {
        begin(key)
        JSONText.append(text, to: &bytes)
    }

    mutating func word(_ key: StaticString, _ word: StaticString) { text(key, "\(word)") }

    mutating func number(_ key: StaticString, _ number: some BinaryInteger) {
        begin(key)
        bytes.append(decimal: UInt64(clamping: number))
    }

    mutating func flag(_ key: StaticString, _ flag: Bool) {
        begin(key)
        bytes.append(flag ? "true" : "false")
    }

    mutating func null(_ key: StaticString) {
        begin(key)
        bytes.append("null")
    }

    /// A byte string under a key, and where it is not UTF-8 its bytes in base64 under the other.
    mutating func name(_ key: StaticString, _ rawKey: StaticString, _ name: [UInt8]) {
        begin(key)
        let isText = name.withUnsafeBytes { JSONText.append($0, to: &bytes) }
        guard !isText else { return }
        begin(rawKey)
        bytes.append("\"")
        name.withUnsafeBytes { Base64.append($0, to: &bytes) }
        bytes.append("\"")
    }

    mutating func endLine() { bytes.append(UInt8(ascii: "\n")) }
}
