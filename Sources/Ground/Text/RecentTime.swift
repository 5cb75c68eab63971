/// The text of one time after the other (`Timestamp`): what is the same as in the one before stays. Records in
/// the order in which they were first seen mostly differ in the milliseconds.
public struct RecentTime {
    /// Day and second of what stands in `text`, since 1970.
    @usableFromInline var day: UInt64 = .max
    @usableFromInline var second: UInt64 = .max
    @usableFromInline var text: (UInt64, UInt64, UInt64) = (0, 0, 0)

    /// Makes one that remembers nothing.
    public init() {}

    /// Lends the text of a time, for the length of the call.
    @inlinable @inline(__always)
    public mutating func withText(of nanoseconds: UInt64, _ body: (UnsafeRawBufferPointer) -> Void) {
        let seconds = nanoseconds / 1_000_000_000
        let millisecond = (nanoseconds - seconds * 1_000_000_000) / 1_000_000
        withUnsafeMutableBytes(of: &text) { text in
            if seconds != second {
                if seconds / 86_400 != day {
                    day = seconds / 86_400
                    Timestamp.putDate(day: day, text)
                }
                Timestamp.putClock(seconds % 86_400, text)
                second = seconds
            }
            Timestamp.put(millisecond, width: 3, at: 20, then: "Z", text)
            body(UnsafeRawBufferPointer(text))
        }
    }
}
