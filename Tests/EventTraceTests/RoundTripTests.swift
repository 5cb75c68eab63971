import EventTrace
import Testing

@Suite struct RoundTripTests {
    @Test func emptyStream() throws {
        let writer = TraceWriter()
        #expect(writer.bytes == Array("retinue-trace/1\n".utf8))
        var reader = try TraceReader(writer.bytes)
        #expect(try reader.next() == nil)
        #expect(try reader.next() == nil)
    }

    /// Numbers of the format: a recording of today is read by a later version.
    @Test func tagsKeepTheirNumbers() {
        let numbers: [TraceTag: UInt8] = [
            .host: 1, .cycle: 2, .fanotify: 3, .descriptorEvent: 4, .process: 5, .image: 6, .tracepoint: 7,
            .closure: 8, .directoryChain: 15, .move: 16, .scope: 9, .directoryAnswer: 10, .processAnswer: 11,
            .headAnswer: 12,
            .kindAnswer: 13, .addressesAnswer: 14, .snapshot: 20, .snapshotProcess: 21, .snapshotSocket: 22,
            .snapshotChannel: 23, .snapshotAddresses: 24, .scanRequest: 25, .snapshotFailure: 26, .loss: 30,
            .dump: 31, .drainLoss: 32, .sources: 33, .absence: 34, .mounts: 35, .budget: 36,
            .snapshotListener: 27, .snapshotTranslation: 28, .localConnect: 37, .datagramEnd: 38,
            .closureElsewhere: 39, .datagramSend: 40, .notices: 41, .datagramRoute: 42,
        ]
        #expect(Set(numbers.keys) == Set(TraceTag.allCases))
        for (tag, number) in numbers { #expect(tag.rawValue == number) }
    }

    @Test func layoutOfAFrame() {
        var writer = TraceWriter()
        writer.add(.process) { payload in
            payload.put(UInt16(0x1234))
            payload.put([7, 8] as [UInt8])
        }
        #expect(
            Array(writer.bytes.dropFirst(traceMagic.count))
                == [5, 8, 0, 0, 0, 0x34, 0x12, 2, 0, 0, 0, 7, 8])
    }

    @Test func everyKindOfValue() throws {
        var writer = TraceWriter()
        writer.add(.snapshot) { payload in
            payload.put(UInt8.max)
            payload.put(Int8.min)
            payload.put(UInt16.max)
            payload.put(Int16.min)
            payload.put(UInt32.max)
            payload.put(Int32.min)
            payload.put(UInt64.max)
            payload.put(Int64.min)
            payload.put(UInt64(0x0123_4567_89ab_cdef))
            payload.put(Int32(-23))
            payload.put(true)
            payload.put(false)
            payload.put([0, 0xff, 0x0a] as [UInt8])
            payload.put([] as [UInt8])
            payload.put(optional: [1])
            payload.put(optional: [])
            payload.put(optional: nil)
            payload.put("ein Grüßchen 🎉\0")
            payload.put("")
        }
        var reader = try TraceReader(writer.bytes)
        let frame = try #require(try reader.next())
        #expect(frame.tag == .snapshot)
        var payload = reader.payload(frame)
        #expect(try payload.integer(UInt8.self) == .max)
        #expect(try payload.integer(Int8.self) == .min)
        #expect(try payload.integer(UInt16.self) == .max)
        #expect(try payload.integer(Int16.self) == .min)
        #expect(try payload.integer(UInt32.self) == .max)
        #expect(try payload.integer(Int32.self) == .min)
        #expect(try payload.integer(UInt64.self) == .max)
        #expect(try payload.integer(Int64.self) == .min)
        #expect(try payload.integer(UInt64.self) == 0x0123_4567_89ab_cdef)
        #expect(try payload.integer(Int32.self) == -23)
        #expect(try payload.bool())
        #expect(try !payload.bool())
        #expect(try payload.string() == [0, 0xff, 0x0a])
        #expect(try payload.string() == [])
        #expect(try payload.optionalString() == [1])
        #expect(try payload.optionalString() == [])
        #expect(try payload.optionalString() == nil)
        #expect(try payload.text() == "ein Grüßchen 🎉\0")
        #expect(try payload.text() == "")
        // Nothing is left, and nothing beyond the frame can be had.
        #expect(throws: TraceError.malformed(offset: frame.payload.upperBound)) { try payload.bool() }
        #expect(try reader.next() == nil)
    }

    @Test(arguments: TraceTag.allCases)
    func rawFrames(tag: TraceTag) throws {
        let bytes = (0..<70_001).map { UInt8(truncatingIfNeeded: $0) }
        var writer = TraceWriter()
        writer.add(tag) { _ in }
        bytes.withUnsafeBytes { writer.add(tag, raw: $0) }
        var reader = try TraceReader(writer.bytes)
        let empty = try #require(try reader.next())
        #expect(empty.tag == tag)
        #expect(empty.payload.isEmpty)
        let frame = try #require(try reader.next())
        #expect(frame.tag == tag)
        #expect(Array(reader.raw(frame)) == bytes)
        #expect(try reader.next() == nil)
    }

    /// The owner of the file takes pieces: joined they are the stream, with one first line.
    @Test func piecesJoin() throws {
        var pieces = TraceWriter()
        var whole = TraceWriter()
        var joined: [UInt8] = []
        for number in 0..<23 as Range<UInt32> {
            pieces.add(.cycle) { $0.put(number) }
            whole.add(.cycle) { $0.put(number) }
            joined += pieces.take()
            #expect(pieces.take().isEmpty)
        }
        #expect(joined == whole.bytes)
        var reader = try TraceReader(joined)
        var numbers: [UInt32] = []
        while let frame = try reader.next() {
            var payload = reader.payload(frame)
            numbers.append(try payload.integer())
        }
        #expect(numbers == Array(0..<23))
    }
}
