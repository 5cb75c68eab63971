/// Programs of an interpreter that run an application which their own arguments name.
///
/// `gunicorn shop.wsgi` and `gunicorn blog.wsgi` are two programs of one script. Where the arguments do not say which
/// application it is, the server's own script is what is known.
struct ApplicationServer: Sendable {
    /// Options that take the next argument as their value.
    private var valued: Set<String> = []
    /// Options without a value. Behind one that is in neither set nobody can say what the next argument is.
    private var flags: Set<String> = []
    /// Options whose value names the application.
    private var naming: Set<String> = []
    /// Options whose value is the folder in which it is looked for.
    private var folders: Set<String> = []
    /// Words that may stand before the application.
    private var commands: Set<String> = []
    /// Whether the first plain argument names it.
    private var takesPlain = true
    /// Whether it is the path of a script, not a module.
    private var isScript = false

    static func named(_ name: [UInt8]) -> ApplicationServer? {
        var text = String(decoding: name.prefix(32), as: UTF8.self)
        for ending in [".py", ".js"] where text.hasSuffix(ending) { text.removeLast(ending.count) }
        return known[text]
    }

    /// The application that the arguments behind the server's name stand for; `nil` if they do not say.
    func application(in arguments: [[UInt8]]) -> Interpreted? {
        var index = 0
        var found: [UInt8]?
        var folder: [UInt8]?
        var isDoubtful = false
        while index < arguments.count, found == nil || !folders.isEmpty {
            let argument = arguments[index]
            index += 1
            guard argument.count <= Interpreter.longest else { return nil }
            let text = String(decoding: argument, as: UTF8.self)
            guard text.hasPrefix("-"), text != "-" else {
                if found == nil, takesPlain {
                    if isDoubtful { return nil }
                    if commands.contains(text) { continue }
                    found = argument
                }
                isDoubtful = false
                continue
            }
            isDoubtful = false
            if text == "--" { break }
            let equals = text.hasPrefix("--") ? argument.firstIndex(of: UInt8(ascii: "=")) : nil
            let name = equals.map { String(decoding: argument[..<$0], as: UTF8.self) } ?? text
            if naming.contains(name) || folders.contains(name) {
                var value = equals.map { Array(argument[($0 + 1)...]) }
                if value == nil, index < arguments.count {
                    value = arguments[index]
                    index += 1
                }
                if naming.contains(name) { found = found ?? value } else { folder = value }
            } else if equals == nil, valued.contains(name) {
                index += 1
            } else if equals == nil, !flags.contains(name), text.hasPrefix("--") || text.count == 2 {
                isDoubtful = true
            }
        }
        guard let found, !found.isEmpty else { return nil }
        return isScript
            ? .named(.init(files: [found], isApplication: true)) : Self.application(found, in: folder)
    }

    /// `package.module:object`, perhaps called with arguments, which are left out.
    static func application(_ text: [UInt8], in folder: [UInt8]?) -> Interpreted? {
        let name = text.prefix { $0 != UInt8(ascii: "(") }
        let parts = name.split(
            separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
        guard let module = parts.first, parts.allSatisfy({ PublicName.isDotted($0) }) else { return nil }
        let path = (folder.map { $0 + Array("/".utf8) } ?? []) + PublicName.path(module)
        return .named(
            .init(
                files: [".py", "/__init__.py"].map { path + Array($0.utf8) }, name: Array(name),
                isApplication: true))
    }

    private static let known: [String: ApplicationServer] = [
        "gunicorn": gunicorn, "uvicorn": uvicorn,
        "hypercorn": ApplicationServer(
            valued: [
                "-b", "--bind", "-k", "--worker-class", "-w", "--workers", "-c", "--config", "-p", "--pid",
                "-u",
                "--user", "-g", "--group", "-m", "--umask", "--access-logfile", "--error-logfile",
                "--log-level",
                "--log-config", "--root-path", "--certfile", "--keyfile", "--ca-certs", "--ciphers",
                "--backlog",
                "--keep-alive", "--graceful-timeout", "--insecure-bind", "--quic-bind",
            ], flags: ["--reload", "--debug"]),
        "daphne": ApplicationServer(
            valued: [
                "-b", "--bind", "-p", "--port", "-u", "--unix-socket", "--fd", "-e", "--endpoint", "-v",
                "--verbosity", "-t", "--http-timeout", "--access-log", "--root-path",
                "--application-close-timeout",
            ],
            flags: ["--proxy-headers", "--no-server-name"]),
        "celery": ApplicationServer(naming: ["-A", "--app"], folders: ["--workdir"], takesPlain: false),
        "flask": ApplicationServer(naming: ["-A", "--app"], takesPlain: false),
        "waitress-serve": ApplicationServer(flags: ["--call"], naming: ["--app"]),
        "dramatiq": ApplicationServer(
            valued: ["-p", "--processes", "-t", "--threads", "-Q", "--queues", "--pid-file", "--log-file"],
            flags: ["--watch-use-polling", "--skip-logging", "-v", "--verbose"], folders: ["--path"]),
        "pm2-runtime": pm2, "pm2": pm2,
        "nodemon": ApplicationServer(
            valued: [
                "-w", "--watch", "-i", "--ignore", "-e", "--ext", "-x", "--exec", "-d", "--delay", "-C",
                "--config", "--signal", "-s", "--cwd",
            ],
            flags: ["-q", "--quiet", "-V", "--verbose", "-L", "--legacy-watch", "--inspect"], isScript: true),
        "ts-node": typescript, "ts-node-esm": typescript, "tsx": typescript,
    ]

    private static let gunicorn = ApplicationServer(
        valued: [
            "-c", "--config", "-b", "--bind", "--backlog", "-w", "--workers", "-k", "--worker-class",
            "--threads",
            "--worker-connections", "--max-requests", "--max-requests-jitter", "-t", "--timeout",
            "--graceful-timeout", "--keep-alive", "--limit-request-line", "--limit-request-fields",
            "--limit-request-field_size", "--reload-engine", "--reload-extra-file", "-e", "--env", "-p",
            "--pid",
            "--worker-tmp-dir", "-u", "--user", "-g", "--group", "-m", "--umask", "--forwarded-allow-ips",
            "--access-logfile", "--access-logformat", "--error-logfile", "--log-file", "--log-level",
            "--logger-class", "--log-config", "--log-config-json", "--log-syslog-to", "--log-syslog-prefix",
            "--log-syslog-facility", "--statsd-host", "--statsd-prefix", "--dogstatsd-tags", "-n", "--name",
            "--pythonpath", "--paste", "--paster", "--keyfile", "--certfile", "--ssl-version", "--cert-reqs",
            "--ca-certs", "--ciphers", "--proxy-allow-from",
        ],
        flags: [
            "--reload", "--spew", "--check-config", "--print-config", "--preload", "--no-sendfile",
            "--reuse-port",
            "-D", "--daemon", "--initgroups", "--capture-output", "-R", "--enable-stdio-inheritance",
            "--log-syslog", "--disable-redirect-access-to-syslog", "--suppress-ragged-eofs",
            "--proxy-protocol",
            "--do-handshake-on-connect",
        ],
        folders: ["--chdir"])

    private static let uvicorn = ApplicationServer(
        valued: [
            "--host", "--port", "--uds", "--fd", "--workers", "--reload-dir", "--reload-include",
            "--reload-exclude", "--reload-delay", "--env-file", "--log-config", "--log-level", "--root-path",
            "--limit-concurrency", "--backlog", "--limit-max-requests", "--timeout-keep-alive",
            "--timeout-graceful-shutdown", "--ssl-keyfile", "--ssl-certfile", "--ssl-keyfile-password",
            "--ssl-version", "--ssl-cert-reqs", "--ssl-ca-certs", "--ssl-ciphers", "--header",
            "--h11-max-incomplete-event-size", "--loop", "--http", "--ws", "--ws-max-size", "--ws-max-queue",
            "--ws-ping-interval", "--ws-ping-timeout", "--ws-per-message-deflate", "--lifespan",
            "--interface",
            "--forwarded-allow-ips",
        ],
        flags: [
            "--reload", "--factory", "--access-log", "--no-access-log", "--use-colors", "--no-use-colors",
            "--proxy-headers", "--no-proxy-headers", "--server-header", "--no-server-header", "--date-header",
            "--no-date-header",
        ],
        folders: ["--app-dir"])

    private static let pm2 = ApplicationServer(
        valued: [
            "-n", "--name", "-i", "--instances", "-o", "--output", "-e", "--error", "-l", "--log", "-p",
            "--pid",
            "--env", "--cwd", "--interpreter", "--node-args", "--max-memory-restart", "--log-date-format",
            "--restart-delay", "--kill-timeout", "--cron", "--secret", "--public", "--machine-name",
            "--format",
        ],
        flags: [
            "--watch", "--no-autorestart", "--json", "--raw", "--no-daemon", "--no-auto-exit", "-x", "-f",
            "--force",
        ],
        commands: ["start", "restart", "reload"], isScript: true)

    private static let typescript = ApplicationServer(
        valued: ["-P", "--project", "--tsconfig", "-r", "--require", "--import", "--env-file", "-O", "-C"],
        flags: ["-T", "--transpile-only", "--esm", "--files", "--swc", "watch", "--watch"],
        commands: ["watch"],
        isScript: true)
}
