import Observation

/// Which looks at a process may have come too late: what they read is of what the process had executed next.
///
/// A look is late if the next exec was reported before it ended. The kernel puts the new program in place some time before it
/// reports the exec (`begin_new_exec`, and `sched_process_exec` once the program and its loader are mapped), so a look that ended a
/// moment before that is doubtful. It stays where the next program was looked at and is another one, or where the path that was
/// executed leads to the executable that was read, and that of the next exec does not. The path of a `#!` file leads to no
/// executable, but what that runs is known by its files. Where a path leads is not known in other mount namespaces: there those
/// looks go that ended right before the next exec.
struct LateLooks {
    /// An exec of a process, with what was reported of it.
    struct Exec {
        var time: UInt64
        var reported: ReportedExecs.Exec?
    }

    /// For how long before an exec is reported its process may show the new program, nanoseconds: a tenth of a millisecond, and as
    /// long as others may have its processor.
    static let longestChange: UInt64 = 5_000_000
    /// The same where nobody else has it.
    static let change: UInt64 = 300_000

    /// The execs of a batch by process.
    private var execs: [Int32: [Exec]] = [:]
    /// The first exec of a process between two moments that no batch has yet.
    private let waiting: (_ pid: Int32, _ after: UInt64, _ until: UInt64) -> Exec?
    /// The file to which the path of an exec leads; `nil` where that is not known.
    private let lead: (ReportedExecs.Exec) -> [UInt8]?

    /// - Parameter known: what was reported of each event.
    init(
        _ events: [LifecycleEvent], _ known: [ReportedExecs.Exec?],
        waiting: @escaping (_ pid: Int32, _ after: UInt64, _ until: UInt64) -> Exec?,
        lead: @escaping (ReportedExecs.Exec) -> [UInt8]?
    ) {
        self.waiting = waiting
        self.lead = lead
        for (event, exec) in zip(events, known) where event.kind == .exec {
            execs[event.pid, default: []].append(Exec(time: event.time, reported: exec))
        }
    }

    /// Where the late ones stand, the last first.
    func late(_ looks: ArraySlice<ImageFacts>) -> [Int] {
        var late: [Int] = []
        // The last of a process is judged first: it says whether the one before shows something else.
        var kept: [Int32: ImageFacts] = [:]
        for index in looks.indices.sorted(by: { looks[$0].time > looks[$1].time }) {
            let look = looks[index]
            guard look.readAt != 0 else { continue }
            if isLate(look, before: kept[look.pid]) { late.append(index) } else { kept[look.pid] = look }
        }
        return late.sorted(by: >)
    }

    /// Until when it is not known yet whether the looks are late, `CLOCK_MONOTONIC`, nanoseconds: reports are still to come.
    func settled(_ looks: ArraySlice<ImageFacts>) -> UInt64 {
        var end: UInt64 = 0
        for look in looks where look.readAt != 0 {
            guard let exec = exec(of: look), lead(exec) != look.executable else { continue }
            end = max(end, look.readAt + Self.change)
        }
        return end
    }

    /// - Parameter later: what the same process showed after a later exec.
    private func isLate(_ look: ImageFacts, before later: ImageFacts?) -> Bool {
        if next(look.pid, after: look.time, until: look.readAt) != nil { return true }
        guard let exec = exec(of: look),
            let next = next(look.pid, after: look.readAt, until: look.readAt + Self.longestChange)
        else { return false }
        if let later, later.time == next.time, !isSame(look, later) { return false }
        guard let lead = lead(exec) else { return next.time <= look.readAt + Self.change }
        guard lead == look.executable else { return true }
        let nextLead = next.reported.flatMap(self.lead)
        return nextLead == look.executable || nextLead != nil && nextLead == look.script
    }

    /// Whether two looks may have read one program.
    private func isSame(_ one: ImageFacts, _ other: ImageFacts) -> Bool {
        one.executable == other.executable && one.script == other.script && one.name == other.name
            && one.argument == other.argument
    }

    private func exec(of look: ImageFacts) -> ReportedExecs.Exec? {
        execs[look.pid]?.first { $0.time == look.time }?.reported
    }

    private func next(_ pid: Int32, after time: UInt64, until end: UInt64) -> Exec? {
        let own = execs[pid]?.filter { $0.time > time && $0.time <= end }.min { $0.time < $1.time }
        return own ?? waiting(pid, time, end)
    }
}
