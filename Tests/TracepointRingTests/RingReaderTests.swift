import Glibc
import SystemCalls
import Testing

@testable import TracepointRing

/// What a thread of its own does for rings that nobody drains.
@Suite(.serialized, .enabled(if: isRoot, "needs root: perf events of every process"))
struct RingReaderTests {
    /// Connections of which a ring of 32 KiB holds the tenth part.
    private static let connections = 400

    private struct Seen {
        var established = 0
        var lost: UInt64 = 0
    }

    private func parse(_ buffer: [UInt8], _ layout: TransitionLayout) throws -> Seen {
        var seen = Seen()
        var established = 0
        var lost: UInt64 = 0
        try TracepointRings.parse(buffer.span.bytes, layout: layout) {
            if $0.oldState == .synSent && $0.newState == .established { established += 1 }
        } lost: {
            lost += $0
        }
        seen.established = established
        seen.lost = lost
        return seen
    }

    private func rings(_ port: UInt16) throws -> TracepointRings {
        try TracepointRings(
            Tracepoint(
                group: "sock", name: "inet_sock_set_state", filter: "sport == \(port) || dport == \(port)"),
            pages: 8)
    }

    /// One after the other, each open until the next is: their states change a few thousand times.
    private func connect(_ server: borrowing Loopback) {
        for _ in 0..<Self.connections {
            _ = server.connect()
            usleep(500)
        }
    }

    @Test func ringsThatNobodyDrainsOverflow() throws {
        let server = Loopback(AF_INET)
        let rings = try rings(server.port)
        connect(server)
        var buffer: [UInt8] = []
        rings.drain(appendingTo: &buffer)
        let seen = try parse(buffer, try TransitionLayout(rings.format))
        #expect(seen.established < Self.connections)
        let lost = try rings.lost()
        #expect(lost ?? seen.lost > 0)
    }

    @Test func theThreadEmptiesThem() throws {
        let server = Loopback(AF_INET)
        let rings = try rings(server.port)
        let layout = try TransitionLayout(rings.format)
        let reader = try RingReader(rings)
        defer { reader.end() }
        connect(server)
        var waiting = pollfd(fd: reader.number, events: Int16(POLLIN), revents: 0)
        #expect(poll(&waiting, 1, 0) == 1, "it says that it has put something aside")
        var buffer: [UInt8] = []
        reader.take(appendingTo: &buffer)
        let seen = try parse(buffer, layout)
        #expect(seen.established == Self.connections)
        #expect(seen.lost == 0)
        let lost = try reader.lost()
        #expect(lost ?? 0 == 0)
        #expect(poll(&waiting, 1, 0) == 0, "what was taken is reported no longer")
    }

    /// What is put behind something else leaves it in its place.
    @Test func takenBytesStandBehindWhatIsThere() throws {
        let server = Loopback(AF_INET)
        let reader = try RingReader(try rings(server.port))
        defer { reader.end() }
        _ = server.connect()
        var buffer: [UInt8] = [1, 2, 3]
        reader.take(appendingTo: &buffer)
        #expect(Array(buffer.prefix(3)) == [1, 2, 3])
        #expect(buffer.count > 3)
    }

    /// A ring that takes another's place is waited for as well.
    @Test func reopenedRingsAreEmptiedToo() throws {
        let server = Loopback(AF_INET)
        let rings = try rings(server.port)
        let layout = try TransitionLayout(rings.format)
        let reader = try RingReader(rings)
        defer { reader.end() }
        try reader.followAll()
        try reader.follow(processor: 0)
        connect(server)
        var buffer: [UInt8] = []
        reader.take(appendingTo: &buffer)
        let seen = try parse(buffer, layout)
        #expect(seen.established == Self.connections)
        #expect(seen.lost == 0)
    }

    /// Without an end the thread would hold the rings' memory for ever.
    @Test func theRingsAreGivenBack() throws {
        func mappings() throws -> Int {
            let maps = try FileDescriptor.open("/proc/self/maps", O_RDONLY).readAll()
            return String(decoding: maps, as: UTF8.self).split(separator: "\n").count {
                $0.contains("perf_event")
            }
        }
        let server = Loopback(AF_INET)
        let before = try mappings()
        do {
            let reader = try RingReader(try rings(server.port))
            let during = try mappings()
            #expect(during > before)
            reader.end()
        }
        for _ in 0..<1000 where try mappings() > before { usleep(1000) }
        #expect(try mappings() == before)
    }
}
