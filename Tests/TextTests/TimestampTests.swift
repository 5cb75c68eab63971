import Testing

@testable import Text

@Suite struct TimestampTests {
    private static let second: UInt64 = 1_000_000_000

    /// Seconds as `date -u -d @N` shows them.
    @Test(arguments: [
        (0, "1970-01-01T00:00:00"), (951_782_400, "2000-02-29T00:00:00"),
        (951_868_800, "2000-03-01T00:00:00"),
        (1_709_164_800, "2024-02-29T00:00:00"), (1_709_251_199, "2024-02-29T23:59:59"),
        (1_709_251_200, "2024-03-01T00:00:00"), (4_107_542_400, "2100-03-01T00:00:00"),
        (4_107_542_399, "2100-02-28T23:59:59"), (1_795_226_400, "2026-11-21T02:00:00"),
        (2_147_483_648, "2038-01-19T03:14:08"), (4_294_967_296, "2106-02-07T06:28:16"),
        (13_574_649_599, "2400-02-29T23:59:59"), (1_735_689_599, "2024-12-31T23:59:59"),
    ])
    func writes(seconds: UInt64, expected: String) {
        #expect(Timestamp.text(seconds * Self.second) == expected + ".000Z")
        #expect(Timestamp.parse((expected + "Z").utf8) == seconds * Self.second)
    }

    @Test func cutsMillisecondsOff() {
        #expect(Timestamp.text(1_999_999) == "1970-01-01T00:00:00.001Z")
        #expect(Timestamp.text(Self.second - 1) == "1970-01-01T00:00:00.999Z")
        #expect(Timestamp.text(1_795_226_400_123_456_789) == "2026-11-21T02:00:00.123Z")
        #expect(Timestamp.compactText(1_795_226_400_123_456_789) == "20261121T020000.123Z")
    }

    @Test func goesToTheEndOfTime() {
        #expect(Timestamp.text(.max) == "2554-07-21T23:34:33.709Z")
        #expect(Timestamp.parse("2554-07-21T23:34:33.709551615Z".utf8) == .max)
        #expect(Timestamp.parse("2554-07-21T23:34:33.709551616Z".utf8) == nil)
        #expect(Timestamp.parse("9999-12-31T23:59:59.999Z".utf8) == nil)
    }

    @Test func everyDayComesBackAndFollowsTheLast() {
        var last = ""
        var wrong: [String] = []
        for day in 0..<213_503 as Range<UInt64> {
            let text = Timestamp.text(day * 86_400 * Self.second)
            // An expectation for each of two hundred thousand would take longer than all other tests.
            if text <= last || Timestamp.parse(text.utf8) != day * 86_400 * Self.second { wrong.append(text) }
            last = text
        }
        #expect(wrong == [])
    }

    @Test func readsFractions() {
        #expect(Timestamp.parse("1970-01-01T00:00:00.1Z".utf8) == 100_000_000)
        #expect(Timestamp.parse("1970-01-01T00:00:00.000000001Z".utf8) == 1)
        #expect(Timestamp.parse("1970-01-01T00:00:01Z".utf8) == Self.second)
    }

    @Test(arguments: [
        "", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01T00:00:00+00:00", "1970-01-01 00:00:00Z",
        "1970-01-01t00:00:00z", "1969-12-31T23:59:59Z", "1970-13-01T00:00:00Z", "1970-00-01T00:00:00Z",
        "1970-01-32T00:00:00Z", "1970-01-00T00:00:00Z", "2023-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
        "1970-04-31T00:00:00Z", "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z", "1970-01-01T00:00:60Z",
        "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00.0000000001Z", "1970-01-01T00:00:00,1Z",
        "197a-01-01T00:00:00Z", "+970-01-01T00:00:00Z", "1970-01-01T00:00:00.1-1Z", "1970-01-01T00:00:00ZZ",
    ])
    func refuses(text: String) { #expect(Timestamp.parse(text.utf8) == nil) }

    /// What stands in the minute of the time before is read as if it stood alone.
    @Test func readsOneAfterTheOther() {
        let times = [
            "2026-11-20T22:14:05.002Z", "2026-11-20T22:14:59.999Z", "2026-11-20T22:14:60.000Z",
            "2026-11-20T22:15:00.000Z",
            "2026-11-20T22:15:0/.000Z", "2026-11-20T22:15:00.0:0Z", "2026-11-20T22:15:00.00Z",
            "2026-11-20T22:15:00,000Z",
            "2026-11-20T22:15:00.000z", "2554-07-21T23:34:33.700Z", "2554-07-21T23:34:33.710Z", "",
            "1970-01-01T00:00:00.000Z",
        ]
        var reader = TimeReader()
        for first in times {
            for second in times {
                for text in [first, second] {
                    let read = Array(text.utf8).withUnsafeBytes { reader.parse($0) }
                    #expect(read == Timestamp.parse(text.utf8), "\(text)")
                }
            }
        }
    }
}
