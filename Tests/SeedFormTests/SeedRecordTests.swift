import Records
import Testing

@testable import SeedForm

@Suite("The five records as CSV")
struct SeedRecordTests {
    private let web = Endpoint(NetworkAddress(v4: 0x0a00_0001), port: 4000)
    private let database = Endpoint(NetworkAddress("2001:db8::2")!, port: 5432)

    @Test func eachHasItsForm() throws {
        let records = [
            SeedRecord(.open(pid: 7, path: Array("/etc/a.conf".utf8), access: .read)),
            SeedRecord(.open(pid: 7, path: Array("/var/a, b".utf8), access: .readWrite), time: 12),
            SeedRecord(.fork(parent: 0, child: 2_147_483_647)),
            SeedRecord(.exec(pid: 8, path: Array("/opt/\"x\"".utf8)), time: 0),
            SeedRecord(.accept(pid: 9, server: database, client: web)),
            SeedRecord(.connect(pid: 8, client: web, server: database), time: SeedRecord.largestTime),
        ]
        let text = """
            open,7,/etc/a.conf,r
            open,7,"/var/a, b",rw,12
            fork,0,2147483647
            exec,8,"/opt/""x""\",0
            accept,2001:db8::2,5432,9,10.0.0.1,4000
            connect,10.0.0.1,4000,8,2001:db8::2,5432,9223372036854775807

            """
        #expect(String(decoding: records.csv, as: UTF8.self) == text)
        #expect(try SeedRecord.read(Array(text.utf8)) == records)
    }

    /// Every byte, and what CSV, terminals and lines are afraid of.
    @Test func hostileNamesComeBack() throws {
        var names: [[UInt8]] = [
            [0x22], [0x22, 0x22], [0x0a], [0x0d], [0x0d, 0x0a], [0x2c], Array("\"\n,\"\r\n\"\"".utf8), [0],
            Array("call,first".utf8), [0xff, 0xfe, 0x0d], Array(repeating: 0x22, count: 32_000), [0x20],
            Array("open,1,/x,r\nopen,2,/y,r\n".utf8), Array(repeating: 0x41, count: 65_000),
        ]
        for byte in UInt8.min ... .max {
            names.append([0x2f, byte])
            names.append(Array(repeating: byte, count: 9))
            names.append([byte] + Array("/0123456789/".utf8) + [byte])
        }
        let records = names.flatMap { name in
            [
                SeedRecord(.open(pid: 1, path: name, access: .readWrite), time: 5),
                SeedRecord(.exec(pid: 2, path: name)),
            ]
        }
        #expect(try SeedRecord.read(records.csv) == records)
    }

    @Test(
        arguments: [
            ("open,1,/a,O_RDONLY\n", SeedAccess.read), ("open,1,/a,O_RDWR\n", .readWrite),
            ("open,1,/a,O_WRONLY\n", .readWrite), ("open,1,/a,r\r\n", .read), ("open,01,/a,rw", .readWrite),
            (#""open","1","/a","rw""# + "\r\n", .readWrite), (#"open,1,"/a",r"# + "\r", .read),
        ])
    func otherSpellings(text: String, access: SeedAccess) throws {
        let record = SeedRecord(.open(pid: 1, path: Array("/a".utf8), access: access))
        #expect(try SeedRecord.read(Array(text.utf8)) == [record])
    }

    @Test func headerIsPassedOverOnTheFirstLineOnly() throws {
        let fork = SeedRecord(.fork(parent: 1, child: 2))
        let quoted = "\"call\"," + SeedRecord.header.dropFirst(5)
        for header in [SeedRecord.header, quoted] {
            #expect(try SeedRecord.read(Array("\(header)\nfork,1,2\n".utf8)) == [fork])
            #expect(try SeedRecord.read(Array("\(header)\r\nfork,1,2\n".utf8)) == [fork])
            #expect(try SeedRecord.read(Array("\(header)".utf8)) == [])
            #expect(fault("fork,1,2\n\(header)\n") == BadLine(line: 2, fault: .unknownCall, isCutOff: false))
        }
        #expect(fault("call,first\n")?.fault == .unknownCall)
        #expect(try SeedRecord.read([]) == [])
    }

    private static let faults: [(String, SeedFault)] = [
        ("\n", .unknownCall), ("OPEN,1,/a,r\n", .unknownCall), (" open,1,/a,r\n", .unknownCall),
        ("openx,1,/a,r\n", .unknownCall), ("clone,1,2\n", .unknownCall), ("fork;1;2\n", .unknownCall),
        ("open,1,/a\n", .wrongFieldCount(.open)), ("open,1,/a,r,5,6\n", .wrongFieldCount(.open)),
        ("fork,1\n", .wrongFieldCount(.fork)), ("exec,1\n", .wrongFieldCount(.exec)),
        ("exec,1,/a,2,3,4,5,6,7,8,9,10,11\n", .wrongFieldCount(.exec)),
        ("accept,10.0.0.1,1,2,10.0.0.2\n", .wrongFieldCount(.accept)),
        ("connect\n", .wrongFieldCount(.connect)),
        ("open,,/a,r\n", .badPID), ("open,-1,/a,r\n", .badPID), ("open,+1,/a,r\n", .badPID),
        ("open,2147483648,/a,r\n", .badPID), ("fork,1,18446744073709551617\n", .badPID),
        ("fork,1,99999999999999999999999\n", .badPID), ("exec,0x1,/a\n", .badPID),
        ("exec,\"1\"\"\",/a\n", .badPID), ("accept,10.0.0.1,1,x,10.0.0.2,3\n", .badPID),
        ("open,1,,r\n", .emptyPath), ("exec,1,\"\"\n", .emptyPath),
        ("open,1,/a,w\n", .badAccess), ("open,1,/a,\n", .badAccess), ("open,1,/a,R\n", .badAccess),
        ("accept,10.0.0,1,2,10.0.0.2,3\n", .badAddress),
        ("accept,10.0.0.256,1,2,10.0.0.2,3\n", .badAddress),
        ("accept,10.0.0.01,1,2,10.0.0.2,3\n", .badAddress),
        ("accept,10.0.0.1.,1,2,10.0.0.2,3\n", .badAddress),
        ("accept,,1,2,10.0.0.2,3\n", .badAddress), ("connect,10.0.0.1,1,2,db1,3\n", .badAddress),
        ("connect,10.0.0.1,1,2,fe80::1%eth0,3\n", .badAddress), ("connect,1,1,2,1,3\n", .badAddress),
        ("connect,10.0.0.1,65536,2,10.0.0.2,3\n", .badPort),
        ("connect,10.0.0.1,1,2,10.0.0.2,\n", .badPort),
        ("fork,1,2,\n", .badTime), ("fork,1,2,9223372036854775808\n", .badTime),
        ("fork,1,2,2026-11-21T02:00:00Z\n", .badTime), ("fork,1,2,18446744073709551616\n", .badTime),
        ("exec,1,/a\"b\n", .quoteInside), ("exec,1,\"/a\"b\n", .textBehindQuote),
        ("exec,1,\"/a\" \n", .textBehindQuote), ("exec,1,\"/a\n", .quoteNotClosed),
        ("exec,1,/a\rb\n", .carriageReturn), ("exec,1,\"/a\"\rb\n", .carriageReturn),
        ("exec,1,/a\r\r\n", .carriageReturn), ("exec,1,/a\rb,\"c\"\n", .carriageReturn),
    ]

    @Test(arguments: faults)
    func whatIsNoRecord(text: String, expected: SeedFault) {
        #expect(fault(text) == BadLine(line: 1, fault: expected, isCutOff: false))
        // Whatever stands before it, the line is counted right: a record on two lines is two.
        let before = "fork,1,2\r\nexec,1,\"/a\n/b\"\nfork,1,2\n"
        #expect(fault(before + text) == BadLine(line: 5, fault: expected, isCutOff: false))
    }

    @Test func whatIsTooLong() {
        let bad = BadLine(line: 1, fault: .tooLong, isCutOff: false)
        #expect(fault(long("exec,1,", "a", 65_530, "\n")) == bad)
        #expect(fault(long("exec,1,\"", "a", 65_530, "\"\n")) == bad)
        #expect(fault(long("exec,1,\"", "a\n", 40_000, "\"\n")) == bad)
    }

    @Test func theLongestIsTaken() throws {
        let longest = "exec,1," + String(repeating: "a", count: SeedRecord.longest - 7)
        #expect(try SeedRecord.read(Array(longest.utf8)).count == 1)
        #expect(try SeedRecord.read(Array((longest + "\n").utf8)).count == 1)
        #expect(fault(longest + "a\n")?.fault == .tooLong)
        #expect(fault(longest + "a")?.fault == .tooLong)
        let quoted = "exec,1,\"" + String(repeating: "a", count: SeedRecord.longest - 9) + "\""
        #expect(try SeedRecord.read(Array(quoted.utf8)).count == 1)
        #expect(try SeedRecord.read(Array((quoted + "\n").utf8)).count == 1)
        #expect(fault(quoted.dropLast() + "a\"\n")?.fault == .tooLong)
        #expect(fault(quoted.dropLast() + "a\"")?.fault == .tooLong)
    }

    /// The last line of a file that was cut off is distinguished from others; where it reads as a record, it is one.
    @Test func aLineThatIsCutOff() throws {
        #expect(fault("fork,1,2\nexec,1") == BadLine(line: 2, fault: .wrongFieldCount(.exec), isCutOff: true))
        #expect(fault("exec,1,\"/a")?.isCutOff == true)
        #expect(fault("exec,1,\"/a\"\"\"x,\"")?.isCutOff == true)
        #expect(try SeedRecord.read(Array("exec,1,/usr/bi".utf8)).count == 1)
        #expect(
            fault("exec,1")?.description.hasSuffix("; the file ends in this line, it may be cut off") == true)
    }

    private func long(_ start: String, _ part: String, _ count: Int, _ end: String) -> String {
        start + String(repeating: part, count: count) + end
    }

    private func fault(_ text: some StringProtocol) -> BadLine? {
        do {
            _ = try SeedRecord.read(Array(text.utf8))
            return nil
        } catch SeedError.badLine(let bad) {
            return bad
        } catch {
            return nil
        }
    }
}
