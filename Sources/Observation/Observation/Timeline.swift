/// The images of one pid in the course of a batch, and which of them an event belongs to.
///
/// File events carry a pid and no time. What orders them against the images is where the chain of each exec stands in
/// the pid's list of events.
struct Timeline {
    /// One image.
    struct Span {
        var image: Image
        /// The position behind its exec's chain; for an image that a process was made with, or had before the batch,
        /// that of the span before. `Int.max` if its exec left no mark in the list, so that no event can be ordered
        /// against it.
        var from: Int
        /// The position at which its exec's chain begins; `nil` for one that did not come by an exec of this batch,
        /// or whose exec left no trace.
        var chain: Int?
        /// Which life of the pid it belongs to, counted in this batch.
        var life: Int
    }

    private(set) var spans: [Span]
    /// Execs of this batch.
    private(set) var execs = 0

    /// Begins with the image that the pid had before.
    init(_ image: Image) {
        spans = []
        // Most pids have a timeline for the one exec that comes next.
        spans.reserveCapacity(2)
        spans.append(Span(image: image, from: 0, chain: nil, life: 0))
    }

    /// How many lives of the pid there are.
    var lives: Int { spans[spans.count - 1].life + 1 }

    /// Notes an exec; `chain` is where its opens for execution stand, `nil` if they left no trace.
    mutating func exec(_ image: Image, chain: ClosedRange<Int>?) {
        let last = spans[spans.count - 1]
        execs += 1
        spans.append(
            Span(
                image: image, from: chain.map { $0.upperBound + 1 } ?? .max, chain: chain?.lowerBound,
                life: last.life))
    }

    /// Notes an exec whose chain was read in an earlier batch: whatever a former life did stood before it.
    mutating func execBefore(_ image: Image) {
        execs += 1
        let life = spans[spans.count - 1].life
        spans.removeAll { $0.life < life }
        for index in spans.indices { spans[index].life = 0 }
        spans.append(Span(image: image, from: 0, chain: nil, life: 0))
    }

    /// Notes that the process goes on as another program, which no event in the list says.
    mutating func move(_ image: Image) {
        let last = spans[spans.count - 1]
        spans.append(Span(image: image, from: .max, chain: nil, life: last.life))
    }

    /// Notes that the pid was used again.
    mutating func fork(_ image: Image) {
        let last = spans[spans.count - 1]
        let from = spans.last { $0.from != .max }?.from ?? 0
        spans.append(Span(image: image, from: from, chain: nil, life: last.life + 1))
    }

    /// Where an event at a position may belong.
    struct Place {
        /// The spans of the life that it is of: from the first one that it can be of to the end of the life, since
        /// the kernel merges an event into an earlier like one of the same process.
        var range: Range<Int>
        /// Spans of later lives that it can be of as well: those of processes that never executed anything.
        var others: [Int] = []
        /// Whether the life is known.
        var isCertain = true
    }

    /// The spans that an event at a position may belong to.
    ///
    /// Where a pid was used again, what stands between the chains of two lives is most likely of the earlier one, and
    /// may be what the later one opened before its exec. The kernel never merges events of two lives.
    func place(at position: Int) -> Place {
        guard lives > 1 else {
            var place = Place(range: range(of: 0, from: position))
            place.isCertain = isOrdered(place.range)
            return place
        }
        var life = 0
        for span in spans { if let chain = span.chain, chain <= position { life = span.life } }
        var place = Place(range: range(of: life, from: position))
        place.isCertain = life == lives - 1 && isOrdered(place.range)
        for index in spans.indices where spans[index].life > life {
            // What stands before the chain of a life that executed something is hardly of that or of a later one.
            let isLast = index + 1 == spans.count || spans[index + 1].life != spans[index].life
            let isFirst = spans[index - 1].life != spans[index].life
            guard isFirst, isLast else { break }
            place.others.append(index)
        }
        return place
    }

    /// Whether it is known on which side of each exec an event stands that belongs to these spans: one that left no trace may
    /// stand on either, unless it made no difference.
    private func isOrdered(_ range: Range<Int>) -> Bool {
        guard let first = range.first else { return true }
        return spans[range].dropFirst().allSatisfy { $0.from != .max }
            || spans[range].allSatisfy { $0.image.program == spans[first].image.program }
    }

    private func range(of life: Int, from position: Int) -> Range<Int> {
        var first: Int?
        var end = 0
        for index in spans.indices where spans[index].life == life {
            if first == nil || spans[index].from <= position { first = index }
            end = index + 1
        }
        return (first ?? 0)..<end
    }
}
