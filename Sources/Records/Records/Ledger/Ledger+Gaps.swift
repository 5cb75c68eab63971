/// A span of time in which a source lost events.
public struct Gap: Hashable, Sendable {
    /// The source's name, as in the header of a dump.
    public var source: String
    /// Why, in a word or a few (`queue overflow`, `ENOBUFS`).
    public var cause: String
    /// Start of the span, nanoseconds since 1970.
    public var from: UInt64
    /// End of the span, nanoseconds since 1970.
    public var to: UInt64
    /// Events lost, at least one; `nil` where nobody can know.
    public var lost: UInt64?
    /// When the state was read afresh from /proc and sock_diag; 0 if it was not.
    public var resynchronised: UInt64

    /// Makes a gap that was not yet followed by a resynchronisation.
    ///
    /// - Parameters:
    ///   - lost: 0, as earlier forms of dump and store have it, stands for `nil`.
    public init(
        source: String, cause: String, from: UInt64, to: UInt64, lost: UInt64?, resynchronised: UInt64 = 0
    ) {
        self.source = source
        self.cause = cause
        self.from = from
        self.to = to
        self.lost = lost == 0 ? nil : lost
        self.resynchronised = resynchronised
    }
}

extension Ledger {
    /// Gaps that are kept one by one; beyond that the oldest like ones become one.
    public static var mostGaps: Int { 4096 }

    /// Notes a gap that has begun; joins it with the last like one if that ended shortly before.
    ///
    /// - Parameters:
    ///   - joinWithin: nanoseconds between the end of the one and the beginning of the other.
    /// - Returns: where the gap begins, which with source and cause finds it again.
    public mutating func openGap(_ gap: Gap, joinWithin: UInt64) -> UInt64 {
        if let last = gaps.lastIndex(where: { $0.isLike(gap) }), gap.from <= gaps[last].to &+ joinWithin {
            gaps[last].join(gap)
            // The scan that closed it did not make up for what is lost now.
            gaps[last].resynchronised = 0
            return gaps[last].from
        }
        if gaps.count >= Self.mostGaps { joinOldest() }
        gaps.append(gap)
        return gap.from
    }

    /// Lets a gap reach further, and lose more: `nil` where nobody can know how much.
    public mutating func widenGap(source: String, cause: String, from: UInt64, to: UInt64, lost: UInt64?) {
        guard let found = position(source, cause, from) else { return }
        var more = gaps[found]
        more.to = max(more.to, to)
        more.lost = lost
        gaps[found].join(more)
    }

    /// Notes that a gap is over; `resynchronised` is when a scan had made up for it, 0 if none did.
    public mutating func closeGap(source: String, cause: String, from: UInt64, resynchronised: UInt64) {
        guard let found = position(source, cause, from) else { return }
        gaps[found].resynchronised = resynchronised
    }

    private func position(_ source: String, _ cause: String, _ from: UInt64) -> Int? {
        gaps.lastIndex { $0.source == source && $0.cause == cause && $0.from <= from && from <= $0.to }
    }

    /// Makes room for one: the oldest gap takes in the next like one, or if there is none any of its source.
    private mutating func joinOldest() {
        for first in gaps.indices {
            guard let next = gaps[(first + 1)...].firstIndex(where: { $0.isLike(gaps[first]) }) else {
                continue
            }
            gaps[first].join(gaps[next])
            gaps.remove(at: next)
            return
        }
        for first in gaps.indices {
            guard let next = gaps[(first + 1)...].firstIndex(where: { $0.source == gaps[first].source })
            else { continue }
            gaps[first].join(gaps[next])
            gaps[first].cause = "several causes"
            gaps.remove(at: next)
            return
        }
        gaps.removeFirst()
    }
}

extension Gap {
    /// Whether another one has the same source and cause.
    fileprivate func isLike(_ other: Gap) -> Bool { source == other.source && cause == other.cause }

    /// Takes in another one: the span of both, and what both lost, which is not known if that of one is not.
    fileprivate mutating func join(_ other: Gap) {
        from = min(from, other.from)
        to = max(to, other.to)
        if let mine = lost, let others = other.lost {
            lost = mine.addingUpToMaximum(others)
        } else {
            lost = nil
        }
        resynchronised = max(resynchronised, other.resynchronised)
    }
}
