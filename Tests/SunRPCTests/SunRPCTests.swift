import Testing

@testable import SunRPC

private func call(_ program: UInt32, _ version: UInt32, _ body: [UInt8] = [1, 2, 3, 4]) -> [UInt8] {
    var out = XDRWriter()
    for word in [0xabcd_1234, 0, 2, program, version, 1, 0, 0, 0, 0] { out.integer(word) }
    out.raw(body)
    return out.bytes
}

@Suite("External Data Representation")
struct XDRTests {
    @Test func whatIsWrittenIsReadAgain() throws {
        var out = XDRWriter()
        out.integer(0x0102_0304)
        out.opaque([9, 8, 7, 6, 5])
        out.boolean(true)
        #expect(out.bytes == [1, 2, 3, 4, 0, 0, 0, 5, 9, 8, 7, 6, 5, 0, 0, 0, 0, 0, 0, 1])
        var reader = XDRReader(out.bytes)
        #expect(try reader.integer() == 0x0102_0304)
        #expect(try reader.opaque(most: 5) == [9, 8, 7, 6, 5])
        #expect(try reader.boolean() && reader.rest == 0)
    }

    @Test(arguments: [
        [], [0, 0, 0], [0, 0, 0, 5, 1, 2, 3, 4], [255, 255, 255, 255, 1, 2, 3, 4], [0, 0, 0, 9],
    ])
    func bytesThatAreNone(bytes: [UInt8]) {
        var reader = XDRReader(bytes)
        #expect(throws: XDRError.self) { _ = try reader.opaque(most: 8) }
    }
}

@Suite("The header of a call")
struct CallRewriterTests {
    let rewriter = CallRewriter([
        .init(program: 0x2000_0001, version: 1): .init(program: 0x4000_0007, version: 3)
    ])

    @Test func numbersAreChangedAndNothingElse() {
        var message = call(0x2000_0001, 1)
        #expect(rewriter.rewrite(&message))
        #expect(message == call(0x4000_0007, 3))
    }

    @Test func whatIsNoCallOfThatProgramStays() {
        var reply = call(0x2000_0001, 1)
        reply[7] = 1
        for message in [
            reply, call(0x2000_0001, 2), call(100_003, 1), Array(call(0x2000_0001, 1).prefix(19)), [],
        ] {
            var now = message
            #expect(!rewriter.rewrite(&now) && now == message)
        }
    }

    /// A stream of records, cut at each place into two and into single bytes: the same comes out.
    @Test func aStreamHoweverItIsCut() {
        let long = call(0x2000_0001, 1, Array(repeating: 7, count: 300))
        var stream = RecordMark.record(call(0x2000_0001, 1)) + RecordMark.record(call(5, 1))
        var wanted = RecordMark.record(call(0x4000_0007, 3)) + RecordMark.record(call(5, 1))
        // Fragments of 0, 3, 14, 40 bytes, then the rest as the last.
        func fragments(_ message: [UInt8]) -> [UInt8] {
            var (out, start) = (XDRWriter(), 0)
            for end in [0, 3, 17, 57, message.count] {
                out.integer(UInt32(end - start) | (end == message.count ? 1 << 31 : 0))
                out.raw(Array(message[start..<end]))
                start = end
            }
            return out.bytes
        }
        stream +=
            fragments(long) + RecordMark.record([1, 2, 3]) + RecordMark.record([]) + RecordMark.record(long)
        wanted += fragments(call(0x4000_0007, 3, Array(repeating: 7, count: 300)))
        wanted += RecordMark.record([1, 2, 3]) + RecordMark.record([])
        wanted += RecordMark.record(call(0x4000_0007, 3, Array(repeating: 7, count: 300)))
        for cut in 0...stream.count {
            var records = RecordRewriter(rewriter)
            #expect(records.rewrite(stream[..<cut]) + records.rewrite(stream[cut...]) == wanted, "\(cut)")
        }
        var records = RecordRewriter(rewriter)
        #expect(stream.flatMap { records.rewrite([$0]) } == wanted)
    }

    @Test func bytesWithoutAnyMeaningPassWithTheirLength() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 0...200)).map { _ in UInt8.random(in: 0...255, using: &random) }
            // In front of it a record that lets all of it go on.
            var records = RecordRewriter(rewriter)
            var out = records.rewrite(bytes)
            #expect(out.count <= bytes.count && bytes.count - out.count <= 4096 && bytes.starts(with: out))
            out += records.rewrite(Array(repeating: 0, count: 8192))
            #expect(out.count >= bytes.count)
        }
    }
}

@Suite("rpcbind")
struct RegistrationTests {
    private let number = ProgramNumber(program: 0x2000_0001, version: 1)

    private func ask(
        _ book: inout RegistrationBook, _ procedure: RPCBindMessage.Procedure, _ what: Registration
    ) throws
        -> [UInt8]
    {
        var out = XDRWriter()
        what.write(to: &out)
        let reply = book.answer(RPCBindMessage.call(procedure, xid: 7, out.bytes))
        return try RPCBindMessage.result(of: try #require(reply), xid: 7)
    }

    @Test func aBookTakesAndGivesBack() throws {
        var book = RegistrationBook()
        let udp = Registration(number, network: "udp", port: 845)
        let tcp = Registration(number, network: "tcp", port: 2049)
        #expect(udp.address == "0.0.0.0.3.77" && udp.port == 845 && tcp.port == 2049)
        #expect(try ask(&book, .set, udp) == [0, 0, 0, 1])
        #expect(try ask(&book, .set, udp) == [0, 0, 0, 0])
        #expect(try ask(&book, .set, tcp) == [0, 0, 0, 1])
        #expect(book.registrations == [udp, tcp])
        #expect(try Registration.list(from: try ask(&book, .dump, udp)) == [udp, tcp])
        let any = Registration(number, network: "", address: "")
        #expect(try ask(&book, .unset, any) == [0, 0, 0, 1])
        #expect(book.registrations.isEmpty)
    }

    @Test func whatIsNoCallIsAnsweredAsTheProtocolSays() throws {
        var book = RegistrationBook()
        let nothing = book.answer([1, 2, 3])
        #expect(nothing == nil)
        var other = RPCBindMessage.call(.dump, xid: 7, [])
        other[15] = 9
        let unavailable = book.answer(other)
        #expect(unavailable?.suffix(4) == [0, 0, 0, 1])
        // GARBAGE_ARGS
        let garbage = book.answer(RPCBindMessage.call(.set, xid: 7, [0]))
        #expect(garbage?.suffix(4) == [0, 0, 0, 4])
        for _ in 0..<2000 {
            var bytes = RPCBindMessage.call(.set, xid: 7, (0..<40).map { _ in UInt8.random(in: 0...255) })
            bytes[Int.random(in: 0..<bytes.count)] = UInt8.random(in: 0...255)
            _ = book.answer(Array(bytes.prefix(Int.random(in: 0...bytes.count))))
            _ = try? Registration.list(from: bytes)
            _ = try? RPCBindMessage.result(of: bytes, xid: 7)
        }
    }

    @Test(arguments: ["", "1.2", "a.b.c", "0.0.0.0.300.1", "/run/rpcbind.sock", "0.0.0.0.-1.2"])
    func addressesWithoutAPort(address: String) {
        #expect(Registration(number, network: "udp", address: address).port == nil)
    }

    @Test func recordsAreBounded() throws {
        var assembler = RecordAssembler(mostBytes: 100)
        assembler.add([0x80, 0, 0, 2, 1])
        #expect(try assembler.next() == nil)
        assembler.add([2, 0, 0, 0, 1, 9, 0x80, 0, 0, 0])
        #expect(try assembler.next() == [1, 2])
        #expect(try assembler.next() == [9])
        assembler.add([0x80, 0, 0, 101])
        #expect(throws: XDRError.self) { _ = try assembler.next() }
    }
}
