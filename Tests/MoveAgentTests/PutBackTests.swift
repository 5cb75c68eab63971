import CLinux
import Foundation
import Glibc
import Procfs
import Records
import SystemCalls
import TestSupport
import Testing

@testable import MoveAgent

/// What is set again behind a restore.
@Suite("Put back", .serialized)
struct PutBackTests {
    private let some = PutBack(
        threads: [
            .init(number: 7, processors: [0, 0, 128], ioPriority: 2 << 13 | 6, timerSlack: 12_345),
            .init(number: .max, processors: [], ioPriority: .max, timerSlack: .max),
        ],
        sockets: [
            .init(
                process: 7, descriptor: 0,
                options: {
                    var options = StreamOptions()
                    (options.userTimeout, options.deferAccept, options.congestion) = (.max, 3, "reno")
                    return options
                }()),
            .init(
                process: 8, descriptor: 5,
                memberships: [
                    .init(
                        interface: "eth0", group: [232, 1, 1, 1], isOfSources: true,
                        sources: [[10, 0, 0, 1], [10, 0, 0, 2]]),
                    .init(
                        interface: "abcdefghijklmno",
                        group: [0xff, 0x15] + [UInt8](repeating: 0, count: 13) + [9]),
                ]),
        ])

    @Test func isWhatItWasWritten() throws {
        let read = try #require(PutBack(some.value))
        #expect(read == some)
        #expect(PutBack(PutBack().value) == PutBack())
    }

    /// By the other host: each member missing, of another type, or out of its range.
    @Test func whatIsNoneIsRefused() throws {
        #expect(PutBack(.null) == nil && PutBack(.object([])) == nil && PutBack(.array([])) == nil)
        let whole = String(decoding: AgentLink.bytes(some.value), as: UTF8.self)
        #expect(try PutBack(JSONValue(parsing: whole)) == some)
        var count = 0
        for member in [
            "threads", "sockets", "thread", "processors", "io_priority", "timer_slack", "process",
            "descriptor", "options",
            "user_timeout", "defer_accept", "congestion", "memberships", "interface", "group", "of_sources",
            "sources",
        ] {
            let changed = whole.replacingOccurrences(of: "\"\(member)\":", with: "\"x\":")
            #expect(changed != whole, "\(member)")
            #expect(PutBack(try JSONValue(parsing: changed)) == nil, "\(member)")
            count += 1
        }
        #expect(count == 17)
        for (old, new) in [
            ("\"thread\":7", "\"thread\":0"), ("\"thread\":7", "\"thread\":-1"),
            ("\"thread\":7", "\"thread\":2147483648"),
            ("[0,0,128]", "[0,256]"), ("[0,0,128]", "[-1]"), ("[0,0,128]", "[\"0\"]"), ("[0,0,128]", "7"),
            ("\"io_priority\":16390", "\"io_priority\":65536"),
            ("\"timer_slack\":12345", "\"timer_slack\":-5"),
            ("\"process\":7", "\"process\":0"), ("\"descriptor\":0", "\"descriptor\":-1"),
            ("\"user_timeout\":2147483647", "\"user_timeout\":2147483648"),
            ("\"defer_accept\":3", "\"defer_accept\":-3"),
            ("\"reno\"", "\"reno567890123456\""), ("\"eth0\"", "\"\""),
            ("\"abcdefghijklmno\"", "\"abcdefghijklmnop\""), ("[232,1,1,1]", "[232,1,1]"),
            ("[232,1,1,1]", "[232,1,1,256]"), ("\"of_sources\":true", "\"of_sources\":1"),
            ("[10,0,0,2]", "[10,0,0,2,0]"), ("[10,0,0,2]", "[\(String(repeating: "1,", count: 15))1]"),
        ] {
            let changed = whole.replacingOccurrences(of: old, with: new)
            #expect(changed != whole, "\(old)")
            #expect(PutBack(try JSONValue(parsing: changed)) == nil, "\(new)")
        }
    }

    /// Of a thread and a socket of this process itself.
    @Test(.privileged) func ofThisProcess() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var options = StreamOptions()
        (options.userTimeout, options.deferAccept, options.congestion) = (70_001, 3, "reno")
        try options.set(on: listener)
        #expect(StreamOptions(of: listener) == options)
        var sockets: [Int32] = [0, 0]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &sockets) == 0)
        defer { for number in sockets { close(number) } }
        #expect(StreamOptions(of: sockets[0]) == nil)

        // Everything by a thread of its own, which ends with what it had.
        final class Outcome: @unchecked Sendable {
            var read: PutBack?
            var number: Int32 = 0
            var again: [Bool] = []
            var failure: String?
        }
        let outcome = Outcome()
        let thread = Thread {
            outcome.number = gettid()
            let slack = "/proc/\(outcome.number)/timerslack_ns"
            clinux_set_io_priority(outcome.number, 2 << 13 | 6)
            try? write("12345", to: slack)
            outcome.read = PutBack(of: [getpid()], congestion: "another")
            clinux_set_io_priority(outcome.number, 0)
            try? write("50000", to: slack)
            do {
                let own = outcome.read.map { read in
                    PutBack(
                        threads: read.threads.filter { $0.number == outcome.number },
                        sockets: read.sockets.filter { $0.descriptor == listener })
                }
                try StreamOptions().set(on: listener)
                try own?.set(in: "/proc")
            } catch { outcome.failure = "\(error)" }
            outcome.again = [
                clinux_io_priority(outcome.number) == 2 << 13 | 6,
                ProcessDirectory(outcome.number)?.timerSlack() == 12_345,
            ]
            outcome.number = -outcome.number
        }
        thread.start()
        let isOver: Bool? = eventually(within: 20) { outcome.number < 0 ? true : nil }
        #expect(isOver == true && outcome.failure == nil, "\(outcome.failure ?? "")")
        #expect(outcome.again == [true, true])
        let read = try #require(outcome.read)
        let own = try #require(read.threads.first { $0.number == -outcome.number })
        #expect(own.ioPriority == 2 << 13 | 6 && own.timerSlack == 12_345 && own.processors.isEmpty)
        #expect(read.sockets.first { $0.descriptor == listener }?.options == options)
        // Where a socket has what sockets have by themselves, nothing is written down.
        #expect(
            PutBack(of: [getpid()], congestion: "reno").sockets.first { $0.descriptor == listener }?.options
                .congestion == "")
    }

    /// Each kind of membership, of a socket of this process, at the loopback.
    @Test func membershipsInGroups() throws {
        let six: [UInt8] = [0xff, 0x15] + [UInt8](repeating: 7, count: 14)
        let peer: [UInt8] = [0xfd] + [UInt8](repeating: 1, count: 15)
        let all: [MulticastMembership] = [
            .init(interface: "lo", group: [239, 7, 7, 7]),
            .init(interface: "lo", group: [239, 7, 7, 8], sources: [[10, 0, 0, 9]]),
            .init(
                interface: "lo", group: [232, 7, 7, 7], isOfSources: true,
                sources: [[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 0, 3]]),
            .init(interface: "lo", group: six),
            .init(interface: "lo", group: six.dropLast() + [8], isOfSources: true, sources: [peer]),
        ]
        func datagrams(_ family: Int32) -> Int32 { socket(family, Int32(SOCK_DGRAM.rawValue), 0) }
        let four = datagrams(AF_INET)
        let both = datagrams(AF_INET6)
        let again = datagrams(AF_INET6)
        let none = datagrams(AF_INET6)
        defer { for number in [four, both, again, none] { close(number) } }
        for membership in all[..<3] { try membership.join(on: four) }
        // A socket of IPv6 may be in groups of IPv4 as well.
        for membership in all { try membership.join(on: both) }
        let read = PutBack(of: [getpid()], congestion: "")
        func found(_ number: Int32) -> [MulticastMembership] {
            (read.sockets.first { $0.descriptor == number }?.memberships ?? [])
                .sorted { $0.group.lexicographicallyPrecedes($1.group) }
        }
        let sorted = all.sorted { $0.group.lexicographicallyPrecedes($1.group) }
        #expect(found(four) == sorted.filter { $0.group.count == 4 })
        #expect(found(both) == sorted && found(none) == [])
        // A second time, as by whoever shares the socket, is no error; elsewhere it is the same.
        for membership in all { try membership.join(on: both) }
        for membership in found(both) { try membership.join(on: again) }
        let groups = ProcessDirectory(getpid())?.multicastGroups() ?? []
        #expect(
            MulticastMembership.all(of: again, among: groups).sorted {
                $0.group.lexicographicallyPrecedes($1.group)
            } == sorted)
        #expect(
            PutBack(of: [getpid()], congestion: "", losing: ["multicast"]).sockets.allSatisfy {
                $0.memberships.isEmpty
            })
        // At a host that has not the interface.
        let nowhere = PutBack(sockets: [
            .init(
                process: getpid(), descriptor: again,
                memberships: [.init(interface: "none0", group: [239, 7, 7, 7])])
        ])
        #expect { try nowhere.set(in: "/proc") } throws: {
            "\($0)".contains("(239.7.7.7 at none0): if_nametoindex")
        }
    }

    @Test func whatCannotBeSetIsSaid() {
        // Of processors that are none of this machine's.
        let nowhere = PutBack(threads: [
            .init(number: gettid(), processors: [UInt8](repeating: 0, count: 1023) + [1])
        ])
        #expect(throws: MoveError.self) { try nowhere.set(in: "/proc") }
        // What has ended has nothing to be set.
        #expect(throws: Never.self) {
            try PutBack(
                threads: [.init(number: .max, processors: [1])],
                sockets: [.init(process: .max, descriptor: 3, options: StreamOptions())]
            ).set(in: "/proc")
        }
    }
}
