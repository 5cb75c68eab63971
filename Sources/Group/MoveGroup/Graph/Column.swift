import Glibc
import Records

/// An array of plain values that grows in place.
///
/// A graph of a hundred million rows has columns of gigabytes. Growing an `Array` copies it, which needs
/// room for two and a half of it; growing by realloc(3) lets the kernel move the pages (`mremap`).
struct Column<Element: BitwiseCopyable>: ~Copyable {
    private var base: UnsafeMutablePointer<Element>?
    private(set) var count = 0
    private var capacity = 0
    /// Whether it was made of zeroes; such a column does not grow.
    private var isOfZeroes = false

    init() {}

    /// Makes a column of equal values; zero bytes cost nothing until they are touched.
    init(zeroes count: Int) {
        guard count > 0 else { return }
        base = LargeMemory.zeroes(count * MemoryLayout<Element>.stride).bindMemory(
            to: Element.self, capacity: count)
        capacity = count
        self.count = count
        isOfZeroes = true
    }

    /// Makes a column of so many values, all of which are to be written, in memory that was in use before if it is large
    /// enough.
    init(unwritten count: Int, in area: consuming UsedArea) {
        let bytes = count * MemoryLayout<Element>.stride
        guard let memory = area.take(bytes) else {
            self.init(zeroes: count)
            return
        }
        self.init()
        base = memory.bindMemory(to: Element.self, capacity: count)
        capacity = count
        self.count = count
        isOfZeroes = true
    }

    /// A column with the same values.
    borrowing func copied() -> Column {
        var copy = Column()
        copy.append(contentsOf: self)
        return copy
    }

    private mutating func append(contentsOf other: borrowing Column) {
        guard let values = other.base, other.count > 0 else { return }
        spare(other.count).initialize(from: values, count: other.count)
        took(other.count)
    }

    deinit {
        if isOfZeroes {
            LargeMemory.release(zeroes: base, capacity * MemoryLayout<Element>.stride)
        } else {
            free(base)
        }
    }

    /// Bytes of memory in use.
    var footprint: Int { capacity * MemoryLayout<Element>.stride }

    /// Makes room for so many in all.
    mutating func reserve(_ wanted: Int) {
        if wanted > capacity { resize(to: wanted, isFinal: true) }
    }

    private mutating func resize(to wanted: Int, isFinal: Bool) {
        precondition(!isOfZeroes, "a column of zeroes does not grow")
        let stride = MemoryLayout<Element>.stride
        base = LargeMemory.resize(base, from: capacity * stride, to: wanted * stride, isFinal: isFinal)
            .bindMemory(to: Element.self, capacity: wanted)
        capacity = wanted
    }

    @inline(__always)
    mutating func append(_ element: Element) {
        if count == capacity { resize(to: max(64, capacity + capacity / 2), isFinal: false) }
        base.unsafelyUnwrapped[count] = element
        count += 1
    }

    mutating func append(repeating element: Element, count more: Int) {
        reserve(count + more)
        for _ in 0..<more { append(element) }
    }

    /// For how many more there is room.
    var spareCount: Int { capacity - count }

    /// Lends room behind the last value for so many more, of which `took` says how many were written.
    mutating func spare(_ more: Int) -> UnsafeMutablePointer<Element> {
        // Ahead of what is asked, so that asking again and again costs little.
        if count + more > capacity { reserve(max(count + more, capacity + capacity / 2, 64)) }
        return base.unsafelyUnwrapped + count
    }

    /// Takes in what was written into the spare room.
    mutating func took(_ more: Int) {
        precondition(more >= 0 && more <= capacity - count, "no such room")
        count += more
    }

    @inline(__always)
    subscript(position: Int) -> Element {
        get {
            precondition(UInt(bitPattern: position) < UInt(bitPattern: count), "no such row")
            return base.unsafelyUnwrapped[position]
        }
        set {
            precondition(UInt(bitPattern: position) < UInt(bitPattern: count), "no such row")
            base.unsafelyUnwrapped[position] = newValue
        }
    }

    /// Lends the values.
    @inline(__always)
    func withElements<Result, Failure: Error>(
        _ body: (UnsafeMutableBufferPointer<Element>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeMutableBufferPointer(start: base, count: count))
    }

    /// Gives memory back that growing took ahead, if it is much: splitting a huge page costs time.
    mutating func shrink() {
        if capacity - count > count / 4, count > 0 { resize(to: count, isFinal: false) }
    }
}

/// A large area that nothing needs any more: what was touched before is touched at no cost, while the kernel has to
/// clear what is new.
struct UsedArea: ~Copyable {
    private let memory: UnsafeMutableRawPointer
    private let bytes: Int
    private var isTaken = false

    /// Takes over an area that `LargeMemory.zeroes` made.
    init(zeroes memory: UnsafeMutableRawPointer, _ bytes: Int) {
        self.memory = memory
        self.bytes = bytes
    }

    deinit { if !isTaken { LargeMemory.release(zeroes: memory, bytes) } }

    /// Hands over so many bytes, to be given back as if they were zeroes, and lets go of the others; `nil` if the area is
    /// too small, or it is not worth it.
    mutating func take(_ wanted: Int) -> UnsafeMutableRawPointer? {
        guard !isTaken, LargeMemory.shorten(memory, from: bytes, to: wanted) else { return nil }
        isTaken = true
        return memory
    }
}

/// Memory of a graph, which is mostly large.
enum LargeMemory {
    /// Areas of this size and more come in whole huge pages where the kernel gives them: one fault in place
    /// of 512 while they fill, and fewer misses of the address cache when they are looked at here and there.
    private static let large = 1 << 20
    private static let hugePage = HugePages.size
    /// What is quicker copied into huge pages than moved without.
    private static let copied = 4 << 20

    /// Changes the size of an area that is not of zeroes.
    ///
    /// - Parameter isFinal: whether it is not to grow again soon. A large area that grows is moved, not copied
    ///   (`mremap`), and huge pages that are moved to where none can begin are split, which costs more than
    ///   they gain.
    static func resize(
        _ memory: UnsafeMutableRawPointer?, from had: Int, to bytes: Int, isFinal: Bool
    ) -> UnsafeMutableRawPointer {
        if isFinal, bytes >= large, bytes > had, had <= copied {
            var area: UnsafeMutableRawPointer?
            guard posix_memalign(&area, hugePage, whole(bytes)) == 0, let area else { exhausted(bytes) }
            HugePages.advise(area, bytes: whole(bytes))
            if let memory { memcpy(area, memory, had) }
            free(memory)
            return area
        }
        guard let resized = realloc(memory, max(bytes, 1)) else { exhausted(bytes) }
        if isFinal { HugePages.advise(resized, bytes: bytes) }
        return resized
    }

    /// An area of zeroes, which cost nothing until they are touched; to be given back by `release`.
    static func zeroes(_ bytes: Int) -> UnsafeMutableRawPointer {
        guard bytes >= large else {
            guard let memory = calloc(max(bytes, 1), 1) else { exhausted(bytes) }
            return memory
        }
        // Enough for an aligned area to lie inside; what is before and behind it goes back.
        let mapped = whole(bytes) + hugePage
        guard let start = mmap(nil, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            start != MAP_FAILED
        else { exhausted(bytes) }
        let before = (hugePage - Int(bitPattern: start) % hugePage) % hugePage
        if before > 0 { munmap(start, before) }
        let area = start + before
        if before < hugePage { munmap(area + whole(bytes), hugePage - before) }
        HugePages.advise(area, bytes: whole(bytes))
        return area
    }

    /// An array of equal values, in huge pages where the kernel gives them.
    static func array<Element: BitwiseCopyable>(of value: Element, count: Int) -> [Element] {
        Array(unsafeUninitializedCapacity: count) { area, filled in
            advise(area)
            area.initialize(repeating: value)
            filled = count
        }
    }

    /// An empty array with such room for so many.
    static func array<Element>(ofAtMost count: Int) -> [Element] {
        Array(unsafeUninitializedCapacity: count) { area, _ in advise(area) }
    }

    private static func advise<Element>(_ area: UnsafeMutableBufferPointer<Element>) {
        guard let start = area.baseAddress else { return }
        HugePages.advise(start, bytes: area.count * MemoryLayout<Element>.stride)
    }

    /// Gives back an area of so many zeroes.
    static func release(zeroes memory: UnsafeMutableRawPointer?, _ bytes: Int) {
        if bytes >= large { munmap(memory, whole(bytes)) } else { free(memory) }
    }

    /// Gives back all of an area of zeroes but so many bytes; says whether it was large enough, and they are many.
    fileprivate static func shorten(_ memory: UnsafeMutableRawPointer, from had: Int, to bytes: Int) -> Bool {
        guard bytes >= large, bytes <= had else { return false }
        if whole(bytes) < whole(had) { munmap(memory + whole(bytes), whole(had) - whole(bytes)) }
        return true
    }

    private static func whole(_ bytes: Int) -> Int { (bytes + hugePage - 1) / hugePage * hugePage }

    private static func exhausted(_ bytes: Int) -> Never { fatalError("out of memory: \(bytes) bytes") }
}
