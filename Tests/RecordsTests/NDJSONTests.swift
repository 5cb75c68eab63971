import TestSupport
import Testing

@testable import Records

/// The lines of the format, to the letter.
@Suite struct NDJSONTests {
    /// 2026-11-21T02:00:00.123Z
    private static let time: UInt64 = 1_795_226_400_123_456_789

    /// The dependency's line of a ledger into which `note` puts one record, host and program cut off.
    private func line(_ note: (inout Ledger, ProgramID) -> Void) throws -> String {
        var ledger = Ledger()
        let program = ledger.intern(Program(executable: ledger.texts.intern("/bin/a")))
        note(&ledger, program)
        var header = DumpHeader()
        header.hostID = "h1"
        let lines = String(decoding: ledger.ndjson(header), as: UTF8.self).split(separator: "\n")
        #expect(lines.count == 2)
        let start = #"{"type":"dependency","host":"h1","program":{"executable":"/bin/a"},"#
        #expect(lines[1].hasPrefix(start))
        return String(lines[1].dropFirst(start.count))
    }

    private static let tail =
        #""change":1,"count":1,"first":"2026-11-21T02:00:00.123Z","last":"2026-11-21T02:00:00.123Z","evidence":"exact"}"#

    @Test func file() throws {
        let found = try line { ledger, program in
            ledger.note(
                .file(program, path: ledger.texts.intern("/etc/a \"b\".conf")), access: [.executed, .opened],
                kind: .fifo, evidence: .exact, time: Self.time)
        }
        #expect(
            found == #""relation":"file","path":"/etc/a \"b\".conf","kind":"fifo","access":"rx","# + Self.tail
        )
    }

    @Test func fileThatIsNotUTF8() throws {
        let found = try line { ledger, program in
            ledger.note(
                .file(program, path: ledger.texts.intern([0x2f, 0xe9, 0x0a])), access: .opened,
                evidence: .exact,
                time: Self.time)
        }
        #expect(
            found
                == "\"relation\":\"file\",\"path\":\"/\u{fffd}\\n\",\"path_raw\":\"L+kK\",\"kind\":\"regular\","
                + "\"access\":\"r\"," + Self.tail)
    }

    @Test func foldedFile() throws {
        let found = try line { ledger, program in
            let key = RecordKey.file(program, path: ledger.texts.intern("/srv/data"))
            ledger.fold(
                at: ledger.note(key, access: .opened, kind: .directory, evidence: .exact, time: Self.time))
        }
        #expect(
            found
                == #""relation":"file","path":"/srv/data","kind":"directory","access":"r","folded":{"paths":1},"#
                + Self.tail)
    }

    @Test(
        arguments: zip(
            Transport.allCases, ["tcp", "udp", "mptcp", "sctp", "udplite", "raw", "ping", "packet", "vsock"]))
    func transports(transport: Transport, word: String) throws {
        let found = try line { ledger, program in
            let local = ledger.intern(Endpoint(NetworkAddress(high: 0, low: 0), port: 3))
            ledger.note(.listen(program, transport, local: local), evidence: .exact, time: Self.time)
        }
        #expect(
            found
                == "\"relation\":\"listen\",\"transport\":\"\(word)\",\"local\":{\"address\":\"::\",\"port\":3},"
                + Self.tail)
    }

    @Test func spawn() throws {
        let found = try line { ledger, program in
            let child = ledger.intern(
                Program(
                    executable: ledger.texts.intern("/usr/bin/python3"),
                    script: ledger.texts.intern([0x2f, 0xff]),
                    workload: ledger.texts.intern("system.slice/a.service")))
            ledger.note(.spawn(program, child: child), evidence: .exact, time: Self.time)
        }
        #expect(
            found
                == "\"relation\":\"spawn\",\"child\":{\"executable\":\"/usr/bin/python3\",\"script\":\"/\u{fffd}\","
                + "\"script_raw\":\"L/8=\",\"workload\":\"system.slice/a.service\"}," + Self.tail)
    }

    @Test func connect() throws {
        let found = try line { ledger, program in
            let remote = ledger.intern(Endpoint(NetworkAddress(v4: 0x0a00_0009), port: 5432))
            let position = ledger.note(
                .connect(program, .tcp, remote: remote, peer: .unknown), evidence: .inferred, time: Self.time,
                count: 7)
            ledger.addTraffic(at: position, sent: 12, received: .max)
            ledger.note(
                .connect(program, .tcp, remote: remote, peer: .unknown), evidence: .snapshot,
                time: Self.time + 1_000_000)
        }
        #expect(
            found == #""relation":"connect","transport":"tcp","remote":{"address":"10.0.0.9","port":5432},"#
                + #""sent":12,"received":18446744073709551615,"change":1,"count":8,"first":"2026-11-21T02:00:00.123Z","#
                + #""last":"2026-11-21T02:00:00.124Z","evidence":"snapshot"}"#)
    }

    /// Both readers know it: that of plain lines, and that of any other spelling.
    @Test func bytesThatAreALowerBound() throws {
        let found = try line { ledger, program in
            let remote = ledger.intern(Endpoint(NetworkAddress(v4: 0x0a00_0009), port: 5432))
            let position = ledger.note(
                .connect(program, .tcp, remote: remote, peer: .unknown), evidence: .exact, time: Self.time)
            ledger.addTraffic(at: position, sent: 12, received: 13)
            ledger.noteLowerBound(at: position)
            #expect(ledger.dirty.count == 1)
        }
        #expect(
            found == #""relation":"connect","transport":"tcp","remote":{"address":"10.0.0.9","port":5432},"#
                + #""sent":12,"received":13,"lower_bound":true,"# + Self.tail)
    }

    @Test func connectToAKnownPeer() throws {
        let found = try line { ledger, program in
            let remote = ledger.intern(Endpoint(NetworkAddress(high: 0, low: 1), port: 53))
            ledger.note(
                .connect(program, .udp, remote: remote, peer: program), evidence: .exact, time: Self.time)
        }
        #expect(
            found == #""relation":"connect","transport":"udp","remote":{"address":"::1","port":53},"#
                + #""peer":{"executable":"/bin/a"},"sent":0,"received":0,"# + Self.tail)
    }

    @Test func accept() throws {
        let found = try line { ledger, program in
            let local = ledger.intern(Endpoint(NetworkAddress(v4: 0x0a00_0009), port: 5432))
            let remote = ledger.intern(Endpoint(NetworkAddress(high: 0x2001_0db8 << 32, low: 1), port: 0))
            ledger.note(
                .accept(program, .tcp, local: local, remote: remote, peer: program), evidence: .exact,
                time: Self.time)
        }
        #expect(
            found == #""relation":"accept","transport":"tcp","local":{"address":"10.0.0.9","port":5432},"#
                + #""remote":{"address":"2001:db8::1"},"peer":{"executable":"/bin/a"},"sent":0,"received":0,"#
                + Self.tail)
    }

    @Test func listen() throws {
        let found = try line { ledger, program in
            let local = ledger.intern(Endpoint(NetworkAddress(high: 0, low: 0), port: 65535))
            ledger.note(.listen(program, .tcp, local: local), evidence: .exact, time: Self.time)
        }
        #expect(
            found == #""relation":"listen","transport":"tcp","local":{"address":"::","port":65535},"#
                + Self.tail)
    }

    @Test(
        arguments: zip(
            Mechanism.allCases, ["unix", "fifo", "pipe", "shm", "sem", "msg", "posix-shm", "mqueue"]))
    func ipc(mechanism: Mechanism, word: String) throws {
        let found = try line { ledger, program in
            ledger.note(
                .ipc(program, mechanism, name: ledger.texts.intern("/x"), peer: .unknown), evidence: .exact,
                time: Self.time)
        }
        #expect(found == "\"relation\":\"ipc\",\"mechanism\":\"\(word)\",\"name\":\"/x\"," + Self.tail)
    }

    @Test func ipcWithOddNameAndPeer() throws {
        let found = try line { ledger, program in
            ledger.note(
                .ipc(program, .unix, name: ledger.texts.intern([0, 0x61, 0x80]), peer: program),
                evidence: .exact,
                time: Self.time)
        }
        #expect(
            found
                == "\"relation\":\"ipc\",\"mechanism\":\"unix\",\"name\":\"\\u0000a\u{fffd}\",\"name_raw\":\"AGGA\","
                + "\"peer\":{\"executable\":\"/bin/a\"}," + Self.tail)
    }

    @Test func programThatIsNotKnown() throws {
        var ledger = Ledger()
        ledger.note(.spawn(.unknown, child: .unknown), evidence: .exact, time: Self.time)
        let text = String(decoding: ledger.ndjson(DumpHeader()), as: UTF8.self)
        #expect(text.contains(#""program":{"executable":""},"relation":"spawn","child":{"executable":""},"#))
    }

    @Test func gaps() {
        var ledger = Ledger()
        ledger.gaps = [
            Gap(
                source: "fanotify", cause: "queue overflow", from: Self.time, to: Self.time + 2_000_000,
                lost: 12),
            Gap(source: "a", cause: "", from: 0, to: 0, lost: 0, resynchronised: Self.time),
        ]
        let lines = String(decoding: ledger.ndjson(DumpHeader()), as: UTF8.self).split(separator: "\n")
        #expect(
            lines[1]
                == #"{"type":"gap","source":"fanotify","cause":"queue overflow","from":"2026-11-21T02:00:00.123Z","#
                + #""to":"2026-11-21T02:00:00.125Z","lost":12}"#)
        #expect(
            lines[2] == #"{"type":"gap","source":"a","cause":"","from":"1970-01-01T00:00:00.000Z","#
                + #""to":"1970-01-01T00:00:00.000Z","resynchronised":"2026-11-21T02:00:00.123Z"}"#)
    }

    @Test func header() {
        var header = DumpHeader()
        header.time = Self.time
        header.hostID = "h1"
        header.hostName = "db\"1"
        header.addresses = [NetworkAddress(v4: 0x0a00_0002), NetworkAddress(high: 0, low: 1)]
        header.kernel = "6.18.44"
        header.boot = "b"
        header.version = "1.0.0"
        header.sources = [
            .init(name: "fanotify", mode: "fid", received: 5, lost: 1, counters: [("merged", 2)]),
            .init(name: "tracepoint", mode: "off"),
        ]
        let ledger = Ledger()
        #expect(
            String(decoding: ledger.ndjson(header), as: UTF8.self)
                == #"{"type":"header","schema":"retinue/2","time":"2026-11-21T02:00:00.123Z","host":"h1","machine":{"#
                + #""name":"db\"1","addresses":["10.0.0.2","::1"],"kernel":"6.18.44","boot":"b"},"#
                + #""daemon":{"version":"1.0.0","started":"1970-01-01T00:00:00.000Z"},"#
                + #""sources":{"fanotify":{"mode":"fid","received":5,"lost":1,"merged":2},"#
                + #""tracepoint":{"mode":"off","received":0,"lost":0}},"contents":{"dependencies":0,"gaps":0}}"#
                + "\n")
    }

    @Test func piecesAreWholeLinesAndErrorsEndTheWriting() {
        var maker = RandomLedger(seed: 3)
        var ledger = Ledger()
        maker.fill(&ledger, observations: 300)
        let header = maker.header()
        let whole = ledger.ndjson(header)
        for chunk in [0, 1, 500, 4096, 1 << 20] {
            var pieces: [[UInt8]] = []
            ledger.writeNDJSON(header: header, chunk: chunk) { pieces.append(Array($0)) }
            #expect(pieces.allSatisfy { $0.last == 0x0a })
            #expect(pieces.dropLast().allSatisfy { $0.count >= chunk })
            #expect(Array(pieces.joined()) == whole)
        }
        var calls = 0
        #expect(throws: Failure.self) {
            try ledger.writeNDJSON(header: header, chunk: 500) { _ throws(Failure) in
                calls += 1
                if calls == 2 { throw Failure("full") }
            }
        }
        #expect(calls == 2)
    }
}
