import Records

extension String {
    /// The same text with everything escaped that could steer a terminal.
    var printable: String {
        var text = ""
        for scalar in unicodeScalars { Printable.append(scalar, to: &text) }
        return text
    }
}
