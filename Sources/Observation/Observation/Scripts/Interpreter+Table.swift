extension Interpreter {
    /// The interpreters that are known, by the name of the file; a version may follow (`python3.11`).
    private static let known: [(name: String, interpreter: Interpreter)] = [
        ("python", python), ("pypy", python),
        ("bash", shell), ("dash", shell), ("ash", shell), ("zsh", shell), ("ksh", shell), ("mksh", shell),
        ("rbash", shell), ("sh", shell),
        (
            "fish",
            Interpreter(
                options: ["--command": .text, "--init-command": .value, "--version": .text, "--help": .text],
                letters: [
                    "c": .text, "C": .value, "v": .text, "h": .text, "d": .value, "o": .value, "f": .value,
                ],
                readsInput: true)
        ),
        ("nodejs", node), ("node", node),
        (
            "bun",
            Interpreter(
                options: ["-r": .value, "--preload": .value, "-e": .text, "--eval": .text, "--cwd": .text],
                plain: .suffixed([".js", ".ts", ".mjs", ".cjs", ".jsx", ".tsx"]),
                flags: ["--watch", "--hot", "--smol", "--no-", "--inspect", "--bun", "--silent", "-b"])
        ),
        (
            "deno",
            Interpreter(
                plain: .suffixed([".js", ".ts", ".mjs", ".tsx", ".jsx"]),
                flags: [
                    "--allow-", "--deny-", "--no-", "--unstable", "--watch", "--check", "--cached-only",
                    "--inspect",
                    "--quiet", "-A", "-q", "-N", "-R", "-W", "-E",
                ])
        ),
        ("perl", perl), ("ruby", ruby), ("php", php),
        ("lua", lua), ("luajit", lua),
        ("tclsh", Interpreter(options: ["-encoding": .value])),
        ("wish", Interpreter(options: ["-f": .script])),
        ("expect", Interpreter(letters: ["c": .aside, "f": .script, "D": .value, "b": .value])),
        ("Rscript", Interpreter(options: ["-e": .text, "--version": .text])),
        (
            "R",
            Interpreter(
                options: [
                    "-f": .script, "--file": .script, "-e": .text, "--args": .text, "-g": .value,
                    "-d": .value,
                ], plain: .text)
        ),
        ("guile", Interpreter(letters: ["c": .text, "L": .value, "l": .value, "e": .value, "s": .script])),
        ("gawk", awk), ("mawk", awk), ("awk", awk),
        ("java", java),
        (
            "dotnet",
            Interpreter(
                options: [
                    "exec": .flag, "--runtimeconfig": .value, "--depsfile": .value, "--fx-version": .value,
                ],
                plain: .suffixed([".dll"]))
        ),
        ("mono", Interpreter(plain: .suffixed([".exe"]))),
        ("uwsgi", uwsgi), ("uwsgi-core", uwsgi),
    ]

    private static let uwsgi = Interpreter(
        options: [
            "--wsgi-file": .script, "--file": .script, "--ini": .script, "--xml": .script, "--yaml": .script,
            "--json": .script, "--psgi": .script, "-w": .application, "--module": .application,
            "--wsgi": .application,
        ], plain: .suffixed([".ini", ".xml", ".yaml", ".yml", ".json", ".py"]))

    private static let python = Interpreter(
        options: [
            "--check-hash-based-pycs": .value, "--version": .text, "--help": .text, "--help-all": .text,
            "--help-env": .text, "--help-xoptions": .text,
        ],
        letters: [
            "c": .text, "m": .module, "W": .value, "X": .value, "Q": .value, "I": .isolated, "P": .isolated,
            "V": .text, "h": .text, "?": .text,
        ], form: .python, readsInput: true)

    private static let shell = Interpreter(
        options: ["--rcfile": .value, "--init-file": .value, "--version": .text, "--help": .text],
        letters: ["c": .text, "s": .input, "o": .next, "O": .next], takesPlus: true, readsInput: true)

    private static let node = Interpreter(
        options: {
            var options: [String: Effect] = [
                "-e": .text, "--eval": .text, "-p": .text, "-pe": .text, "--print": .text, "-v": .text,
                "--version": .text, "-h": .text, "--help": .text, "--v8-options": .text, "--run": .text,
                "--completion-bash": .text, "--prof-process": .text,
            ]
            for name in [
                "-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions",
                "--env-file", "--env-file-if-exists", "--title", "--icu-data-dir", "--input-type",
                "--openssl-config",
                "--redirect-warnings", "--disable-warning", "--dns-result-order", "--unhandled-rejections",
                "--trace-event-categories", "--trace-event-file-pattern", "--watch-path", "--diagnostic-dir",
                "--report-dir", "--report-directory", "--report-filename", "--report-signal",
                "--cpu-prof-dir",
                "--cpu-prof-name", "--cpu-prof-interval", "--heap-prof-dir", "--heap-prof-name",
                "--heap-prof-interval", "--heapsnapshot-signal", "--inspect-port", "--debug-port",
                "--inspect-publish-uid", "--localstorage-file", "--max-http-header-size", "--secure-heap",
                "--secure-heap-min", "--stack-trace-limit", "--tls-cipher-list", "--tls-keylog",
                "--tls-min-v1.0", "--allow-fs-read", "--allow-fs-write", "--policy-integrity",
                "--experimental-policy", "--experimental-default-type", "--experimental-config-file",
                "--experimental-sea-config", "--test-name-pattern", "--test-reporter",
                "--test-reporter-destination", "--test-concurrency", "--test-timeout", "--test-shard",
                "--build-snapshot-config", "--snapshot-blob",
            ] { options[name] = .value }
            options["--tls-min-v1.0"] = .flag
            return options
        }(),
        form: .node, readsInput: true,
        flags: [
            "--no-", "--inspect", "--experimental-", "--trace-", "--harmony", "--enable-", "--expose",
            "--allow-",
            "--abort-", "--preserve-symlinks", "--use-", "--watch", "--test", "--throw-deprecation",
            "--check",
            "--interactive", "--insecure-", "--frozen-", "--force-", "--cpu-prof", "--heap-prof", "--prof",
            "--report-", "--tls-", "--track-", "--verify-", "--zero-fill-", "--pending-deprecation",
            "--node-memory-debug", "--permission", "--jitless", "--interpreted-frames-native-stack",
            "--perf-",
            "-c", "-i",
        ], commands: ["inspect", "debug"])

    private static let perl = Interpreter(
        letters: [
            "e": .text, "E": .text, "I": .value, "m": .attached, "M": .attached, "i": .attached,
            "F": .attached,
            "x": .attached, "D": .attached, "V": .text, "v": .text, "h": .text, "?": .text,
            "d": .attachedBehind(":="),
            "0": .run("0123456789abcdefABCDEFxX"), "l": .run("01234567"), "C": .run("IOEioADSLa0123456789"),
        ], readsInput: true)

    private static let ruby = Interpreter(
        options: [
            "--encoding": .value, "--external-encoding": .value, "--internal-encoding": .value,
            "--enable": .value,
            "--disable": .value, "--dump": .value, "--version": .text, "--help": .text, "--copyright": .text,
        ],
        letters: [
            "e": .text, "I": .value, "r": .value, "C": .value, "X": .value, "E": .value, "F": .attached,
            "i": .attached, "K": .attached, "W": .attached, "T": .attached, "x": .attached, "h": .text,
            "0": .run("01234567"),
        ], readsInput: true)

    private static let php = Interpreter(
        options: [
            "--file": .script, "--process-file": .script, "--run": .text, "--process-begin": .text,
            "--process-code": .text, "--process-end": .text, "--server": .text, "--docroot": .value,
            "--define": .value, "--php-ini": .value, "--zend-extension": .value, "--version": .text,
            "--help": .text,
            "--info": .text, "--modules": .text, "--ini": .text, "--rf": .text, "--rc": .text, "--re": .text,
            "--rz": .text, "--ri": .text,
        ],
        letters: [
            "f": .script, "F": .script, "r": .text, "B": .text, "R": .text, "E": .text, "S": .text,
            "t": .value,
            "d": .value, "c": .value, "z": .value, "v": .text, "h": .text, "m": .text, "a": .text,
        ], readsInput: true)

    private static let lua = Interpreter(
        letters: ["e": .aside, "l": .value, "v": .aside], readsInput: false)

    private static let awk = Interpreter(
        options: [
            "--assign": .value, "--field-separator": .value, "--file": .script, "--exec": .script,
            "--include": .value, "--load": .value, "--source": .text, "--version": .text, "--help": .text,
        ],
        letters: [
            "F": .value, "v": .value, "f": .script, "E": .script, "i": .value, "l": .value, "e": .text,
            "W": .value,
        ], plain: .text)

    private static let java = Interpreter(
        options: {
            var options: [String: Effect] = [
                "-cp": .path, "-classpath": .path, "--class-path": .path, "-jar": .script, "-m": .mainModule,
                "--module": .mainModule, "-version": .text, "--version": .text, "-help": .text,
                "--help": .text,
                "-h": .text, "-?": .text, "-X": .text, "--list-modules": .text, "-d": .value,
                "--disable-@files": .plainArguments,
            ]
            for name in [
                "-p", "--module-path", "--upgrade-module-path", "--add-modules", "--add-opens",
                "--add-exports",
                "--add-reads", "--enable-native-access", "--limit-modules", "--patch-module", "--source",
                "--describe-module", "--illegal-native-access", "--finalization",
            ] { options[name] = .value }
            return options
        }(),
        plain: .main,
        flags: [
            "-X", "-D", "-ea", "-enable", "-da", "-disable", "-esa", "-dsa", "-verbose", "-agent",
            "-javaagent",
            "-splash", "-show", "-server", "-client", "-no", "--enable-preview", "--show-", "--dry-run",
            "--validate-modules", "--sun-misc-",
        ], takesArgumentFiles: true)

    /// The dynamic loader as a command (ld.so(8)).
    private static let loader = Interpreter(
        options: {
            var options: [String: Effect] = [
                "--list": .text, "--verify": .text, "--list-tunables": .text, "--list-diagnostics": .text,
                "--help": .text, "--version": .text,
            ]
            for name in [
                "--library-path", "--preload", "--inhibit-rpath", "--audit", "--argv0",
                "--glibc-hwcaps-prepend",
                "--glibc-hwcaps-mask",
            ] { options[name] = .value }
            return options
        }(),
        plain: .program)

    /// Names of commands that are many: which of them it is, the name says by which it was called.
    static func isMultiCall(_ name: [UInt8]) -> Bool {
        name.starts(with: "busybox".utf8) || name.elementsEqual("toybox".utf8)
    }

    /// The interpreter among such commands.
    static func applet(_ name: [UInt8]) -> Interpreter? {
        switch String(decoding: name, as: UTF8.self) {
        case "sh", "ash", "hush", "bash", "lash", "msh": shell
        case "awk": awk
        default: nil
        }
    }

    /// A command of many that is no interpreter: its name is all that distinguishes it from the others. Those that start other
    /// programs, as an interactive shell does, have none: they go by the name of the whole.
    static func named(applet name: [UInt8]) -> Interpreted {
        let isName =
            name.count <= 32
            && name.allSatisfy {
                $0 &- 48 < 10 || ($0 | 0x20) &- 97 < 26 || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
            }
        guard isName, let first = name.first, first != UInt8(ascii: "-"),
            !starters.contains(String(decoding: name, as: UTF8.self))
        else { return .nothing }
        return .named(Interpreted.Named(files: [], name: name))
    }

    /// Commands of BusyBox that start the program they are given.
    private static let starters: Set<String> = [
        "chpst", "chroot", "chrt", "crond", "env", "envdir", "find", "flock", "getty", "inetd", "init",
        "ionice",
        "linuxrc", "login", "nice", "nohup", "nsenter", "run-parts", "runsv", "runsvdir", "script", "setarch",
        "setpriv", "setsid", "setuidgid", "softlimit", "start-stop-daemon", "su", "sulogin", "svlogd",
        "switch_root", "taskset", "tcpsvd", "telnetd", "time", "timeout", "udhcpc", "udpsvd", "unshare",
        "watch",
        "xargs",
    ]

    /// Whether the arguments of a script say what it runs, by the script's name.
    static func runsApplications(_ script: [UInt8]) -> Bool { ApplicationServer.named(script) != nil }

    /// What one of many commands is called, where the name by which it was executed says so; `nil` where its arguments do.
    ///
    /// - Parameters:
    ///   - executable: the name of the file of all.
    ///   - name: that of the link.
    static func applet(of executable: [UInt8], called name: [UInt8]) -> Interpreted? {
        guard isMultiCall(executable), !isMultiCall(name), applet(name) == nil else { return nil }
        return named(applet: name)
    }

    /// The interpreter that a file name stands for.
    static func interpreter(_ name: [UInt8]) -> Interpreter? {
        name.withUnsafeBytes { bytes in
            if isLoader(bytes) { return loader }
            return position(of: bytes).map { known[$0].interpreter }
        }
    }

    /// Whether a file name stands for an interpreter; asked for every exec.
    public static func isKnown(_ name: UnsafeRawBufferPointer) -> Bool {
        // Most programs are no interpreter, and the first letter shows it.
        guard let first = name.first, initials[Int(first)] else { return false }
        return position(of: name) != nil || isLoader(name) || name.starts(with: "busybox".utf8)
            || name.elementsEqual("toybox".utf8)
    }

    /// The names of interpreters without a version, as files of programs have them.
    public static let names: [String] = known.map(\.name)

    private static func position(of name: UnsafeRawBufferPointer) -> Int? {
        guard let first = name.first, initials[Int(first)] else { return nil }
        return beginnings.firstIndex { start in
            name.starts(with: start)
                && name[start.count...].allSatisfy { byte in
                    byte &- UInt8(ascii: "0") < 10 || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
                }
        }
    }

    private static func isLoader(_ name: UnsafeRawBufferPointer) -> Bool {
        guard name.count > 4, name[0] == UInt8(ascii: "l"), name[1] == UInt8(ascii: "d") else { return false }
        let loaders = ["ld-linux", "ld-musl-", "ld64.so", "ld.so", "ld-2."]
        return loaders.contains { name.starts(with: $0.utf8) }
    }

    private static let beginnings = known.map { Array($0.name.utf8) }

    private static let initials: [Bool] = {
        var initials = [Bool](repeating: false, count: 256)
        for name in beginnings + ["ld", "busybox", "toybox"].map({ Array($0.utf8) }) {
            initials[Int(name[0])] = true
        }
        return initials
    }()
}
