/// No packet of the connections that move gets in or out while they are at neither host; nobody answers with a reset.
struct LiveLock {
    let name: String
    let ports: [ServicePort]
    /// Seconds after which the kernel lets packets pass again, whatever became of the agent; `nil` for never.
    var within: UInt64?
    /// Whether packets within the host are held back as well: between trees of which one is not there.
    var isLocal = false

    /// A letter or a figure stands for itself, any other byte as its number, so that no two moves have one table.
    var table: String {
        "retinue-live-"
            + name.utf8.map { byte in
                (48...57).contains(byte) || (97...122).contains(byte | 32)
                    ? String(UnicodeScalar(byte)) : "_" + String(byte, radix: 16) + "_"
            }.joined()
    }

    /// What nft(8) reads.
    var text: String {
        let limit = within.map { " timeout \($0)s" } ?? ""
        let numbers = Set(ports.map(\.number)).sorted().map { "\($0)\(limit)" }.joined(separator: ", ")
        let (from, to) = isLocal ? ("", "") : ("iifname != \"lo\" ", "oifname != \"lo\" ")
        return NftTable(name: table).anew(
            """
              set ports { type inet_service; flags timeout; elements = { \(numbers) }; }
              chain in { type filter hook prerouting priority -450; \(from)tcp dport @ports drop; }
              chain out { type filter hook output priority -450; \(to)tcp sport @ports drop; }

            """)
    }

    func load() throws(MoveError) {
        guard !ports.isEmpty else { return }
        try NftTable.load(text)
    }

    func remove() throws(MoveError) {
        guard !ports.isEmpty else { return }
        try NftTable(name: table).remove()
    }
}
