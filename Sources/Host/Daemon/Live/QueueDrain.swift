/// How far a queue is read that others go on filling.
///
/// File events carry no time. As long as one that happened before T may still wait, no process event up to T can be
/// interpreted: an exec whose chain was not read yet would count as one without a chain. So a queue is never read
/// in part: either until it is empty, or as many events as waited at a moment behind T. Of a queue that the kernel does not
/// bound, what is beyond the bound goes unread then, as the kernel would have turned it away.
struct QueueDrain {
    /// After so many bytes the queue is asked how much more there is: an ordinary batch is never asked, and one that
    /// began with a long queue comes to an end although events go on.
    static let unaskedBytes = 1 << 20

    /// Events that waited when the queue was asked and were not read yet; `nil` before.
    private var left: Int?
    private var read = 0
    /// How many are read at most of those that waited; `nil` for all.
    private let most: Int?
    /// Events that waited beyond these, and are to be dropped.
    private(set) var surplus = 0

    init(most: Int? = nil) { self.most = most }

    /// Whether to read on.
    var goesOn: Bool { left ?? 1 > 0 }

    /// Notes that a read brought events, `total` bytes since the drain began; `waiting` asks the queue.
    mutating func took<Failure: Error>(
        _ events: Int, total: Int, waiting: () throws(Failure) -> Int
    ) throws(Failure) {
        // Something that could not be understood was read all the same.
        let events = max(events, 1)
        read += events
        if let known = left {
            left = known - events
        } else if total > Self.unaskedBytes {
            let count = try waiting()
            let rest = min(count, most.map { max($0 - read, 0) } ?? count)
            (left, surplus) = (rest, count - rest)
        }
    }
}
