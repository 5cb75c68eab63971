/// In how many turns of the loop the store is written: a slice each, with events drained in between.
///
/// A writing ends with as many rows as there were when it began. Rows that change meanwhile wait for the next
/// one: on a busy host there are always some, and writing would never end.
struct StorePace {
    /// Rows that are written in one turn, some 10 ms.
    static let slice = 8192

    /// When the store is written again.
    enum Next: Equatable {
        /// When something has changed.
        case whenChanged
        /// After a pause in which events are drained.
        case soon
        /// After the configured interval.
        case later
    }

    private var turnsLeft = 0

    /// Begins a turn that writes at most `most` of the rows that wait.
    mutating func begin(pending: Int, most: Int = slice) {
        if turnsLeft == 0 { turnsLeft = 1 + (pending - 1) / most }
        turnsLeft -= 1
    }

    /// Ends a turn; `isWhole` when nothing waits any more.
    mutating func end(isWhole: Bool) -> Next {
        if !isWhole, turnsLeft > 0 { return .soon }
        turnsLeft = 0
        return isWhole ? .whenChanged : .later
    }

    /// Ends a turn that has written nothing: the store is tried again later, from the beginning.
    mutating func fail() -> Next {
        turnsLeft = 0
        return .later
    }
}
