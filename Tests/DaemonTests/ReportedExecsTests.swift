import Glibc
import Observation
import SystemCalls
import Testing
import TracepointRing

@testable import Daemon

/// What the kernel reports of execs, brought together with their events.
@Suite struct ReportedExecsTests {
    /// A kernel that reports what it is told to.
    private final class Kernel: ExecReporting {
        var execs: [ExecReport] = []
        var namespaces: [NamespaceReport] = []
        var lost: UInt64? = 0
        var failsToOpen = false
        var hasNamespaces = true
        let filled = try! EventDescriptor()

        func drain(
            _ buffer: inout [UInt8], exec: (ExecReport) -> Void, namespaces body: (NamespaceReport) -> Void
        ) {
            execs.forEach(exec)
            namespaces.forEach(body)
            execs.removeAll()
            namespaces.removeAll()
        }

        func follow(processor: Int32?) throws(TracepointError) {}
        var number: Int32 { filled.number }

        func executes(_ process: Int32, _ path: String, at time: UInt64, group: UInt64 = 5) {
            execs.append(ExecReport(time: time, process: process, group: group, path: Array(path.utf8)))
        }

        func joins(
            _ process: Int32, thread: Int32? = nil, _ mount: UInt64, _ network: UInt64, at time: UInt64
        ) {
            namespaces.append(
                NamespaceReport(
                    time: time, process: process, thread: thread ?? process, mount: mount, network: network))
        }
    }

    private let kernel = Kernel()
    private let reported: ReportedExecs

    init() throws {
        reported = try ReportedExecs(ownMounts: 1) { [kernel] (withNamespaces) throws(TracepointError) in
            if kernel.failsToOpen { throw .undefined }
            kernel.hasNamespaces = withNamespaces
            return kernel
        }
    }

    private func exec(_ pid: Int32, at time: UInt64) -> LifecycleEvent {
        LifecycleEvent(.exec, pid: pid, time: time)
    }

    private func paths(_ events: [LifecycleEvent]) -> [String?] {
        reported.take(for: events).map { $0.map { String(decoding: $0.path, as: UTF8.self) } }
    }

    /// A report is a moment older than its event, and another process's is none of it.
    @Test func eachEventHasItsOwn() {
        kernel.executes(7, "/bin/a", at: 10)
        kernel.executes(8, "/bin/b", at: 11)
        kernel.executes(7, "/bin/c", at: 20)
        let fork = LifecycleEvent(.fork, pid: 7, parent: 1, time: 9)
        #expect(
            paths([fork, exec(7, at: 12), exec(8, at: 13), exec(9, at: 14), exec(7, at: 22)])
                == [nil, "/bin/a", "/bin/b", nil, "/bin/c"])
    }

    /// The ring may be read before the event is there, and an event may be lost.
    @Test func whatComesEarlyWaits() {
        kernel.executes(7, "/bin/a", at: 10)
        kernel.executes(7, "/bin/b", at: 20)
        #expect(paths([exec(7, at: 12)]) == ["/bin/a"])
        #expect(paths([exec(7, at: 21)]) == ["/bin/b"])
        kernel.executes(7, "/bin/c", at: 30)
        kernel.executes(7, "/bin/d", at: 40)
        // That of the one before never came.
        #expect(paths([exec(7, at: 41)]) == ["/bin/d"])
        #expect(paths([exec(7, at: 50)]) == [nil])
    }

    /// What a process joined before its exec is where that runs; what it joins later is not.
    @Test func namespacesAreThoseOfTheMoment() {
        kernel.joins(7, 1, 2, at: 5)
        kernel.executes(7, "/bin/a", at: 10)
        kernel.joins(7, 1, 3, at: 15)
        kernel.executes(7, "/bin/b", at: 20)
        kernel.joins(7, 4, 3, at: 25)
        let found = reported.take(for: [exec(7, at: 11), exec(7, at: 21)])
        #expect(found[0]?.place?.network == 2 && found[1]?.place?.network == 3)
        #expect(found[1]?.place?.mount == 1)
        let seven = ReportedExecs.Members(first: 7, last: 7)
        #expect(reported.takeOthers() == [4: seven] && reported.takeOthers().isEmpty)
        #expect(reported.takeNetworks() == [2: seven, 3: seven] && reported.takeNetworks().isEmpty)
    }

    /// Of a namespace it is kept who came first, and may stay, and who came last.
    @Test func membersOfANamespace() {
        for (index, pid) in [7, 8, 9].enumerated() { kernel.joins(Int32(pid), 4, 1, at: UInt64(index) * 10) }
        _ = reported.take(for: [])
        #expect(reported.takeOthers() == [4: .init(first: 7, last: 9)])
    }

    /// A process that was there before is in namespaces that nobody knows, and so is one that has a thread elsewhere.
    @Test func whatIsNotKnownIsNotSaid() {
        kernel.executes(7, "/bin/a", at: 10)
        #expect(reported.take(for: [exec(7, at: 11)])[0]?.place == nil)
        kernel.joins(8, 1, 2, at: 12)
        kernel.joins(8, thread: 9, 1, 2, at: 13)
        kernel.executes(8, "/bin/a", at: 14)
        #expect(reported.take(for: [exec(8, at: 15)])[0]?.place?.network == 2)
        kernel.joins(8, thread: 10, 1, 3, at: 16)
        kernel.executes(8, "/bin/a", at: 17)
        #expect(reported.take(for: [exec(8, at: 18)])[0]?.place == nil)
    }

    /// What was lost may have been a change.
    @Test func lossIsForgetting() {
        kernel.joins(7, 1, 2, at: 5)
        _ = reported.take(for: [])
        kernel.lost = 3
        kernel.executes(7, "/bin/a", at: 10)
        #expect(reported.take(for: [exec(7, at: 11)])[0]?.place == nil)
        kernel.joins(7, 1, 2, at: 12)
        kernel.executes(7, "/bin/a", at: 13)
        #expect(reported.take(for: [exec(7, at: 14)])[0]?.place != nil)
    }

    /// The number is given again, and the former life's end may be read in the same batch.
    @Test func anEndIsThatOfOneLife() {
        kernel.joins(7, 1, 2, at: 5)
        _ = reported.take(for: [LifecycleEvent(.exit, pid: 7, time: 8)])
        kernel.executes(7, "/bin/a", at: 10)
        #expect(reported.take(for: [exec(7, at: 11)])[0]?.place == nil)
        kernel.joins(7, 1, 2, at: 20)
        _ = reported.take(for: [LifecycleEvent(.exit, pid: 7, time: 18)])
        kernel.executes(7, "/bin/a", at: 22)
        #expect(reported.take(for: [exec(7, at: 23)])[0]?.place != nil)
    }

    /// What was executed later and no batch has worked off yet, the exec that is asked about not among it.
    @Test func whoHasGoneOnIsKnown() {
        kernel.executes(7, "/bin/a", at: 10)
        #expect(reported.take(for: [exec(7, at: 12)])[0] != nil)
        #expect(!reported.hasExecuted(7, after: 12))
        kernel.executes(7, "/bin/b", at: 20)
        #expect(reported.waiting(7, after: 12, until: 30) == nil)
        #expect(reported.hasExecuted(7, after: 12) && !reported.hasExecuted(8, after: 12))
        #expect(reported.waiting(7, after: 12, until: 20)?.time == 20)
        #expect(reported.waiting(7, after: 12, until: 19) == nil)
        #expect(reported.waiting(7, after: 20, until: 30) == nil)
    }

    // MARK: What the reports cost

    private static let second: UInt64 = 1_000_000_000

    private func makes(_ threads: Int, at time: UInt64) {
        for number in 0..<threads { kernel.joins(7, thread: Int32(1000 + number), 1, 2, at: time) }
        reported.drain()
        reported.weigh(at: time)
    }

    /// Programs that are started, each by a fork of its own, may be as many as they like; a shell forks twice for some.
    @Test func whatExecutesSomethingIsWorthItsReport() {
        var (now, pid) = (Self.second, Int32(10))
        for _ in 0..<1000 {
            for _ in 0..<10 {
                kernel.joins(pid, 1, 2, at: now)
                kernel.joins(pid + 1, 1, 2, at: now)
                kernel.executes(pid, "/bin/a", at: now)
                pid += 2
            }
            reported.drain()
            reported.weigh(at: now)
            now += Self.second / 100
        }
        #expect(reported.isReliable && reported.pauses == 0)
    }

    /// The fork's report may be read before that of the exec.
    @Test func anExecPaysForTheForkBeforeIt() {
        for round in 0..<5000 {
            let now = Self.second + UInt64(round) * 1_000_000
            if round % 2 == 0 {
                kernel.joins(7, 1, 2, at: now)
            } else {
                kernel.executes(7, "/bin/a", at: now)
            }
            reported.drain()
            reported.weigh(at: now)
        }
        #expect(reported.isReliable && reported.pauses == 0)
    }

    /// Few threads are borne, and many end the reports of namespaces; what is executed in the moment behind that is still handed
    /// over with them.
    @Test func manyThreadsAreTooDear() {
        var now = Self.second
        for _ in 0..<100 {
            makes(90, at: now)
            now += Self.second
        }
        #expect(reported.isReliable)
        makes(700, at: now)
        #expect(kernel.hasNamespaces && !reported.isReliable && reported.pauses == 1)
        kernel.executes(7, "/bin/a", at: now + 1)
        #expect(paths([exec(7, at: now + 2)]) == ["/bin/a"])
        kernel.joins(8, 1, 2, at: now + 3)
        makes(700, at: now + Self.second / 50)
        #expect(kernel.hasNamespaces)
        makes(0, at: now + Self.second + 1)
        #expect(!kernel.hasNamespaces && reported.pauses == 1)
        // What is executed is reported as ever, its group with it; where it runs is not known.
        kernel.executes(8, "/bin/a", at: now + Self.second + 2, group: 6)
        let found = reported.take(for: [exec(8, at: now + Self.second + 3)])
        #expect(found[0]?.group == 6 && found[0]?.place == nil)
    }

    /// They are opened again after five seconds, which are ten, twenty and so on where that does not last; where a process is
    /// that was not reported meanwhile is not known.
    @Test func theReportsComeBack() {
        kernel.joins(8, 1, 2, at: 1)
        var now = Self.second
        for pause in [5, 10, 20] {
            makes(700, at: now)
            makes(0, at: now + 2 * Self.second)
            #expect(!kernel.hasNamespaces)
            makes(0, at: now + UInt64(pause) * Self.second - 1)
            #expect(!kernel.hasNamespaces && !reported.isReliable)
            now += UInt64(pause) * Self.second
            makes(0, at: now)
            #expect(kernel.hasNamespaces && reported.isReliable)
        }
        kernel.executes(8, "/bin/a", at: now)
        let found = reported.take(for: [exec(8, at: now + 1)])
        #expect(found[0] != nil && found[0]?.place == nil)
    }

    @Test func whatCannotBeOpenedIsTriedAgain() {
        makes(700, at: Self.second)
        kernel.failsToOpen = true
        makes(0, at: 3 * Self.second)
        #expect(!reported.isOpen)
        makes(0, at: 7 * Self.second)
        #expect(!reported.isOpen && !reported.isReliable)
        kernel.failsToOpen = false
        makes(0, at: 8 * Self.second)
        #expect(!reported.isOpen)
        makes(0, at: 12 * Self.second)
        #expect(reported.isOpen && reported.isReliable)
    }

    /// While others are opened both rings have the same exec, each with a time of its own.
    @Test func whatTwoRingsHaveIsOne() {
        makes(700, at: Self.second)
        kernel.executes(7, "/bin/a", at: 3 * Self.second - 5)
        makes(0, at: 3 * Self.second)
        kernel.executes(7, "/bin/a", at: 3 * Self.second - 4)
        let found = reported.take(for: [exec(7, at: 3 * Self.second)])
        #expect(found[0] != nil && !reported.hasExecuted(7, after: 3 * Self.second - 6))
    }

    /// What a ring had no room for was many.
    @Test func lossIsWeighed() {
        kernel.lost = 700
        makes(0, at: Self.second)
        #expect(!reported.isReliable)
    }

    /// Rings that fill wake whoever waits, also those that are opened later.
    @Test func ringsThatFillWake() {
        let number = reported.number
        func isReadable() -> Bool {
            var poll = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            return Glibc.poll(&poll, 1, 0) == 1
        }
        #expect(!isReadable())
        kernel.filled.raise()
        #expect(isReadable())
    }
}
