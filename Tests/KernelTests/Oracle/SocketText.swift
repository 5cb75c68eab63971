import TestSupport

/// Reads what strace writes of addresses.
enum SocketText {
    /// The endpoint in `{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}`.
    static func endpoint(structure: [UInt8]) -> Dump.Address? {
        var address: String?
        var port: Int?
        for field in StraceText.split(structure.dropFirst().dropLast()) {
            let text = String(decoding: field, as: UTF8.self)
            if text.hasPrefix("sin_port=") || text.hasPrefix("sin6_port=") {
                port = Int(text.filter(\.isNumber).drop { text.hasPrefix("sin6") && $0 == "6" })
            } else if text.contains("inet_addr(") || text.hasPrefix("inet_pton("),
                let quote = field.firstIndex(of: UInt8(ascii: "\"")),
                let bytes = StraceText.string(field[quote...])
            {
                address = String(decoding: bytes, as: UTF8.self)
            }
        }
        guard let address, let port else { return nil }
        return Dump.Address(address: address, port: port)
    }

    /// The local side of `TCP:[127.0.0.1:80->127.0.0.1:40000]` or `TCPv6:[[::1]:80->[::1]:40000]`.
    static func localEndpoint(note: [UInt8]) -> Dump.Address? {
        let text = String(decoding: note, as: UTF8.self)
        guard let open = text.firstIndex(of: "["), let arrow = text.firstRange(of: "->"),
            open < arrow.lowerBound
        else { return nil }
        let local = text[text.index(after: open)..<arrow.lowerBound]
        guard let colon = local.lastIndex(of: ":"), let port = Int(local[local.index(after: colon)...])
        else { return nil }
        let address = local[..<colon].filter { $0 != "[" && $0 != "]" }
        return Dump.Address(address: address, port: port)
    }
}
