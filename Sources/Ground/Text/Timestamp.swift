/// Times as text: RFC 3339 in UTC, with milliseconds (`2026-11-21T02:00:00.123Z`).
///
/// Times are nanoseconds since 1970, leap seconds not counted, as `CLOCK_REALTIME` gives them; the
/// largest that fits into 64 bits lies in the year 2554.
public enum Timestamp {
    /// The text form; what is finer than a millisecond is cut off.
    public static func text(_ nanoseconds: UInt64) -> String {
        var bytes: [UInt8] = []
        append(nanoseconds, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The text form without the marks that are awkward in a file's name (`20261121T020000.123Z`).
    public static func compactText(_ nanoseconds: UInt64) -> String {
        var bytes: [UInt8] = []
        append(nanoseconds, to: &bytes)
        bytes.removeAll { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ":") }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads the text form: UTC only (`Z`), with no to nine digits of a second's fraction.
    ///
    /// - Returns: nanoseconds since 1970; `nil` for anything else, for a day that does not exist, and
    ///   for a time before 1970 or beyond what 64 bits hold.
    public static func parse(_ text: some Collection<UInt8>) -> UInt64? {
        guard text.count >= 20, text.count <= 30 else { return nil }
        return Array(text).withUnsafeBytes { parse($0) }
    }

    /// Reads the text form where it lies.
    public static func parse(_ text: UnsafeRawBufferPointer) -> UInt64? {
        guard text.count >= 20, text.count <= 30 else { return nil }
        return read(text)
    }

    package static func append(_ nanoseconds: UInt64, to out: inout [UInt8]) {
        var time = RecentTime()
        time.withText(of: nanoseconds) { out.append(contentsOf: $0) }
    }

    /// Puts `2026-11-21T` at the start of 24 bytes.
    @usableFromInline static func putDate(day: UInt64, _ text: UnsafeMutableRawBufferPointer) {
        let date = civil(day: day)
        put(date.year, width: 4, at: 0, then: "-", text)
        put(date.month, width: 2, at: 5, then: "-", text)
        put(date.day, width: 2, at: 8, then: "T", text)
    }

    /// Puts `02:00:00.` behind the date, for a second of the day.
    @usableFromInline static func putClock(_ second: UInt64, _ text: UnsafeMutableRawBufferPointer) {
        put(second / 3600, width: 2, at: 11, then: ":", text)
        put(second / 60 % 60, width: 2, at: 14, then: ":", text)
        put(second % 60, width: 2, at: 17, then: ".", text)
    }

    /// Puts the last `width` digits of a number, and what stands behind them.
    @inlinable @inline(__always)
    static func put(
        _ value: UInt64, width: Int, at offset: Int, then mark: Unicode.Scalar,
        _ text: UnsafeMutableRawBufferPointer
    ) {
        var rest = UInt32(truncatingIfNeeded: value)
        var place = offset + width
        text[place] = UInt8(ascii: mark)
        while place > offset {
            place -= 1
            text[place] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
    }

    /// Days since 1970 as a date: years counted from March, so that the leap day ends one; eras of 400
    /// years (146,097 days).
    private static func civil(day: UInt64) -> (year: UInt64, month: UInt64, day: UInt64) {
        let shifted = day + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let march = (5 * dayOfYear + 2) / 153
        let month = march < 10 ? march + 3 : march - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * march + 2) / 5 + 1)
    }

    /// A date as days since 1970, from 1970 on.
    private static func days(year: UInt64, month: UInt64, day: UInt64) -> UInt64 {
        let year = month <= 2 ? year - 1 : year
        let era = year / 400
        let yearOfEra = year % 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// Reads 20 to 30 bytes.
    private static func read(_ text: UnsafeRawBufferPointer) -> UInt64? {
        func number(_ range: Range<Int>) -> UInt64? {
            var value: UInt64 = 0
            for offset in range {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[offset]) else { return nil }
                value = value * 10 + UInt64(text[offset] - UInt8(ascii: "0"))
            }
            return value
        }
        func isMark(_ mark: Unicode.Scalar, _ offset: Int) -> Bool { text[offset] == UInt8(ascii: mark) }

        guard isMark("-", 4), isMark("-", 7), isMark("T", 10), isMark(":", 13), isMark(":", 16),
            isMark("Z", text.count - 1),
            let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
            let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
            year >= 1970, hour < 24, minute < 60, second < 60, (1...12).contains(month), day >= 1
        else { return nil }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let length: UInt64 = month == 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
        guard day <= length else { return nil }

        var fraction: UInt64 = 0
        if text.count > 20 {
            guard isMark(".", 19), text.count > 21, let digits = number(20..<text.count - 1) else {
                return nil
            }
            fraction = digits
            for _ in text.count - 21..<9 { fraction *= 10 }
        }
        let seconds = ((days(year: year, month: month, day: day) * 24 + hour) * 60 + minute) * 60 + second
        let (product, tooFar) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflow) = product.addingReportingOverflow(fraction)
        return tooFar || overflow ? nil : sum
    }
}

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

/// Reads one time after the other (`Timestamp`): of one with milliseconds in the minute of the one before, only
/// seconds and milliseconds are looked into.
public struct TimeReader {
    /// The first 16 bytes of the text, to the minute, and what they mean in nanoseconds since 1970.
    @usableFromInline var text: (UInt64, UInt64) = (0, 0)
    @usableFromInline var minute: UInt64 = 0

    /// Makes one that remembers nothing.
    public init() {}

    /// What `Timestamp.parse` returns.
    @inlinable @inline(__always)
    public mutating func parse(_ bytes: UnsafeRawBufferPointer) -> UInt64? {
        if bytes.count == 24, bytes.eight(at: 0) == text.0, bytes.eight(at: 8) == text.1,
            let part = Self.nanoseconds(bytes)
        {
            let (sum, overflow) = minute.addingReportingOverflow(part)
            if !overflow { return sum }
        }
        return parseWhole(bytes)
    }

    /// What stands behind the minute, `:00.123Z`; `nil` if it is anything else.
    @inlinable @inline(__always)
    static func nanoseconds(_ bytes: UnsafeRawBufferPointer) -> UInt64? {
        // What is left of each byte is the digit, or 0 where a mark must be. Added to that, the other number lets its top
        // bit alone, but for a byte that is too large.
        let values = bytes.eight(at: 16) ^ 0x5a30_3030_2e30_303a
        guard (values &+ 0x7f76_7676_7f76_7a7f | values) & EightBytes.tops == 0 else { return nil }
        let seconds = (values &>> 8 & 0xff) &* 10 &+ (values &>> 16 & 0xff)
        let tenths = (values &>> 32 & 0xff) &* 10 &+ (values &>> 40 & 0xff)
        return (seconds &* 1000 &+ tenths &* 10 &+ (values &>> 48)) &* 1_000_000
    }

    @usableFromInline @inline(never)
    mutating func parseWhole(_ bytes: UnsafeRawBufferPointer) -> UInt64? {
        guard let time = Timestamp.parse(bytes) else { return nil }
        if bytes.count == 24 {
            text = (bytes.eight(at: 0), bytes.eight(at: 8))
            minute = time - time % 60_000_000_000
        }
        return time
    }
}
