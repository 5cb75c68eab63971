import Text

/// What a client has to know.
struct AccessToken: Sendable {
    private let bytes: [UInt8]

    /// Reads it: one line of at least 16 visible characters, in a file that others cannot read.
    init(file: String) throws {
        var bytes = try SecretFile.read(file, limit: 4096)
        while bytes.last == 0x0a || bytes.last == 0x0d { bytes.removeLast() }
        guard (16...1024).contains(bytes.count), bytes.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw SecretFile.Unusable(
                description: "\(file) has no token: one line of 16 to 1024 visible characters, no blanks")
        }
        self.bytes = bytes
    }

    /// Whether a field `Authorization` has it: `Bearer TOKEN`, or `Basic` with the token as the password, which browsers ask
    /// for.
    func isIn(_ field: String?) -> Bool {
        guard let field, let space = field.firstIndex(of: " ") else { return false }
        let rest = Array(field[field.index(after: space)...].utf8)
        switch field[..<space].lowercased() {
        case "bearer": return isEqual(to: rest)
        case "basic":
            guard let pair = Base64.decode(rest), let colon = pair.firstIndex(of: UInt8(ascii: ":")) else {
                return false
            }
            return isEqual(to: Array(pair[(colon + 1)...]))
        default: return false
        }
    }

    /// Takes as long whichever byte differs.
    private func isEqual(to other: [UInt8]) -> Bool {
        guard other.count == bytes.count else { return false }
        return zip(bytes, other).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
