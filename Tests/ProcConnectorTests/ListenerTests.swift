import CLinux
import Foundation
import ProcConnector
import SystemCalls
import TestSupport
import Testing

/// Against the real kernel. Other processes and other tests fork as well, so every count is of pids that
/// this test made.
@Suite(.serialized, .privileged)
struct ListenerTests {
    /// What a listener has received until now.
    private struct Received {
        var events: [ProcessEvent] = []
        var others = 0
        var overruns = 0

        mutating func drain(_ connector: borrowing ProcConnector) throws {
            var buffer: [UInt8] = []
            while true {
                buffer.removeAll(keepingCapacity: true)
                switch try connector.receive(appendingTo: &buffer) {
                case .nothing: return
                case .overrun: overruns += 1
                case .datagram(let range):
                    #expect(range == 0..<buffer.count)
                    switch try message(buffer) {
                    case .event(let event): events.append(event)
                    case .acknowledgement: break
                    case .other: others += 1
                    }
                }
            }
        }

        func pids(_ kind: ProcessEvent.Kind, of made: Set<Int32>) -> [Int32] {
            events.filter { $0.kind == kind && made.contains($0.pid) }.map(\.pid).sorted()
        }
    }

    private func spawn() throws -> Int32 {
        var pid: Int32 = 0
        let arguments = [strdup("true"), nil]
        defer { free(arguments[0]) }
        try #require(posix_spawn(&pid, "/bin/true", nil, nil, arguments, nil) == 0)
        var status: Int32 = 0
        try #require(waitpid(pid, &status, 0) == pid)
        return pid
    }

    @Test(arguments: [true, false])
    func spawnedChildrenAreReportedExactly(registrationFilter: Bool) throws {
        let connector = try ProcConnector(.lifecycle, registrationFilter: registrationFilter)
        let filtering = connector.filtering
        #expect(filtering == (registrationFilter ? .registration : .socketFilter))
        let before = Clock.monotonic()
        var pids: Set<Int32> = []
        for _ in 0..<101 { pids.insert(try spawn()) }
        let after = Clock.monotonic()
        #expect(pids.count == 101)
        var received = Received()
        try received.drain(connector)
        for kind in [ProcessEvent.Kind.fork, .exec, .exit] {
            #expect(received.pids(kind, of: pids) == pids.sorted())
        }
        let forks = received.events.filter { $0.kind == .fork && pids.contains($0.pid) }
        #expect(forks.allSatisfy { $0.parent == getpid() })
        // In the order of each life, on the monotonic clock.
        for pid in pids {
            let life = received.events.filter { $0.pid == pid }
            #expect(life.map(\.kind) == [.fork, .exec, .exit])
            #expect(life.map(\.time) == life.map(\.time).sorted())
            #expect(life.allSatisfy { (before...after).contains($0.time) })
        }
        #expect(received.others == 0)
        #expect(received.overruns == 0)
    }

    @Test func childrenThatOnlyForkAreReported() throws {
        let connector = try ProcConnector(.lifecycle)
        var pids: Set<Int32> = []
        for _ in 0..<101 { pids.insert(clinux_make_and_reap_child()) }
        #expect(pids.count == 101)
        var received = Received()
        try received.drain(connector)
        #expect(received.pids(.fork, of: pids) == pids.sorted())
        #expect(received.pids(.exit, of: pids) == pids.sorted())
        #expect(received.pids(.exec, of: pids) == [])
    }

    /// The numbers count on without a gap on each processor as long as nothing is filtered out or lost;
    /// they never go back.
    @Test func sequencesGrowOnEachProcessor() throws {
        let connector = try ProcConnector(.lifecycle)
        for _ in 0..<23 { _ = try spawn() }
        var received = Received()
        try received.drain(connector)
        for (_, events) in Dictionary(grouping: received.events, by: \.processor) {
            let numbers = events.map(\.sequence)
            #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $1 &- $0 >= 1 && $1 &- $0 < 1 << 20 })
        }
    }

    @Test(arguments: [true, false])
    func threadsAreDroppedInTheKernel(registrationFilter: Bool) throws {
        let connector = try ProcConnector(.lifecycle, registrationFilter: registrationFilter)
        for _ in 0..<23 {
            var thread = pthread_t()
            try #require(pthread_create(&thread, nil, { _ in nil }, nil) == 0)
            pthread_join(thread, nil)
        }
        // Something that must come, so that silence means what it should.
        let child = clinux_make_and_reap_child()
        var received = Received()
        try received.drain(connector)
        #expect(received.pids(.fork, of: [child]) == [child])
        // The parser would count an event of a thread among these.
        #expect(received.others == 0)
        #expect(!received.events.contains { $0.pid == getpid() && $0.kind != .exec })
    }

    @Test(arguments: [true, false])
    func execsOnly(registrationFilter: Bool) throws {
        let connector = try ProcConnector(.execOnly, registrationFilter: registrationFilter)
        var pids: Set<Int32> = []
        for _ in 0..<23 { pids.insert(try spawn()) }
        for _ in 0..<23 { _ = clinux_make_and_reap_child() }
        var received = Received()
        try received.drain(connector)
        #expect(received.pids(.exec, of: pids) == pids.sorted())
        #expect(received.events.allSatisfy { $0.kind == .exec })
        #expect(received.others == 0)
    }

    /// More than the buffer holds: the kernel says so, and tells what comes afterwards.
    @Test func overrunIsReportedAndReceivingGoesOn() throws {
        let connector = try ProcConnector(.lifecycle, receiveBuffer: 4096)
        for _ in 0..<101 { _ = clinux_make_and_reap_child() }
        var received = Received()
        try received.drain(connector)
        #expect(received.overruns >= 1)
        #expect(received.events.count < 202)
        let overruns = received.overruns
        let child = clinux_make_and_reap_child()
        try received.drain(connector)
        #expect(received.pids(.fork, of: [child]) == [child])
        #expect(received.overruns == overruns)
    }

    @Test(arguments: [true, false])
    func deliveryIsProven(registrationFilter: Bool) throws {
        let connector = try ProcConnector(.lifecycle, registrationFilter: registrationFilter)
        // Events that wait already do not hide the one that it waits for.
        for _ in 0..<23 { _ = clinux_make_and_reap_child() }
        let isProven = connector.provesDelivery()
        #expect(isProven)
    }

    /// A listener to whom no forks are reported must not think that they are.
    @Test func deliveryIsNotProvenByOtherEvents() throws {
        let connector = try ProcConnector(.execOnly)
        let isProven = connector.provesDelivery()
        #expect(!isProven)
    }

    @Test func listenersAreIndependent() throws {
        let first = try ProcConnector(.lifecycle)
        let child: Int32
        do {
            let second = try ProcConnector(.execOnly)
            child = try spawn()
            var received = Received()
            try received.drain(second)
            #expect(received.pids(.exec, of: [child]) == [child])
            #expect(received.pids(.fork, of: [child]) == [])
        }
        // The end of one listener is not the end of the other.
        let later = try spawn()
        var received = Received()
        try received.drain(first)
        for pid in [child, later] { #expect(received.pids(.fork, of: [pid]) == [pid]) }
    }

    @Test func socketClosesOnExecAndDoesNotBlock() throws {
        let connector = try ProcConnector(.lifecycle)
        #expect(fcntl(connector.number, F_GETFD) & FD_CLOEXEC != 0)
        #expect(fcntl(connector.number, F_GETFL) & O_NONBLOCK != 0)
    }

    @Test func receivedBytesComeBehindWhatTheBufferHolds() throws {
        let connector = try ProcConnector(.lifecycle)
        _ = clinux_make_and_reap_child()
        var buffer: [UInt8] = [1, 2, 3]
        var ranges: [Range<Int>] = []
        while case .datagram(let range) = try connector.receive(appendingTo: &buffer) { ranges.append(range) }
        #expect(buffer.starts(with: [1, 2, 3]))
        #expect(ranges.count >= 2)
        #expect(ranges.first?.lowerBound == 3)
        #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
        #expect(ranges.last?.upperBound == buffer.count)
    }
}
