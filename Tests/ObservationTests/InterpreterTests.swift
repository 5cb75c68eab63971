import Observation
import Testing

/// What arguments say that an interpreter runs.
@Suite struct InterpreterTests {
    /// The first file that is looked for, or `name: what it is called`; `-` for the standard input, `?` for what the
    /// arguments do not say, `nil` for nothing.
    static let cases: [(String, [String], String?)] = [
        ("/usr/bin/python3.11", ["python3", "a.py"], "a.py"),
        ("/usr/bin/python3.11", ["python3", "-u", "-W", "ignore", "a.py", "-c"], "a.py"),
        ("/usr/bin/python3.11", ["python3", "-uW", "ignore", "a.py"], "a.py"),
        ("/usr/bin/python3.11", ["python3", "-Wignore", "a.py"], "a.py"),
        ("/usr/bin/python3.11", ["python3", "-OO", "-W", "ignore", "job.py"], "job.py"),
        ("/usr/bin/python3.11", ["python3", "-c", "print(1)"], nil),
        ("/usr/bin/python3.11", ["python3", "-Ic", "print(1)"], nil),
        ("/usr/bin/python3.11", ["python3", "-Xutf8", "-c", "print(1)", "in"], nil),
        ("/usr/bin/python3.11", ["python3", "-"], "-"),
        ("/usr/bin/python3.11", ["python3"], "-"),
        ("/usr/bin/python3.11", ["python3", "-V"], nil),
        ("/usr/bin/python3.11", ["python3", "--", "-a.py"], "-a.py"),
        ("/usr/bin/python3.11", ["python3", "-m", "http.server"], "http/server/__main__.py"),
        ("/usr/bin/python3.11", ["python3", "-um", "pkg", "x"], "pkg/__main__.py"),
        ("/usr/bin/python3.11", ["python3", "-mpkg"], "pkg/__main__.py"),
        ("/usr/bin/python3.11", ["python3", "-Im", "pkg"], "name: pkg"),
        ("/usr/bin/python3.11", ["python3", "-m", "rm -rf /"], "?"),
        ("/usr/bin/bash", ["bash", "x.sh", "-c"], "x.sh"),
        ("/usr/bin/bash", ["bash", "-eu", "-o", "pipefail", "x.sh"], "x.sh"),
        ("/usr/bin/bash", ["bash", "-euo", "pipefail", "x.sh"], "x.sh"),
        ("/usr/bin/bash", ["bash", "-oe", "pipefail", "x.sh"], "x.sh"),
        ("/usr/bin/bash", ["bash", "+o", "posix", "+x", "x.sh"], "x.sh"),
        ("/usr/bin/bash", ["-bash"], "-"),
        ("/usr/bin/bash", ["bash", "--norc", "--rcfile", "rc", "x.sh"], "x.sh"),
        ("/usr/bin/dash", ["sh", "-c", "x.sh"], nil),
        ("/usr/bin/dash", ["sh", "-ec", "x.sh"], nil),
        ("/usr/bin/dash", ["sh", "-e", "x.sh"], "x.sh"),
        ("/usr/bin/dash", ["sh", "-s", "x"], "-"),
        ("/usr/bin/node", ["node", "--inspect", "-r", "dotenv", "x.js"], "x.js"),
        ("/usr/bin/node", ["node", "-e", "1", "x.js"], nil),
        ("/usr/bin/node", ["node", "--env-file", ".env", "app.js"], "app.js"),
        ("/usr/bin/node", ["node", "--env-file=.env", "--title", "x.json", "app"], "app"),
        ("/usr/bin/node", ["node", "--unheard-of", "conf.json", "app.js"], "?"),
        ("/usr/bin/node", ["node", "--unheard-of=conf.json", "app.js"], "app.js"),
        ("/usr/bin/node", ["node", "--no-warnings", "app.js"], "app.js"),
        ("/usr/bin/perl", ["perl", "-w", "-I", "lib", "x.pl"], "x.pl"),
        ("/usr/bin/perl", ["perl", "-T", "-Ilib", "x.pl"], "x.pl"),
        ("/usr/bin/perl", ["perl", "-e", "1"], nil),
        ("/usr/bin/perl", ["perl", "-neprint", "data.txt"], nil),
        ("/usr/bin/perl", ["perl", "-pe1", "data.txt"], nil),
        ("/usr/bin/perl", ["perl", "-lane", "open(G,\">\",\"o2\")", "data.txt"], nil),
        ("/usr/bin/perl", ["perl", "-F:", "-l012ane", "print", "data.txt"], nil),
        ("/usr/bin/perl", ["perl", "-0777pe", "s/a/b/", "data.txt"], nil),
        ("/usr/bin/perl", ["perl", "-i.bak", "-pe", "s/a/b/", "data.txt"], nil),
        ("/usr/bin/perl", ["perl", "-CSDE", "x.pl"], "x.pl"),
        ("/usr/bin/perl", ["perl", "-MPOSIX", "-e", "1", "data.txt"], nil),
        ("/usr/bin/perl", ["perl", "-d:Trace", "x.pl"], "x.pl"),
        ("/usr/bin/perl", ["perl", "-Mefoo", "x.pl"], "x.pl"),
        ("/usr/lib/jvm/bin/java", ["java", "-Xmx1g", "-cp", "a.jar:b.jar", "-jar", "x.jar", "y"], "x.jar"),
        ("/usr/lib/jvm/bin/java", ["java", "-cp", "a.jar", "org.Main"], "name: org.Main"),
        ("/usr/lib/jvm/bin/java", ["java", "-cp", "a.jar:classes", "org.Main"], "classes/org/Main.class"),
        ("/usr/lib/jvm/bin/java", ["java", "X.java"], "X.java"),
        ("/usr/lib/jvm/bin/java", ["java", "-Dpassword=secret", "not a class"], "?"),
        ("/usr/lib/jvm/bin/java", ["java", "@options", "x"], "the \\conf/org/Main.class"),
        ("/usr/lib/jvm/bin/java", ["java", "@endless"], "?"),
        ("/usr/lib/jvm/bin/java", ["java", "@missing", "X.java"], "?"),
        ("/usr/lib/jvm/bin/java", ["java", "-version"], nil),
        (
            "/usr/lib/jvm/bin/java", ["java", "-p", "mods", "-m", "shop/org.shop.Main", "x"],
            "name: org.shop.Main"
        ),
        ("/usr/lib/jvm/bin/java", ["java", "--unheard-of", "value", "org.Main"], "?"),
        (
            "/usr/lib/jvm/bin/java", ["java", "--enable-preview", "-ea", "-Dx", "-cp", "a.jar", "M"],
            "name: M"
        ),
        ("/usr/bin/node", ["node", "--prof-process", "isolate.log"], nil),
        ("/usr/bin/mawk", ["awk", "-F", ":", "-f", "x.awk", "in"], "x.awk"),
        ("/usr/bin/mawk", ["awk", "-fx.awk", "in"], "x.awk"),
        ("/usr/bin/mawk", ["awk", "{print}", "in"], nil),
        ("/usr/bin/ruby3.1", ["ruby", "-rjson", "x.rb"], "x.rb"),
        ("/usr/bin/ruby3.1", ["ruby", "-ane", "puts 1", "data.txt"], nil),
        ("/usr/bin/php8.2", ["php", "-d", "a=b", "x.php"], "x.php"),
        ("/usr/bin/php8.2", ["php", "-r", "echo 1;", "x.php"], nil),
        ("/usr/bin/lua5.4", ["lua", "-e", "x=1", "x.lua"], "x.lua"),
        ("/usr/bin/lua5.4", ["lua", "-e", "x=1"], nil),
        ("/usr/bin/cat", ["cat", "x.sh"], nil),
        ("/usr/bin/pythonista", ["pythonista", "a.py"], nil),
        ("/usr/bin/shred", ["shred", "a"], nil),
        ("/usr/bin/ldd", ["ldd", "/bin/true"], nil),
        // The dynamic loader runs another program.
        ("/usr/lib/ld-linux-x86-64.so.2", ["/lib64/ld.so", "./prog", "x"], "./prog"),
        ("/usr/lib/ld-linux-x86-64.so.2", ["ld.so", "--library-path", "/a/b", "/opt/prog"], "/opt/prog"),
        ("/usr/lib/ld-linux-x86-64.so.2", ["ld.so", "/usr/bin/python3", "a.py"], "a.py"),
        ("/usr/lib/ld-linux-x86-64.so.2", ["ld.so", "/usr/bin/python3", "-c", "1"], "/usr/bin/python3"),
        ("/usr/lib/ld-linux-x86-64.so.2", ["ld.so", "--list", "./prog"], nil),
        ("/usr/lib/ld-linux-x86-64.so.2", ["ld.so", "prog"], "?"),
        // Programs that are many.
        ("/usr/bin/busybox", ["busybox", "sh", "x.sh"], "x.sh"),
        ("/usr/bin/busybox", ["sh", "-e", "x.sh"], "x.sh"),
        ("/usr/bin/busybox", ["/bin/ash", "x.sh"], "x.sh"),
        ("/usr/bin/busybox", ["busybox", "sh", "-c", "x.sh"], nil),
        ("/usr/bin/busybox", ["busybox", "awk", "-f", "x.awk", "in"], "x.awk"),
        ("/usr/bin/busybox", ["busybox", "cat", "x.sh"], "name: cat"),
        ("/usr/bin/busybox", ["/bin/cat", "x.sh"], "name: cat"),
        ("/usr/bin/busybox", ["busybox", "env", "x.sh"], nil),
        ("/usr/bin/busybox", ["crond", "-f"], nil),
        ("/usr/bin/busybox", ["busybox", "--install"], nil),
        ("/usr/bin/busybox", ["a secret", "x"], nil),
        ("/usr/bin/busybox", ["busybox"], nil),
        // Servers of applications.
        (
            "/usr/bin/python3.11",
            ["python3", "/usr/bin/gunicorn", "-w", "4", "-b", "localhost:80", "shop.wsgi"],
            "shop/wsgi.py"
        ),
        (
            "/usr/bin/python3.11",
            ["python3", "/usr/bin/gunicorn", "shop:make('secret')", "--chdir", "/srv"], "/srv/shop.py"
        ),
        ("/usr/bin/python3.11", ["python3", "-m", "uvicorn", "--port", "80", "shop:app"], "shop.py"),
        (
            "/usr/bin/python3.11", ["python3", "/usr/bin/gunicorn", "--unheard-of", "blog", "shop"],
            "/usr/bin/gunicorn"
        ),
        (
            "/usr/bin/python3.11", ["python3", "/usr/bin/celery", "-A", "shop.tasks", "worker"],
            "shop/tasks.py"
        ),
        ("/usr/bin/python3.11", ["python3", "/usr/bin/gunicorn", "--version"], "/usr/bin/gunicorn"),
        ("/usr/bin/uwsgi", ["uwsgi", "--http", ":80", "--wsgi-file", "shop.py"], "shop.py"),
        ("/usr/bin/uwsgi-core", ["uwsgi", "--ini", "/etc/shop.ini"], "/etc/shop.ini"),
        ("/usr/bin/node", ["node", "/usr/bin/pm2-runtime", "start", "shop.js"], "shop.js"),
    ]

    private func interpreted(_ executable: String, _ arguments: [[UInt8]], isWhole: Bool = true) -> String? {
        let files: [String: String] = [
            "options": "-cp 'the \\\\conf' # of classes\n\"org.Main\"\n", "endless": "@endless",
        ]
        let found = Interpreter.interpreted(
            executable: Array(executable.utf8), arguments: arguments, isWhole: isWhole
        ) { name in
            files[String(decoding: name, as: UTF8.self)].map { Array($0.utf8) }
        }
        switch found {
        case .nothing: return nil
        case .unknown: return "?"
        case .input: return "-"
        case .named(let named):
            if let first = named.files.first { return String(decoding: first, as: UTF8.self) }
            return "name: " + String(decoding: named.name ?? [], as: UTF8.self)
        }
    }

    @Test(arguments: cases.indices) func script(number: Int) {
        let (executable, arguments, expected) = Self.cases[number]
        #expect(interpreted(executable, arguments.map { Array($0.utf8) }) == expected, "\(arguments)")
    }

    /// A folder or an archive that Python runs, a file whose ending Node leaves out.
    @Test func filesThatANameStandsFor() {
        func files(_ executable: String, _ name: String) -> [String] {
            guard
                case .named(let named) = Interpreter.interpreted(
                    executable: Array(executable.utf8), arguments: [[1], Array(name.utf8)])
            else { return [] }
            return named.files.map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(files("/usr/bin/python3", "pkg") == ["pkg", "pkg/__main__.py"])
        #expect(files("/usr/bin/node", "app") == ["app", "app.js", "app/index.js", "app.json"])
        #expect(files("/usr/bin/dash", "app") == ["app"])
    }

    /// What stands in the arguments and is no name is never one.
    @Test func textOfAProgramIsNoName() {
        let text = "import os; os.system('x')"
        for (executable, options) in [
            ("python3", ["-c", "-Ic", "-m", "-um"]), ("perl", ["-e", "-E", "-lane", "-Mstrict -e"]),
            ("bash", ["-c", "-lc", "-ec"]), ("node", ["-e", "--eval", "-p", "-pe"]), ("ruby", ["-e", "-ne"]),
            ("php", ["-r"]), ("gawk", ["-e", "--source"]), ("Rscript", ["-e"]), ("guile", ["-c"]),
            ("lua", ["-e"]),
        ] {
            for option in options {
                let words = option.split(separator: " ").map { Array($0.utf8) }
                let arguments = [Array(executable.utf8)] + words + [Array(text.utf8), Array("data".utf8)]
                let found = interpreted("/usr/bin/" + executable, arguments)
                if executable == "lua" {
                    #expect(found == "data")
                } else {
                    #expect(found == nil || found == "?")
                }
            }
        }
    }

    /// Bytes that are no text, nothing at all, and more than anybody reads.
    @Test func hostileArguments() {
        let raw: [UInt8] = [0xff, 0xfe, 0x2f, 0x80]
        guard
            case .named(let named) = Interpreter.interpreted(
                executable: Array("/usr/bin/bash".utf8), arguments: [[0xff], raw])
        else {
            Issue.record("not taken for a name")
            return
        }
        #expect(named.files == [raw] && named.name == nil)
        let huge = [UInt8](repeating: UInt8(ascii: "a"), count: 1 << 17)
        for executable in ["python3", "node", "perl", "java", "bash", "ld.so", "uwsgi", "ruby", "lua"] {
            let path = "/usr/bin/" + executable
            #expect(interpreted(path, []) == nil)
            #expect(interpreted(path, [Array(executable.utf8), []]) == "?", "\(executable)")
            #expect(interpreted(path, [[], huge]) == "?")
            #expect(interpreted(path, [[], [UInt8(ascii: "-")] + huge, huge]) == "?")
        }
        // A title over the arguments leaves empty ones.
        #expect(interpreted("/usr/bin/python3", [Array("a: master".utf8), [], []]) == "?")
        #expect(interpreted("/usr/bin/mawk", [Array("awk".utf8), [], []]) == nil)
        // Where the arguments were cut off, what they end with says nothing.
        #expect(interpreted("/usr/bin/python3", [Array("python3".utf8)], isWhole: false) == "?")
        #expect(interpreted("/usr/bin/python3", ["p", "-W"].map { Array($0.utf8) }, isWhole: false) == "?")
    }

    /// Whatever the arguments are, no trap, and no name that is more than letters, digits, dots and one colon.
    @Test func anyArguments() {
        var generator = SystemRandomNumberGenerator()
        let pieces: [[UInt8]] =
            [
                "-", "--", "-e", "-c", "-m", "-cp", "-jar", "--app", "-A", "@x", "a.py", "a:b", "a.b", "=",
                "--x=",
                "gunicorn", "-W", "+o", "start", "-lane", "$(x)", "a b", "/", "busybox", "sh", "ld.so", "./x",
            ].map { Array($0.utf8) } + [[0xff], [0xc3, 0x28], []]
        let names = Interpreter.names + ["ld-linux.so.2", "busybox", "cat", ""]
        for _ in 0..<50_000 {
            let arguments = (0..<Int.random(in: 0...6, using: &generator)).map { _ in
                Bool.random(using: &generator)
                    ? pieces.randomElement(using: &generator)!
                    : pieces.randomElement(using: &generator)! + pieces.randomElement(using: &generator)!
            }
            let found = Interpreter.interpreted(
                executable: Array("/usr/bin/\(names.randomElement(using: &generator)!)".utf8),
                arguments: arguments,
                isWhole: Bool.random(using: &generator)
            ) { _ in pieces.randomElement()! + [32] + pieces.randomElement()! }
            guard case .named(let named) = found else { continue }
            #expect(!named.files.isEmpty || named.name != nil)
            #expect(named.files.allSatisfy { !$0.isEmpty })
            guard let name = named.name else { continue }
            let text = String(decoding: name, as: UTF8.self)
            #expect(
                text.wholeMatch(
                    of: /[A-Za-z_][A-Za-z0-9_$-]*(\.[A-Za-z_][A-Za-z0-9_$-]*)*(:[A-Za-z_][A-Za-z0-9_.]*)?/)
                    != nil, "\(text)")
        }
    }

    @Test func heads() {
        #expect(
            ExecutableHead(parsing: Array("#!/bin/sh\n".utf8)) == .script(interpreter: Array("/bin/sh".utf8)))
        #expect(
            ExecutableHead(parsing: Array("#! \t/usr/bin/env python3 -u\n".utf8))
                == .script(interpreter: Array("/usr/bin/env".utf8)))
        #expect(ExecutableHead(parsing: Array("#!\n".utf8)) == .other)
        #expect(ExecutableHead(parsing: Array("echo\n".utf8)) == .other)
        #expect(ExecutableHead(parsing: []) == .other)
    }

    /// An ELF header with one program header, PT_INTERP at offset 120.
    static let elf: [UInt8] = {
        var bytes: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0] + [UInt8](repeating: 0, count: 8)
        func put(_ value: UInt64, _ size: Int) {
            for index in 0..<size { bytes.append(UInt8(value >> (8 * index) & 255)) }
        }
        put(3, 2)  // e_type ET_DYN
        put(62, 2)  // e_machine
        put(1, 4)  // e_version
        put(0, 8)  // e_entry
        put(64, 8)  // e_phoff
        put(0, 8)  // e_shoff
        put(0, 4)  // e_flags
        put(64, 2)  // e_ehsize
        put(56, 2)  // e_phentsize
        put(1, 2)  // e_phnum
        put(0, 6)
        put(3, 4)  // p_type PT_INTERP
        put(4, 4)  // p_flags
        put(120, 8)  // p_offset
        put(0, 16)
        put(9, 8)  // p_filesz
        put(0, 16)
        return bytes + Array("/lib/ld.so".utf8.prefix(8)) + [0]
    }()

    @Test func elfInterpreter() {
        #expect(ExecutableHead(parsing: Self.elf) == .dynamic(loader: Array("/lib/ld.".utf8)))
        for count in 0..<Self.elf.count { _ = ExecutableHead(parsing: Array(Self.elf.prefix(count))) }
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var bytes = Self.elf
            for _ in 0..<4 {
                bytes[Int.random(in: 4..<bytes.count, using: &generator)] = .random(in: 0...255)
            }
            _ = ExecutableHead(parsing: bytes)
        }
    }
}
