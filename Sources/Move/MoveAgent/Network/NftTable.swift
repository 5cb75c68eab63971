/// A table of the agent's own in nftables (nft(8)), apart from whatever the host has.
struct NftTable {
    let name: String
    /// `inet`, or `ip` where routes are looked up anew, which IPv4 has for itself.
    var family = "inet"

    /// What nft(8) reads: the table made anew, in one transaction, whether it was there or not.
    ///
    /// - Parameter body: sets and chains, with a line feed at the end.
    func anew(_ body: String) -> String { "\(removal)table \(family) \(name) {\n\(body)}\n" }

    /// What nft(8) reads to remove it; that it is not there is no error.
    private var removal: String { "table \(family) \(name) {}\ndelete table \(family) \(name)\n" }

    func remove() throws(MoveError) { try Self.load(removal) }

    /// - Parameter isTrial: whether the kernel is asked only if it would take it.
    static func load(_ text: String, isTrial: Bool = false) throws(MoveError) {
        try Tool.need(["nft"] + (isTrial ? ["-c"] : []) + ["-f", "-"], input: text, seconds: 10)
    }
}
