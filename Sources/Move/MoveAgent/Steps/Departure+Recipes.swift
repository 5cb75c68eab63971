import Glibc
import MovePlan
import Records
import SystemCalls

/// A program of which a recipe knows something.
struct RecipeTarget {
    var recipe: Recipe
    var pid: Int32
    /// By its path inside of its root.
    var executable: [UInt8]
    /// Its working directory, as this process sees it.
    var folder: [UInt8]
    var user: UInt32
    var group: UInt32
}

/// What recipes' commands do.
extension Departure {
    /// Programs that run now and have a recipe; each time as they are by then.
    func recipeTargets() -> [RecipeTarget] {
        origin.leaders().compactMap { leader in
            let name = String(
                decoding: leader.executable.suffix(while: { $0 != UInt8(ascii: "/") }), as: UTF8.self)
            guard let recipe = recipes.first(where: { $0.executable == name }),
                let run = ProgramRun(of: leader.pid)
            else { return nil }
            return RecipeTarget(
                recipe: recipe, pid: leader.pid, executable: leader.executable, folder: run.folder,
                user: run.user, group: run.group)
        }
    }

    /// Runs what a recipe has to be run while the programs do, and brings what that has written; again, as long as that becomes
    /// less: what a program holds in memory meanwhile is not seen before the next time.
    func beforeStop(_ report: Report) throws(MoveError) {
        let consistency = origin.cell == nil ? order.plan.consistency : nil
        defer {
            if let after = consistency?.after, !after.isEmpty {
                _ = try? Tool.run(["sh", "-c", after], seconds: 300)
            }
        }
        try bringRounds(report) { () throws(MoveError) in
            let hasRun = try runBeforeStop(report)
            guard let before = consistency?.before, !before.isEmpty else { return hasRun }
            let outcome = try Tool.run(["sh", "-c", before], seconds: 300)
            // What the plan asks for is no mere help, as a recipe is.
            guard outcome.status == 0, !outcome.isLate else {
                throw MoveError(
                    "`\(before)`, which the plan has before the copy, ends with \(outcome.status): "
                        + String(outcome.output.prefix(300)))
            }
            return true
        }
    }

    /// Whether there was anything to be run.
    private func runBeforeStop(_ report: Report) throws(MoveError) -> Bool {
        var hasRun = false
        for target in recipeTargets() where !target.recipe.beforeStop.isEmpty {
            let outcome = try command(target.recipe.beforeStop, of: target, isRunning: true, seconds: 300)
            report(
                .object([
                    .init("recipe", .string(target.recipe.path)),
                    .init("status", .integer(Int128(outcome.status))),
                    .init("output", .string(String(outcome.output.prefix(300)))),
                ]))
            hasRun = true
        }
        return hasRun
    }

    /// Paths below the programs' working directories that they do not need, as recipes say; none where that fails.
    func pathsOmitted() throws(MoveError) -> Set<[UInt8]> {
        // One that is stopped by a signal answers nothing, and may have begun to use what it did not need before.
        guard !journal.stands(.freeze) else { return [] }
        // Nobody looks for programs that have ended while clients wait.
        let running = journal.stands(.stop) ? [] : recipeTargets()
        if !running.isEmpty { targets = running }
        let prefix = origin.prefix
        var found: Set<[UInt8]> = []
        for target in targets where !target.recipe.omit.isEmpty {
            let isRunning = running.contains { $0.pid == target.pid }
            let outcome = try command(target.recipe.omit, of: target, isRunning: isRunning, seconds: 20)
            guard outcome.status == 0, !outcome.isCut else { continue }
            let folder =
                target.folder.starts(with: prefix)
                ? Array(target.folder.dropFirst(prefix.count)) : target.folder
            for line in outcome.output.utf8.split(separator: UInt8(ascii: "\n")) {
                found.insert(folder + [UInt8(ascii: "/")] + line)
            }
        }
        return found
    }

    /// Runs a recipe's command, in the network of the program, with what is known of it.
    private func command(
        _ text: String, of target: RecipeTarget, isRunning: Bool, seconds: Double
    ) throws(MoveError) -> Tool.Outcome {
        let port = order.ports.first
        // By way of the process while there is one: what runs in a cell has another root than the command, which users cannot
        // reach by its path.
        let place = isRunning ? "/proc/\(target.pid)/root" : String(decoding: origin.prefix, as: UTF8.self)
        let folder =
            isRunning ? Array("/proc/\(target.pid)/cwd".utf8) : target.folder
        let variables =
            [
                "RETINUE_USER=\(target.user)", "RETINUE_GROUP=\(target.group)", "RETINUE_ROOT=\(place)",
                "RETINUE_PID=\(isRunning ? String(target.pid) : "")",
                "RETINUE_ADDRESS=\(port?.address ?? "127.0.0.1")", "RETINUE_PORT=\(port?.number ?? 0)",
            ].map { Array($0.utf8) } + [
                Array("RETINUE_DATA=".utf8) + folder, Array("RETINUE_EXECUTABLE=".utf8) + target.executable,
            ]
        let network = isRunning ? open("/proc/\(target.pid)/ns/net", O_RDONLY | O_CLOEXEC) : -1
        defer { if network >= 0 { close(network) } }
        return try Tool.run(["sh", "-c", text], seconds: seconds) {
            $0.environment += variables
            $0.network = network
        }
    }
}
