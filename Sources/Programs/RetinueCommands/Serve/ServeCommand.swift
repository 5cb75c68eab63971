import ArgumentParser

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

    func run() throws { try OtherProgram.server.run(words, for: "retinue serve") }
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

    func run() throws { try OtherProgram.server.run(["mcp"] + words, for: "retinue mcp") }
}
