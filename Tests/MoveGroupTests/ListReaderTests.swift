import MoveGroup
import Records
import TestSupport
import Testing

/// Dependency lists: what they say, however they are cut, and what they may not say.
@Suite("Reading dependency lists")
struct ListReaderTests {
    /// What a graph says, by names.
    struct Content: Equatable {
        var edges: [String] = []
        var rows = 0
        var skipped = 0
        var first: ListError?
        var hasEntries = false
    }

    private static func read(
        _ bytes: [UInt8], piece: Int = .max, _ strictness: ListReader.Strictness = .strict,
        lineLimit: Int = 16 << 20
    ) throws(ListError) -> Content {
        var builder = GraphBuilder()
        var reader = ListReader("list", into: &builder, strictness: strictness, lineLimit: lineLimit)
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, piece == .max ? .max : start + piece)
            // Memory of its own, so that reading beyond it shows.
            let part = Array(bytes[start..<end])
            try part.withUnsafeBufferPointer { part throws(ListError) in
                try reader.feed(UnsafeRawBufferPointer(part), into: &builder)
            }
            start = end
        }
        try reader.finish(into: &builder)
        let first = reader.firstSkipped
        let graph = builder.finish()
        var content = Content(first: first, hasEntries: graph.hasEntries)
        content.rows = graph.sources[0].rows
        content.skipped = graph.sources[0].skipped
        for number in 0..<UInt32(graph.edgeCount) {
            let (edge, detail) = (graph[EdgeID(rawValue: number)], graph.detail(EdgeID(rawValue: number)))
            content.edges.append(
                "\(graph.named(edge.from)) \(edge.mark.link.word) \(edge.mark.access.letters) "
                    + "\(graph.named(edge.to)) \(detail.count) \(detail.first) \(detail.last)")
        }
        return content
    }

    private static func read(
        _ text: String, _ strictness: ListReader.Strictness = .strict
    ) throws -> Content {
        try read(Array(text.utf8), strictness)
    }

    /// The error that a text leads to; the same for every size of piece.
    private static func error(_ text: String, lineLimit: Int = 16 << 20) -> ListError? {
        var errors: Set<String> = []
        var last: ListError?
        for piece in [1, 2, 7, .max] {
            do throws(ListError) {
                _ = try read(Array(text.utf8), piece: piece, lineLimit: lineLimit)
                last = nil
            } catch {
                last = error
            }
            errors.insert("\(String(describing: last))")
        }
        #expect(errors.count == 1, "\(errors)")
        return last
    }

    private static let awkward = #"""
        host A,path A,host B,path B\#r
        h1,/a,h1,"/f,with ""quotes"""\#r

        "h1","/a
        with two
        lines",h2,/b\#r
        h1,"/cr\#r",h2,"/cr\#r"\#r
        ,,,
        ,,,
        h1,/a,h2,
        h1,"",h2,"\#r"\#r
        h1,/last,h2,/e\#r\#r

        """#

    private static let awkwardNine = #"""
        host A,path A,relation,access,host B,path B,count,first,last
        h1,/a,file,rx,h1,"/f,
        ""g""",3,1970-01-01T00:00:01.000Z,1970-01-01T00:00:02.000Z\#r
        h1,/a,spawn,,h1,/b,,,
        h1,/a,connect,,10.0.0.9,tcp:5432,1,1970-01-01T00:00:01.000Z,
        h1,/a,connect,,h1,/b,1,,1970-01-01T00:00:01.000Z
        10.0.0.9,/db,accept,,10.0.0.1,tcp:5432,1,,
        10.0.0.9,/db,listen,,10.0.0.9,tcp:[::]:5432,1,,
        10.0.0.9,/db,listen,,10.0.0.9,udp:10.0.0.9:53,1,,
        h1,/a,ipc,,h1,unix:/run/a.sock,1,,
        h1,/a,ipc,,h1,/b,1,,
        h1,/a,ipc,,h1,pipe:,1,,

        """#

    @Test func fourColumns() throws {
        let content = try Self.read(Self.awkward)
        #expect(
            content.edges == [
                "h1:entry /a listed  h1:entry /f,with \"quotes\" 0 0 0",
                "h1:entry /a\nwith two\nlines listed  h2:entry /b 0 0 0",
                "h1:entry /cr\r listed  h2:entry /cr\r 0 0 0", ":entry  listed  :entry  0 0 0",
                ":entry  listed  :entry  0 0 0", "h1:entry /a listed  h2:entry  0 0 0",
                "h1:entry  listed  h2:entry \r 0 0 0", "h1:entry /last listed  h2:entry /e\r 0 0 0",
            ])
        #expect(content.rows == 8 && content.skipped == 0 && content.hasEntries)
    }

    @Test func nineColumns() throws {
        let content = try Self.read(Self.awkwardNine)
        let from = 1_000_000_000
        #expect(
            content.edges == [
                "h1:/a @ file rx h1:file /f,\n\"g\" 3 \(from) \(2 * from)", "h1:/a @ spawn  h1:/b @ 0 0 0",
                "h1:/a @ connect  h1:/b @ 1 0 \(from)", "h1:/a @ ipc  h1:unix:/run/a.sock 1 0 0",
                "h1:/a @ ipc  h1:/b @ 1 0 0", "h1:/a @ ipc  h1:pipe: 1 0 0",
                "10.0.0.9:/db @ listen  10.0.0.9:tcp:[::]:5432 1 0 0",
                "10.0.0.9:/db @ listen  10.0.0.9:udp:10.0.0.9:53 1 0 0",
                // No accept from an address that h1 is known to have: it is whoever waits there.
                "h1:/a @ connect  10.0.0.9:/db @ 1 \(from) 0",
                "10.0.0.9:/db @ accept  :tcp:10.0.0.1:* 1 0 0",
            ])
        #expect(content.rows == 10 && !content.hasEntries)
    }

    @Test func headerIsOptional() throws {
        let four = try Self.read("h1,/a,h1,/f\n")
        #expect(four.edges.count == 1 && four.hasEntries)
        #expect(try Self.read("host A,path A,host B,path B\nh1,/a,h1,/f\n") == four)
        let nine = try Self.read("h,/a,file,r,h,/f,1,,\n")
        #expect(nine.edges.count == 1)
        #expect(try Self.read("host A,path A,relation,access,host B,path B,count,first,last\n").rows == 0)
        #expect(try Self.read("").rows == 0 && Self.read("\n\r\n\n").rows == 0)
    }

    @Test(arguments: [1, 2, 3, 7, 64]) func piecesMakeNoDifference(piece: Int) throws {
        for text in [Self.awkward, Self.awkwardNine] {
            let bytes = Array(text.utf8)
            #expect(try Self.read(bytes, piece: piece) == Self.read(bytes))
        }
    }

    @Test func errorsNameTheLine() {
        #expect(Self.error("a,b,c\n") == ListError(.columns(3, expected: nil), line: 1))
        #expect(Self.error("a,b,c,d\n\na,b,c\n") == ListError(.columns(3, expected: 4), line: 3))
        #expect(Self.error("a,b,c,d\na,b,c,d,e\n") == ListError(.columns(5, expected: 4), line: 2))
        // Quoted line ends count, and a row has the number of the line on which it begins.
        #expect(
            Self.error("a,\"b\n\n\",c,d\r\n\r\na,b,c\n") == ListError(.columns(3, expected: 4), line: 5))
        #expect(Self.error("a,\"b\n\",c,d\na,\"b\n\",c\n") == ListError(.columns(3, expected: 4), line: 3))
        #expect(Self.error("a,b\"b,c,d\n") == ListError(.quoting, line: 1))
        #expect(Self.error("a,\"b\"b,c,d\n") == ListError(.quoting, line: 1))
        #expect(Self.error("a,b,c,d\na,\"b\n\"x,c,d\n") == ListError(.quoting, line: 2))
        #expect(Self.error("a,b,c,d\na,b,c,d") == ListError(.cutOff, line: 2))
        #expect(Self.error("a,\"b\n,c,d\n") == ListError(.cutOff, line: 1))
        #expect(
            Self.error("a,b,c,d\naaaaaa,b,c,d\n", lineLimit: 12) == ListError(.tooLong(limit: 12), line: 2))
        #expect(Self.error("a,b,c,d\naaaaa,b,c,d\n", lineLimit: 12) == nil)
        #expect(
            Self.error("a,\"b\nbbbbbbbb\",c,d\n", lineLimit: 12) == ListError(.tooLong(limit: 12), line: 1))
        #expect("\(ListError(.cutOff, line: 7))".hasPrefix("line 7: "))
    }

    @Test(arguments: [
        ("h,/a,eats,,h,/b,1,,", "relation", "eats"), ("h,/a,file,rr,h,/b,1,,", "access", "rr"),
        ("h,/a,file,r,h,/b,-1,,", "count", "-1"), ("h,/a,file,r,h,/b,1,noon,", "first", "noon"),
        ("h,/a,file,r,h,/b,1,,noon", "last", "noon"),
        (
            "h,/a,file,r,h,/b,1,1970-01-01T00:00:02.000Z,1970-01-01T00:00:01.000Z", "last",
            "1970-01-01T00:00:01.000Z"
        ),
        ("h,/a,connect,,nowhere,tcp:80,1,,", "host B", "nowhere"),
        ("h,/a,listen,,h,/b,1,,", "path B", "/b"),
        ("h,/a,listen,,h,tcp:1:80000,1,,", "path B", "tcp:1:80000"),
    ])
    func wordsHaveToMeanSomething(row: String, column: String, value: String) throws {
        let text = "h,/a,file,r,h,/b,1,,\n\(row)\nh,/a,file,r,h,/c,1,,\n"
        let expected = ListError(.field(column: column, value: value), line: 2)
        #expect(Self.error(text) == expected)
        let content = try Self.read(text, .lenient)
        #expect(content.rows == 2 && content.skipped == 1 && content.first == expected)
    }

    @Test func lenientCountsWhatItLeavesOut() throws {
        let content = try Self.read("a,b\na,b,c,d\na,\"b\"x,c,d\na,b,c\n\na,b,c,e\na,b", .lenient)
        #expect(content.rows == 2 && content.skipped == 4)
        #expect(content.first == ListError(.columns(2, expected: nil), line: 1))
    }

    @Test func truncationAtEveryByteEndsWithARowOrAnError() throws {
        for text in [Self.awkward, Self.awkwardNine] {
            let bytes = Array(text.utf8)
            let whole = try Self.read(bytes)
            for count in 0..<bytes.count {
                let cut = Array(bytes[..<count])
                let lenient = try Self.read(cut, piece: 5, .lenient)
                #expect(lenient.rows <= whole.rows && lenient.skipped <= 1)
                if count > 0, bytes[count - 1] != 0x0a {
                    #expect(throws: ListError.self) { try Self.read(cut) }
                }
            }
        }
    }

    @Test func hostileBytesNeverTrapAndPiecesMakeNoDifference() {
        var random = SeededGenerator(seed: 7)
        let alphabet = Array(",,,,\"\"\n\n\r/ab:1[]".utf8) + [0, 0xff]
        for number in 0..<1500 {
            var bytes = Array((number % 2 == 0 ? Self.awkward : Self.awkwardNine).utf8)
            if number % 3 == 0 {
                bytes = (0..<Int.random(in: 0...80, using: &random)).map { _ in
                    alphabet.randomElement(using: &random)!
                }
            } else {
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    let place = Int.random(in: 0..<bytes.count, using: &random)
                    switch Int.random(in: 0...2, using: &random) {
                    case 0: bytes[place] = alphabet.randomElement(using: &random)!
                    case 1: bytes.remove(at: place)
                    default: bytes.insert(alphabet.randomElement(using: &random)!, at: place)
                    }
                }
            }
            let size = Int.random(in: 1...9, using: &random)
            let one = Result { () throws(ListError) in try Self.read(bytes, piece: size, .lenient) }
            let whole = Result { () throws(ListError) in try Self.read(bytes, .lenient) }
            #expect((try? one.get()) == (try? whole.get()), "\(number): \(bytes)")
            let strict = Result { () throws(ListError) in try Self.read(bytes, piece: size) }
            if case .success(let content) = whole, let first = content.first {
                #expect(throws: first) { try strict.get() }
            }
        }
    }

    /// A quote that is never closed must not make every further line a new attempt from the start.
    @Test func openQuoteTakesNoSquareOfTime() {
        let lines = [UInt8](repeating: 0x0a, count: 1 << 18)
        var builder = GraphBuilder()
        var reader = ListReader("list", into: &builder, strictness: .lenient)
        for piece in [Array("a,\"".utf8), lines] {
            piece.withUnsafeBytes { try? reader.feed($0, into: &builder) }
        }
        try? reader.finish(into: &builder)
        #expect(reader.firstSkipped == ListError(.cutOff, line: 1))
    }

    @Test func namesAreBytes() throws {
        let row: [UInt8] = Array("h,/".utf8) + [0xff, 0xfe] + Array(",h,/".utf8) + [0xc0, 0x80, 0x0a]
        var builder = GraphBuilder()
        var reader = ListReader("list", into: &builder)
        try row.withUnsafeBytes { try reader.feed($0, into: &builder) }
        try reader.finish(into: &builder)
        let graph = builder.finish()
        #expect(
            graph.allNodes.map { graph[$0] } == [.entry([0x2f, 0xff, 0xfe]), .entry([0x2f, 0xc0, 0x80])])
    }

    /// What a host's CSV says is what its dump says, but for what the form has no column for.
    @Test(arguments: 0..<20) func roundTrip(seed: UInt64) throws {
        var random = RandomLedger(seed: seed)
        var ledger = Ledger()
        random.fill(&ledger, observations: 120)
        var bytes: [UInt8] = []
        var builder = GraphBuilder()
        ledger.writeCSV(host: "H", withHeader: seed % 2 == 0) { bytes.append(contentsOf: $0) }
        var reader = ListReader("list", into: &builder)
        try bytes.withUnsafeBytes { try reader.feed($0, into: &builder) }
        try reader.finish(into: &builder)
        let found = Self.sums(builder.finish())
        var other = GraphBuilder()
        other.add(DumpContents(header: Self.header, ledger: Self.plain(ledger)), from: "dump")
        let expected = Self.sums(other.finish())
        #expect(found == expected)
    }

    /// Edges by names, equal ones added up.
    private static func sums(_ graph: DependencyGraph) -> [String: UInt64] {
        var sums: [String: UInt64] = [:]
        for number in 0..<UInt32(graph.edgeCount) {
            let (edge, detail) = (graph[EdgeID(rawValue: number)], graph.detail(EdgeID(rawValue: number)))
            let name = "\(graph[edge.from]) \(edge.mark.link.word) \(graph[edge.to])"
            sums[name, default: 0] += detail.count
            for letter in edge.mark.access.letters.description { sums["\(name) \(letter)"] = 1 }
        }
        return sums
    }

    private static var header: DumpHeader {
        var header = DumpHeader()
        header.hostID = "H"
        return header
    }

    private static func program(
        _ number: ProgramID, of ledger: borrowing Ledger, in plain: inout Ledger
    ) -> ProgramID {
        if number == .unknown { return number }
        let program = ledger[number]
        let path = ledger.texts.isEmpty(program.script) ? program.executable : program.script
        return plain.intern(Program(executable: plain.texts.intern(ledger.texts.array(path))))
    }

    /// The ledger without what CSV cannot express: workloads, interpreters, transports and ports of known peers.
    private static func plain(_ ledger: borrowing Ledger) -> Ledger {
        var plain = Ledger()
        for record in ledger.records {
            let key = record.key
            var (object, remote, peer) = (key.object, key.remote, ProgramID.unknown)
            switch key.relation {
            case .file: object = plain.texts.intern(ledger.texts.array(TextID(rawValue: object))).rawValue
            case .spawn: object = program(ProgramID(rawValue: object), of: ledger, in: &plain).rawValue
            case .connect, .accept, .listen:
                peer = program(key.peer, of: ledger, in: &plain)
                let local = ledger.endpoints[Int(object)]
                // The local address of a connection taken has no column.
                let kept = key.relation == .accept ? Endpoint(NetworkAddress("::")!, port: local.port) : local
                object = plain.intern(kept).rawValue
                remote = plain.intern(ledger.endpoints[Int(remote)]).rawValue
            case .ipc:
                let name = ledger.texts.array(TextID(rawValue: object))
                // An object with a name says nothing of its peer.
                peer = name.isEmpty ? program(key.peer, of: ledger, in: &plain) : .unknown
                object = name.isEmpty ? 0 : plain.texts.intern(name).rawValue
            }
            var copy = record
            // Without evidence a listener is taken for one that was there already, as one that was scanned.
            copy.evidence = .snapshot
            copy.key = RecordKey(
                program(key.program, of: ledger, in: &plain), key.relation, detail: key.detail,
                object: object, remote: remote, peer: peer)
            plain.restore(copy)
        }
        return plain
    }
}
