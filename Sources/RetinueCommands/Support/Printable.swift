import Records

/// Text fit for a terminal; `Records.Printable` says what is escaped.
enum Printable {
    static func text(_ bytes: some Sequence<UInt8>) -> String { Records.Printable.text(bytes) }
}

extension String {
    /// The same text with everything escaped that could steer a terminal.
    var printable: String {
        var text = ""
        for scalar in unicodeScalars { Records.Printable.append(scalar, to: &text) }
        return text
    }
}
