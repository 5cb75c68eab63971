import MovePlan
import Text

/// What commands say of a plan, as JSON (docs/plan-format.md); paths as in plans.
enum PlanAnswer {
    /// `retinue-plan-check/1`.
    ///
    /// - Parameter changes: `nil` where nothing was compared.
    static func check(_ plan: Plan, _ changes: [String]?) -> [UInt8] {
        document { out in
            out.member("schema", word: "retinue-plan-check/1")
            out.array("hosts", plan.hosts) { out, host in
                let summary = PlanSummary(of: host)
                out.member("host", text: host.id)
                if !host.name.isEmpty { out.member("name", text: host.name) }
                out.member("programs", number: host.programs.count)
                out.member("packages", number: host.packages.count { !$0.isCopied })
                out.member("copied", number: summary.copied)
                out.member("bytes", number: summary.bytes)
                out.member("others", number: summary.others)
            }
            if let changes { out.array("changes", texts: changes) }
        }
    }

    /// What a line of `PlanChanges` means.
    static func meaning(ofChange line: String) -> Palette.Meaning {
        line.hasSuffix(": taken out") ? .bad : line.contains(": added") ? .good : .care
    }

    /// `retinue-plan-files/1`.
    static func files(_ host: HostPlan, _ paths: [[UInt8]]) -> [UInt8] {
        document { out in
            out.member("schema", word: "retinue-plan-files/1")
            out.member("host", text: host.id)
            out.array("paths", texts: paths.map { PlanText.text($0) })
        }
    }

    /// `retinue-plan-try/1`.
    static func trial(
        _ host: HostPlan, isRunning: Bool, sentence: String, rounds: Int,
        added: [(round: Int, path: [UInt8], program: [UInt8])], consistency: Consistency.Way, frozen: Double
    ) -> [UInt8] {
        document { out in
            out.member("schema", word: "retinue-plan-try/1")
            out.member("host", text: host.id)
            out.member("running", flag: isRunning)
            out.member("sentence", text: sentence)
            out.member("rounds", number: rounds)
            out.member("consistency", text: consistency.rawValue)
            if frozen > 0 { out.member("frozen_ms", number: Int(frozen * 1000)) }
            out.array("added", added) { out, entry in
                out.member("round", number: entry.round)
                out.member("path", text: PlanText.text(entry.path))
                out.member("program", text: PlanText.text(entry.program))
            }
        }
    }

    /// `retinue-plan-export/1`.
    ///
    /// - Parameters:
    ///   - file: what was written, if anything was.
    ///   - text: what would be printed, else.
    static func export(_ host: HostPlan, form: String, file: String?, text: String?) -> [UInt8] {
        document { out in
            out.member("schema", word: "retinue-plan-export/1")
            out.member("host", text: host.id)
            out.member("form", text: form)
            if let file { out.member("file", text: file) }
            if let text { out.member("text", text: text) }
        }
    }

    private static func document(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var out = JSONWriter()
        out.object(body)
        out.endDocument()
        return out.bytes
    }
}
