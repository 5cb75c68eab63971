import Synchronization

/// What two threads work off, one from the last on and the other from the first, until they meet: one may be faster, and some pieces
/// take longer than others.
final class SharedWork<Piece: Sendable>: Sendable {
    private let pieces: [Piece]
    private let size: Int
    private let left: Mutex<Range<Int>>

    /// - Parameter block: how many each of the two takes at a time.
    init(_ pieces: [Piece], block: Int) {
        self.pieces = pieces
        // Several of them, so that both end at nearly the same time.
        size = max(1, min(block, pieces.count / 8))
        left = Mutex(pieces.indices)
    }

    /// Some of the last ones, in their order.
    func takeFromEnd() -> [Piece]? {
        take { left in
            let taken = left.suffix(size)
            left.removeLast(taken.count)
            return taken
        }
    }

    /// Some of the first ones, in their order.
    func takeFromStart() -> [Piece]? {
        take { left in
            let taken = left.prefix(size)
            left.removeFirst(taken.count)
            return taken
        }
    }

    private func take(_ some: (inout Range<Int>) -> Range<Int>) -> [Piece]? {
        let taken = left.withLock { $0.isEmpty ? nil : some(&$0) }
        return taken.map { Array(pieces[$0]) }
    }
}
