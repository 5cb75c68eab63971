import ArgumentParser
import Control
import Glibc
import RetinueCommands
import SystemCalls
import Text
import WebServer

/// Runs `retinue serve`, or with the first word `mcp` `retinue mcp`, with the words of a command line, without the
/// program's name; its exit status.
public func runServer(_ arguments: [String]) -> Int32 {
    // Clients that leave are noticed by EPIPE.
    signal(SIGPIPE, SIG_IGN)
    let words = ServedRecords.joined(arguments)
    if words.first == "mcp" { return run(ModelContextCommand.self, words.dropFirst()) { $0.serve() } }
    return run(ServerCommand.self, words[...]) { $0.serve() }
}

private func run<Command: ParsableCommand>(
    _ type: Command.Type, _ words: ArraySlice<String>, _ serve: (Command) -> Int32
) -> Int32 {
    do {
        return serve(try Command.parse(Array(words)))
    } catch {
        return report(error, of: Command.self)
    }
}

struct ServerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retinue serve",
        abstract: "Answer questions about move groups by HTTP: JSON, metrics and health.",
        usage: "retinue serve [--from <file> ...] [--listen <place>] [<options>]",
        discussion: """
            Shows what retinue group shows, of dumps, stores and lists, or of this host's daemon, and changes \
            nothing. It listens on loopback or a Unix socket; elsewhere only with TLS (--certificate, --key) and \
            --token-file, whose content every request must have (Authorization: Bearer TOKEN).

            /healthz  whether records are there   /metrics  for Prometheus
            /map      a group as a picture, for a browser
            /api/v1/  JSON; /api/v1/openapi.json describes it

            Examples:
              retinue serve                                       of this host's daemon
              retinue serve --from *.ndjson --listen unix:/run/retinue-server/http.sock
              retinue serve --watch shop=shop.service --watch db=postgres
              retinue serve --listen 192.0.2.1:9740 --certificate cert.pem --key key.pem --token-file token

            Exit status: 0 it was ended by SIGTERM or SIGINT; 1 a wrong command line, or it cannot listen there; 2 \
            an input file cannot be read.
            """,
        version: "retinue \(retinueVersion)")

    @Option(
        help: ArgumentHelp("Listen here: ADDRESS:PORT, [IPv6]:PORT or unix:PATH.", valueName: "place"))
    var listen = "127.0.0.1:9740"

    @Option(
        name: .customLong("token-file"),
        help: ArgumentHelp("Answer only requests with the token in this file.", valueName: "file"),
        completion: .file())
    var tokenFile: String?

    @Option(
        help: ArgumentHelp(
            "Have TLS, with the certificate chain in this file (PEM) and the key of --key.", valueName: "file"
        ),
        completion: .file())
    var certificate: String?

    @Option(
        help: ArgumentHelp("The private key of the certificate (PEM).", valueName: "file"),
        completion: .file())
    var key: String?

    @Option(
        help: ArgumentHelp(
            "Have metrics of a program's group and of who connects to it, under this name.",
            valueName: "name=program"))
    var watch: [String] = []

    @OptionGroup var reading: RefreshOption

    @OptionGroup var records: ServedRecords

    func validate() throws {
        guard HTTPPlace(listen) != nil else {
            throw ValidationError(
                "--listen is ADDRESS:PORT, [IPv6]:PORT or unix:PATH, the address a number or localhost")
        }
        guard (certificate == nil) == (key == nil) else {
            throw ValidationError("--certificate and --key belong together")
        }
        let watches = try watches()
        guard Set(watches.map(\.name)).count == watches.count else {
            throw ValidationError("--watch: two have the same name")
        }
    }

    /// What is watched.
    private func watches() throws -> [Watch] {
        try watch.map { text in
            guard let watch = Watch(text) else {
                throw ValidationError(
                    "--watch is NAME=PROGRAM, the name of letters, digits, _ and -: it becomes a label of metrics"
                )
            }
            return watch
        }
    }

    private func identity() throws -> ServerIdentity? {
        guard let certificate, let key else { return nil }
        let chain = try SecretFile.readPublic(certificate, limit: 1 << 20)
        let secret = try SecretFile.read(key, limit: 1 << 20)
        do {
            return try ServerIdentity(certificate: chain, key: secret)
        } catch {
            throw SecretFile.Unusable(
                description: "\(certificate) and \(key) are no certificate and its key in PEM: \(error)")
        }
    }

    func serve() -> Int32 {
        guard let place = HTTPPlace(listen), let watches = try? watches() else { return 1 }
        do {
            let token = try tokenFile.map { try AccessToken(file: $0) }
            let identity = try identity()
            guard place.isLocal || (token != nil && identity != nil) else {
                say(
                    "retinue serve: \(place) can be reached from other hosts, and records show what every user of a "
                        + "host does: give --token-file, --certificate and --key, or listen on 127.0.0.1:PORT or "
                        + "unix:PATH")
                return 1
            }
            // Before any thread is there, which would take the signals.
            let signals = try SignalDescriptor([SIGTERM, SIGINT])
            let snapshots = Snapshots(records, refresh: reading.refresh, watches: watches)
            do throws(AnswerError) {
                _ = try snapshots.current()
            } catch {
                // A daemon may come; a file that is not what it should be stays so.
                say("retinue serve: \(error.message)")
                for choice in error.choices { say("  \(choice)") }
                guard records.areDaemons else { return 2 }
            }
            let service = Service(snapshots, records, token: token, place: place)
            let server = try WebServer(
                place, routes: service.routes, identity: identity, refusal: service.refusal,
                ended: { reason in
                    say("retinue serve: \(reason)")
                    Glibc.exit(1)
                })
            say("retinue serve: listens at \(server.place)")
            var waiting = pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0)
            while poll(&waiting, 1, -1) < 0, errno == EINTR {}
            server.stop()
            return 0
        } catch {
            say("retinue serve: \(error)")
            return 1
        }
    }
}
