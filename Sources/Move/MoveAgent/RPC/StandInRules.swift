import Glibc
import SystemCalls

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

    /// The whole table, by which nothing comes to the stand-in yet: a chain that is added or removed costs a grace period of the kernel
    /// (about 15 ms), elements of a set do not.
    ///
    /// While clients are held, datagrams and new connections come to the stand-in, which keeps them; what belongs to a connection that
    /// the server still has is refused to the sending kernel, which then has it as not sent. Later all of it comes.
    var text: String {
        func set(_ name: String) -> String { "  set \(name) { type ipv4_addr . inet_service; }\n" }
        let take = "meta mark set \(mark) accept"
        // Shorter than any call: what acknowledges the last answer, which would be sent again and again otherwise.
        return NftTable(name: table, family: "ip").anew(
            """
            \(set("udp_doors"))\(set("tcp_doors"))\(set("tcp_held"))  chain output {
                type route hook output priority mangle; policy accept;
                ip daddr . udp dport @udp_doors \(take)
                ip daddr . tcp dport @tcp_doors \(take)
                ip daddr . tcp dport @tcp_held tcp flags & (syn | ack) == syn \(take)
                ip daddr . tcp dport @tcp_held ip length < \(Self.shortestCall) accept
                ip daddr . tcp dport @tcp_held drop
              }

            """)
    }

    /// What has packets come to the stand-in; may be done again.
    func change(isHolding: Bool) -> NftElements {
        func elements(_ isTCP: Bool) -> [NftElements.Element] {
            Set(doors.filter { $0.isTCP == isTCP }.map(\.place))
                .sorted { ($0.address, $0.port) < ($1.address, $1.port) }.map { .place($0) }
        }
        var change = NftElements(NftTable(name: table, family: "ip"))
        change.add(elements(false), to: "udp_doors")
        change.add(elements(true), to: isHolding ? "tcp_held" : "tcp_doors")
        change.flush(isHolding ? "tcp_doors" : "tcp_held")
        return change
    }

    /// The table and the routes, which nothing uses yet.
    func prepare() throws(MoveError) {
        try removeRoutes()
        try NftTable.load(text)
        try Tool.need(["ip", "rule", "add", "fwmark", "\(mark)", "lookup", "\(mark)"], seconds: 10)
        for address in Set(doors.map(\.place.host)).sorted() {
            try Tool.need(
                ["ip", "route", "add", "local", address, "dev", "lo", "table", "\(mark)"], seconds: 10)
        }
    }

    /// Has packets come to the stand-in.
    func load(isHolding: Bool) throws(MoveError) {
        do throws(SystemError) { try change(isHolding: isHolding).commit() } catch {
            throw MoveError("\(table): \(error)")
        }
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
