import Glibc
import MovePlan
import SystemCalls
import Text

/// How a trial copies what is being written: as the plan says, or frozen, if that was asked for.
final class FinalCopy {
    /// What was done.
    let consistency: Consistency
    private let plan: HostPlan
    private let root: String
    private let limit: Int
    private let folder: TrialFolder
    /// The longest time that the programs were held, seconds.
    private(set) var held = 0.0

    /// - Parameters:
    ///   - isFrozen: whether it was asked for that the programs are frozen, whatever the plan says.
    ///   - limit: seconds after which they are let go in any case.
    init(_ plan: HostPlan, root: String, isFrozen: Bool, limit: Int, in folder: TrialFolder) throws(Failure) {
        (self.plan, self.root, self.limit, self.folder) = (plan, root, limit, folder)
        var consistency = plan.consistency ?? Consistency(.stop)
        if isFrozen { consistency.way = .freeze }
        self.consistency = consistency
        guard consistency.way != .freeze || root == "/" else {
            throw Failure(
                "what runs on this machine is frozen, and the files are those below \(root.printable): a trial of them takes "
                    + "no --freeze, and no plan that says `freeze`", status: ExitStatus.badInput)
        }
    }

    /// What is copied last, as it is now.
    var paths: [[UInt8]] { PlanContents(plan, root: root).paths(.finalCopy) }

    /// What has come or changed of the rest since a moment: what a command of the plan has written, or a program that wrote nothing
    /// while it was observed.
    func paths(except copied: Set<[UInt8]>, changedSince time: timespec) -> [[UInt8]] {
        PlanContents(plan, root: root).paths(.preCopy, except: copied, changedSince: time)
    }

    /// Whether it is copied apart from the rest.
    var isApart: Bool { consistency.way != .stop }

    /// Copies while nothing is written, or what is written does no harm.
    ///
    /// - Throws: `Failure` or `HeldSignals.Interrupted`, with everything as it was before.
    func hold(_ copy: () throws -> Void) throws {
        let keeper = consistency.after.isEmpty ? nil : try ThawKeeper(limit: limit + 60)
        defer { _ = keeper?.letGo() }
        try keeper?.take(.command(consistency.after))
        if !consistency.before.isEmpty {
            let output = folder.path + "/hook"
            let status = try ChildProcess.run(
                ["sh", "-c", consistency.before], output: output, signals: folder.signals)
            guard status == 0 else {
                let words = TrialFolder.lastWords(in: output).split(separator: "\n").dropFirst()
                throw Failure(
                    "the plan's command before the copy ended with \(status)", details: words.map(String.init)
                )
            }
        }
        guard consistency.way == .freeze else {
            try copy()
            return Diagnostics.say(
                "what is being written was copied between the plan's commands before and after it")
        }
        let frozen = try FrozenProcesses(plan, limit: limit, signals: folder.signals)
        var failure: (any Error)?
        do { try copy() } catch { failure = error }
        do {
            let (seconds, words) = try frozen.letGo()
            held = max(held, seconds)
            let milliseconds = Int(seconds * 1000)
            if failure == nil {
                Diagnostics.say(
                    "what is being written was copied while its programs were frozen: \(words), for \(milliseconds) ms"
                )
            }
        } catch { failure = failure ?? error }
        if let failure { throw failure }
    }
}
