import Records
import TestSupport
import Testing

@testable import SeedForm

/// The list against the plain reference, byte for byte.
@Suite("The list as the plain rules say")
struct ReferenceTests {
    /// 50 arguments of 80 streams each.
    @Test(arguments: 0..<50) func randomStreams(group: Int) throws {
        for seed in group * 80..<group * 80 + 80 {
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

    /// Enough of everything that every table grows, and shrinks where it does.
    @Test func longStreams() throws {
        var maker = RandomRecords(seed: 23)
        var streams: [(address: NetworkAddress, records: [SeedRecord])] = []
        for address in RandomRecords.addresses.prefix(2) {
            var records: [SeedRecord] = []
            for number in 0..<3000 as Range<UInt32> {
                let pid = number % 1500
                let path = Array("/opt/\(number % 700)".utf8)
                records.append(SeedRecord(.exec(pid: pid, path: path)))
                records.append(SeedRecord(.open(pid: pid, path: path + [0x61], access: .read)))
                let far = RandomRecords.addresses[address == RandomRecords.addresses[0] ? 1 : 0]
                let port = UInt16(number / 2 % 1400)
                let own = Endpoint(address, port: 1 + port % 3)
                let other = Endpoint(far, port: 1000 + port)
                records.append(
                    address == RandomRecords.addresses[0]
                        ? SeedRecord(.accept(pid: pid, server: own, client: other))
                        : SeedRecord(
                            .connect(
                                pid: pid, client: Endpoint(address, port: 1000 + port * 3 % 1400),
                                server:
                                    Endpoint(far, port: 1 + port % 3))))
            }
            records += maker.records(of: address, count: 300, pids: 9)
            streams.append((address, records))
        }
        try compare(streams, piece: 70_000, "long")
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
