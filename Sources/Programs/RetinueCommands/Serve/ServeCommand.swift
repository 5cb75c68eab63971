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

    /// The program that is run.
    static let program = "retinue-server"

    func run() throws {
        let path = try Self.find()
        var arguments: [UnsafeMutablePointer<CChar>?] = ([Self.program] + words).map { strdup($0) }
        arguments.append(nil)
        // The server is reported EPIPE as everybody is who starts new.
        signal(SIGPIPE, SIG_DFL)
        execv(path, arguments)
        let code = errno
        for argument in arguments { free(argument) }
        throw Failure("cannot run \(path): \(SystemError.text(of: code))")
    }

    /// Beside this program, where a build lays it, or where a package does.
    private static func find() throws(Failure) -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink("/proc/self/exe", &buffer, buffer.count)
        let own = String(decoding: buffer.prefix(max(length, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let folder = own.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        let places = ["\(folder)/\(program)", "\(folder)/../libexec/retinue/\(program)"]
        guard let place = places.first(where: { access($0, X_OK) == 0 }) else {
            throw Failure("retinue serve needs \(program), which is not installed: the package \(program) has it")
        }
        return place
    }
}
