import Records

/// Up to where a daemon's changes are known, and what is to be made of an answer to the question for those behind it.
///
/// A daemon that kept its store goes on counting, so that a restart misses nothing. One that did not counts other records, by
/// other numbers: they are distinguished by `numbering`. What had been shown and not stored when a daemon was killed has
/// numbers that its next run does not give (`runAfter`).
struct ChangeCursor: Equatable {
    /// Whatever changed up to this number is known.
    var number: UInt32
    /// What distinguishes the numbers from those of other records.
    var numbering: UInt64
    /// When the daemon started, nanoseconds since 1970.
    var started: UInt64
    /// When the answer was made, likewise.
    var time: UInt64

    /// Where an answer ends; `nil` for one of a writer that keeps no change numbers.
    init?(_ header: DumpHeader) {
        guard let changes = header.changes, let numbering = changes.numbering,
            let number = UInt32(exactly: changes.current)
        else { return nil }
        self.number = number
        self.numbering = numbering
        started = header.started
        time = header.time
    }

    /// What to do with an answer.
    enum Verdict: Equatable {
        /// It has what came behind the cursor.
        case take
        /// Its daemon was started since, and gave numbers anew that the cursor has passed: ask from this one on.
        case ask(after: UInt32)
        /// These are other records: all of them are new.
        case begin
    }

    /// - Parameter asked: the number that was asked from.
    func verdict(on answer: ChangeCursor, runAfter: UInt64?, asked: UInt32) -> Verdict {
        if answer.numbering != numbering { return asked == 0 ? .take : .begin }
        if answer.started != started {
            let run = UInt32(clamping: runAfter ?? 0)
            if run < asked { return .ask(after: run) }
        } else if answer.number < number {
            // Numbers never fall.
            return asked == 0 ? .take : .begin
        }
        return .take
    }
}

/// Which gaps are news: a gap that is known may lose more, or end. That it reaches further is none: what is not watched is not
/// watched as long as the daemon runs.
struct KnownGaps {
    private struct Name: Hashable {
        var source: String
        var cause: String
        var from: UInt64
    }
    private struct State: Equatable {
        var lost: UInt64?
        var resynchronised: UInt64
    }
    private var known: [Name: State] = [:]

    /// The gaps of an answer that are new or others than before, in its order; an answer that has gaps has all of them.
    mutating func news(_ gaps: [Gap]) -> [Gap] {
        guard !gaps.isEmpty else { return [] }
        var next: [Name: State] = [:]
        var news: [Gap] = []
        for gap in gaps {
            let name = Name(source: gap.source, cause: gap.cause, from: gap.from)
            let state = State(lost: gap.lost, resynchronised: gap.resynchronised)
            if known[name] != state { news.append(gap) }
            next[name] = state
        }
        known = next
        return news
    }
}
