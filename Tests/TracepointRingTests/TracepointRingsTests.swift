import Foundation
import CLinux
import Glibc
import SystemCalls
import Testing

@testable import TracepointRing

@Suite(.serialized, .enabled(if: isRoot, "needs root: perf events of every process"))
struct TracepointRingsTests {
    /// What has been seen of one server's connections.
    private struct Seen {
        var transitions = [StateTransition]()
        var lost: UInt64 = 0

        /// Drains the rings once.
        mutating func drain(_ rings: borrowing TracepointRings, port: UInt16) throws {
            var buffer = [UInt8]()
            let count = rings.drain(appendingTo: &buffer)
            #expect(count == buffer.count)
            var transitions = self.transitions
            var lost = self.lost
            let layout = try TransitionLayout(rings.format)
            try TracepointRings.parse(buffer.span.bytes, layout: layout) {
                if $0.remote.port == port || $0.local.port == port { transitions.append(copy $0) }
            } lost: {
                lost += $0
            }
            self.transitions = transitions
            self.lost = lost
        }
    }

    /// Rings for one server's connections alone: other tests connect too, and a small ring is soon full.
    private func rings(
        for server: borrowing Loopback, pages: Int, wakeupWatermark: UInt32? = nil
    ) throws -> TracepointRings {
        let filter = "sport == \(server.port) || dport == \(server.port)"
        return try TracepointRings(
            Tracepoint(group: "sock", name: "inet_sock_set_state", filter: filter), pages: pages,
            wakeupWatermark: wakeupWatermark)
    }

    @Test(arguments: [AF_INET, AF_INET6])
    func eachConnectNamesProcessAndPort(family: Int32) throws {
        let rings = try TracepointRings()
        let isFiltered = rings.isFiltered
        #expect(isFiltered)
        let server = Loopback(family)
        var ports = [UInt16]()
        let before = Clock.monotonic()
        // The connections stay open: a socket's address is used again once it is closed.
        var connections = RigidList()
        for _ in 0..<23 {
            let connection = server.connect()
            ports.append(connection.port)
            connections.append(connection)
        }
        let after = Clock.monotonic()

        var seen = Seen()
        try seen.drain(rings, port: server.port)
        let starts = seen.transitions.filter { $0.oldState == .close && $0.newState == .synSent }
        let ends = seen.transitions.filter { $0.oldState == .synSent && $0.newState == .established }
        #expect(starts.count == 23)
        #expect(ends.count == 23)
        #expect(seen.lost == 0)
        let loopback = family == AF_INET ? 0xffff_7f00_0001 : 1 as UInt64
        for start in starts {
            #expect(start.process == getpid())
            #expect(start.thread == gettid())
            #expect(start.local.port == 0)
            #expect(start.remote == TransitionAddress(high: 0, low: loopback, port: server.port))
            #expect(start.family == UInt16(family))
            #expect(start.transport == 6)
            #expect(before <= start.time && start.time <= after)
            let mine = ends.filter { $0.socket == start.socket }
            try #require(mine.count == 1)
            #expect(mine[0].time >= start.time)
            #expect(mine[0].local.high == 0 && mine[0].local.low == loopback)
        }
        #expect(Set(starts.map(\.socket)).count == 23)
        // In the order of the connects, each with its own port.
        let sockets = starts.sorted { $0.time < $1.time }.map(\.socket)
        #expect(sockets.map { socket in ends.first { $0.socket == socket }!.local.port } == ports)
    }

    /// Where a program resets a connection, and where its connect fails, the notice of the socket's death
    /// names no peer (SocketDiagnostics): the transition does.
    @Test func abandonedSocketsAreNamed() throws {
        let rings = try TracepointRings()
        let server = Loopback()
        let connection = server.connect()
        let port = connection.port
        connection.reset()
        var seen = Seen()
        try seen.drain(rings, port: server.port)
        let resets = seen.transitions.filter {
            $0.oldState == .established && $0.newState == .close && $0.local.port == port
        }
        #expect(resets.count == 1)
        #expect(resets.first?.remote.port == server.port)
        #expect(resets.first?.process == getpid())

        let gone = server.port
        server.stop()
        seen = Seen()
        #expect(Loopback.connect(to: gone) == ECONNREFUSED)
        try seen.drain(rings, port: gone)
        let failed = seen.transitions.filter { $0.oldState == .synSent && $0.newState == .close }
        #expect(failed.count == 1)
        #expect(failed.first?.remote.port == gone)
        #expect(failed.first?.local.port != 0)
        let started = seen.transitions.filter { $0.newState == .synSent }
        #expect(started.map(\.socket) == failed.map(\.socket))
        #expect(started.map(\.process) == [getpid()])
    }

    /// A small ring is written around many times, and each record comes out whole, once.
    @Test func recordsThatWrap() throws {
        let server = Loopback()
        let rings = try rings(for: server, pages: 1)
        var seen = Seen()
        for _ in 0..<230 {
            _ = server.connect()
            try seen.drain(rings, port: server.port)
        }
        #expect(seen.lost == 0)
        #expect(seen.transitions.filter { $0.newState == .synSent }.count == 230)
        #expect(seen.transitions.filter { $0.oldState == .synSent }.count == 230)
        #expect(try rings.lost() == 0)
    }

    @Test func lossIsCounted() throws {
        let server = Loopback()
        let rings = try rings(for: server, pages: 1)
        let countsLoss = rings.countsLoss
        #expect(countsLoss)
        for _ in 0..<200 { _ = server.connect() }
        // Full: nothing in the records tells of what came after.
        let lost = try #require(try rings.lost())
        #expect(lost > 0)
        var seen = Seen()
        try seen.drain(rings, port: server.port)
        #expect(seen.lost == 0)
        #expect(seen.transitions.filter { $0.newState == .synSent }.count < 200)
        // The next event that finds room has the count in front of it.
        for _ in 0..<8 { _ = server.connect() }
        try seen.drain(rings, port: server.port)
        #expect(seen.lost > 0)
        #expect(seen.lost <= (try rings.lost())!)
    }

    /// A large ring's count is asked for only where it was found fuller than a quarter: a loss is met all the same, whether the
    /// ring was drained meanwhile or not.
    @Test(arguments: [false, true]) func lossOfALargeRingIsCounted(isDrainedFirst: Bool) throws {
        let server = Loopback()
        let rings = try rings(for: server, pages: 32)
        #expect(try rings.lost() == 0)
        // Some 90 bytes a record, and at least three for a connection.
        for _ in 0..<4000 { _ = server.connect() }
        var buffer: [UInt8] = []
        if isDrainedFirst {
            rings.drain(appendingTo: &buffer)
            rings.drain(appendingTo: &buffer)
        }
        let lost = try #require(try rings.lost())
        #expect(lost > 0)
        if !isDrainedFirst { rings.drain(appendingTo: &buffer) }
        #expect(try rings.lost() == lost)
    }

    /// One connection wakes nobody; a ring that is half full does, once.
    @Test func wakesAtTheWatermarkOnly() throws {
        let server = Loopback()
        let rings = try rings(for: server, pages: 2)
        let poller = try Poller()
        for number in rings.numbers { try poller.add(number, token: 1) }
        _ = server.connect()
        #expect(try poller.wait(timeout: 100) { _ in } == 0)
        var seen = Seen()
        try seen.drain(rings, port: server.port)
        #expect(seen.transitions.filter { $0.newState == .synSent }.count == 1)
        for _ in 0..<200 { _ = server.connect() }
        #expect(try poller.wait(timeout: 1000) { _ in } > 0)
        usleep(50_000)
        _ = try poller.wait(timeout: 0) { _ in }
        #expect(try poller.wait(timeout: 50) { _ in } == 0)
    }

    /// The watermark counts bytes, not events, and holds for each ring.
    @Test func aLowWatermarkWakesSooner() throws {
        let server = Loopback()
        let rings = try rings(for: server, pages: 32, wakeupWatermark: 4096)
        let poller = try Poller()
        for number in rings.numbers { try poller.add(number, token: 1) }
        _ = server.connect()
        #expect(try poller.wait(timeout: 100) { _ in } == 0)
        // More than 100 bytes for each of at least six transitions.
        for _ in 0..<23 { _ = server.connect() }
        #expect(try poller.wait(timeout: 1000) { _ in } > 0)
    }

    @Test func everyProcessorHasARing() throws {
        let processors = try ProcessorList.online().numbers
        let server = Loopback()
        let rings = try rings(for: server, pages: 1)
        let numbers = rings.numbers
        #expect(numbers.count == processors.count)
        var before = cpu_set_t()
        precondition(sched_getaffinity(0, MemoryLayout<cpu_set_t>.size, &before) == 0)
        defer { sched_setaffinity(0, MemoryLayout<cpu_set_t>.size, &before) }
        for processor in processors {
            var alone = cpu_set_t()
            withUnsafeMutableBytes(of: &alone) { $0[Int(processor) / 8] = 1 << (UInt8(processor) % 8) }
            guard sched_setaffinity(0, MemoryLayout<cpu_set_t>.size, &alone) == 0 else { continue }
            _ = server.connect()
            var seen = Seen()
            try seen.drain(rings, port: server.port)
            #expect(seen.transitions.filter { $0.newState == .synSent }.count == 1)
        }
    }

    /// An expression that the kernel does not take leaves the events unfiltered.
    @Test func filters() throws {
        func count(_ filter: String?) throws -> (count: Int, isFiltered: Bool) {
            let rings = try TracepointRings(
                Tracepoint(group: "sock", name: "inet_sock_set_state", filter: filter))
            let server = Loopback()
            _ = server.connect()
            var seen = Seen()
            try seen.drain(rings, port: server.port)
            return (seen.transitions.filter { $0.newState == .synSent }.count, rings.isFiltered)
        }
        #expect(try count(nil) == (1, false))
        #expect(try count("protocol == 6") == (1, true))
        #expect(try count("protocol == 132") == (0, true))
        #expect(try count("no_such_field == 6") == (1, false))
    }

    @Test func eachRingIsAsLargeAsTheNumberOfProcessorsAllows() throws {
        let rings = try TracepointRings()
        // Without CAP_IPC_LOCK the kernel may have granted less.
        let wanted = RingSize.pages(processors: try ProcessorList.online().numbers.count)
        let pages = rings.pages
        #expect(pages <= wanted && pages * sysconf(Int32(_SC_PAGESIZE)) >= RingSize.least)
        // The rings as the kernel has mapped them, each behind its control page.
        let maps = try FileDescriptor.open("/proc/self/maps", O_RDONLY).readAll()
        for line in String(decoding: maps, as: UTF8.self).split(separator: "\n")
        where line.contains("perf_event") {
            let ends = line.split(separator: " ")[0].split(separator: "-").compactMap { Int($0, radix: 16) }
            #expect(ends[1] - ends[0] == (pages + 1) * sysconf(Int32(_SC_PAGESIZE)))
        }
    }

    @Test func failuresSayWhatFailed() {
        func failure(_ tracepoint: Tracepoint, pages: Int = 1) -> TracepointError? {
            do throws(TracepointError) {
                _ = try TracepointRings(tracepoint, pages: pages)
                return nil
            } catch { return error }
        }
        let missing = failure(Tracepoint(group: "sock", name: "no_such_tracepoint"))
        #expect(missing == .missing(SystemError("openat", code: ENOENT)))
        guard case .unmapped? = failure(.socketState, pages: 1 << 40) else {
            Issue.record("mapped")
            return
        }
    }

    /// Nothing is left behind, also where making the rings fails halfway. This suite is the only user of
    /// perf events in the process, and its tests run one after the other.
    @Test func everythingIsGivenBack() throws {
        func held() throws -> (descriptors: Int, mappings: Int) {
            // Other suites hold thousands at the same time.
            let numbers = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
            let descriptors = numbers.filter { number in
                var path = [UInt8](repeating: 0, count: 64)
                let count = readlink("/proc/self/fd/\(number)", &path, 64)
                return count > 0 && String(decoding: path[..<count], as: UTF8.self).contains("perf_event")
            }
            let maps = try FileDescriptor.open("/proc/self/maps", O_RDONLY).readAll()
            let mappings = String(decoding: maps, as: UTF8.self).split(separator: "\n")
                .filter { $0.contains("perf_event") }
            return (descriptors.count, mappings.count)
        }
        #expect(try held() == (0, 0))
        do {
            let rings = try TracepointRings()
            let numbers = rings.numbers
            #expect(try held() == (numbers.count, numbers.count))
            for number in numbers { #expect(fcntl(number, F_GETFD) & FD_CLOEXEC != 0) }
            var buffer = [UInt8]()
            rings.drain(appendingTo: &buffer)
        }
        #expect(try held() == (0, 0))
        #expect(throws: TracepointError.self) { _ = try TracepointRings(pages: 1 << 40) }
        #expect(try held() == (0, 0))
    }
}

/// Connections that live as long as the list.
struct RigidList: ~Copyable {
    private let storage = UnsafeMutablePointer<Loopback.Connection>.allocate(capacity: 64)
    private var count = 0

    mutating func append(_ connection: consuming Loopback.Connection) {
        (storage + count).initialize(to: connection)
        count += 1
    }

    deinit {
        storage.deinitialize(count: count)
        storage.deallocate()
    }
}
