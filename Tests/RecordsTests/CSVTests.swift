import TestSupport
import Testing

@testable import Records

@Suite struct CSVTests {
    /// 2026-11-21T02:00:00.123Z
    private static let time: UInt64 = 1_795_226_400_123_000_000
    private static let tail = ",1,2026-11-21T02:00:00.123Z,2026-11-21T02:00:00.123Z"

    private let program = ProgramID(rawValue: 1)
    private let script = ProgramID(rawValue: 2)

    private func csv(_ ledger: borrowing Ledger, host: String = "h1", withHeader: Bool = false) -> [UInt8] {
        var bytes: [UInt8] = []
        ledger.writeCSV(host: host, withHeader: withHeader) { bytes.append(contentsOf: $0) }
        return bytes
    }

    /// The one row of a ledger, its times cut off.
    private func row(_ makeKey: (inout Ledger) -> RecordKey) -> String {
        var ledger = Ledger()
        #expect(ledger.intern(Program(executable: ledger.texts.intern("/bin/a"))) == program)
        let python = ledger.texts.intern("/bin/python3")
        #expect(
            ledger.intern(Program(executable: python, script: ledger.texts.intern("/opt/b.py"))) == script)
        let key = makeKey(&ledger)
        ledger.note(
            key, access: key.relation == .file ? [.opened, .written] : [], evidence: .exact, time: Self.time)
        let text = String(decoding: csv(ledger), as: UTF8.self)
        #expect(text.hasSuffix(Self.tail + "\n"))
        return String(text.dropLast(Self.tail.count + 1))
    }

    @Test func eachRelation() {
        let v4 = NetworkAddress(v4: 0x0a00_0009)
        let v6 = NetworkAddress(high: 0, low: 1)
        #expect(row { .file(program, path: $0.texts.intern("/etc/a")) } == "h1,/bin/a,file,rw,h1,/etc/a")
        #expect(row { .file(script, path: $0.texts.intern("/etc/a")) } == "h1,/opt/b.py,file,rw,h1,/etc/a")
        #expect(row { _ in .spawn(program, child: script) } == "h1,/bin/a,spawn,,h1,/opt/b.py")
        #expect(
            row { .connect(program, .tcp, remote: $0.intern(Endpoint(v4, port: 5432)), peer: .unknown) }
                == "h1,/bin/a,connect,,10.0.0.9,tcp:5432")
        #expect(
            row { .connect(program, .udp, remote: $0.intern(Endpoint(v6, port: 53)), peer: script) }
                == "h1,/bin/a,connect,,h1,/opt/b.py")
        #expect(
            row {
                let remote = $0.intern(Endpoint(v6, port: 0))
                return .accept(
                    program, .tcp, local: $0.intern(Endpoint(v4, port: 5432)), remote: remote, peer: .unknown)
            } == "h1,/bin/a,accept,,::1,tcp:5432")
        #expect(
            row {
                let remote = $0.intern(Endpoint(v6, port: 0))
                return .accept(
                    program, .tcp, local: $0.intern(Endpoint(v4, port: 5432)), remote: remote, peer: script)
            } == "h1,/bin/a,accept,,h1,/opt/b.py")
        #expect(
            row { .listen(program, .tcp, local: $0.intern(Endpoint(v4, port: 80))) }
                == "h1,/bin/a,listen,,h1,tcp:10.0.0.9:80")
        #expect(
            row { .listen(program, .udp, local: $0.intern(Endpoint(v6, port: 80))) }
                == "h1,/bin/a,listen,,h1,udp:[::1]:80")
        #expect(
            row { .ipc(program, .posixShm, name: $0.texts.intern("/x"), peer: script) }
                == "h1,/bin/a,ipc,,h1,posix-shm:/x")
        #expect(row { _ in .ipc(program, .pipe, name: .none, peer: .unknown) } == "h1,/bin/a,ipc,,h1,pipe:")
        #expect(row { _ in .ipc(program, .pipe, name: .none, peer: script) } == "h1,/bin/a,ipc,,h1,/opt/b.py")
        #expect(row { _ in .spawn(.unknown, child: program) } == "h1,,spawn,,h1,/bin/a")
    }

    @Test(arguments: [
        ("/a,b", "\"/a,b\""), ("/a\"b", "\"/a\"\"b\""), ("/a\nb", "\"/a\nb\""), ("/a\rb", "\"/a\rb\""),
        ("/a b'c", "/a b'c"), ("\"", "\"\"\"\""),
    ])
    func quotes(path: String, field: String) {
        #expect(row { .file(program, path: $0.texts.intern(path)) } == "h1,/bin/a,file,rw,h1,\(field)")
        #expect(
            row { .ipc(program, .unix, name: $0.texts.intern(path), peer: .unknown) }
                == "h1,/bin/a,ipc,,h1,"
                + (field.hasPrefix("\"") ? "\"unix:" + field.dropFirst() : "unix:" + field))
    }

    @Test func bytesGoOutAsTheyAre() {
        var ledger = Ledger()
        let program = ledger.intern(Program(executable: ledger.texts.intern([0x2f, 0xff])))
        ledger.note(
            .file(program, path: ledger.texts.intern([0x2f, 0xe9, 0x2c])), access: .opened, evidence: .exact,
            time: Self.time)
        #expect(
            csv(ledger, host: "h,1") == Array("\"h,1\",/".utf8) + [0xff] + Array(",file,r,\"h,1\",\"/".utf8)
                + [0xe9]
                + Array(",\"\(Self.tail)\n".utf8))
    }

    @Test func columnsAreNamed() {
        let ledger = Ledger()
        #expect(
            String(decoding: csv(ledger, withHeader: true), as: UTF8.self)
                == "host A,path A,relation,access,host B,path B,count,first,last\n")
        #expect(csv(ledger).isEmpty)
    }
}
