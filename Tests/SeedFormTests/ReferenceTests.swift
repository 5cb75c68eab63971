import Records
import TestSupport
import Testing

@testable import SeedForm

/// The list against the plain reference, byte for byte.
@Suite("The list as the plain rules say")
struct ReferenceTests {
    /// 50 arguments of 50 streams each.
    @Test(arguments: 0..<50) func randomStreams(group: Int) throws {
        for seed in group * 50..<group * 50 + 50 {
            var maker = RandomRecords(seed: UInt64(seed) &* 104_729)
            let machines = Int.random(in: 1...3, using: &maker.random)
            let pids = UInt32.random(in: 2...6, using: &maker.random)
            let streams = RandomRecords.addresses.prefix(machines).map { address in
                let count = Int.random(in: 0...60, using: &maker.random)
                return (address: address, records: maker.records(of: address, count: count, pids: pids))
            }
            try compare(streams, piece: Int.random(in: 1...200, using: &maker.random), "seed \(seed)")
        }
    }

    /// Enough of everything that every table grows, and the one of connections has holes to close.
    @Test func longStreams() throws {
        var maker = RandomRecords(seed: 23)
        let (server, client) = (RandomRecords.addresses[0], RandomRecords.addresses[1])
        var streams: [(address: NetworkAddress, records: [SeedRecord])] = []
        for address in [server, client] {
            var records: [SeedRecord] = []
            for number in 0..<2500 as Range<UInt32> {
                let pid = number % 1500
                let path = Array("/opt/\(number % 700)".utf8)
                records.append(SeedRecord(.exec(pid: pid, path: path)))
                records.append(SeedRecord(.open(pid: pid, path: path + [0x61], access: .read)))
                // Each side comes through the ports in its own order.
                let step: UInt32 = address == server ? 1 : 37
                let near = Endpoint(server, port: UInt16(1 + number % 3))
                let far = Endpoint(client, port: UInt16(1000 + number * step % 1400))
                let event: SeedRecord.Event =
                    address == server
                    ? .accept(pid: pid, server: near, client: far)
                    : .connect(pid: pid, client: far, server: near)
                records.append(SeedRecord(event))
            }
            records += maker.records(of: address, count: 300, pids: 9)
            streams.append((address, records))
        }
        try compare(streams, piece: 70_000, "long")
        let built = try build(streams.map { RecordFile($0.address.description, $0.records) })
        #expect(built.statistics.pairs > 500)
        #expect(built.statistics.unpaired.total > 500)
    }

    private func compare(
        _ streams: [(address: NetworkAddress, records: [SeedRecord])], piece: Int, _ name: Comment
    ) throws {
        let files = streams.map { RecordFile($0.address.description, $0.records) }
        for namesUnknown in [false, true] {
            let expected = Reference(streams, namesUnknown: namesUnknown)
            let built = try build(files, namesUnknown: namesUnknown, piece: piece)
            #expect(built.list == expected.list, name)
            #expect(built.records == expected.records, name)
            #expect(built.statistics == expected.statistics, name)
        }
    }
}
