import Glibc

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
