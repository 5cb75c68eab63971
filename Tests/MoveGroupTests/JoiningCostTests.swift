import Records
import Testing

@testable import MoveGroup

/// What joining compares grows with the input, not with its square.
@Suite("Cost of joining")
struct JoiningCostTests {
    private func compared(_ dumps: [HostDump]) -> Int {
        var builder = GraphBuilder()
        for dump in dumps { builder.add(dump.contents, from: dump.id) }
        SocketPairing().resolve(&builder)
        return builder.comparedEnds
    }

    private func address(_ number: Int) -> String {
        "10.\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)"
    }

    /// A client with many addresses and as many programs, and a server that took a connection from each address.
    @Test(arguments: [500, 1000, 2000])
    func aHostWithManyAddresses(count: Int) {
        let own = (1...count).map(address)
        let facts = (1...count).map { number in
            Fact.connect(Prog("/client\(number % 7)"), "192.168.0.1", UInt16(number))
        }
        let client = HostDump("C", own, facts)
        let server = HostDump(
            "S", ["192.168.0.1"], own.map { .accept("/server", "192.168.0.1", 80, from: $0) })
        #expect(compared([client, server]) < 8 * count)
    }

    /// Programs that listened at one port in turn.
    @Test(arguments: [500, 1000, 2000])
    func manyListenersInTurn(count: Int) {
        var observed: [Observed] = []
        for number in 0..<UInt64(count) {
            let listen = Fact.listen(Prog("/server\(number)"), "10.0.0.1", 80)
            observed.append(Observed(listen, at: 1000 * number...1000 * number + 1))
        }
        let server = HostDump("S", ["10.0.0.1"], observed: observed)
        let client = HostDump("C", ["10.0.0.2"], [.connect("/client", "10.0.0.1", 80)])
        #expect(compared([client, server]) < 4 * count)
    }

    /// A list that names its hosts by addresses finds whose they are without going through all hosts.
    @Test func everyAddressIsItsOwnHost() throws {
        let count = 30_000
        var list = ""
        for number in 0..<count { list += "\(address(number)),/a,\(address(number + 1)),/a\n" }
        var builder = GraphBuilder()
        var reader = ListReader("list", into: &builder)
        try Array(list.utf8).withUnsafeBytes { try reader.feed($0, into: &builder) }
        try reader.finish(into: &builder)
        #expect(builder.hosts.count == count + 2)
        #expect(builder.hostAddresses.count == count + 1)
    }

    @Test func anAddressOfTwoHostsIsNeithers() {
        var builder = GraphBuilder()
        for (id, addresses) in [("A", ["10.0.0.1", "10.0.0.3"]), ("B", ["10.0.0.2", "10.0.0.3"])] {
            builder.add(HostDump(id, addresses, []).contents, from: id)
            // The same once more changes nothing.
            builder.add(HostDump(id, addresses, []).contents, from: id)
        }
        let names = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "A"].map { builder.listedHost($0).rawValue }
        #expect(names == [1, 2, 3, 1])
    }
}
