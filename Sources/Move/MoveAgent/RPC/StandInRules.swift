import Glibc

/// What brings this host's own packets to a stand-in in the place of another host: a mark, and a route that is local for it.
///
/// No address is translated, so that it does not matter what conntrack knows of a handle that was opened long ago, and the answers come
/// from the address that the client sent to.
struct StandInRules {
    let table: String
    /// The mark, which is the number of the routing table as well.
    let mark: UInt32
    let doors: [Door]

    init(name: String, doors: [Door]) {
        table = "retinue_stand_in_" + Hold.word(name)
        // FNV-1a.
        let hash = name.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        mark = 0x5250_0000 | (hash ^ hash >> 16) & 0xffff
        self.doors = doors
    }

    /// Headers of IP and TCP, a record mark and the header of a call with empty credentials, in bytes.
    private static let shortestCall = 20 + 20 + 4 + 40

    /// While clients are held, datagrams and new connections come to the stand-in, which keeps them; what belongs to a connection that
    /// the server still has is refused to the sending kernel, which then has it as not sent. Later all of it comes.
    func text(isHolding: Bool) -> String {
        var rules = ""
        for address in Set(doors.map(\.place.host)).sorted() {
            for isTCP in [false, true] {
                let ports = Set(
                    doors.filter { $0.isTCP == isTCP && $0.place.host == address }.map(\.place.port)
                ).sorted()
                if ports.isEmpty { continue }
                let match =
                    "    ip daddr \(address) \(isTCP ? "tcp" : "udp") dport { \(ports.map(String.init).joined(separator: ", ")) }"
                let take = "meta mark set \(mark) accept\n"
                if isTCP && isHolding {
                    // Shorter than any call: what acknowledges the last answer, which would be sent again and again otherwise.
                    rules += "\(match) tcp flags & (syn | ack) == syn \(take)"
                    rules += "\(match) ip length < \(Self.shortestCall) accept\n\(match) drop\n"
                } else {
                    rules += "\(match) \(take)"
                }
            }
        }
        return NftTable(name: table, family: "ip").anew(
            """
              chain output {
                type route hook output priority mangle; policy accept;
            \(rules)  }

            """)
    }

    /// The routes, which nothing uses yet.
    func prepare() throws(MoveError) {
        try removeRoutes()
        try Tool.need(["ip", "rule", "add", "fwmark", "\(mark)", "lookup", "\(mark)"], seconds: 10)
        for address in Set(doors.map(\.place.host)).sorted() {
            try Tool.need(
                ["ip", "route", "add", "local", address, "dev", "lo", "table", "\(mark)"], seconds: 10)
        }
    }

    func load(isHolding: Bool) throws(MoveError) {
        try NftTable.load(text(isHolding: isHolding))
    }

    /// Removes all of it; what is not there is no error.
    func remove() throws(MoveError) {
        try NftTable(name: table, family: "ip").remove()
        try removeRoutes()
    }

    private func removeRoutes() throws(MoveError) {
        for _ in 0..<8 {
            let done = try Tool.run(
                ["ip", "rule", "del", "fwmark", "\(mark)", "lookup", "\(mark)"], seconds: 10)
            if done.status != 0 { break }
        }
        _ = try Tool.run(["ip", "route", "flush", "table", "\(mark)"], seconds: 10)
    }
}
