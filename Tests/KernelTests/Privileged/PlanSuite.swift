import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// A service that ran before it was observed is planned, and the plan is tried.
    @Suite("plans that are tried")
    struct PlanSuite {
        @Test(.timeLimit(.minutes(5))) func aServiceThatWasThereBefore() throws {
            let stage = try PlanStage()
            let before = try stage.original()
            let done = try stage.retinue(
                "plan", "try", stage.plan, "--check", stage.check, "-o", stage.folder + "/tried.yaml")
            #expect(done.ending == .exited(0), "\(done.output)\(done.errors)")
            #expect(
                done.output.hasPrefix("it runs, and the check succeeds; "),
                "\(done.output)\(done.errors)")
            // All thirty uploads, of which six were opened while somebody watched.
            let files = try stage.retinue("plan", "files", stage.plan).output.split(separator: "\0").map(
                String.init)
            for number in 0..<30 { #expect(files.contains("/srv/shop-uploads/\(number)")) }
            for name in ["/srv/shop", "/srv/shop-1/shop.py", "/srv/shop.json"] {
                #expect(files.contains(name), "\(name)")
            }
            #expect(try stage.original() == before, "the original was touched")
            #expect(try stage.leftovers() == [])
        }

        /// What is not in the plan is found by trying it.
        @Test(.timeLimit(.minutes(5))) func aFileThatWasTakenOut() throws {
            let stage = try PlanStage()
            var text = try String(contentsOfFile: stage.plan, encoding: .utf8)
            let start = try #require(text.range(of: "  - path: /srv/shop.json\n"))
            let end = text.range(of: "\n  - path:", range: start.upperBound..<text.endIndex)?.lowerBound
            text.removeSubrange(start.lowerBound..<text.index(after: try #require(end)))
            try write(text, to: stage.plan)
            let done = try stage.retinue(
                "plan", "try", stage.plan, "--check", stage.check, "--patience", "4", "-o",
                stage.folder + "/tried.yaml")
            #expect(done.ending == .exited(0), "\(done.output)\(done.errors)")
            #expect(
                done.output.hasPrefix("it runs, and the check succeeds; "),
                "\(done.output)\(done.errors)")
            #expect(
                done.errors.contains("round 1: /srv/shop.json was missing, asked for by "),
                "\(done.errors)")
            let changes = try stage.retinue(
                "plan", "check", stage.folder + "/tried.yaml", "--against", stage.plan
            ).output
            #expect(changes.contains("/srv/shop.json: added, pre-copy"), "\(changes)")
        }

        @Test(.timeLimit(.minutes(5))) func aCheckThatFails() throws {
            let stage = try PlanStage()
            let done = try stage.retinue("plan", "try", stage.plan, "--check", "false", "--patience", "1")
            #expect(done.ending == .exited(1))
            #expect(
                done.output.hasPrefix("it runs, but the check did not succeed within 1 s"), "\(done.output)")
            #expect(try stage.leftovers() == [])
        }

        /// Wherever it is interrupted, nothing stays: no process, no mount, no folder.
        @Test(.timeLimit(.minutes(5)), arguments: [SIGINT, SIGTERM])
        func interruptedTrials(_ signal: Int32) throws {
            let stage = try PlanStage()
            for delay in [400_000, 1_500_000] as [UInt32] {
                let child = try stage.space.start(
                    [
                        try Products.path("retinue"), "plan", "try", stage.plan, "--check", "false",
                        "--patience", "60",
                    ])
                usleep(delay)
                child.signal(signal)
                #expect(try child.wait(within: 120) == .killed(signal: signal))
                let gone: Bool? = eventually(within: 5) { (try? stage.leftovers()) == [] ? true : nil }
                let left = try stage.leftovers()
                #expect(gone == true, "after \(delay) us: \(left)")
            }
        }

        @Test(.timeLimit(.minutes(1))) func toolsThatAreMissing() throws {
            let stage = try PlanStage()
            let bin = try stage.space.makeFolder("bin")
            for name in ["unshare", "nsenter", "setpriv", "mount", "chroot", "tar"] {
                try run([
                    "ln", "-s",
                    try run(["sh", "-c", "command -v \(name)"]).trimmingCharacters(in: .newlines), bin,
                ])
            }
            let child = try stage.space.start([
                "env", "PATH=\(bin)", try Products.path("retinue"), "plan", "try", stage.plan,
            ])
            #expect(try child.wait() == .exited(1))
            #expect(
                child.errorText.hasPrefix(
                    "retinue: a plan is tried with programs that are not in PATH: strace, ip, ldconfig\n"))
            #expect(child.errorText.contains("strace is in Debian's package strace\n"))
        }
    }
}

/// A small shop with uploads, a link and settings that its script names, on a /srv of its own; observed when it ran already.
private final class PlanStage {
    let space: MountNamespace
    let plan: String
    let check = "curl -fs http://127.0.0.1:8765/ | grep -qx 'the shop has 30'"
    var folder: String { space.folder }
    private let group: ControlGroup
    private var service: Child?

    private static let script = """
        import http.server, json, os
        settings = json.load(open("/srv/shop.json"))
        class Shop(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                for number in range(6):
                    open(f"{settings['uploads']}/{number}", "a").close()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(f"{settings['title']} has {len(os.listdir(settings['uploads']))}\\n".encode())
        http.server.HTTPServer(("127.0.0.1", 8765), Shop).serve_forever()
        """

    init() throws {
        space = try MountNamespace()
        group = try ControlGroup()
        plan = space.folder + "/plan.yaml"
        try space.run(["mount", "-t", "tmpfs", "-o", "mode=755", "retinue-test", "/srv"])
        // In that namespace alone /srv has something.
        try write(Self.script, to: folder + "/shop.py")
        let lay = """
            mkdir /srv/shop-1 /srv/shop-uploads && cp \(folder)/shop.py /srv/shop-1/ && ln -s shop-1 /srv/shop &&
            printf '{"uploads": "/srv/shop-uploads", "title": "the shop"}' > /srv/shop.json &&
            for n in $(seq 0 29); do echo $n > /srv/shop-uploads/$n; done
            """
        try space.run(["sh", "-c", lay])
        // Another namespace of networks: the port is nobody's.
        let command = ["sh", "-c", "ip link set lo up && exec python3 /srv/shop/shop.py"]
        let service = try Child(space.prefix + ["unshare", "--net"] + (try group.command(command)))
        self.service = service
        try waitUntilItAnswers(service)
        let daemon = try DaemonUnderTest(stateFolder: folder + "/state", prefix: space.prefix)
        for _ in 0..<3 { try ask(service) }
        _ = try daemon.dump()
        let made = try retinue("plan", "shop.py", "--from", daemon.latest, "-o", plan)
        guard made.ending == .exited(0) else { throw Failure("no plan: \(made.output)\(made.errors)") }
        try daemon.stop()
    }

    deinit {
        service?.kill()
        group.remove()
    }

    private func ask(_ service: Child) throws {
        try run(["nsenter", "--net=/proc/\(service.pid)/ns/net", "curl", "-fs", "http://127.0.0.1:8765/"])
    }

    private func waitUntilItAnswers(_ service: Child) throws {
        let isUp: Bool? = eventually(within: 20) { (try? ask(service)) == nil ? nil : true }
        guard isUp == true else { throw Failure("the shop does not start: \(service.errorText)") }
    }

    struct Done {
        var ending: Child.Ending
        var output: String
        var errors: String
    }

    func retinue(_ words: String...) throws -> Done {
        let child = try space.start([try Products.path("retinue")] + words)
        let ending = try child.wait()
        return Done(ending: ending, output: child.outputText, errors: child.errorText)
    }

    /// Digest, number, links and times of every file of the original.
    func original() throws -> String {
        try space.run([
            "sh", "-c",
            "cd /srv && find . -printf '%p %i %n %T@ %C@ %s %l\\n' | sort && find . -type f | sort | xargs md5sum",
        ])
    }

    /// What a trial would leave: its folders, and processes that have their root in one.
    func leftovers() throws -> [String] {
        var found = try FileManager.default.contentsOfDirectory(atPath: "/var/tmp").filter {
            $0.hasPrefix("retinue-try-")
        }
        for name in try FileManager.default.contentsOfDirectory(atPath: "/proc") where Int32(name) != nil {
            let root = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(name)/root")
            if root?.contains("/retinue-try-") == true { found.append("process \(name)") }
        }
        found += try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8).split(separator: "\n").map(
            String.init
        )
        .filter { $0.contains("/retinue-try-") }
        return found
    }
}
