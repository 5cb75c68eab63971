import ArgumentParser
import Glibc
import SystemCalls

/// `retinue serve`, which another program does: those who only ask on the command line have no server in memory.
struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Answer questions about move groups by HTTP: JSON, metrics and health.",
        usage: "retinue serve [--from <file> ...] [--listen <place>] [<options>]",
        discussion: """
            Runs retinue-server, of the package of that name; retinue serve --help has its options.

            Examples:
              retinue serve                                  of this host's daemon, on 127.0.0.1:9740
              retinue serve --from *.ndjson --listen unix:/run/user/1000/retinue.sock
            """)

    @Argument(parsing: .captureForPassthrough, help: "What retinue-server takes.")
    var words: [String] = []

    func run() throws { try ServerProgram.run(words, for: "retinue serve") }
}

/// `retinue mcp`, which the same program does.
struct ModelContextCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mcp",
        abstract: "Answer a language model's questions about move groups, on standard input and output.",
        usage: "retinue mcp [--from <file> ...] [<options>]",
        discussion: """
            A server of the Model Context Protocol, which a client starts. Runs retinue-server, of the package of that \
            name; retinue mcp --help has its options.
            """)

    @Argument(parsing: .captureForPassthrough, help: "What retinue-server takes.")
    var words: [String] = []

    func run() throws { try ServerProgram.run(["mcp"] + words, for: "retinue mcp") }
}

/// retinue-server, which this program becomes.
private enum ServerProgram {
    /// The program that is run.
    private static let program = "retinue-server"

    static func run(_ words: [String], for command: String) throws(Failure) {
        let path = try find(for: command)
        var arguments: [UnsafeMutablePointer<CChar>?] = ([program] + words).map { strdup($0) }
        arguments.append(nil)
        // The server is reported EPIPE as everybody is who starts new.
        signal(SIGPIPE, SIG_DFL)
        execv(path, arguments)
        let code = errno
        for argument in arguments { free(argument) }
        throw Failure("cannot run \(path): \(SystemError.text(of: code))")
    }

    /// Beside this program, where a build lays it, or where a package does.
    private static func find(for command: String) throws(Failure) -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink("/proc/self/exe", &buffer, buffer.count)
        let own = String(decoding: buffer.prefix(max(length, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let folder = own.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        let places = ["\(folder)/\(program)", "\(folder)/../libexec/retinue/\(program)"]
        guard let place = places.first(where: { access($0, X_OK) == 0 }) else {
            throw Failure(
                "\(command) needs \(program), which is not installed: the package \(program) has it")
        }
        return place
    }
}
