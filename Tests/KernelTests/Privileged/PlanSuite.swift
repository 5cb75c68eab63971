import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// What a trial of a plan asks for before it begins. Trials themselves take minutes: `make test-plans`.
    @Suite("plans that are tried")
    struct PlanSuite {
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
}
