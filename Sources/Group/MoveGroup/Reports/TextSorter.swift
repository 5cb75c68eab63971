import Glibc

/// A text to be sorted, and the node that it belongs to.
struct SortedText {
    /// Eight bytes of the text as a big-endian number, zeroes behind its end.
    var key: UInt64 = 0
    var base: UnsafeRawPointer
    var count: Int32
    var node: UInt32

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: Int(count)) }

    /// Takes the eight bytes from `depth` on as the key.
    @inline(__always)
    mutating func load(_ depth: Int) { key = key(at: depth) }

    @inline(__always)
    private func key(at depth: Int) -> UInt64 {
        let left = Int(count) - depth
        if left >= 8 {
            return UInt64(bigEndian: base.loadUnaligned(fromByteOffset: depth, as: UInt64.self))
        }
        if left <= 0 { return 0 }
        if count >= 8 {
            let last = base.loadUnaligned(fromByteOffset: Int(count) - 8, as: UInt64.self)
            return UInt64(bigEndian: last) << UInt64(64 - 8 * left)
        }
        var key: UInt64 = 0
        for offset in 0..<8 {
            let byte = offset < left ? base.load(fromByteOffset: depth + offset, as: UInt8.self) : 0
            key = key << 8 | UInt64(byte)
        }
        return key
    }

    /// Whether this comes before another, where both agree in the bytes before `depth`, at which the keys are.
    @inline(__always)
    func precedes(_ other: SortedText, _ depth: Int) -> Bool {
        if key != other.key { return key < other.key }
        // Mostly the next eight decide, without a call.
        let (next, otherNext) = (key(at: depth + 8), other.key(at: depth + 8))
        if next != otherNext { return next < otherNext }
        let start = depth + 16
        let common = Int(min(count, other.count))
        if common > start {
            let order = memcmp(base + start, other.base + start, common - start)
            if order != 0 { return order < 0 }
        }
        return count < other.count
    }
}

/// Sorts texts by their bytes.
///
/// Paths share long beginnings, so comparing them whole compares the same bytes again and again. Here each
/// byte is looked at about once: eight at a time are kept beside the text; large groups are dealt out by the
/// first byte in which they differ, small ones compared by number; what agrees in all eight takes the next.
/// A large group that came as a few ascending runs, as it does from most lists that a program wrote, is merged.
struct TextSorter: ~Copyable {
    /// Made when a group is large.
    private var scratch = SortRoom(0)

    /// Sorts texts whose keys are at their beginning.
    mutating func sort(_ texts: UnsafeMutableBufferPointer<SortedText>) {
        guard let start = texts.baseAddress else { return }
        sort(start, texts.count, 0)
    }

    private static let few = 16
    private static let many = 256
    /// Merging so many runs reads each text two times; dealing out a large group does so more often.
    private static let mostRuns = 4

    /// Sorts texts that agree before `depth`. The largest part is taken in turn and not in a deeper call, so
    /// that no input makes the calls nest deeper than the logarithm of the count.
    private mutating func sort(_ first: UnsafeMutablePointer<SortedText>, _ total: Int, _ depth: Int) {
        var (start, count, depth) = (first, total, depth)
        var view = View(start, count)
        while count > 1 {
            if view.difference == 0 {
                if view.shortest <= depth + 8 {
                    let ended = gatherEnded(start, count, depth)
                    start += ended
                    count -= ended
                }
                depth += 8
                view = View(start, count, loading: depth)
            } else if count <= Self.few {
                insert(start, count, depth)
                return
            } else if count >= Self.many {
                if mergeRuns(start, count, depth) { return }
                let shift = UInt64(56 - view.difference.leadingZeroBitCount / 8 * 8)
                (start, count) = deal(start, count, depth, shift)
                view = View(start, count)
            } else {
                (start, count) = split(start, count, depth)
                view = View(start, count)
            }
        }
    }

    /// What one look at some texts tells: of many each look is one through all the cache.
    private struct View {
        /// The bits in which keys differ.
        private(set) var difference: UInt64 = 0
        private(set) var shortest = Int.max

        init(_ start: UnsafeMutablePointer<SortedText>, _ count: Int) {
            for index in 0..<count { take(start[index], start[0].key) }
        }

        /// The same after taking the keys at a depth.
        init(_ start: UnsafeMutablePointer<SortedText>, _ count: Int, loading depth: Int) {
            for index in 0..<count {
                start[index].load(depth)
                take(start[index], start[0].key)
            }
        }

        @inline(__always)
        private mutating func take(_ text: SortedText, _ key: UInt64) {
            difference |= text.key ^ key
            shortest = min(shortest, Int(text.count))
        }
    }

    /// Merges what consists of a few ascending runs; says whether it did, having changed nothing if not.
    private mutating func mergeRuns(
        _ start: UnsafeMutablePointer<SortedText>, _ count: Int, _ depth: Int
    ) -> Bool {
        withUnsafeTemporaryAllocation(of: Int.self, capacity: Self.mostRuns + 1) { ends in
            var runs = 0
            ends[0] = 0
            for index in 1..<count where start[index].precedes(start[index - 1], depth) {
                runs += 1
                if runs == Self.mostRuns { return false }
                ends[runs] = index
            }
            runs += 1
            ends[runs] = count
            // Pairs of neighbours, until one is left.
            while runs > 1 {
                var kept = 0
                for run in stride(from: 0, to: runs, by: 2) {
                    if run + 1 < runs { merge(start, ends[run]..<ends[run + 1], ends[run + 2], depth) }
                    kept += 1
                    ends[kept] = ends[min(run + 2, runs)]
                }
                runs = kept
            }
            return true
        }
    }

    /// Merges a run and the one behind it, which goes up to `end`.
    private mutating func merge(
        _ start: UnsafeMutablePointer<SortedText>, _ first: Range<Int>, _ end: Int, _ depth: Int
    ) {
        let scratch = scratch(for: first.count)
        scratch.update(from: start + first.lowerBound, count: first.count)
        var (here, other, place) = (0, first.upperBound, first.lowerBound)
        while here < first.count, other < end {
            if start[other].precedes(scratch[here], depth) {
                start[place] = start[other]
                other += 1
            } else {
                start[place] = scratch[here]
                here += 1
            }
            place += 1
        }
        // What is left of the second one is where it belongs.
        (start + place).update(from: scratch + here, count: first.count - here)
    }

    /// Brings those that end within the key to the front, shorter ones first. A text that goes on has zero
    /// bytes there, and comes behind.
    private func gatherEnded(
        _ start: UnsafeMutablePointer<SortedText>, _ count: Int, _ depth: Int
    ) -> Int {
        var ended = 0
        for index in 0..<count where Int(start[index].count) <= depth + 8 {
            swap(start, index, ended)
            ended += 1
        }
        if ended > 1 {
            var front = UnsafeMutableBufferPointer(start: start, count: ended)
            front.sort { $0.count < $1.count }
        }
        return ended
    }

    /// Deals out by a byte of the key, sorts all parts but the largest, and returns that one.
    private mutating func deal(
        _ start: UnsafeMutablePointer<SortedText>, _ count: Int, _ depth: Int, _ shift: UInt64
    ) -> (UnsafeMutablePointer<SortedText>, Int) {
        let scratch = scratch(for: count)
        return withUnsafeTemporaryAllocation(of: Int.self, capacity: 257) { ends in
            ends.initialize(repeating: 0)
            for index in 0..<count { ends[Int(start[index].key >> shift & 0xff) + 1] += 1 }
            for byte in 1...256 { ends[byte] += ends[byte - 1] }
            // Keeps the order of what agrees, so that runs stay runs.
            for index in 0..<count {
                let byte = Int(start[index].key >> shift & 0xff)
                (scratch + ends[byte]).initialize(to: start[index])
                ends[byte] += 1
            }
            start.update(from: scratch, count: count)
            // Each place in `ends` is now where its part ends.
            var (largest, begin) = (0..<0, 0)
            for byte in 0..<256 {
                let part = begin..<ends[byte]
                if part.count > largest.count { largest = part }
                begin = ends[byte]
            }
            begin = 0
            for byte in 0..<256 {
                let part = begin..<ends[byte]
                if part.count > 1, part != largest { sort(start + part.lowerBound, part.count, depth) }
                begin = ends[byte]
            }
            return (start + largest.lowerBound, largest.count)
        }
    }

    /// Room for so many texts, whose contents are lost with the next call.
    private mutating func scratch(for count: Int) -> UnsafeMutablePointer<SortedText> {
        // The smaller one goes before the larger one comes.
        if scratch.capacity < count {
            scratch = SortRoom(0)
            scratch = SortRoom(count)
        }
        return scratch.start
    }

    /// Splits into smaller, equal and larger keys (Bentley and Sedgewick), sorts two parts, returns the third.
    private mutating func split(
        _ start: UnsafeMutablePointer<SortedText>, _ count: Int, _ depth: Int
    ) -> (UnsafeMutablePointer<SortedText>, Int) {
        let (one, two, three) = (start[0].key, start[count / 2].key, start[count - 1].key)
        let pivot = max(min(one, two), min(max(one, two), three))
        var (less, here, more) = (0, 0, count)
        while here < more {
            let key = start[here].key
            if key < pivot {
                swap(start, less, here)
                less += 1
                here += 1
            } else if key > pivot {
                more -= 1
                swap(start, here, more)
            } else {
                here += 1
            }
        }
        let parts = [0..<less, less..<more, more..<count]
        let largest = parts.max { $0.count < $1.count } ?? 0..<count
        for part in parts where part.count > 1 && part != largest {
            sort(start + part.lowerBound, part.count, depth)
        }
        return (start + largest.lowerBound, largest.count)
    }

    private func insert(_ start: UnsafeMutablePointer<SortedText>, _ count: Int, _ depth: Int) {
        for index in 1..<count {
            let text = start[index]
            var place = index
            while place > 0, text.precedes(start[place - 1], depth) {
                start[place] = start[place - 1]
                place -= 1
            }
            start[place] = text
        }
    }

    @inline(__always)
    private func swap(_ start: UnsafeMutablePointer<SortedText>, _ one: Int, _ other: Int) {
        if one == other { return }
        let text = start[one]
        start[one] = start[other]
        start[other] = text
    }
}

/// Room for texts that are sorted.
struct SortRoom: ~Copyable {
    let start: UnsafeMutablePointer<SortedText>
    let capacity: Int

    /// Makes room for so many at a time.
    init(_ capacity: Int) {
        self.capacity = capacity
        let bytes = capacity * MemoryLayout<SortedText>.stride
        start = LargeMemory.resize(nil, from: 0, to: bytes, isFinal: true).bindMemory(
            to: SortedText.self, capacity: capacity)
    }

    deinit { free(start) }

    /// Room for so many, whose contents are lost with the next call.
    func texts(_ count: Int) -> UnsafeMutableBufferPointer<SortedText> {
        precondition(count <= capacity, "more texts than room was made for")
        return UnsafeMutableBufferPointer(start: start, count: count)
    }
}
