import Records
import TestSupport

@testable import SeedForm

/// Records that a few processes of a few machines might have left: few of each thing, so that pids, paths
/// and 4-tuples meet again in every way.
struct RandomRecords {
    var random: SeededGenerator

    static let paths: [[UInt8]] =
        [
            "/sbin/init", "/bin/sh", "/bin/a", "/etc/b", "/var/c,d", "/\"q\"", "/n\nl", "/r\r", "tcp:80",
            "pid:3",
        ]
        .map { Array($0.utf8) } + [[0xff, 0xfe], Array(repeating: 0x22, count: 20)]
    static let addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "127.0.0.1", "::1", "2001:db8::1", "0.0.0.0"]
        .compactMap { NetworkAddress($0) }

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    mutating func record(of machine: NetworkAddress, pids: UInt32) -> SeedRecord {
        let pid = UInt32.random(in: 1...pids, using: &random)
        let time = UInt64.random(in: 0...5, using: &random)
        let event: SeedRecord.Event
        switch Int.random(in: 0..<10, using: &random) {
        case 0...2:
            let access = SeedAccess.allCases.randomElement(using: &random) ?? .read
            event = .open(pid: pid, path: path(), access: access)
        case 3, 4: event = .fork(parent: pid, child: UInt32.random(in: 1...pids, using: &random))
        case 5, 6: event = .exec(pid: pid, path: path())
        case 7: event = .accept(pid: pid, server: endpoint(machine), client: endpoint(nil))
        default: event = .connect(pid: pid, client: endpoint(machine), server: endpoint(nil))
        }
        return SeedRecord(event, time: time == 0 ? nil : time * 1_000_000_000)
    }

    mutating func records(of machine: NetworkAddress, count: Int, pids: UInt32) -> [SeedRecord] {
        (0..<count).map { _ in record(of: machine, pids: pids) }
    }

    private mutating func path() -> [UInt8] { Self.paths.randomElement(using: &random) ?? [] }

    private mutating func endpoint(_ own: NetworkAddress?) -> Endpoint {
        let isOwn = own != nil && Int.random(in: 0..<5, using: &random) > 0
        let address = isOwn ? own : Self.addresses.randomElement(using: &random)
        let port = UInt16.random(in: 1...2, using: &random)
        return Endpoint(address ?? NetworkAddress(v4: 0), port: port)
    }
}
