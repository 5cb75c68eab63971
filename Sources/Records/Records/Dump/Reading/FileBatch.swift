import Text

/// Records of files, read and not yet in the ledger: put in some at a time, their misses of the processor's caches
/// overlap.
struct FileBatch: ~Copyable {
    /// Enough to overlap as many misses as a core has under way, few enough to stay in its first cache.
    private static var places: Int { 32 }
    private static var room: Int { 16 << 10 }

    private let steps = UnsafeMutablePointer<TextStep>.allocate(capacity: places)
    private let records = UnsafeMutablePointer<Record>.allocate(capacity: places)
    /// The paths, one behind another: the pieces in which a dump comes go.
    private let texts = UnsafeMutableRawPointer.allocate(byteCount: room, alignment: 8)
    private(set) var count = 0
    /// Bytes of the paths.
    private(set) var byteCount = 0
    private var seen: UInt64 = 0

    init() {}

    deinit {
        steps.deallocate()
        records.deallocate()
        texts.deallocate()
    }

    /// Takes a record, whose path is still to be interned; `false` if there is no room.
    @inline(__always)
    mutating func add(_ record: Record, path: UnsafeRawBufferPointer) -> Bool {
        guard count < Self.places, path.count <= Self.room - byteCount else { return false }
        let place = texts + byteCount
        if let start = path.baseAddress { place.copyMemory(from: start, byteCount: path.count) }
        (steps + count).initialize(
            to: TextStep(text: UnsafeRawBufferPointer(start: place, count: path.count)))
        (records + count).initialize(to: record)
        count += 1
        byteCount += path.count
        return true
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
