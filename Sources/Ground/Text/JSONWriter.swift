/// Writes JSON (RFC 8259) value by value into a buffer of its own, and knows where commas and colons belong.
///
/// A document is one value. A value is a scalar, or `beginObject`, any number of members (a `key`, then its value),
/// `endObject`, or `beginArray`, any number of values, `endArray`. Debug builds assert this order, so that a
/// caller's mistake is found by the caller's tests. Nothing is allocated but the buffer. Strings are escaped by
/// `JSONText`, and by nothing else.
package struct JSONWriter {
    /// What has been written and not yet been handed over.
    package private(set) var bytes: [UInt8] = []
    /// The containers that are open, the innermost in the lowest bit: 1 for an object.
    private var containers: UInt64 = 0
    private var depth = 0
    /// Something stands before in the same container.
    private var needsComma = false
    private var startsLine = false
    /// A key stands last.
    private var awaitsValue = false

    /// Makes a writer with room for so many bytes.
    package init(capacity: Int = 0) {
        if capacity > 0 { bytes.reserveCapacity(capacity) }
    }

    // MARK: Grammar

    /// Opens an object.
    package mutating func beginObject() { begin("{", isObject: true) }

    /// Closes the object that is open.
    package mutating func endObject() { end("}", isObject: true) }

    /// Opens an array.
    package mutating func beginArray() { begin("[", isObject: false) }

    /// Closes the array that is open.
    package mutating func endArray() { end("]", isObject: false) }

    /// Lets the next key, or the next value of an array, stand at the start of a line.
    package mutating func beginLine() { startsLine = true }

    /// Ends the document with the end of a line.
    package mutating func endDocument() {
        assert(depth == 0 && needsComma && !awaitsValue, "a document is one whole value")
        bytes.append(UInt8(ascii: "\n"))
    }

    /// Writes a key that the program knows, and that needs no escape.
    package mutating func key(_ key: StaticString) {
        beforeKey()
        bytes.append(UInt8(ascii: "\""))
        bytes.append(key)
        bytes.append("\":")
    }

    /// Writes a key of what `append` appends, which has to be text that needs no escape.
    package mutating func key(plain append: (inout [UInt8]) -> Void) {
        beforeKey()
        bytes.append(UInt8(ascii: "\""))
        append(&bytes)
        bytes.append("\":")
    }

    /// Writes a key that comes from elsewhere.
    package mutating func key(text key: String) {
        beforeKey()
        JSONText.append(key, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func beforeKey() {
        assert(depth > 0 && containers & 1 == 1, "a key stands in an object")
        assert(!awaitsValue, "a key is followed by its value")
        separate()
        awaitsValue = true
    }

    private mutating func beforeValue() {
        if awaitsValue {
            awaitsValue = false
        } else {
            assert(depth == 0 || containers & 1 == 0, "a value in an object follows its key")
            assert(depth > 0 || !needsComma, "a document is one value")
            separate()
        }
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        if startsLine { bytes.append(UInt8(ascii: "\n")) }
        startsLine = false
    }

    private mutating func begin(_ mark: Unicode.Scalar, isObject: Bool) {
        beforeValue()
        bytes.append(UInt8(ascii: mark))
        assert(depth < UInt64.bitWidth, "containers nest at most 64 deep")
        containers = containers << 1 | (isObject ? 1 : 0)
        depth += 1
        needsComma = false
    }

    private mutating func end(_ mark: Unicode.Scalar, isObject: Bool) {
        assert(depth > 0 && containers & 1 == (isObject ? 1 : 0), "what is closed was opened last")
        assert(!awaitsValue, "a key is followed by its value")
        bytes.append(UInt8(ascii: mark))
        containers >>= 1
        depth -= 1
        needsComma = true
        startsLine = false
    }

    // MARK: Values

    /// Writes a string.
    package mutating func value(text: String) {
        beforeValue()
        JSONText.append(text, to: &bytes)
    }

    /// Writes a string that the program knows, and that needs no escape.
    package mutating func value(word: StaticString) {
        beforeValue()
        bytes.append(UInt8(ascii: "\""))
        bytes.append(word)
        bytes.append(UInt8(ascii: "\""))
    }

    /// Writes a whole number of whatever size and sign.
    package mutating func value(integer number: Int128) {
        guard number < 0 || number > Int128(UInt64.max) else { return value(number: number) }
        beforeValue()
        bytes += String(number).utf8
    }

    /// Writes a number with a fraction or an exponent, so that what reads it finds the same; JSON has no infinity: `null`.
    package mutating func value(decimal number: Double) {
        guard number.isFinite else { return null() }
        beforeValue()
        bytes += "\(number)".utf8
    }

    /// Writes bytes that should be UTF-8 as a string.
    ///
    /// - Returns: whether they are, so that nothing is lost.
    @discardableResult
    package mutating func value(bytes text: [UInt8]) -> Bool {
        beforeValue()
        return text.withUnsafeBytes { JSONText.append($0, to: &bytes) }
    }

    /// Writes bytes as a string in base64.
    package mutating func value(base64 raw: [UInt8]) {
        beforeValue()
        bytes.append(UInt8(ascii: "\""))
        raw.withUnsafeBytes { Base64.append($0, to: &bytes) }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Writes a number; one below zero is written as 0.
    package mutating func value(number: some BinaryInteger) {
        beforeValue()
        bytes.append(decimal: UInt64(clamping: number))
    }

    /// Writes `true` or `false`.
    package mutating func value(flag: Bool) {
        beforeValue()
        bytes.append(flag ? "true" : "false")
    }

    /// Writes a time (`Timestamp`) as a string.
    package mutating func value(time: UInt64) {
        beforeValue()
        bytes.append("\"", time: time)
        bytes.append(UInt8(ascii: "\""))
    }

    /// Writes `null`.
    package mutating func null() {
        beforeValue()
        bytes.append("null")
    }

    /// Writes a string of what `append` appends, which has to be text that needs no escape.
    package mutating func value(plain append: (inout [UInt8]) -> Void) {
        beforeValue()
        bytes.append(UInt8(ascii: "\""))
        append(&bytes)
        bytes.append(UInt8(ascii: "\""))
    }

    /// Writes a whole value that another writer has written.
    package mutating func value(of other: JSONWriter) {
        assert(other.depth == 0 && other.needsComma, "what is taken over is one whole value")
        beforeValue()
        bytes += other.bytes
    }

    // MARK: Streaming

    /// Hands over what has been written once that is `chunk` bytes or more.
    ///
    /// - Parameter sink: takes a piece, which is valid only during the call.
    @inline(__always)
    package mutating func handOver<Failure: Error>(
        chunk: Int, to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        if bytes.count >= chunk { try handOver(to: sink) }
    }

    /// Hands over whatever has been written.
    package mutating func handOver<Failure: Error>(
        to sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        if bytes.isEmpty { return }
        try bytes.withUnsafeBufferPointer { bytes throws(Failure) in try sink(UnsafeRawBufferPointer(bytes)) }
        bytes.removeAll(keepingCapacity: true)
    }
}

// MARK: Members

/// A key and its value in one call.
extension JSONWriter {
    /// Writes a string.
    package mutating func member(_ name: StaticString, text: String) {
        key(name)
        value(text: text)
    }

    /// Writes a string that the program knows.
    package mutating func member(_ name: StaticString, word: StaticString) {
        key(name)
        value(word: word)
    }

    /// Writes a byte string, and where it is not UTF-8 its bytes in base64 beside it, `_raw` behind the key.
    package mutating func member(_ name: StaticString, bytes text: [UInt8]) {
        key(name)
        if value(bytes: text) { return }
        beforeKey()
        bytes.append(UInt8(ascii: "\""))
        bytes.append(name)
        bytes.append("_raw\":")
        value(base64: text)
    }

    /// Writes a number; one below zero is written as 0.
    package mutating func member(_ name: StaticString, number: some BinaryInteger) {
        key(name)
        value(number: number)
    }

    /// Writes `true` or `false`.
    package mutating func member(_ name: StaticString, flag: Bool) {
        key(name)
        value(flag: flag)
    }

    /// Writes a time (`Timestamp`) as a string.
    package mutating func member(_ name: StaticString, time: UInt64) {
        key(name)
        value(time: time)
    }

    /// Writes a string, or `null` where there is none.
    package mutating func member(_ name: StaticString, textOrNull text: String?) {
        key(name)
        if let text { value(text: text) } else { null() }
    }

    /// Writes an object whose members `body` writes.
    package mutating func object(_ name: StaticString, _ body: (inout JSONWriter) -> Void) {
        key(name)
        object(body)
    }

    /// Writes an object whose members `body` writes, under a key that comes from elsewhere.
    package mutating func object(text name: String, _ body: (inout JSONWriter) -> Void) {
        key(text: name)
        object(body)
    }

    /// Writes a number under a key that comes from elsewhere; one below zero is written as 0.
    package mutating func member(text name: String, number: some BinaryInteger) {
        key(text: name)
        value(number: number)
    }

    /// Writes an object whose members `body` writes, as a value.
    package mutating func object(_ body: (inout JSONWriter) -> Void) {
        beginObject()
        body(&self)
        endObject()
    }

    /// Writes an array of objects, one a line.
    package mutating func array<Element>(
        _ name: StaticString, _ elements: [Element], _ body: (inout JSONWriter, Element) -> Void
    ) {
        key(name)
        beginArray()
        for element in elements {
            beginLine()
            object { body(&$0, element) }
        }
        endArray()
    }

    /// Writes an array of strings.
    package mutating func array(_ name: StaticString, texts: [String]) {
        key(name)
        beginArray()
        for text in texts { value(text: text) }
        endArray()
    }
}
