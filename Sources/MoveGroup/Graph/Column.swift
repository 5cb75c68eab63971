import Glibc

/// An array of plain values that grows in place.
///
/// A graph of a hundred million rows has columns of gigabytes. Growing an `Array` copies it, which needs
/// room for two and a half of it; growing by realloc(3) lets the kernel move the pages (`mremap`).
struct Column<Element: BitwiseCopyable>: ~Copyable {
    private var base: UnsafeMutablePointer<Element>?
    private(set) var count = 0
    private var capacity = 0

    init() {}

    /// Makes a column of equal values; zero bytes cost nothing until they are touched.
    init(zeroes count: Int) {
        guard count > 0 else { return }
        guard let memory = calloc(count, MemoryLayout<Element>.stride) else { Self.exhausted(count) }
        base = memory.bindMemory(to: Element.self, capacity: count)
        capacity = count
        self.count = count
    }

    deinit { free(base) }

    /// Bytes of memory in use.
    var footprint: Int { capacity * MemoryLayout<Element>.stride }

    mutating func reserve(_ wanted: Int) {
        guard wanted > capacity else { return }
        guard let memory = realloc(base, wanted * MemoryLayout<Element>.stride) else {
            Self.exhausted(wanted)
        }
        base = memory.bindMemory(to: Element.self, capacity: wanted)
        capacity = wanted
    }

    @inline(__always)
    mutating func append(_ element: Element) {
        if count == capacity { reserve(max(64, capacity + capacity / 2)) }
        base.unsafelyUnwrapped[count] = element
        count += 1
    }

    mutating func append(repeating element: Element, count more: Int) {
        reserve(count + more)
        for _ in 0..<more { append(element) }
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

    /// Gives memory back that growing took ahead.
    mutating func shrink() {
        guard capacity > count, count > 0 else { return }
        if let memory = realloc(base, count * MemoryLayout<Element>.stride) {
            base = memory.bindMemory(to: Element.self, capacity: count)
            capacity = count
        }
    }

    private static func exhausted(_ count: Int) -> Never {
        fatalError("out of memory: a column of \(count) rows of \(MemoryLayout<Element>.stride) bytes")
    }
}
