import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Plans that are tried in an empty root.
    @Suite("plans that are tried")
    struct PlanSuite {
        /// What is not in the plan is found by trying it; what the first round has changed is as it was in the second one,
        /// for which nothing else is copied again.
        @Test(.timeLimit(.minutes(2))) func aFileThatIsMissing() throws {
            let shop = try PlannedShop()
            let plan = try shop.plan(without: "/srv/shop.conf")
            let before = try shop.original()
            let tools = try shop.countingTar()
            let done = try shop.tryPlan(plan, ["-o", shop.folder + "/tried.yaml"], tools: tools)
            #expect(done.ending == .exited(0), "\(done)")
            #expect(done.output == "it runs, and the check succeeds; 1 path was added to the plan\n")
            #expect(
                done.errors == "retinue: round 1: /srv/shop.conf was missing, asked for by /bin/sh\n",
                "\(done)")
            let copied = try String(contentsOfFile: shop.folder + "/copied", encoding: .utf8)
            // The file, with its folder; the one that was changed, with its.
            #expect(copied == "12\n4\n")
            let changes = try shop.retinue(
                ["plan", "check", shop.folder + "/tried.yaml", "--against", plan])
            #expect(changes.output.contains("/srv/shop.conf: added, pre-copy"), "\(changes)")
            #expect(try shop.original() == before, "the original was touched")
            #expect(try shop.leftovers() == [])
        }

        @Test(.timeLimit(.minutes(1))) func aCheckThatFails() throws {
            let shop = try PlannedShop()
            let done = try shop.tryPlan(try shop.plan(), ["--check", "false", "--patience", "1"])
            #expect(done.ending == .exited(1))
            #expect(done.output.hasPrefix("it runs, but the check did not succeed within 1 s"), "\(done)")
            #expect(try shop.leftovers() == [])
        }

        enum Moment: CaseIterable { case beginning, copying, checking }

        /// Wherever it is interrupted, it ends by that signal, and nothing stays: no process, no mount, no folder.
        @Test(.timeLimit(.minutes(1)), arguments: [SIGINT, SIGTERM], Moment.allCases)
        func interruptedTrials(_ signal: Int32, _ moment: Moment) throws {
            let shop = try PlannedShop()
            let child = try shop.startTrial(until: moment)
            child.signal(signal)
            #expect(try child.wait(within: 20) == .killed(signal: signal))
            #expect(try shop.leftovers() == [])
        }

        /// A trial that is killed leaves its folder alone, and the next one removes that.
        @Test(.timeLimit(.minutes(1)), arguments: [Moment.copying, .checking])
        func killedTrials(_ moment: Moment) throws {
            let shop = try PlannedShop()
            let child = try shop.startTrial(until: moment)
            child.signal(SIGKILL)
            #expect(try child.wait(within: 20) == .killed(signal: SIGKILL))
            let left: [String]? = eventually(within: 20) {
                let left = (try? shop.leftovers()) ?? []
                return left.count == 1 ? left : nil
            }
            let now = try shop.leftovers()
            #expect(left?.first?.hasPrefix("/var/tmp/retinue-try-") == true, "\(now)")
            // One that is in use is not touched.
            let other = try shop.startTrial(until: .checking)
            #expect(try shop.leftovers().filter { $0.hasPrefix("/var/tmp/") } != left)
            let done = try shop.tryPlan(try shop.plan(), [])
            #expect(done.ending == .exited(0), "\(done)")
            #expect(try shop.leftovers().count { $0.hasPrefix("/var/tmp/") } == 1)
            #expect(other.endingIfOver() == nil)
            other.signal(SIGTERM)
            #expect(try other.wait(within: 20) == .killed(signal: SIGTERM))
            #expect(try shop.leftovers() == [])
        }

        @Test(.timeLimit(.minutes(1))) func badInput() throws {
            let shop = try PlannedShop()
            let plan = try shop.plan()
            let wrong = try shop.plan(adding: "  - {path: relative, kind: file, treatment: pre-copy}\n")
            let full = shop.folder + "/full"
            try makeFolder(full)
            try write("x", to: full + "/x")
            let before = try shop.original()
            for (plan, words, sentence) in [
                (shop.folder + "/none.yaml", [String](), "cannot open "), (wrong, [], "entries[7].path"),
                (plan, ["--host", "other"], "the plan has no host `other`"),
                (plan, ["--into", full], "is no empty folder"),
                (plan, ["--rounds", "0"], "--rounds is from 1"),
            ] {
                let done = try shop.tryPlan(plan, words + ["-o", shop.folder + "/tried.yaml"])
                #expect(done.ending != .exited(0) && done.output.isEmpty)
                #expect(done.errors.contains(sentence), "\(done)")
                #expect(access(shop.folder + "/tried.yaml", F_OK) != 0)
            }
            #expect(try shop.original() == before)
            #expect(try shop.leftovers() == [])
        }

        @Test(.timeLimit(.minutes(1))) func toolsThatAreMissing() throws {
            let shop = try PlannedShop()
            let bin = shop.folder + "/few"
            try makeFolder(bin)
            for name in ["unshare", "nsenter", "setpriv", "mount", "chroot", "tar"] {
                let place = try run(["sh", "-c", "command -v \(name)"]).trimmingCharacters(in: .newlines)
                try run(["ln", "-s", place, bin])
            }
            let child = try Child([
                "env", "PATH=\(bin)", try Products.path("retinue"), "plan", "try", try shop.plan(),
            ])
            #expect(try child.wait() == .exited(1))
            #expect(
                child.errorText.hasPrefix(
                    "retinue: a plan is tried with programs that are not in PATH: strace, ip, ldconfig\n"))
            #expect(child.errorText.contains("strace is in Debian's package strace\n"))
        }
    }
}

/// A host of two programs, which lies in a folder: a shell, and a shop that it starts; and plans of it.
final class PlannedShop {
    let folder: String
    /// Where the host's files lie.
    var host: String { folder + "/host" }
    private static let check = "curl -fs http://127.0.0.1:8765/ | grep -qx 'welcome'"

    /// It starts once: a root in which it ran before is not the one that was planned.
    private static let script = """
        [ -e /srv/shop/seen ] && exit 3
        : > /srv/shop/seen
        read -r title < /srv/shop/title
        [ "$title" = shop ] || exit 4
        echo other > /srv/shop/title
        . /srv/shop.conf
        exec /bin/busybox httpd -f -p 127.0.0.1:8765 -h "$pages"

        """

    init() throws {
        folder = try makeTemporaryFolder()
        for name in ["/bin", "/usr/bin", "/srv/shop", "/srv/pages"] {
            try FileManager.default.createDirectory(
                atPath: host + name, withIntermediateDirectories: true)
        }
        let busybox = try run(["sh", "-c", "command -v busybox"]).trimmingCharacters(in: .newlines)
        try run(["cp", busybox, host + "/bin/busybox"])
        try run(["ln", "-s", "busybox", host + "/bin/sh"])
        try run(["ln", "-s", "/bin/busybox", host + "/usr/bin/env"])
        try write(Self.script, to: host + "/srv/shop/run.sh")
        try write("shop\n", to: host + "/srv/shop/title")
        try write("pages=/srv/pages\n", to: host + "/srv/shop.conf")
        try write("welcome\n", to: host + "/srv/pages/index.html")
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// Writes a plan of it; its path.
    func plan(without left: String = "", adding more: String = "") throws -> String {
        let entries = [
            ("/bin/busybox", "file"), ("/bin/sh", "link"), ("/srv", "folder"), ("/srv/pages", "tree"),
            ("/srv/shop", "tree"), ("/srv/shop.conf", "file"), ("/usr/bin/env", "link"),
        ]
        var text = """
            schema: retinue-plan/1
            program: shop
            made: 2026-11-27T00:00:00Z
            hosts:
            - host: one
              programs:
              - executable: /bin/busybox
                script: /srv/shop/run.sh
                start: before
                process: {arguments: [busybox, sh, /srv/shop/run.sh], folder: /, user: 0, group: 0, groups: [], capabilities: "0",
                  environment: ["TITLE=a b"]}
                reason: where the group begins
              ports:
              - {address: "tcp:127.0.0.1:8765", program: /bin/busybox}
              entries:

            """
        for (path, kind) in entries where path != left {
            let target = kind == "link" ? ", target: /bin/busybox" : ""
            text += "  - {path: \(path), kind: \(kind), treatment: pre-copy\(target)}\n"
        }
        let path = "\(folder)/plan\(left.isEmpty ? "" : "-without")\(more.isEmpty ? "" : "-more").yaml"
        try write(text + more, to: path)
        return path
    }

    struct Done {
        var ending: Child.Ending
        var output: String
        var errors: String
    }

    func retinue(_ words: [String], tools: String? = nil) throws -> Done {
        let child = try start(words, tools)
        let ending = try child.wait()
        return Done(ending: ending, output: child.outputText, errors: child.errorText)
    }

    func start(_ words: [String], _ tools: String?) throws -> Child {
        var environment = Child.environment
        if let tools { environment["PATH"] = tools + ":" + (environment["PATH"] ?? "") }
        return try Child([try Products.path("retinue")] + words, environment: environment)
    }

    private func words(_ plan: String, _ words: [String]) -> [String] {
        let check = words.contains("--check") ? [] : ["--check", Self.check]
        return ["plan", "try", plan, "--root", host, "--start", "exec /bin/sh /srv/shop/run.sh"] + check
            + words
    }

    func tryPlan(_ plan: String, _ more: [String], tools: String? = nil) throws -> Done {
        try retinue(words(plan, more), tools: tools)
    }

    /// Starts a trial that would take an hour, and gives it when it has come to some point.
    func startTrial(until moment: KernelTests.PlanSuite.Moment) throws -> Child {
        for name in ["tar-began", "rm-began", "checking"] { unlink("\(folder)/\(name)") }
        let check = ": > \(folder)/checking; false"
        var tools: String?
        switch moment {
        case .beginning:
            // Something to be removed first, slowly: the signal waits until that is done.
            try run(["mktemp", "-d", "/var/tmp/retinue-try-XXXXXX"])
            tools = try tool("rm", "sleep 1; exec /bin/rm \"$@\"")
        case .copying: tools = try tool("tar", "exec sleep 3600")
        case .checking: break
        }
        let child = try start(words(try plan(), ["--check", check, "--patience", "3600"]), tools)
        let isThere: Bool? = eventually(within: 30) {
            switch moment {
            case .beginning: access(folder + "/rm-began", F_OK) == 0 ? true : nil
            case .copying: access(folder + "/tar-began", F_OK) == 0 ? true : nil
            case .checking: access(folder + "/checking", F_OK) == 0 ? true : nil
            }
        }
        guard isThere == true else { throw Failure("\(child.outputText)\(child.errorText)") }
        return child
    }

    /// A folder with a tar that writes down how many names it is given to copy.
    func countingTar() throws -> String {
        let real = try run(["sh", "-c", "command -v tar"]).trimmingCharacters(in: .newlines)
        return try tool(
            "tar",
            """
            for word in "$@"; do
              case $word in --files-from=*) tr -cd '\\0' < "${word#*=}" | wc -c >> \(folder)/copied;; esac
            done
            exec \(real) "$@"
            """)
    }

    /// A folder with a program in place of one of the system's, which leaves a file when it begins.
    func tool(_ name: String, _ text: String) throws -> String {
        let bin = folder + "/tools"
        try makeFolder(bin)
        try write("#!/bin/sh\n: > \(folder)/\(name)-began\n\(text)\n", to: bin + "/" + name)
        chmod(bin + "/" + name, 0o755)
        return bin
    }

    /// Digest, number, links and times of every file of the original.
    func original() throws -> String {
        try run([
            "sh", "-c",
            "cd \(host) && find . -printf '%p %i %n %T@ %C@ %s %l\\n' | sort && find . -type f -print0 | sort -z | xargs -0 md5sum",
        ])
    }

    /// What a trial would leave: its folders, processes that were started with one or have their root in one, and mounts.
    func leftovers() throws -> [String] {
        var found = try FileManager.default.contentsOfDirectory(atPath: "/var/tmp").filter {
            $0.hasPrefix("retinue-try-")
        }.map { "/var/tmp/" + $0 }
        for name in try FileManager.default.contentsOfDirectory(atPath: "/proc") where Int32(name) != nil {
            let root = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(name)/root")
            let command = FileManager.default.contents(atPath: "/proc/\(name)/cmdline") ?? Data()
            let text = String(decoding: command, as: UTF8.self)
            if root?.contains("/retinue-try-") == true || text.contains("/retinue-try-") {
                found.append("process \(name)")
            }
        }
        return found
            + (try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8).split(separator: "\n").map(
                String.init
            )
            .filter { $0.contains("/retinue-try-") })
    }
}
