import Glibc

/// Sorting many members.
extension MemberOrder {
    /// A part of so many is always split: dealt out whole, two of them would need twice the memory of one.
    static let mostWhole = 4_000_000

    /// Sorts all parts on two threads; `false` if there are no two, and nothing was done.
    ///
    /// Most parts are dealt out, the largest first. One that would give either thread too much is split by a text near its
    /// middle: one thread has what comes before that, the other the rest. So both have as much to do however few hosts
    /// there are.
    func sortOnTwoThreads(mostWhole: Int = MemberOrder.mostWhole) -> Bool {
        var whole: [[Int]] = [[], []]
        var splits: [PartSplit] = []
        var loads = [0, 0]
        for number in parts.indices.sorted(by: { parts[$0].range.count > parts[$1].range.count }) {
            let count = parts[number].range.count
            let half = loads[0] <= loads[1] ? 0 : 1
            // What is left over by less than this is not worth a split, in which each text is looked at once more.
            let isFair = loads[half] + count <= nodes.count / 2 + nodes.count / 32
            if count <= mostWhole, isFair || count < nodes.count / 16 {
                whole[half].append(number)
                loads[half] += count
            } else {
                splits.append(PartSplit(self, number))
                for half in 0..<2 { loads[half] += count / 2 }
            }
        }
        return ThreadPair.run { [whole, splits] half, pair in
            for split in splits { split.compare(half) }
            pair.meet()
            var sorter = TextSorter()
            let sizes = splits.map { $0.count(half) } + whole[half].map { parts[$0].range.count }
            let room = SortRoom(sizes.max() ?? 0)
            for split in splits {
                let texts = split.texts(half, room)
                // What either has read the other may write over.
                pair.meet()
                sort(texts, split.part.kind, &sorter)
                split.put(texts, half)
            }
            sort(whole[half], room, &sorter)
        }
    }
}

/// A part of the members, split by a text near its middle.
private final class PartSplit {
    let part: MemberOrder.Part
    private let order: MemberOrder
    private let middle: SortedText
    /// A bit for each member: whether it does not come before the middle.
    private let upper: UnsafeMutableBufferPointer<UInt64>
    /// Up to which word of those each thread compares.
    private let ends: [Int]
    /// How many of those that each thread compared come before the middle.
    private let lower: UnsafeMutableBufferPointer<Int>

    init(_ order: MemberOrder, _ number: Int) {
        self.order = order
        part = order.parts[number]
        middle = Self.middle(of: part, order)
        let words = (part.range.count + 63) / 64
        upper = .allocate(capacity: words)
        ends = [0, words / 2, words]
        lower = .allocate(capacity: 2)
        lower.initialize(repeating: 0)
    }

    deinit {
        upper.deallocate()
        lower.deallocate()
    }

    /// The middle one of so many texts.
    private static let sample = 255

    private static func middle(of part: MemberOrder.Part, _ order: MemberOrder) -> SortedText {
        let texts = UnsafeMutableBufferPointer<SortedText>.allocate(capacity: sample)
        defer { texts.deallocate() }
        for index in texts.indices {
            // At no regular distances: in many a list the same comes again after some rows.
            let share = UInt64(index) &* 0x9e37_79b9_7f4a_7c15
            let place = share.multipliedFullWidth(by: UInt64(part.range.count)).high
            let node = order.nodes[part.range.lowerBound + Int(place)]
            (texts.baseAddress.unsafelyUnwrapped + index).initialize(to: order.loadedText(node, part.kind))
        }
        var sorter = TextSorter()
        sorter.sort(texts)
        var middle = texts[sample / 2]
        middle.load(0)
        return middle
    }

    /// First part, of both threads: compares a half of the members with the middle.
    func compare(_ half: Int) {
        var count = 0
        for word in ends[half]..<ends[half + 1] {
            let begin = part.range.lowerBound + word * 64
            let end = min(begin + 64, part.range.upperBound)
            var bits: UInt64 = 0
            for position in begin..<end {
                let text = order.loadedText(order.nodes[position], part.kind)
                if !text.precedes(middle, 0) { bits |= 1 << UInt64(position - begin) }
            }
            upper[word] = bits
            count += end - begin - bits.nonzeroBitCount
        }
        lower[half] = count
    }

    /// How many members a thread has; when both have compared.
    func count(_ half: Int) -> Int {
        let lower = lower[0] + lower[1]
        return half == 0 ? lower : part.range.count - lower
    }

    /// The texts of a thread's members, in the order in which those stand.
    func texts(_ half: Int, _ room: borrowing SortRoom) -> UnsafeMutableBufferPointer<SortedText> {
        let texts = room.texts(count(half))
        guard var place = texts.baseAddress else { return texts }
        for word in upper.indices {
            let begin = part.range.lowerBound + word * 64
            let count = min(part.range.upperBound - begin, 64)
            var bits = half == 0 ? ~upper[word] & UInt64.max >> UInt64(64 - count) : upper[word]
            while bits != 0 {
                place.initialize(
                    to: order.loadedText(order.nodes[begin + bits.trailingZeroBitCount], part.kind))
                place += 1
                bits &= bits - 1
            }
        }
        return texts
    }

    /// Puts a thread's members where they belong; when both have their texts.
    func put(_ texts: UnsafeMutableBufferPointer<SortedText>, _ half: Int) {
        let begin = half == 0 ? part.range.lowerBound : part.range.upperBound - texts.count
        for (index, text) in texts.enumerated() { order.nodes[begin + index] = text.node }
    }
}
