import Text

/// Records of files, read and not yet in the ledger: put in some at a time, their misses of the processor's caches
/// overlap.
struct FileBatch: ~Copyable {
    /// Enough to overlap as many misses as a core has under way, few enough to stay in its first cache.
    private static var places: Int { 32 }

    private let steps = UnsafeMutablePointer<TextStep>.allocate(capacity: places)
    private let records = UnsafeMutablePointer<Record>.allocate(capacity: places)
    private(set) var count = 0
    /// Bytes of the paths.
    private(set) var byteCount = 0
    private var seen: UInt64 = 0

    init() {}

    deinit {
        steps.deallocate()
        records.deallocate()
    }

    /// Whether it has to be put into the ledger before another record is taken.
    @inline(__always)
    var isFull: Bool { count == Self.places }

    /// Takes a record, whose path is still to be interned: it must stay where it is until `flush`.
    @inline(__always)
    mutating func add(_ record: Record, path: UnsafeRawBufferPointer) {
        precondition(!isFull)
        (steps + count).initialize(to: TextStep(text: path))
        (records + count).initialize(to: record)
        count += 1
        byteCount += path.count
    }

    /// Puts all of them into a ledger, in their order.
    mutating func flush(into ledger: inout Ledger) {
        ledger.texts.intern(UnsafeMutableBufferPointer(start: steps, count: count), seen: &seen)
        for place in 0..<count {
            // An empty path is none, as it is in any other line.
            let number = steps[place].text.isEmpty ? TextID.none : steps[place].number
            records[place].key.object = number.rawValue
        }
        ledger.restore(UnsafeMutableBufferPointer(start: records, count: count), seen: &seen)
        count = 0
        byteCount = 0
    }
}
