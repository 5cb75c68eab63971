import Glibc
import Procfs

/// What CRIU refuses of what a process runs with, and what of it is not the same after the move.
struct AttributeObstacles {
    /// The processors that a program runs on unless something else was set: those of the first process.
    let processors = ProcessDirectory(1)?.traits()?.processors

    /// What prctl(2) calls the default.
    static let timerSlack: UInt64 = 50_000
    /// Namespaces that all processes of a tree have to have in common.
    private static let spaces = ["pid", "mnt", "ipc", "uts", "user", "time"]

    /// - Parameter top: the first process of its tree.
    func found(
        _ process: SurveyedProcess, _ directory: borrowing ProcessDirectory,
        _ top: borrowing ProcessDirectory
    ) -> [Obstacle] {
        var obstacles: [Obstacle] = []
        func add(
            _ effect: Obstacle.Effect, _ kind: String, _ what: String, peer: String? = nil, cure: String
        ) {
            obstacles.append(
                Obstacle(
                    rulesOut: .live, effect: effect, pid: process.pid, place: .attribute, kind: kind,
                    what: what, peer: peer, cure: cure))
        }
        let again = "set it again after the move, or use cold"
        if let traits = directory.traits() {
            if traits.tracer != 0 {
                add(
                    .refused, "traced", "it is traced", peer: Holders.name(traits.tracer),
                    cure: "end \(Holders.name(traits.tracer)), or use cold")
            }
            if let processors, traits.processors != processors {
                add(
                    .lost, "affinity", "it runs on the processors \(traits.processors) alone",
                    cure: "\(again): taskset(1)")
            }
        }
        if let priority = directory.ioPriority(), priority != 0 {
            add(
                .lost, "io-priority", "an I/O priority of class \(priority >> 13), level \(priority & 7)",
                cure: "\(again): ionice(1)")
        }
        if let slack = directory.timerSlack(), slack != Self.timerSlack, slack != 0 {
            add(.lost, "timer-slack", "a timer slack of \(slack) ns", cure: again)
        }
        if let personality = directory.personality(), personality != 0 {
            add(
                .lost, "personality", "the personality 0x\(String(personality, radix: 16))",
                cure: "start it without setarch(8), or use cold")
        }
        if process.pid == process.tree, case let session = getsid(process.pid), session > 0,
            session != process.pid
        {
            add(
                .refused, "session", "it leads no session of its own (setsid(2))",
                peer: Holders.name(session),
                cure: "start it by setsid(1), or use cold")
        }
        for space in Self.spaces where process.pid != process.tree {
            guard let own = directory.namespace(space), let common = top.namespace(space), own != common
            else {
                continue
            }
            add(
                .refused, "namespace",
                "a \(space) namespace other than that of process \(process.tree), which started it",
                cure: "move what it is in by itself, or use cold")
        }
        return obstacles
    }
}
