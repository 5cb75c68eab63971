import Foundation
import Records
import SystemCalls
import TestSupport
import Testing

/// `retinue-server` as its users run it, without privileges, on records in a folder.
@Suite("retinue serve")
struct ServerTests {
    private static let time = "2026-11-21T02:00:00.123Z"

    /// A dump of a host: a service that reads a file, writes one, and connects to the database of the other.
    private static func dump(_ host: String, _ address: String, _ lines: [String]) -> String {
        """
        {"type":"header","schema":"retinue/2","time":"\(time)","host":"\(host)","machine":{"name":"\(host)-name",\
        "addresses":["\(address)"],"kernel":"6.1","boot":"b"},"daemon":{"version":"1","started":"\(time)"},\
        "sources":{}}

        """
            + lines.map { line in
                """
                {"type":"dependency","host":"\(host)",\(line),"count":3,"first":"\(time)","last":"\(time)",\
                "evidence":"exact"}

                """
            }.joined()
    }

    private static let shop = #""program":{"executable":"/usr/bin/shop","workload":"shop.service"}"#
    private static let database = #""program":{"executable":"/usr/bin/db","workload":"db.service"}"#
    private static let web = dump(
        "h1", "10.0.0.1",
        [
            shop + #","relation":"file","path":"/var/lib/shop","kind":"regular","access":"rw""#,
            shop
                + #","relation":"connect","transport":"tcp","remote":{"address":"10.0.0.2","port":5432},"#
                + #""sent":1,"received":2"#,
        ])
    private static let data = dump(
        "h2", "10.0.0.2",
        [
            database + #","relation":"listen","transport":"tcp","local":{"address":"10.0.0.2","port":5432}"#,
            database + #","relation":"file","path":"/var/lib/db","kind":"regular","access":"rw""#,
        ])

    /// A server that runs until this goes.
    private final class Running {
        let child: Child
        let port: UInt16

        init(_ folder: String, at place: String = "127.0.0.1:0", _ options: String...) throws {
            // As nobody, where that needs to be asked for.
            let nobody =
                geteuid() == 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"] : []
            let own = try Child(
                nobody + [try Products.path("retinue-server"), "--listen", place] + options,
                folder: folder)
            child = own
            var port: UInt16?
            for _ in 0..<600 where port == nil {
                let line = own.errorText.split(separator: "\n").last { $0.contains("listens at ") }
                port = line?.split(separator: ":").last.flatMap { UInt16($0) }
                if port == nil { usleep(50_000) }
            }
            guard let port else { throw TestSupport.Failure("it does not listen: \(own.errorText)") }
            self.port = port
        }

        func get(_ target: String, _ fields: String...) throws -> HTTPClient.Answer {
            let client = try HTTPClient(port: port)
            client.send(
                Array(
                    (["GET \(target) HTTP/1.1", "Host: 127.0.0.1", "Connection: close"] + fields + ["", ""])
                        .joined(separator: "\r\n").utf8))
            return try client.answer()
        }

        /// Resident memory in KiB.
        func memory() throws -> Int {
            let status = try String(contentsOfFile: "/proc/\(child.pid)/status", encoding: .utf8)
            let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
            return line?.split(separator: " ").compactMap { Int($0) }.first ?? 0
        }
    }

    private func inFolder(_ body: (String) throws -> Void) throws {
        try withTemporaryFolder { folder in
            chmod(folder, 0o755)
            try write(Self.web, to: folder + "/web.ndjson")
            try write(Self.data, to: folder + "/db.ndjson")
            try body(folder)
        }
    }

    private func run(_ folder: String, _ words: String...) throws -> (status: Int32, errors: String) {
        let child = try Child([try Products.path("retinue-server")] + words, folder: folder)
        guard case .exited(let status) = try child.wait(within: 60) else {
            throw TestSupport.Failure("killed")
        }
        return (status, child.errorText)
    }

    @Test func answersAreThoseOfTheCommandLine() throws {
        try inFolder { folder in
            let server = try Running(folder, "--from", "web.ndjson", "db.ndjson")
            #expect(try server.get("/healthz").text == "ok\n")
            for (target, words) in [
                ("/api/v1/group?program=shop", ["group", "shop", "--format", "json"]),
                (
                    "/api/v1/group?program=shop&stop_at=db",
                    ["group", "shop", "--format", "json", "--stop-at", "db"]
                ),
                (
                    "/api/v1/why?program=shop&member=%2Fvar%2Flib%2Fdb",
                    ["why", "shop", "/var/lib/db", "--format", "json"]
                ),
            ] {
                let child = try Child(
                    [try Products.path("retinue")] + words + ["--from", "web.ndjson", "db.ndjson"],
                    folder: folder)
                guard case .exited(0) = try child.wait(within: 60) else {
                    throw TestSupport.Failure(child.errorText)
                }
                let answer = try server.get(target)
                #expect(answer.status == 200)
                #expect(answer.fields["content-type"] == "application/json")
                #expect(answer.text == child.outputText)
            }
        }
    }

    /// The plan too, but for when it was made; as `retinue plan` makes it of hosts whose files are not here.
    @Test func thePlanIsThatOfTheCommandLine() throws {
        try inFolder { folder in
            let server = try Running(folder, "--from", "web.ndjson", "db.ndjson")
            for (query, words) in [
                ("", []), ("&exclude=db", ["--exclude", "db"]),
                ("&quiet=0&require=exact", ["--quiet", "0", "--require", "exact"]),
            ] {
                let child = try Child(
                    [try Products.path("retinue"), "plan", "shop", "--format", "json"] + words
                        + ["--from", "web.ndjson", "db.ndjson"], folder: folder)
                guard case .exited(0) = try child.wait(within: 60) else {
                    throw TestSupport.Failure(child.errorText)
                }
                let answer = try server.get("/api/v1/plan?program=shop" + query)
                #expect(answer.status == 200)
                func withoutTime(_ text: String) -> String {
                    text.replacing(#/"made":"[^"]*"/#, with: "")
                }
                #expect(withoutTime(answer.text) == withoutTime(child.outputText))
                #expect(answer.text != withoutTime(answer.text))
            }
        }
    }

    @Test func searchAndWhatHasNoAnswer() throws {
        try inFolder { folder in
            let server = try Running(folder, "--from", "web.ndjson", "db.ndjson")
            let found = try JSONValue(parsing: try server.get("/api/v1/programs?q=DB+h2").body)
            #expect(found["total"] == .integer(1))
            let name = try #require(found["programs"]?.array?.first?["name"]?.string)
            #expect(name == "h2:/usr/bin/db@db.service")
            #expect(try server.get("/api/v1/group?program=" + name).status == 200)
            for (target, status) in [
                ("/api/v1/group", 400), ("/api/v1/group?program=", 400),
                ("/api/v1/group?program=a&program=b", 400),
                ("/api/v1/group?program=shop&what=1", 400), ("/api/v1/group?program=%ff", 400),
                ("/api/v1/group?program=shop&symmetric=1", 400), ("/api/v1/programs?limit=0", 400),
                ("/api/v1/programs?limit=1e3", 400), ("/api/v1/group?program=shpo", 404),
                ("/api/v1/why?program=db&member=shop.nothing", 404), ("/api/v1/nothing", 404),
                ("/nothing", 404),
            ] {
                let answer = try server.get(target)
                #expect(answer.status == status, "\(target): \(answer.text)")
                guard target.hasPrefix("/api/") else { continue }
                #expect(answer.fields["content-type"] == "application/problem+json")
                #expect(try JSONValue(parsing: answer.body)["status"] == .integer(Int128(status)))
            }
            let near = try JSONValue(parsing: try server.get("/api/v1/group?program=shpo").body)
            #expect(near["choices"]?.array == [.string("h1:/usr/bin/shop@shop.service")])
        }
    }

    /// Every path of the description is answered, and nothing else below it.
    @Test func theDescription() throws {
        try inFolder { folder in
            let server = try Running(folder, "--from", "web.ndjson", "db.ndjson")
            let document = try JSONValue(parsing: try server.get("/api/v1/openapi.json").body)
            #expect(document["openapi"]?.string == "3.1.0")
            let paths = try #require(document["paths"]?.members).map(\.key)
            #expect(paths.count == 7)
            for path in paths {
                #expect(try server.get(path + "?program=shop&member=db&unknown=1").status == 400, "\(path)")
            }
        }
    }

    /// A page elsewhere, whose name leads here, is not answered.
    @Test func anotherNameThanItsOwn() throws {
        try inFolder { folder in
            let server = try Running(folder, "--from", "web.ndjson", "db.ndjson")
            for (host, status) in [
                ("localhost", 200), ("LOCALHOST:\(server.port)", 200), ("[::1]:1", 200), ("127.0.0.1", 200),
                ("rebound.example", 421), ("localhost.example:80", 421), ("10.0.0.1", 421), ("", 421),
            ] {
                let client = try HTTPClient(port: server.port)
                client.ask("/api/v1/status", host: host)
                #expect(try client.answer().status == status, "\(host)")
            }
        }
    }

    @Test func elsewhereThanHereOnlyWithAToken() throws {
        try inFolder { folder in
            for place in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
                let refused = try run(folder, "--listen", place, "--from", "web.ndjson")
                #expect(refused.status == 1)
                #expect(refused.errors.contains("or listen on 127.0.0.1:PORT or unix:PATH"))
            }
            let file = folder + "/token"
            try write("0123456789abcdef-token\n", to: file)
            chmod(file, 0o600)
            let clear = try run(
                folder, "--listen", "0.0.0.0:0", "--token-file", "token", "--from", "web.ndjson")
            #expect(clear.status == 1 && clear.errors.contains("give --token-file, --certificate and --key"))
            chmod(file, 0o644)
            let open = try run(folder, "--token-file", "token", "--from", "web.ndjson")
            #expect(open.status == 1 && open.errors.contains("can be read by everybody"))
            try write("short\n", to: folder + "/short")
            chmod(folder + "/short", 0o600)
            let short = try run(folder, "--token-file", "short", "--from", "web.ndjson")
            #expect(short.status == 1 && short.errors.contains("has no token"))
            if geteuid() == 0 { chown(file, 65534, 65534) }
            chmod(file, 0o600)
            let server = try Running(folder, "--token-file", "token", "--from", "web.ndjson", "db.ndjson")
            #expect(try server.get("/healthz").status == 200)
            let basic = Data("any:0123456789abcdef-token".utf8).base64EncodedString()
            for (field, status) in [
                ("X: y", 401), ("Authorization: Bearer 0123456789abcdef-token", 200),
                ("Authorization: Bearer 0123456789abcdef-tokem", 401), ("Authorization: Bearer", 401),
                ("Authorization: bearer 0123456789abcdef-token2", 401),
                ("Authorization: Basic \(basic)", 200),
                ("Authorization: Basic AAAA", 401),
            ] {
                for target in ["/api/v1/status", "/metrics", "/nothing"] {
                    let answer = try server.get(target, field)
                    #expect((answer.status == 401) == (status == 401), "\(field)")
                    if status == 401 { #expect(answer.fields["www-authenticate"]?.isEmpty == false) }
                }
            }
        }
    }

    /// Elsewhere than here it answers by TLS, to whom has the token.
    @Test func byTLS() throws {
        try inFolder { folder in
            func openssl(_ name: String) throws {
                let made = try Child(
                    [
                        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout",
                        "\(name).key", "-out", "\(name).pem",
                    ], folder: folder)
                #expect(try made.wait(within: 60) == .exited(0), "\(made.errorText)")
            }
            try openssl("own")
            try openssl("other")
            try write("0123456789abcdef-token\n", to: folder + "/token")
            for name in ["token", "own.key"] {
                chmod(folder + "/" + name, 0o600)
                if geteuid() == 0 { chown(folder + "/" + name, 65534, 65534) }
            }
            chmod(folder + "/other.key", 0o644)
            let place = ["--listen", "0.0.0.0:0", "--from", "web.ndjson", "--certificate", "own.pem"]
            func refusal(_ words: String...) throws -> String {
                let child = try Child([try Products.path("retinue-server")] + place + words, folder: folder)
                #expect(try child.wait(within: 60) == .exited(1))
                return child.errorText
            }
            #expect(try refusal("--token-file", "token").contains("--certificate and --key belong together"))
            #expect(try refusal("--key", "own.key").contains("give --token-file, --certificate and --key"))
            #expect(
                try refusal("--key", "other.key", "--token-file", "token").contains(
                    "other.key can be read by everybody"))
            chmod(folder + "/other.key", 0o600)
            for key in ["other.key", "own.pem"] {
                chmod(folder + "/own.pem", 0o600)
                let text = try refusal("--key", key, "--token-file", "token")
                #expect(text.contains("are no certificate and its key in PEM"), "\(text)")
            }
            chmod(folder + "/own.pem", 0o644)
            let server = try Running(
                folder, at: "0.0.0.0:0", "--from", "web.ndjson", "db.ndjson", "--certificate", "own.pem",
                "--key",
                "own.key", "--token-file", "token")
            func status(_ words: String...) throws -> (String, Int32) {
                let child = try Child(
                    ["curl", "-s", "--noproxy", "*", "-o", "body", "-w", "%{http_code}"] + words
                        + ["https://localhost:\(server.port)/api/v1/status"], folder: folder)
                guard case .exited(let code) = try child.wait(within: 60) else {
                    throw TestSupport.Failure("killed")
                }
                return (child.outputText, code)
            }
            let token = ["--oauth2-bearer", "0123456789abcdef-token"]
            #expect(try status("--cacert", "own.pem", token[0], token[1]) == ("200", 0))
            #expect(try status("--cacert", "own.pem") == ("401", 0))
            // A certificate that the client does not know, and a version that the server does not speak.
            #expect(try status("--cacert", "other.pem", token[0], token[1]).1 == 60)
            #expect(try status("--cacert", "own.pem", "--tls-max", "1.1").1 == 35)
            // In clear nothing is answered, and who says nothing does not keep others out.
            let plain = try HTTPClient(port: server.port)
            plain.ask("/healthz")
            #expect(throws: (any Error).self) { try plain.answer() }
            let silent = try (0..<20).map { _ in try HTTPClient(port: server.port) }
            #expect(try status("--cacert", "own.pem", token[0], token[1]) == ("200", 0))
            withExtendedLifetime(silent) {}
        }
    }

    @Test func filesThatChange() throws {
        try inFolder { folder in
            let server = try Running(folder, "--refresh", "0.05", "--from", "web.ndjson", "db.ndjson")
            func programs() throws -> Int128? {
                usleep(120_000)
                return try JSONValue(parsing: try server.get("/api/v1/programs").body)["total"]?.integer
            }
            #expect(try programs() == 2)
            try write(
                Self.data.replacing("/usr/bin/db", with: "/usr/bin/db2") + "", to: folder + "/db.ndjson")
            try write(
                Self.web + Self.web.split(separator: "\n")[1].replacing("bin/shop", with: "bin/new") + "\n",
                to: folder + "/web.ndjson")
            #expect(try programs() == 3)
            // What cannot be read is said, and the records before are shown.
            try write("{\"type\":\"header\"", to: folder + "/web.ndjson")
            #expect(try programs() == 3)
            let health = try server.get("/healthz")
            #expect(health.status == 503 && health.text.contains("web.ndjson"))
            #expect(try server.get("/metrics").text.contains("\nretinue_server_records_up 0\n"))
            try write(Self.web, to: folder + "/web.ndjson")
            #expect(try programs() == 2)
            #expect(try server.get("/healthz").status == 200)
        }
    }

    @Test func itEndsBySignalAndRefusesWhatItCannotRead() throws {
        try inFolder { folder in
            let server = try Running(folder, "--from", "web.ndjson", "db.ndjson")
            server.child.signal(SIGTERM)
            #expect(try server.child.wait(within: 20) == .exited(0))
            let missing = try run(folder, "--from", "nowhere.ndjson", "--listen", "127.0.0.1:0")
            #expect(missing.status == 2 && missing.errors.contains("nowhere.ndjson"))
            #expect(try run(folder, "--listen", "example.org:80").status == 1)
            #expect(try run(folder, "--watch", "a/b=c").status == 1)
            // A daemon that is not there may come.
            let waiting = try Running(folder, "--socket", "\(folder)/retinued.sock")
            let health = try waiting.get("/healthz")
            #expect(health.status == 503 && health.text.contains("retinued.sock"))
            #expect(try waiting.get("/metrics").text.contains("\nretinue_daemon_up 0\n"))
        }
    }

    /// The command line starts it.
    @Test func retinueServe() throws {
        try inFolder { folder in
            let child = try Child([try Products.path("retinue"), "serve", "--help"], folder: folder)
            #expect(try child.wait(within: 60) == .exited(0))
            #expect(child.outputText.contains("--token-file"))
        }
    }

    @Test func whatIsQuotedCannotSteerTheTerminal() throws {
        let child = try Child([
            try Products.path("retinue-server"), "--from", "/nonexistent/a\u{1b}[31m",
        ])
        try #expect(child.wait() == .exited(2))
        #expect(child.errorText.contains("/nonexistent/a\\x1b[31m"))
        #expect(!child.errorText.contains("\u{1b}"))
    }

    /// A thousand clients that send a byte and no more, twice as many as have a place: others are answered meanwhile, in
    /// bounded memory.
    @Test func aThousandSlowClients() throws {
        try inFolder { folder in
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            // Never less than there was: tests beside this one hold descriptors too.
            limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 4096))
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            let server = try Running(folder, "--from", "web.ndjson", "db.ndjson")
            #expect(try server.get("/healthz").status == 200)
            let before = try server.memory()
            // The last bytes of a head that is as long as one may be never come.
            let head = Array(
                ("GET / HTTP/1.1\r\nHost: a\r\nA: " + String(repeating: "b", count: 16_000)).utf8)
            var clients: [HTTPClient] = []
            for number in 0..<1000 {
                let client = try HTTPClient(port: server.port)
                client.send(head)
                clients.append(client)
                if number % 50 == 0 {
                    #expect(try server.get("/api/v1/group?program=shop").status == 200)
                }
            }
            for _ in 0..<20 { #expect(try server.get("/healthz").status == 200) }
            let after = try server.memory()
            // 512 heads of at most 24 KiB are 12 MiB; the allocator has its own.
            #expect(after - before < 48 << 10, "\(before) KiB before, \(after) KiB after")
            withExtendedLifetime(clients) {}
        }
    }
}
