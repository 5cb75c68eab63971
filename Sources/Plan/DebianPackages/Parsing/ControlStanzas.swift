/// A block of `Field: value` lines (deb822(5)), as offsets into the file.
struct ControlStanza {
    /// A field; its value still has the newlines and blanks of its continuation lines.
    struct Field {
        var name: Range<Int>
        var value: Range<Int>
        var line: Int
    }

    /// Number of its first line.
    var line: Int
    var fields: [Field] = []
    /// What is wrong with single lines of it.
    var flaws: [(line: Int, kind: DpkgDamage.Kind)] = []
}

/// Takes a file in the format of deb822(5) apart; no bytes can make it fail.
struct ControlStanzas {
    private let bytes: UnsafeRawBufferPointer
    private var lines: Lines

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        lines = Lines(bytes)
    }

    /// The next stanza; `nil` at the end.
    mutating func next() -> ControlStanza? {
        var stanza: ControlStanza?
        while let line = lines.next() {
            let isBlank = bytes[line].allSatisfy(\.isBlank)
            if isBlank && !lines.isCutOff {
                if let stanza { return stanza }
                continue
            }
            take(line, into: &stanza)
        }
        return stanza
    }

    private mutating func take(_ line: Range<Int>, into stanza: inout ControlStanza?) {
        var current = stanza ?? ControlStanza(line: lines.number)
        defer { stanza = current }
        if lines.isCutOff { current.flaws.append((lines.number, .cutOff)) }
        if bytes[line.lowerBound].isBlank {
            if current.fields.isEmpty {
                current.flaws.append((lines.number, .noField))
            } else {
                let last = current.fields.count - 1
                let start = current.fields[last].value.lowerBound
                current.fields[last].value = start..<line.upperBound
            }
            return
        }
        let colon = line.first { bytes[$0] == UInt8(ascii: ":") } ?? line.lowerBound
        guard colon > line.lowerBound else {
            if !lines.isCutOff { current.flaws.append((lines.number, .noField)) }
            return
        }
        current.fields.append(
            ControlStanza.Field(
                name: line.lowerBound..<colon, value: colon + 1..<line.upperBound, line: lines.number))
    }
}
