import Glibc
import MovePlan
import Procfs
import Records
import SystemCalls
import Text

/// What of this host may be moved or saved as one process with all that it has started: leaders of sessions, such as services and what was
/// started at a terminal.
///
/// It is read from /proc when it is asked for: nothing registers itself, so that nothing is lost with the agent or left behind by a move.
enum MovableList {
    private struct Leader {
        var pid: Int32
        /// How many leaders are above it: none of a level has another one in its tree.
        var level: Int
    }

    static func value() -> JSONValue {
        var rows: [(pid: Int32, value: JSONValue)] = []
        var level = leaders()[...]
        while let first = level.first {
            let alike = level.filter { $0.level == first.level }
            level = level.filter { $0.level != first.level }
            let members = alike.enumerated().map {
                Members.Process(pid: $1.pid, parent: 0, start: 0, program: $0)
            }
            let programs = alike.map { leader in
                PlannedProgram(executable: ProcessDirectory(leader.pid)?.executable() ?? [])
            }
            let survey = Survey(of: members, programs: programs)
            for (leader, verdict) in zip(alike, survey.verdicts) {
                if let row = row(leader.pid, verdict) { rows.append((leader.pid, row)) }
            }
        }
        return .object([
            .init("schema", .string("retinue-movable/1")),
            .init("processes", .array(rows.sorted { $0.pid < $1.pid }.map(\.value))),
        ])
    }

    /// `nil` for one that has ended, and for the agent itself.
    private static func row(_ pid: Int32, _ verdict: ProgramVerdict) -> JSONValue? {
        guard let subject = try? ContextSubject(pid) else { return nil }
        let reasons = verdict.obstacles.filter { $0.rulesOut == .live }
        let arguments = ProcessDirectory(pid)?.arguments() ?? []
        return .object([
            .init("pid", .integer(Int128(pid))), .init("processes", .integer(Int128(verdict.processes))),
            .init("arguments", .array(arguments.map { .string(Printable.text($0)) })),
            .init("movable", .boolean(reasons.isEmpty && !subject.isApart)),
            .init("restored", .boolean(subject.isApart)), .init("reasons", .array(reasons.map(\.value))),
        ])
    }

    /// By level, the outermost first.
    private static func leaders() -> [Leader] {
        var parents: [Int32: Int32] = [:]
        for pid in ProcessList.pids() {
            guard let status = ProcessDirectory(pid)?.status(), !status.isKernelThread else { continue }
            parents[pid] = status.parent
        }
        let all = Set(parents.keys.filter { $0 != 1 && getsid($0) == $0 })
        return all.map { pid in
            var level = 0
            var above = parents[pid]
            // A process that ended meanwhile, or a number that was taken again, must not make a circle.
            for _ in 0..<parents.count {
                guard let next = above else { break }
                if all.contains(next) { level += 1 }
                above = parents[next]
            }
            return Leader(pid: pid, level: level)
        }.sorted { ($0.level, $0.pid) < ($1.level, $1.pid) }
    }
}
