import CLinux
import Glibc
import SystemCalls
import Testing

@testable import TracepointRing

/// Processors that go offline and come online, as the kernel words it.
@Suite struct ProcessorEventsTests {
    private func message(_ head: String) -> [UInt8] {
        Array("\(head)\0ACTION=online\0DEVPATH=/devices/system/cpu/cpu1\0SUBSYSTEM=cpu\0SEQNUM=2305\0".utf8)
    }

    @Test(
        arguments: [
            ("online@/devices/system/cpu/cpu1", ProcessorEvents.Event.online(1)),
            ("offline@/devices/system/cpu/cpu127", .offline(127)),
            ("online@/devices/system/cpu/cpu0", .online(0)),
        ])
    func understood(head: String, event: ProcessorEvents.Event) {
        #expect(ProcessorEvents.parse(message(head)) == event)
    }

    @Test(
        arguments: [
            "", "@", "online@", "add@/devices/system/cpu/cpu1", "online@/devices/system/memory/memory1",
            "online@/devices/system/cpu/cpu", "online@/devices/system/cpu/cpu1/x",
            "online@/devices/system/cpu/cpu-1",
            "online@/devices/system/cpu/cpu999999", "online@/devices/system/cpu/cpu99999999999",
        ])
    func notUnderstood(head: String) {
        #expect(ProcessorEvents.parse(message(head)) == nil)
        #expect(ProcessorEvents.parse(Array(head.utf8)) == nil)
    }

    @Test func nothingWaitsAtFirst() throws {
        let events = try ProcessorEvents()
        #expect(events.next().isEmpty)
    }

    /// A processor that was away: its ring is opened anew, and nothing of the old one is lost.
    @Test(.enabled(if: isRoot, "needs root: perf events of every process"))
    func reopenedRing() throws {
        var processors = cpu_set_t()
        sched_getaffinity(0, MemoryLayout<cpu_set_t>.size, &processors)
        let server = Loopback(AF_INET)
        let filter = "sport == \(server.port) || dport == \(server.port)"
        var rings = try TracepointRings(
            Tracepoint(group: "sock", name: "inet_sock_set_state", filter: filter), pages: 16)
        let numbers = rings.numbers
        var buffer: [UInt8] = []
        var connections = RigidList()
        for _ in 0..<23 { connections.append(server.connect()) }
        // Every one, since these connections may be on any.
        let reopened = try rings.reopenAll(drainingInto: &buffer)
        #expect(reopened.map(\.old) == numbers)
        #expect(rings.numbers == reopened.map(\.new))
        for _ in 0..<29 { connections.append(server.connect()) }
        rings.drain(appendingTo: &buffer)
        var starts = 0
        let layout = try TransitionLayout(rings.format)
        try TracepointRings.parse(buffer.span.bytes, layout: layout) {
            if $0.oldState == .close && $0.newState == .synSent { starts += 1 }
        } lost: { _ in
        }
        #expect(starts == 52)
        #expect(try rings.lost() == 0)
    }
}
