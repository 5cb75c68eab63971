import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Command lines as they stand in crontabs and units: which file really runs.
    @Suite("scripts in arguments")
    struct ScriptArgumentSuite {
        /// One command, run in the folder. It makes the file `oN` of its number, for which `%` stands.
        struct Command: Sendable, CustomTestStringConvertible {
            var line: String
            /// The executable and the script, below the folder unless they begin with a slash; `nil` for no script.
            var executable: String
            var script: String?

            init(_ line: String, _ executable: String, _ script: String?) {
                (self.line, self.executable, self.script) = (line, executable, script)
            }
            var testDescription: String { line }
        }

        static let commands = [
            Command(
                "perl -ne 'open(F,\">\",\"%\"); select(undef,undef,undef,.05)' data.txt", "/usr/bin/perl", nil
            ),
            Command(
                "perl -lane 'open(G,\">\",\"%\"); select(undef,undef,undef,.05)' data.txt", "/usr/bin/perl",
                nil),
            Command("perl -MPOSIX -e 'open(G,\">\",\"%\")' data.txt", "/usr/bin/perl", nil),
            Command("perl -I lib job.pl %", "/usr/bin/perl", "job.pl"),
            Command("perl -T -Ilib ./job.pl %", "/usr/bin/perl", "job.pl"),
            Command("node --require ./before.js app.js %", "/usr/bin/node", "app.js"),
            Command("node --title conf.json app %", "/usr/bin/node", "app.js"),
            Command("python3 -m pkg %", "/usr/bin/python3", "pkg/__main__.py"),
            Command("python3 pkg %", "/usr/bin/python3", "pkg/__main__.py"),
            Command("python3 app.zip %", "/usr/bin/python3", "app.zip"),
            Command("python3 'sub/two words.py' %", "/usr/bin/python3", "sub/two words.py"),
            Command("python3 -OO -W ignore job.py %", "/usr/bin/python3", "job.py"),
            Command("python3 - % < job.py", "/usr/bin/python3", "job.py"),
            Command("python3 -Xutf8 -c 'open(\"%\",\"w\")' data.txt", "/usr/bin/python3", nil),
            Command("python3 -m timeit -n1 -r1 'open(\"%\",\"w\")'", "/usr/bin/python3", "=timeit"),
            Command("sh -eu job.sh %", "/usr/bin/dash", "job.sh"),
            Command("sh -c '. ./job.sh' % %", "/usr/bin/dash", nil),
            Command("bash -euo pipefail job.sh %", "/usr/bin/bash", "job.sh"),
            Command("bin/split %", "/usr/bin/python3", "bin/split"),
            Command("bin/plain %", "/usr/bin/perl", "bin/plain"),
            Command("mawk -v name=% -f p.awk", "/usr/bin/mawk", "p.awk"),
            Command("mawk '{print > \"%\"; system(\"sleep .05\")}' data.txt", "/usr/bin/mawk", nil),
            Command("busybox sh job.sh %", "/usr/bin/busybox", "job.sh"),
            Command("busybox touch %", "/usr/bin/busybox", "=touch"),
            // The dynamic loader as a command.
            Command("$loader /usr/bin/dash job.sh %", "$loader", "job.sh"),
            Command("$loader ./shell -c '. ./job.sh' %  %", "$loader", "shell"),
            // A copy under another name, and a link.
            Command("./engine job.sh %", "engine", "job.sh"),
            Command("./engine -c '. ./job.sh' % %", "engine", nil),
            Command("./link job.sh %", "/usr/bin/dash", "job.sh"),
            // Nobody knows this interpreter; its script names it, and other files do not.
            Command("./paint picture %", "paint", "picture"),
            Command("./paint job.sh %", "paint", nil),
            Command("./picture %", "paint", "picture"),
            // Applications.
            Command("bin/gunicorn -w 2 -b localhost:80 shop:% ", "/usr/bin/python3", "shop.py"),
            Command("bin/gunicorn away:%", "/usr/bin/python3", "=away:%"),
            Command("bin/gunicorn --unheard-of shop %", "/usr/bin/python3", "bin/gunicorn"),
        ]

        private func fill(_ folder: String) throws {
            for name in ["pkg", "sub", "bin", "lib"] { try makeFolder("\(folder)/\(name)") }
            let python =
                "import sys, time; open(sys.argv[-1].split(':')[-1].strip(), 'w'); time.sleep(.05)\n"
            let perl = "open(F, '>', $ARGV[0] =~ /(.*)/); select(undef, undef, undef, .05);\n"
            for (name, text) in [
                ("data.txt", "data\n"), ("before.js", ""), ("conf.json", "{}\n"), ("job.py", python),
                ("pkg/__init__.py", ""), ("pkg/__main__.py", python), ("sub/two words.py", python),
                ("job.pl", perl), ("job.sh", ": > ${1:-$0}; sleep .05; :\n"),
                ("app.js", "require('fs').writeFileSync(process.argv[2], '1')\n"),
                ("p.awk", "BEGIN { print 1 > name; system(\"sleep .05\") }\n"), ("shop.py", ""),
            ] { try write(text, to: "\(folder)/\(name)") }
            for (name, text) in [
                ("bin/split", "#!/usr/bin/env -S python3 -u\n" + python),
                ("bin/plain", "#!/usr/bin/perl -w\n" + perl),
                ("bin/gunicorn", "#!/usr/bin/python3\n" + python), ("picture", "#!\(folder)/paint\n"),
            ] { try write(text, to: "\(folder)/\(name)", executable: true) }
            let zip = "import zipfile; zipfile.ZipFile('app.zip', 'w').write('job.py', '__main__.py')"
            try run(["env", "--chdir=\(folder)", "python3", "-c", zip])
            for (copy, original) in [("engine", "dash"), ("shell", "dash"), ("paint", "touch")] {
                try run(["cp", "/usr/bin/\(original)", "\(folder)/\(copy)"])
            }
            symlink("/usr/bin/dash", folder + "/link")
        }

        /// Each is known by what it runs, and by nothing else: no file that is data, no text of a program.
        @Test(.timeLimit(.minutes(3))) func whatRunsIsWhatIsRecorded() throws {
            let bench = try Bench()
            let folder = realPath(try bench.files.folder("scripts"))
            try fill(folder)
            let loader = realPath("/lib64/ld-linux-x86-64.so.2")
            func place(_ name: String) -> String {
                name == "$loader" ? loader : name.hasPrefix("/") ? realPath(name) : "\(folder)/\(name)"
            }
            var lines = "cd \(folder)\nloader=\(loader)\n"
            for (number, command) in Self.commands.enumerated() {
                lines += command.line.replacingOccurrences(of: "%", with: "o\(number)") + "\n"
            }
            // A process may be gone before it was looked at: then it is counted, and has another try.
            try write("for try in 1 2 3; do\n\(lines)done\n", to: folder + "/all")
            let group = try ControlGroup()
            _ = try? run(group.command(["sh", folder + "/all"]))
            let dump = try bench.daemon.dump()
            let records = dump.records(of: group.workload)
            let driver = Dump.Program(
                executable: realPath("/bin/sh"), script: folder + "/all", workload: group.workload)
            for (number, command) in Self.commands.enumerated() {
                let output = "\(folder)/o\(number)"
                let executable = place(command.executable)
                let expected = command.script.map { script in
                    script.hasPrefix("=")
                        ? script.dropFirst().replacingOccurrences(of: "%", with: "o\(number)") : place(script)
                }
                let programs = Set(records.files(output).map(\.program)).subtracting([driver])
                #expect(programs.allSatisfy { $0.executable == executable }, "\(command.line): \(programs)")
                let scripts = Set(programs.map(\.script))
                #expect(scripts.contains(expected), "\(command.line): \(scripts)")
                #expect(scripts.isSubset(of: [expected, nil]), "\(command.line): \(scripts)")
            }
            // What is no path is the name of no file, and what is one is there.
            for script in Set(records.compactMap(\.program.script)) {
                if script.hasPrefix("/") {
                    #expect(access(script, F_OK) == 0, "\(script)")
                } else {
                    #expect(dump.files(script).isEmpty, "\(script)")
                }
            }
            try bench.daemon.stop()
        }
    }
}
