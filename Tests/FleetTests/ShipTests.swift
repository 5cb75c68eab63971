import Foundation
import PostgreSQL
import Records
import SystemCalls
import TestSupport
import Testing

@testable import FleetStore

/// `retinue ship` and `--from postgresql://` as their users run them, without privileges, and the faults that they meet.
@Suite("Ship", .serialized, .enabled(if: TestServer.binaries != nil, "a PostgreSQL server"))
struct ShipTests {
    private func fleet(_ words: [String], in server: TestServer) throws -> Child {
        try Child(TestServer.asUser + [try Products.path("retinue-fleet")] + words, folder: server.folder)
    }

    private func ship(_ files: [String], in server: TestServer, to location: String? = nil) throws -> Child {
        try fleet(
            ["ship", "--to", location ?? server.location("owner"), "--state-dir", "\(server.folder)/state"]
                + files,
            in: server)
    }

    private func count(_ server: TestServer) throws -> Int64 {
        try server.connect().query("SELECT count(*) FROM retinue.record").number(0, 0)
    }

    private func prepared(_ settings: [String] = []) throws -> TestServer {
        let server = try TestServer(settings)
        _ = try FleetSchema(try server.connect()).migrate(partitions: 2)
        return server
    }

    /// A dump of a host that has many records.
    private func large(_ number: Int, records: Int) -> [UInt8] {
        var ledger = Ledger()
        let program = ledger.intern(Program(executable: ledger.texts.intern("/a")))
        for file in 0..<records {
            ledger.note(
                .file(program, path: ledger.texts.intern("/srv/a/folder/with/a/long/name/\(file)")),
                access: .opened,
                kind: .regular, evidence: .exact, time: 1_000_000_000, count: 1)
        }
        return RandomFleet.bytes(of: ledger, host: number)
    }

    @Test func commandsAnswerAsFromDumps() throws {
        let server = try prepared()
        var random = RandomFleet(seed: 21)
        var files: [String] = []
        for (number, dump) in random.dumps().enumerated() {
            files.append("\(server.folder)/\(number).ndjson")
            try write(String(decoding: dump, as: UTF8.self), to: files[number])
        }
        try ship(files, in: server).succeed()
        let from = server.location("owner")
        let program = String(
            decoding: try text(
                """
                SELECT p.executable FROM retinue.program p WHERE p.workload = ''::bytea AND p.executable LIKE '/_'
                AND p.host = (SELECT h.host FROM retinue.host h WHERE h.id = 'H1') ORDER BY (
                  SELECT count(*) FROM retinue.record r WHERE r.host = p.host AND r.subject = p.subject) DESC, 1 LIMIT 1
                """,
                server), as: UTF8.self)
        let group = try fleet(
            ["group", "host1:\(program)@", "--format", "csv", "--from"] + files, in: server)
        try group.succeed()
        // The last one is the farthest; a file of host 1 says what is to be moved from it.
        let member = try #require(group.outputText.split(separator: "\n").last).split(separator: ",")
        for words in [
            ["group", "host1:\(program)@", "--format", "csv"],
            ["group", "host1:\(program)@", "--as-of", "1970-01-01T00:02:00Z", "--format", "csv"],
            ["why", "host1:\(program)@", "\(member[0]):\(member[2])"],
            ["why", "host1:\(program)@", "host2:/no/member"],
            ["plan", "host1:\(program)@"],
            ["transfer", "host1:\(program)@", "--json"],
            ["advise", "host1:\(program)@", "--json"],
            [
                "diff", "1970-01-01T00:01:50Z", "1970-01-01T00:02:10Z", "--group", "host1:\(program)@",
                "--json",
            ],
            ["diff", "1970-01-01T00:02:00Z", "1970-01-01T00:02:00Z", "--group", "host1:\(program)@"],
        ] {
            let dumps = try fleet(words + ["--from"] + files, in: server)
            let store = try fleet(words + ["--from", from], in: server)
            try #expect(store.wait() == dumps.wait(), "\(words)")
            #expect(
                withoutInputs(store.outputText, files, from) == withoutInputs(dumps.outputText, files, from),
                "\(words): \(store.errorText)")
            // No difference has no line, and what is not there is an error.
            let isAnswer = words[0] != "diff" && words.last != "host2:/no/member"
            #expect(!isAnswer || !dumps.outputText.isEmpty, "\(words)")
        }
        // What cannot be answered by look-ups is said.
        let all = try fleet(["group", program, "--symmetric", "--from", from], in: server)
        try #expect(all.wait() == .exited(2))
        #expect(all.errorText.contains("--symmetric"))
    }

    /// A text without the names of what it was computed from, nor when.
    private func withoutInputs(_ text: String, _ files: [String], _ store: String) -> [Substring] {
        text.split(separator: "\n").filter { line in
            !line.contains(store) && !files.contains { line.contains($0) } && !line.hasPrefix("made:")
        }
    }

    private func text(_ statement: String, _ server: TestServer) throws -> [UInt8] {
        try server.connect().query(statement).bytes(0, 0)
    }

    @Test func aServerThatIsDownOrCrashesLosesNothing() throws {
        let server = try prepared()
        let file = "\(server.folder)/dump.ndjson"
        try write(String(decoding: large(1, records: 2_000), as: UTF8.self), to: file)
        server.stop()
        let down = try ship([file], in: server)
        try #expect(down.wait() == .exited(1))
        #expect(down.errorText.contains("cannot be reached"))
        try server.start()
        try ship([file], in: server).succeed()
        // It crashes while a batch waits for the host's row.
        let holder = try server.connect()
        try holder.execute("BEGIN; SELECT 1 FROM retinue.host FOR UPDATE")
        try write(String(decoding: large(1, records: 3_000), as: UTF8.self), to: file)
        let caught = try ship([file], in: server)
        let watcher = try server.connect()
        let isWaiting: Bool? = eventually {
            let waiting = try? watcher.query("SELECT count(*) FROM pg_locks WHERE NOT granted").number(0, 0)
            return waiting ?? 0 > 0 ? true : nil
        }
        #expect(isWaiting == true)
        server.crash()
        try #expect(caught.wait() == .exited(1))
        try server.start()
        #expect(try count(server) == 2_000)
        try ship([file], in: server).succeed()
        #expect(try count(server) == 3_000)
    }

    @Test(.enabled(if: geteuid() == 0, "root, to mount a small filesystem"))
    func aFullDiskIsReportedAndLosesNothing() throws {
        let server = try prepared()
        let small = "\(server.folder)/small"
        try makeFolder(small)
        try run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700,uid=65534,gid=65534", "tmpfs", small])
        defer { _ = try? run(["umount", "-l", small]) }
        let owner = try server.connect()
        try owner.execute("CREATE TABLESPACE small LOCATION '\(small)'")
        for number in 0..<2 { try owner.execute("ALTER TABLE retinue.record_\(number) SET TABLESPACE small") }
        let file = "\(server.folder)/dump.ndjson"
        try write(String(decoding: large(1, records: 8_000), as: UTF8.self), to: file)
        let full = try ship([file], in: server)
        try #expect(full.wait() == .exited(1))
        #expect(full.errorText.contains("disk of the fleet's store is full"), "\(full.errorText)")
        #expect(try count(server) == 0)
        try run(["mount", "-o", "remount,size=64m", small])
        try ship([file], in: server).succeed()
        #expect(try count(server) == 8_000)
        for number in 0..<2 {
            try owner.execute("ALTER TABLE retinue.record_\(number) SET TABLESPACE pg_default")
        }
        try owner.execute("DROP TABLESPACE small")
    }

    /// A server whose write-ahead log finds no room ends at once, and does not start again before there is some.
    @Test(.enabled(if: geteuid() == 0, "root, to mount a small filesystem"))
    func aServerThatEndsForAFullDiskOfItsLogLosesNothing() throws {
        let server = try prepared()
        let file = "\(server.folder)/dump.ndjson"
        try write(String(decoding: large(1, records: 1_000), as: UTF8.self), to: file)
        try ship([file], in: server).succeed()
        server.stop()
        let (log, small) = ("\(server.folder)/data/pg_wal", "\(server.folder)/wal")
        try makeFolder(small)
        // Room for two segments and a half.
        try run(["mount", "-t", "tmpfs", "-o", "size=40m,mode=0700,uid=65534,gid=65534", "tmpfs", small])
        defer {
            server.stop()
            _ = try? run(["umount", "-l", small])
        }
        try run(["sh", "-c", "cp -a \(log)/. \(small) && rm -r \(log) && ln -s \(small) \(log)"])
        try server.start()
        // Nothing is left beside the segments that are there.
        try run(["sh", "-c", "dd if=/dev/zero of=\(small)/filler bs=64k 2>/dev/null; true"])
        try write(String(decoding: large(1, records: 30_000), as: UTF8.self), to: file)
        let full = try ship([file], in: server)
        try #expect(full.wait() == .exited(1))
        #expect(full.errorText.contains("cannot be reached"), "\(full.errorText)")
        server.crash()
        try run(["rm", "\(small)/filler"])
        try run(["mount", "-o", "remount,size=400m", small])
        try server.start()
        #expect(try count(server) == 1_000)
        try ship([file], in: server).succeed()
        #expect(try count(server) == 30_000)
    }

    @Test func aSecondHostWithOneMachineIDIsRefusedAndARecordOfTheFutureReported() throws {
        let server = try prepared()
        let file = "\(server.folder)/dump.ndjson"
        try write(String(decoding: large(1, records: 3), as: UTF8.self), to: file)
        try ship([file], in: server).succeed()
        // The other host has a state of its own, and other records.
        var ledger = Ledger()
        ledger.note(
            .file(
                ledger.intern(Program(executable: ledger.texts.intern("/other"))),
                path: ledger.texts.intern("/f")),
            access: .opened, kind: .regular, evidence: .exact, time: 4_000_000_000_000, count: 1)
        let other = "\(server.folder)/other.ndjson"
        try write(
            String(decoding: RandomFleet.bytes(of: ledger, host: 1, time: 901_000_000_000), as: UTF8.self),
            to: other)
        func second(_ words: [String]) throws -> Child {
            try fleet(
                ["ship", "--to", server.location("owner"), "--state-dir", "\(server.folder)/state/other"]
                    + words + [other], in: server)
        }
        let refused = try second([])
        try #expect(refused.wait() == .exited(1))
        #expect(refused.errorText.contains("two hosts have one machine id"), "\(refused.errorText)")
        #expect(try count(server) == 3)
        let taken = try second(["--take-over"])
        try taken.succeed()
        #expect(
            taken.errorText.contains("a record of H1 is of 1970-01-01T01:06:40"), "\(taken.errorText)")
        // Now it is the first that is refused.
        try #expect(ship([file], in: server).wait() == .exited(1))
    }

    @Test func certificatesOfBothEndsAreChecked() throws {
        let keys = try makeTemporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: keys) }
        try run(["chmod", "755", keys])
        func certificate(_ name: String, _ subject: String, of authority: String?) throws {
            let new = [
                "openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            ]
            let end = [
                "-subj", "/CN=\(subject)", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                "\(keys)/\(name).key",
            ]
            if let authority {
                try run(new + end + ["-out", "\(keys)/\(name).csr"])
                try run([
                    "openssl", "x509", "-req", "-in", "\(keys)/\(name).csr", "-CA",
                    "\(keys)/\(authority).crt", "-CAkey",
                    "\(keys)/\(authority).key", "-CAcreateserial", "-copy_extensions", "copy", "-days", "2",
                    "-out",
                    "\(keys)/\(name).crt",
                ])
            } else {
                try run(new + ["-x509", "-days", "2"] + end + ["-out", "\(keys)/\(name).crt"])
            }
        }
        try certificate("ca", "authority", of: nil)
        try certificate("other", "another authority", of: nil)
        try certificate("server", "server", of: "ca")
        try certificate("owner", "owner", of: "ca")
        try certificate("foreign", "owner", of: "other")
        try write("local all all trust\nhostssl all all 127.0.0.1/32 cert\n", to: "\(keys)/hba")
        if geteuid() == 0 {
            for name in ["server", "owner", "foreign"] {
                try run(["chown", "nobody", "\(keys)/\(name).key"])
            }
        }
        let port = Int.random(in: 20_000...32_000)
        let server = try prepared([
            "ssl=on", "ssl_cert_file=\(keys)/server.crt", "ssl_key_file=\(keys)/server.key",
            "ssl_ca_file=\(keys)/ca.crt", "hba_file=\(keys)/hba", "listen_addresses=127.0.0.1",
            "port=\(port)",
        ])
        let file = "\(server.folder)/dump.ndjson"
        try write(String(decoding: large(1, records: 3), as: UTF8.self), to: file)
        func attempt(_ root: String, _ own: String) throws -> Child {
            let child = try ship(
                [file], in: server,
                to:
                    "postgresql://owner@127.0.0.1:\(port)/fleet?sslmode=verify-full&sslrootcert=\(keys)/\(root).crt"
                    + "&sslcert=\(keys)/\(own).crt&sslkey=\(keys)/\(own).key")
            try child.wait()
            return child
        }
        for (root, own) in [("other", "owner"), ("ca", "foreign")] {
            let refused = try attempt(root, own)
            #expect(refused.endingIfOver() == .exited(1))
            #expect(
                refused.errorText.contains("cannot be reached") && refused.errorText.contains("SSL"),
                "\(refused.errorText)")
        }
        #expect(try count(server) == 0)
        #expect(try attempt("ca", "owner").endingIfOver() == .exited(0))
        #expect(try count(server) == 3)
    }

    @Test(.enabled(if: geteuid() == 0, "root, to run the daemon"))
    func theLoopSendsWhatTheDaemonSeesWithoutPrivileges() throws {
        let server = try prepared()
        // The group of the socket, which only the daemon's own view of the machine has.
        let (groups, number) = ("\(server.folder)/group", 64_901)
        try write("root:x:0:\nretinue:x:\(number):\n", to: groups)
        let daemon = try DaemonUnderTest(
            stateFolder: "\(server.folder)/daemon",
            prefix: [
                "unshare", "--mount", "sh", "-c", "mount --bind \"$0\" /etc/group && exec \"$@\"", groups,
            ])
        let socket = daemon.stateFolder + ".sock"
        func loop(groups: [String]) throws -> Child {
            try Child(
                ["setpriv", "--reuid=nobody", "--regid=nogroup"] + groups + [
                    try Products.path("retinue-fleet"), "ship", "--to", server.location("owner"),
                    "--state-dir",
                    "\(server.folder)/state", "--socket", socket, "--interval", "1",
                ])
        }
        func isKnown(_ program: String) -> Bool? {
            let rows = try? server.connect().query(
                "SELECT count(*) FROM retinue.program WHERE executable = convert_to($1, 'UTF8')", [program])
            guard let rows, let count = try? rows.number(0, 0) else { return nil }
            return count == 1 ? true : nil
        }
        func executed(_ name: String) throws -> String {
            let path = "\(server.folder)/\(name)"
            try FileManager.default.copyItem(atPath: "/bin/true", toPath: path)
            try run([path])
            return path
        }
        // Who is not in the group gets nothing.
        let other = try loop(groups: ["--clear-groups"])
        let isRefused: Bool? = eventually { other.errorText.contains("it is tried again") ? true : nil }
        #expect(isRefused == true, "\(other.errorText)")
        other.kill()
        #expect(try count(server) == 0)

        let ship = try loop(groups: ["--groups=\(number)"])
        defer { ship.kill() }
        let first = try executed("first")
        #expect(eventually(within: 30, every: 0.2) { isKnown(first) } == true, "\(ship.errorText)")
        // What happens while the server is down stays with the daemon.
        server.crash()
        let second = try executed("second")
        let isSaid: Bool? = eventually(within: 30) {
            ship.errorText.contains("cannot be reached") ? true : nil
        }
        #expect(isSaid == true, "\(ship.errorText)")
        try server.start()
        #expect(eventually(within: 30, every: 0.2) { isKnown(second) } == true, "\(ship.errorText)")
        // The rows are there before it writes so.
        let sendsAgain: Bool? = eventually { ship.errorText.contains("sends again") ? true : nil }
        #expect(sendsAgain == true, "\(ship.errorText)")
        // Three more times it asks, and reads less than one dump has: only what has changed.
        func asked() -> Int64? {
            try? server.connect().query("SELECT last_seen FROM retinue.host").number(0, 0)
        }
        func read() throws -> Int {
            let lines = try String(contentsOfFile: "/proc/\(ship.pid)/io", encoding: .utf8)
                .split(separator: "\n")
            return try #require(
                lines.first { $0.hasPrefix("rchar: ") }.flatMap { Int($0.dropFirst("rchar: ".count)) })
        }
        func askedAgain() {
            let before = asked()
            let isLater: Bool? = eventually(within: 30, every: 0.05) { asked() != before ? true : nil }
            #expect(isLater == true, "\(ship.errorText)")
        }
        let files = "\(server.folder)/files"
        for folder in [files] + (0..<60).map({ "\(files)/\($0)" }) { try makeFolder(folder) }
        for number in 0..<3_000 { try write("", to: "\(files)/\(number / 50)/\(number)") }
        try run(["sh", "-c", "for f in \(files)/*/*; do : < $f; done"])
        _ = try daemon.dump()
        let dump = try bytes(ofFile: daemon.latest).count
        // What was read now has come by then.
        for _ in 0..<2 { askedAgain() }
        let before = try read()
        for _ in 0..<3 { askedAgain() }
        let readBytes = try read() - before
        #expect(readBytes > 0 && readBytes < dump, "\(readBytes) bytes, of a dump of \(dump)")
        #expect(ship.endingIfOver() == nil)
        try daemon.stop()
    }
}
