import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Programs that are looked at when they have done something since their exec: changed their directory, or written
    /// over their arguments.
    @Suite("scripts that are looked at late")
    struct LateScriptSuite {
        /// A folder of a filesystem of its own.
        private func withFolder(_ body: (_ folder: String, _ files: ScratchFilesystem) throws -> Void) throws
        {
            let files = try ScratchFilesystem()
            try body(realPath(try files.folder("srv")), files)
        }

        private func service(_ log: String, _ then: String) -> String {
            "import os, sys, time, ctypes\nf = open('\(log)', 'a')\n\(then)\nprint('ready', flush=True)\ntime.sleep(600)\n"
        }

        /// `cd /srv/blog && python3 server.py`, which then goes to `/` as daemons do, before the daemon starts.
        @Test(.timeLimit(.minutes(1))) func relativeScriptsOfProgramsThatWentElsewhere() throws {
            try withFolder { folder, files in
                let group = try ControlGroup()
                var children: [Child] = []
                for (name, then) in [("blog", "os.chdir('/')"), ("shop", "os.chdir('/')"), ("here", "")] {
                    try makeFolder("\(folder)/\(name)")
                    try write(service("\(folder)/\(name)/log", then), to: "\(folder)/\(name)/server.py")
                    let child = try Child(
                        try group.command(["env", "--chdir=\(folder)/\(name)", "python3", "server.py"]))
                    #expect(try child.firstLine() == "ready")
                    children.append(child)
                }
                let daemon = try DaemonUnderTest(stateFolder: files.path + "/state")
                let dump = try daemon.dump()
                let records = dump.records(of: group.workload)
                let python = Dump.Program(executable: realPath("/usr/bin/python3"), workload: group.workload)
                for name in ["blog", "shop"] {
                    #expect(Set(records.files("\(folder)/\(name)/log").map(\.program)) == [python])
                }
                var here = python
                here.script = "\(folder)/here/server.py"
                #expect(Set(records.files("\(folder)/here/log").map(\.program)) == [here])
                #expect(Set(records.map(\.program)) == [python, here])
                #expect(
                    !dump.dependencies.contains {
                        $0.program.script == "/server.py" || $0.path == "/server.py"
                    })
                #expect(dump.header.sources["proc_connector"]?.unknownScripts ?? 0 >= 2)
                try daemon.stop()
                children.forEach { $0.kill() }
            }
        }

        /// The daemon has no time when the exec is reported: by then the program has gone elsewhere.
        @Test(.timeLimit(.minutes(1))) func relativeScriptsThatAreLookedAtTooLate() throws {
            let bench = try Bench()
            let folder = realPath(try bench.files.folder("srv"))
            try write(service("\(folder)/log", "os.chdir('/')"), to: "\(folder)/server.py")
            let group = try ControlGroup()
            let before = try bench.daemon.dump().header.sources["proc_connector"]?.unknownScripts ?? 0
            bench.daemon.process.signal(SIGSTOP)
            let child = try Child(try group.command(["env", "--chdir=\(folder)", "python3", "server.py"]))
            #expect(try child.firstLine() == "ready")
            bench.daemon.process.signal(SIGCONT)
            let dump = try bench.daemon.dump()
            let records = dump.records(of: group.workload)
            let scripts = Set(records.files("\(folder)/log").map(\.program.script))
            #expect(scripts == [nil], "\(scripts)")
            #expect(
                !dump.dependencies.contains { $0.program.script == "/server.py" || $0.path == "/server.py" })
            #expect(dump.header.sources["proc_connector"]?.unknownScripts ?? 0 > before)
            child.kill()
            try bench.daemon.stop()
        }

        /// Services that call themselves something else in ps(1), before the daemon starts. The kernel still has the
        /// path of a `#!` file that was executed; of others nobody knows.
        @Test(.timeLimit(.minutes(1))) func titlesInPlaceOfArguments() throws {
            try withFolder { folder, files in
                let group = try ControlGroup()
                let python = realPath("/usr/bin/python3")
                // setproctitle(3) as the module of that name does it, and as perl does. The last title names a file.
                let title = "import setproctitle; setproctitle.setproctitle('shop: master [app]')"
                let perl = { (log: String, title: String) in
                    "$0 = \"\(title)\"; open(F, '>>', '\(log)'); $| = 1; print \"ready\\n\"; sleep 600;\n"
                }
                let services: [(name: String, text: String, command: [String], isKnown: Bool)] = [
                    ("a.py", service("\(folder)/a.log", title), ["python3"], false),
                    ("b.py", "#!\(python)\n" + service("\(folder)/b.log", title), [], true),
                    ("c.pl", perl("\(folder)/c.log", "amavisd (master)"), ["perl"], false),
                    ("d.pl", "#!/usr/bin/perl\n" + perl("\(folder)/d.log", "amavisd"), [], true),
                    ("e.pl", perl("\(folder)/e.log", "p\\0/etc/passwd\\0"), ["perl"], false),
                    ("f.pl", perl("\(folder)/f.log", "/etc/passwd"), ["perl", "-w"], false),
                ]
                var children: [Child] = []
                for service in services {
                    let path = "\(folder)/\(service.name)"
                    try write(service.text, to: path, executable: true)
                    let child = try Child(try group.command(service.command + [path]))
                    #expect(try child.firstLine() == "ready")
                    let title = try bytes(ofFile: "/proc/\(child.pid)/cmdline")
                    #expect(
                        !String(decoding: title, as: UTF8.self).contains(service.name),
                        "the title was not set")
                    children.append(child)
                }
                let daemon = try DaemonUnderTest(stateFolder: files.path + "/state")
                let dump = try daemon.dump()
                let records = dump.records(of: group.workload)
                for service in services {
                    let path = "\(folder)/\(service.name)"
                    let scripts = Set(records.files("\(path.dropLast(3)).log").map(\.program.script))
                    #expect(scripts == [service.isKnown ? path : nil], "\(service.name): \(scripts)")
                }
                #expect(!records.contains { $0.program.script == "/etc/passwd" })
                let unknown = services.filter { !$0.isKnown }.count
                #expect(dump.header.sources["proc_connector"]?.unknownScripts ?? 0 >= UInt64(unknown))
                try daemon.stop()
                children.forEach { $0.kill() }
            }
        }
    }
}
