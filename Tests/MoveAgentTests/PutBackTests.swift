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
                }())
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
            "user_timeout", "defer_accept", "congestion",
        ] {
            let changed = whole.replacingOccurrences(of: "\"\(member)\":", with: "\"x\":")
            #expect(changed != whole, "\(member)")
            #expect(PutBack(try JSONValue(parsing: changed)) == nil, "\(member)")
            count += 1
        }
        #expect(count == 12)
        for (old, new) in [
            ("\"thread\":7", "\"thread\":0"), ("\"thread\":7", "\"thread\":-1"),
            ("\"thread\":7", "\"thread\":2147483648"),
            ("[0,0,128]", "[0,256]"), ("[0,0,128]", "[-1]"), ("[0,0,128]", "[\"0\"]"), ("[0,0,128]", "7"),
            ("\"io_priority\":16390", "\"io_priority\":65536"),
            ("\"timer_slack\":12345", "\"timer_slack\":-5"),
            ("\"process\":7", "\"process\":0"), ("\"descriptor\":0", "\"descriptor\":-1"),
            ("\"user_timeout\":2147483647", "\"user_timeout\":2147483648"),
            ("\"defer_accept\":3", "\"defer_accept\":-3"),
            ("\"reno\"", "\"reno567890123456\""),
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
