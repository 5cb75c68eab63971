import MoveGroup
import MovePlan
import Records

/// A plan, as a client of a server gets it.
package struct ServedPlan {
    fileprivate let plan: Plan
    /// Files, folders and links of all hosts.
    package let entries: Int
    /// Whether all of them are in it.
    package let isWhole: Bool

    /// `retinue-plan/1`, a document.
    package var json: [UInt8] { PlanFile.json(plan) }
    /// The same within another one.
    package var value: JSONValue { PlanDocument.value(plan) }
}

extension ServedGraph {
    /// How long a file has not been written that counts as written no more, unless a client says otherwise, seconds.
    package static let quiet = 600.0

    /// Makes the plan of a group, as `retinue plan` does.
    ///
    /// - Parameters:
    ///   - program: as it was asked for.
    ///   - quiet: a file last written less than this before the end of the records is still being written, seconds.
    ///   - isExact: whether it has only what records say.
    ///   - limit: entries of all hosts together, the first ones; all of them unless said.
    package func plan(
        _ report: GroupReport, of program: String, quiet: Double, isExact: Bool, limit: Int = .max
    ) throws(AnswerError) -> ServedPlan {
        var plan: Plan
        do throws(Failure) {
            plan = try Plan(
                of: report.group, program: program, roots, quiet: quiet, require: isExact ? .exact : nil)
        } catch {
            throw AnswerError(error, .nothingToPlan)
        }
        let entries = plan.hosts.reduce(0) { $0 + $1.entries.count }
        var room = limit
        for host in plan.hosts.indices {
            plan.hosts[host].entries = Array(plan.hosts[host].entries.prefix(room))
            room -= plan.hosts[host].entries.count
        }
        return ServedPlan(plan: plan, entries: entries, isWhole: entries <= limit)
    }

    /// The host that an id, a name or an address means; `*` is one that nobody observes.
    package func host(named name: String) throws(AnswerError) -> HostID {
        guard name != "*" else { return MoveQuestion.unobservedHost(in: graph) }
        let found = (try? graph.hosts(named: name)) ?? []
        guard found.count <= 1 else {
            throw AnswerError(
                .ambiguous, "\"\(name)\" may be any of these hosts",
                choices: found.prefix(20).map { graph.hosts[$0].id })
        }
        guard let number = found.first else {
            let ids = graph.hosts.dropFirst().prefix(20).map(\.id)
            throw AnswerError(.unknown, "no record is of a host \"\(name)\"", choices: Array(ids))
        }
        return HostID(rawValue: UInt32(number))
    }
}
