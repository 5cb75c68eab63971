import Glibc
import MovePlan
import SystemCalls
import Text

/// The processes of a plan's programs on this machine, held while something is copied.
///
/// A control group that holds nothing but members is frozen as a whole (`cgroup.freeze`), which nobody in it notices; other
/// members get SIGSTOP, by pidfd, so that no later life of their number does. What has to be undone is handed to a keeper
/// first, a process of its own that does it when this one lets go, or ends, however it ends, or takes too long.
final class FrozenProcesses {
    private let keeper: ThawKeeper
    private let began = Clock.monotonic()
    /// Control groups, and single processes, that are held.
    private(set) var groups: [[UInt8]] = []
    private(set) var processes: [MemberProcess] = []
    /// How many processes are in the groups.
    private var inGroups = 0

    /// Looks again as often while new members appear: those that forked before they were held.
    private static let mostLooks = 10
    /// How long a process may take until it stands, nanoseconds: one that waits for a disk does not stop before that answers.
    private static let patience: UInt64 = 5_000_000_000

    /// Holds what runs now.
    ///
    /// - Parameters:
    ///   - limit: seconds after which it is let go, whatever is done with it.
    ///   - signals: what ends it early.
    /// - Throws: `Failure` or `HeldSignals.Interrupted`; then nothing is held.
    init(_ plan: HostPlan, limit: Int, signals: HeldSignals) throws {
        keeper = try ThawKeeper(limit: limit)
        do {
            try hold(plan, signals)
        } catch {
            _ = keeper.letGo()
            throw error
        }
    }

    private func hold(_ plan: HostPlan, _ signals: HeldSignals) throws {
        var held: Set<MemberProcess> = []
        for _ in 0..<Self.mostLooks {
            var isNew = false
            for (workload, members) in plan.memberProcesses().sorted(by: {
                $0.key.lexicographicallyPrecedes($1.key)
            }) {
                let others = members.subtracting(held)
                guard !others.isEmpty else { continue }
                isNew = true
                held.formUnion(members)
                if let group = ControlGroupFreezer(workload: workload), group.holdsOnly(members) {
                    // One that somebody else has frozen stays so.
                    guard !group.isFrozen else { continue }
                    try keeper.take(.group(group.folder))
                    guard group.set(isFrozen: true) else {
                        throw Failure("\(Printable.text(group.folder)): \(SystemError.text(of: errno))")
                    }
                    try Self.wait("\(Printable.text(group.folder)) does not freeze", signals) { group.stands }
                    groups.append(group.folder)
                    inGroups += members.count
                } else {
                    for member in others { try stop(member, signals) }
                }
            }
            if !isNew { break }
        }
        guard !held.isEmpty else {
            throw Failure(
                "--freeze: none of the plan's programs runs on this machine: there is nothing that writes",
                status: ExitStatus.badInput)
        }
    }

    private func stop(_ member: MemberProcess, _ signals: HeldSignals) throws {
        // One that somebody else has stopped stays so.
        guard let isStopped = member.isStopped, !isStopped else { return }
        try keeper.take(.process(member))
        guard member.send(SIGSTOP) else { return }
        processes.append(member)
        try Self.wait("process \(member.pid) does not stop", signals) { member.isStopped != false }
    }

    private static func wait(_ problem: String, _ signals: HeldSignals, until isDone: () -> Bool) throws {
        let end = Clock.monotonic() + patience
        while !isDone() {
            guard Clock.monotonic() < end else { throw Failure(problem) }
            try signals.check()
            usleep(1000)
        }
    }

    /// Lets everything run on, and says how long it was held.
    ///
    /// - Throws: `Failure` where it was let go before: the copy is of no one moment.
    func letGo() throws(Failure) -> (seconds: Double, words: String) {
        let isWhole = keeper.letGo()
        let seconds = Double(Clock.monotonic() - began) / 1e9
        guard isWhole else {
            throw Failure(
                "the copy took longer than the programs may be held (--freeze-limit): they run on, and it is of no one moment"
            )
        }
        var words: [String] = []
        if !groups.isEmpty {
            words.append(
                "\(Quantity.counted(inGroups, "process", "processes")) by \(Quantity.counted(groups.count, "control group"))"
            )
        }
        if !processes.isEmpty {
            words.append("\(Quantity.counted(processes.count, "process", "processes")) by signals")
        }
        return (seconds, words.joined(separator: ", "))
    }
}
