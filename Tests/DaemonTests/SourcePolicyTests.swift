import Glibc
import Observation
import SystemCalls
import Testing
import TracepointRing

@testable import Daemon

/// What follows when a source fails, for every error that a system call may have: one loss each, after three running
/// a named mode with attempts ever further apart, and nothing that ends the daemon.
@Suite struct SourcePolicyTests {
    /// All of Linux's errors.
    static let errors: ClosedRange<Int32> = 1...133
    private static let second: UInt64 = 1_000_000_000

    private let script = KernelScript()

    /// A source of the script, its name, and what some errors mean there other than that it does not work.
    private struct Source {
        var name: String
        var queue: ReferenceWritableKeyPath<KernelScript, KernelScript.Queue>
        var harmless: Set<Int32> = [EINTR, EAGAIN]
        var overrun: Set<Int32> = []
    }

    private static var sources: [Source] {
        [
            Source(name: SourceName.files, queue: \.files),
            Source(name: SourceName.processes, queue: \.processes, overrun: [ENOBUFS, ENOSPC]),
            Source(name: SourceName.sockets, queue: \.notices, overrun: [ENOBUFS]),
        ]
    }

    private func drain(
        _ sources: inout ScriptedSources, after: UInt64 = 10_000_000
    ) -> (losses: [Loss], modeChanged: Bool) {
        script.now += after
        var batch = EventBatch()
        let drained = sources.drain(into: &batch, nil)
        return (drained.losses, drained.modeChanged)
    }

    @Test func oneFailureIsALossAndNoMore() throws {
        var live = try ScriptedSources(script)
        for source in Self.sources {
            for code in Self.errors {
                script[keyPath: source.queue].failures = [code]
                let first = drain(&live)
                if source.harmless.contains(code) {
                    #expect(first.losses == [], "\(source.name) \(code)")
                } else {
                    let cause = source.overrun.contains(code) ? "ENOBUFS" : SystemError.text(of: code)
                    #expect(first.losses == [Loss(source: source.name, cause: cause, count: nil)])
                }
                #expect(!first.modeChanged)
                // It is read again at once, and that was all.
                let calls = script[keyPath: source.queue].calls
                #expect(drain(&live).losses == [])
                #expect(script[keyPath: source.queue].calls == calls + 1)
                #expect(live.failing.isEmpty)
            }
        }
        #expect(script.files.reopened == [] && script.processes.reopened == [])
    }

    @Test func twoFailuresAndOneReadAreTwoLosses() throws {
        var live = try ScriptedSources(script)
        for source in Self.sources {
            for _ in 0..<5 {
                script[keyPath: source.queue].failures = [EIO]
                #expect(drain(&live).losses.count == 1)
                script[keyPath: source.queue].failures = [EIO]
                #expect(drain(&live).losses.count == 1)
                #expect(drain(&live).losses == [])
            }
        }
        #expect(live.failing.isEmpty)
    }

    /// The pauses are 1, 2, 4, 8, 16, 32, 60, 60 … seconds, whatever the error is.
    @Test func threeFailuresRunningAreAMode() throws {
        for source in Self.sources {
            for code in Self.errors
            where !source.harmless.contains(code) && !source.overrun.contains(code) {
                for source in Self.sources { script[keyPath: source.queue] = KernelScript.Queue() }
                var live = try ScriptedSources(script)
                script[keyPath: source.queue].standingFailure = code
                script[keyPath: source.queue].reopenFailure = code
                #expect(drain(&live).modeChanged == false)
                #expect(drain(&live).modeChanged == false)
                let third = drain(&live)
                #expect(third.modeChanged && third.losses.count == 1)
                #expect(live.failing.map(\.source) == [source.name])
                #expect(live.failing.first?.health.since == script.wall)
                let begun = script.now
                let calls = script[keyPath: source.queue].calls
                for _ in 0..<9 {
                    let retry = try #require(live.failing.first?.health.retryTime)
                    let attempts = script[keyPath: source.queue].reopened.count
                    // Its gap is open: what fails now is no further loss.
                    #expect(drain(&live, after: retry - 1 - script.now) == ([], false))
                    #expect(script[keyPath: source.queue].reopened.count == attempts)
                    #expect(drain(&live, after: 1) == ([], false))
                }
                // It is not even read until it could be opened.
                #expect(script[keyPath: source.queue].calls == calls)
                let pauses = zip(
                    script[keyPath: source.queue].reopened,
                    [begun] + script[keyPath: source.queue].reopened
                ).map { ($0 - $1) / Self.second }
                #expect(pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60], "\(source.name) \(code)")
                // The others were read all the while.
                for other in Self.sources where other.name != source.name {
                    #expect(script[keyPath: other.queue].reopened == [])
                }
                script[keyPath: source.queue].reopenFailure = nil
                let again = drain(&live, after: 60 * Self.second)
                #expect(again == ([], true))
                #expect(live.failing.isEmpty)
                // What fails later is a first failure again.
                script[keyPath: source.queue].failures = [code]
                #expect(drain(&live).losses.count == 1)
                #expect(live.failing.isEmpty)
            }
        }
    }

    /// A queue that goes on failing although it could be opened anew is left alone as well.
    @Test func whatFailsRightAfterItWasOpenedIsGivenUpAgain() throws {
        var live = try ScriptedSources(script)
        for _ in 0..<3 {
            script.files.failures = [EIO]
            _ = drain(&live)
        }
        script.files.failures = [EIO]
        #expect(drain(&live, after: Self.second) == ([], false))
        #expect(script.files.reopened.count == 1)
        #expect(drain(&live, after: Self.second) == ([], false))
        #expect(script.files.reopened.count == 1)
        #expect(drain(&live, after: Self.second) == ([], true))
        #expect(script.files.reopened.count == 2)
    }

    @Test func aQueueThatCannotBeAskedHowLongItIs() throws {
        let event = Recording.fileEvent(
            Recording.open, 100, 1, "x" + String(repeating: "\0", count: 60_000))
        let piece = Array(repeatElement(event, count: 18).joined())
        for code in Self.errors {
            let script = KernelScript()
            var live = try ScriptedSources(script)
            script.waitingFailure = code
            script.files.waiting = [piece]
            script.now += 1
            var batch = EventBatch()
            let drained = live.drain(into: &batch, nil)
            #expect(drained.losses.map(\.source) == [SourceName.files])
            // What was read is not thrown away.
            #expect(batch.files.count == 18)
        }
    }

    /// Where the kernel does not bound the queue the reader does, and reports it as the kernel would.
    @Test func aQueueBeyondItsBound() throws {
        let event = Recording.fileEvent(
            Recording.open, 100, 1, "x" + String(repeating: "\0", count: 60_000))
        let script = KernelScript()
        var live = try ScriptedSources(script)
        script.fileQueueBound = 20
        for (waiting, read, dropped) in [(100, 20, [98]), (2, 20, []), (3, 20, [1])] as [(Int, Int, [Int])] {
            script.files.waiting = [Array(repeatElement(event, count: 18).joined()), event, event]
            script.waitingFileEvents = waiting
            script.dropped = []
            script.now += 1
            var batch = EventBatch()
            let drained = live.drain(into: &batch, nil)
            #expect(batch.files.count == read)
            #expect(script.dropped == dropped)
            #expect(
                drained.losses
                    == (dropped.isEmpty
                        ? [] : [Loss(source: SourceName.files, cause: "queue overflow", count: nil)]))
        }
    }

    // MARK: Rings

    /// The kernel's own count and the records tell of the same losses; where the count cannot be read the records do.
    @Test func ringsThatCannotBeAskedWhatTheyLost() throws {
        for code in Self.errors {
            let script = KernelScript()
            var live = try ScriptedSources(script)
            func drained(_ records: [UInt8]) -> [Loss] {
                script.records = records
                var batch = EventBatch()
                return live.drain(into: &batch, nil).losses
            }
            script.lostInRings = 5
            let lost = { (count: UInt64) in
                [Loss(source: SourceName.transitions, cause: "ring full", count: count)]
            }
            #expect(drained(Connections.records) == lost(5))
            script.lostFailure = code
            // The records have reported 3 so far, and now of 4 more, of which 2 were counted.
            #expect(drained(Connections.lost(4)) == lost(2))
            script.lostFailure = nil
            script.lostInRings = 7
            #expect(drained(Connections.lost(0)) == [])
        }
    }

    @Test func processorsThatComeAndGo() throws {
        var live = try ScriptedSources(script)
        script.processorEvents = [.offline(1), .online(1)]
        live.rings.followProcessors(now: script.now, wall: script.wall)
        #expect(script.followed == [1])
        // What happened there before its ring was open is lost.
        #expect(drain(&live).losses.map(\.cause) == ["a processor came online"])
        #expect(drain(&live).losses == [])
        script.processorEvents = [.overrun]
        live.rings.followProcessors(now: script.now, wall: script.wall)
        #expect(script.followed == [1, 0, 1])
        #expect(drain(&live).losses.count == 1)
        script.processorEvents = [.offline(1)]
        live.rings.followProcessors(now: script.now, wall: script.wall)
        #expect(drain(&live).losses == [])
        #expect(script.followed == [1, 0, 1])
    }

    /// The ring of a processor that comes online cannot be opened, for every error: it is tried again.
    @Test func processorsThatCannotBeFollowed() throws {
        for code in Self.errors {
            let script = KernelScript()
            var live = try ScriptedSources(script)
            for failure in [
                TracepointError.refused(SystemError("perf_event_open", code: code)),
                .unmapped(SystemError("mmap", code: code)), .system(SystemError("ioctl", code: code)),
            ] {
                script.ringFailures = [3: failure]
                script.processorEvents = [.online(3)]
                live.rings.followProcessors(now: script.now, wall: script.wall)
                var batch = EventBatch()
                let drained = live.drain(into: &batch, nil)
                if case .refused(let error) = failure, error.code == ENODEV {
                    // It has gone again.
                    #expect(live.rings.unseen.isEmpty && !drained.modeChanged)
                    continue
                }
                #expect(drained.modeChanged && drained.losses == [])
                #expect(live.rings.unseen.since == script.wall)
                var pauses: [UInt64] = []
                for _ in 0..<8 {
                    let retry = try #require(live.rings.unseen.retryTime)
                    pauses.append((retry - script.now) / Self.second)
                    script.now = retry - 1
                    #expect(!live.rings.unseen.isDue(script.now))
                    script.now = retry
                    live.rings.followProcessors(now: script.now, wall: script.wall)
                }
                #expect(pauses == [1, 2, 4, 8, 16, 32, 60, 60])
                script.ringFailures = [:]
                script.followed = []
                script.now = live.rings.unseen.retryTime!
                live.rings.followProcessors(now: script.now, wall: script.wall)
                #expect(script.followed == [3])
                let again = live.drain(into: &batch, nil)
                #expect(again.modeChanged && live.rings.unseen.isEmpty)
                #expect(again.losses.map(\.cause) == ["a processor came online"])
            }
        }
    }

    @Test func aProcessorThatIsNotSeenAndGoesIsForgotten() throws {
        var live = try ScriptedSources(script)
        script.ringFailures = [3: .unmapped(SystemError("mmap", code: ENOMEM))]
        script.processorEvents = [.online(3)]
        live.rings.followProcessors(now: script.now, wall: script.wall)
        #expect(!live.rings.unseen.isEmpty)
        script.processorEvents = [.offline(3)]
        live.rings.followProcessors(now: script.now, wall: script.wall)
        #expect(live.rings.unseen.isEmpty && live.rings.unseen.retryTime == nil)
    }

    /// What cannot be understood is a loss of the source that sent it, in the drain that read it.
    @Test func bytesThatAreNoEvents() throws {
        var live = try ScriptedSources(script)
        for source in Self.sources {
            script[keyPath: source.queue].waiting = [[1, 2, 3]]
            #expect(
                drain(&live).losses == [Loss(source: source.name, cause: "not understood", count: 1)])
        }
        #expect(drain(&live).losses == [])
    }
}
