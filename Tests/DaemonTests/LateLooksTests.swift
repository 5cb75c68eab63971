import Observation
import Testing

@testable import Daemon

/// Looks that ended when the process was about to be another program, or was it.
@Suite struct LateLooksTests {
    private static let pid: Int32 = 7
    private static let executed: UInt64 = 1_000_000_000
    private static let read = executed + 200_000
    private static let shell = "/usr/bin/dash"
    private static let script = "/srv/script"

    /// An exec that follows the look.
    private struct Next {
        /// Nanoseconds after the look; less than 0 for before.
        var after: Int64
        var leads: String?
        var pid = LateLooksTests.pid
        /// What was read after it.
        var look: ImageFacts?
    }

    private static func exec(_ name: String) -> ReportedExecs.Exec {
        ReportedExecs.Exec(path: Array(name.utf8), group: 0, place: nil)
    }

    private static func look(_ executable: String, script: String? = nil) -> ImageFacts {
        var look = ImageFacts(
            pid: pid, time: executed, executable: Array(executable.utf8),
            script: script.map { Array($0.utf8) })
        look.readAt = read
        return look
    }

    /// Whether a look is late after which another exec follows, whether that is in the batch or not.
    ///
    /// - Parameter leads: where the path leads that was executed.
    private func isLate(
        _ look: ImageFacts, leads: String?, isReported: Bool = true, _ next: Next
    ) -> Bool {
        let results = [true, false].map { isInBatch in
            let time = UInt64(Int64(Self.read) + next.after)
            var events = [LifecycleEvent(.exec, pid: Self.pid, parent: 0, time: Self.executed)]
            var known: [ReportedExecs.Exec?] = [isReported ? Self.exec("first") : nil]
            if isInBatch {
                events.append(LifecycleEvent(.exec, pid: next.pid, parent: 0, time: time))
                known.append(Self.exec("next"))
            }
            let looks = LateLooks(events, known) { pid, after, until in
                guard !isInBatch, pid == next.pid, time > after, time <= until else { return nil }
                return LateLooks.Exec(time: time, reported: Self.exec("next"))
            } lead: { exec in
                (exec.path == Self.exec("first").path ? leads : next.leads).map { Array($0.utf8) }
            }
            var later = next.look
            later?.time = time
            later?.readAt = time + 1000
            let all = [look] + (later.map { [$0] } ?? [])
            return looks.late(all[...]).contains(0)
        }
        #expect(results[0] == results[1])
        return results[0]
    }

    /// Whatever was read, if the process executed something before it was.
    @Test func whatTheNextProgramShows() {
        let look = Self.look(Self.shell)
        for after: Int64 in [0, -1000] {
            #expect(isLate(look, leads: Self.shell, Next(after: after, leads: "/usr/bin/true")))
            #expect(isLate(look, leads: nil, isReported: false, Next(after: after)))
            #expect(!isLate(look, leads: Self.script, Next(after: after, pid: 8)))
        }
    }

    /// The next program is there before its exec is reported: only what the path leads to was surely the first one.
    @Test func whatMayBeTheNextProgram() {
        let look = Self.look(Self.shell)
        for after: Int64 in [100_000, 4_900_000] {
            #expect(isLate(look, leads: Self.script, Next(after: after, leads: "/usr/bin/true")))
            #expect(!isLate(look, leads: Self.shell, Next(after: after, leads: "/usr/bin/true")))
            #expect(!isLate(look, leads: Self.shell, Next(after: after)))
        }
        #expect(!isLate(look, leads: Self.script, Next(after: 5_100_000, leads: "/usr/bin/true")))
        #expect(!isLate(look, leads: Self.script, isReported: false, Next(after: 100_000)))
    }

    /// The same interpreter twice, by its path or a script's: the arguments that were read may be the second one's.
    @Test func oneInterpreterTwice() {
        let look = Self.look(Self.shell, script: Self.script)
        #expect(isLate(look, leads: Self.shell, Next(after: 100_000, leads: Self.shell)))
        #expect(isLate(look, leads: Self.shell, Next(after: 100_000, leads: Self.script)))
        #expect(!isLate(look, leads: Self.shell, Next(after: 100_000, leads: "/srv/another")))
    }

    /// What was read after the next exec says what that is.
    @Test func theNextProgramIsAnotherOne() {
        let look = Self.look(Self.shell, script: Self.script)
        for leads in [Self.shell, Self.script, nil] {
            let other = Next(
                after: 100_000, leads: Self.shell, look: Self.look(Self.shell, script: "/srv/another"))
            #expect(!isLate(look, leads: leads, other))
            #expect(isLate(look, leads: leads, Next(after: 100_000, leads: Self.shell, look: look)))
        }
    }

    /// In another mount namespace nobody knows where a path leads.
    @Test func whereNoPathIsKnown() {
        #expect(isLate(Self.look(Self.shell), leads: nil, Next(after: 250_000)))
        #expect(!isLate(Self.look(Self.shell), leads: nil, Next(after: 350_000)))
    }

    /// Reports are waited for where they may still come and tell.
    @Test func reportsAreWaitedFor() {
        let events = [LifecycleEvent(.exec, pid: Self.pid, parent: 0, time: Self.executed)]
        func settled(_ leads: String?, _ look: ImageFacts) -> UInt64 {
            LateLooks(events, [Self.exec("first")]) { _, _, _ in
                nil
            } lead: { _ in
                leads.map { Array($0.utf8) }
            }
            .settled([look][...])
        }
        let look = Self.look(Self.shell)
        #expect(settled(Self.script, look) == Self.read + LateLooks.change)
        #expect(settled(nil, look) == Self.read + LateLooks.change)
        #expect(settled(Self.shell, look) == 0)
        var undated = look
        undated.readAt = 0
        #expect(settled(nil, undated) == 0)
    }

    /// What was not read right after an exec has no moment.
    @Test func aLookWithoutAMoment() {
        var look = Self.look(Self.shell)
        look.readAt = 0
        #expect(!isLate(look, leads: Self.script, Next(after: 100_000, leads: "/usr/bin/true")))
    }
}
