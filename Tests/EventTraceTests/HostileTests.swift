import EventTrace
import TestSupport
import Testing

@Suite struct HostileTests {
    private static let good: [UInt8] = {
        var writer = TraceWriter()
        writer.add(.host) { payload in
            payload.put("host")
            payload.put(Int32(23))
        }
        writer.add(.cycle) { $0.put(UInt64(5)) }
        writer.add(.fanotify) { $0.put([1, 2, 3] as [UInt8]) }
        return writer.bytes
    }()

    /// Tags of the frames before the error, and the error.
    private func walk(_ bytes: [UInt8]) -> (tags: [TraceTag?], error: TraceError?) {
        var tags: [TraceTag?] = []
        do throws(TraceError) {
            var reader = try TraceReader(bytes)
            while let frame = try reader.next() {
                #expect(frame.payload.upperBound <= bytes.count)
                tags.append(frame.tag)
            }
            return (tags, nil)
        } catch { return (tags, error) }
    }

    @Test func foreignFiles() {
        for text in [
            "", "retinue-trace/1", "retinue-trace/\n", "retinue-trace/2", "{\"type\":\"header\"}\n",
            "\u{7f}ELF",
        ] {
            #expect(throws: TraceError.notATrace) { try TraceReader(Array(text.utf8)) }
        }
    }

    @Test func laterVersionsAreNamed() {
        let error = TraceError.unknownVersion("retinue-trace/23")
        #expect(throws: error) { try TraceReader(Array("retinue-trace/23\nanything".utf8)) }
        #expect("\(error)".contains("`retinue-trace/23`; this version reads `retinue-trace/1`"))
    }

    @Test func everyTruncationIsReported() {
        // Where frames begin, and how many stand before.
        let starts = [16: 0, 16 + 17: 1, 16 + 17 + 13: 2]
        for length in 0..<Self.good.count {
            let result = walk(Array(Self.good.prefix(length)))
            if length < traceMagic.count {
                #expect(result.error == .notATrace)
            } else if let whole = starts[length] {
                #expect(result.error == nil)
                #expect(result.tags.count == whole)
            } else {
                let start = starts.keys.filter { $0 < length }.max()!
                #expect(result.error == .truncated(offset: start))
                #expect(result.tags.count == starts[start]!)
            }
        }
        #expect(walk(Self.good).tags == [.host, .cycle, .fanotify])
    }

    @Test func lengthsAreNotTrusted() {
        var bytes = Self.good
        bytes[17...20] = [0xff, 0xff, 0xff, 0xff]
        #expect(walk(bytes).error == .tooLong(offset: 16))
        // The last frame's, longer by one.
        bytes = Self.good
        bytes[47] += 1
        #expect(walk(bytes).error == .truncated(offset: 46))
        #expect(walk(bytes).tags == [.host, .cycle])
    }

    @Test func unknownTagsAreSkipped() throws {
        var writer = TraceWriter()
        writer.add(.cycle) { $0.put(UInt8(1)) }
        writer.add(.loss) { $0.put("later") }
        writer.add(.dump) { $0.put(UInt8(2)) }
        var bytes = writer.bytes
        bytes[traceMagic.count + 6] = 0xc8
        #expect(walk(bytes).tags == [.cycle, nil, .dump])
        #expect(walk(bytes).error == nil)
    }

    private func payload(_ bytes: [UInt8]) throws -> PayloadReader {
        var writer = TraceWriter()
        bytes.withUnsafeBytes { writer.add(.host, raw: $0) }
        // What follows must not be read for it.
        writer.add(.cycle) { $0.put(UInt64.max) }
        var reader = try TraceReader(writer.bytes)
        let frame = try #require(try reader.next())
        return reader.payload(frame)
    }

    @Test func payloadsEndAtTheirFrame() throws {
        let start = traceMagic.count + 5
        var short = try payload([1, 2, 3])
        #expect(throws: TraceError.malformed(offset: start)) { try short.integer(UInt32.self) }
        #expect(throws: TraceError.malformed(offset: start)) { try short.string() }
        #expect(try short.integer(UInt8.self) == 1)
        var none = try payload([])
        #expect(throws: TraceError.malformed(offset: start)) { try none.bool() }
        // A byte string that is said to be longer than the frame.
        var long = try payload([3, 0, 0, 0, 1, 2])
        #expect(throws: TraceError.malformed(offset: start + 4)) { try long.string() }
        var huge = try payload([0xff, 0xff, 0xff, 0xff, 1, 2])
        #expect(throws: TraceError.malformed(offset: start + 4)) { try huge.string() }
        var optional = try payload([1])
        #expect(throws: TraceError.malformed(offset: start + 1)) { try optional.optionalString() }
    }

    @Test func textThatIsNotTextIsRepaired() throws {
        var broken = try payload([2, 0, 0, 0, 0xff, 0x41])
        #expect(try broken.text() == "\u{fffd}A")
    }

    @Test func errorsReadAsSentences() {
        #expect("\(TraceError.notATrace)".contains("not a recorded event stream"))
        #expect("\(TraceError.truncated(offset: 23))".contains("byte 23"))
        #expect("\(TraceError.malformed(offset: 23))".contains("byte 23"))
    }

    @Test func hostileBytesDoNotTrap() {
        var parsed = 0
        var refused = 0
        hostileInputs(from: [Self.good], count: 20_000, seed: 23) { bytes in
            do throws(TraceError) {
                var reader = try TraceReader(bytes)
                while let frame = try reader.next() {
                    parsed += 1
                    _ = reader.raw(frame)
                    var payload = reader.payload(frame)
                    _ = try payload.optionalString()
                    _ = try payload.integer(Int64.self)
                    _ = try payload.text()
                }
            } catch { refused += 1 }
        }
        #expect(parsed > 1000)
        #expect(refused > 1000)
    }
}
