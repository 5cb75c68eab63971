import Foundation
import PostgreSQL
import SystemCalls
import TestSupport

/// A PostgreSQL server of a test's own: on a Unix socket in a temporary folder, as a user without privileges.
final class TestServer {
    static let binaries: String? = {
        let folder = "/usr/lib/postgresql"
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).compactMap {
            Int($0)
        }
        return versions.max().map { "\(folder)/\($0)/bin" }
    }()

    /// Whom the server and what is tested run as.
    static let user = geteuid() == 0 ? "nobody" : NSUserName()
    /// What begins a command that is to run as that user.
    static let asUser =
        geteuid() == 0 ? ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] : []

    let folder: String
    private var server: Child?
    private let extra: [String]

    init(_ settings: [String] = []) throws {
        guard let binaries = Self.binaries else { throw Failure("no PostgreSQL server is installed") }
        folder = try makeTemporaryFolder()
        extra = settings
        guard chmod(folder, 0o755) == 0 else { throw Failure("chmod \(folder)") }
        for name in ["data", "socket", "state"] {
            try makeFolder("\(folder)/\(name)")
            if geteuid() == 0 { try run(["chown", "nobody:nogroup", "\(folder)/\(name)"]) }
        }
        try run(
            Self.asUser + [
                "\(binaries)/initdb", "--no-sync", "--auth=trust", "--username=owner", "--encoding=UTF8",
                "--locale=C",
                "--pgdata=\(folder)/data",
            ])
        try start()
        try PostgreSQLConnection(location("owner", database: "postgres")).execute("CREATE DATABASE fleet")
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    func start() throws {
        // A server in a test beside this one may hold thousands of descriptors that a child begins with, and PostgreSQL
        // takes those off what it may open. The hard limit takes a privilege to raise that not every root has.
        server = try Child(
            ["sh", "-c", "ulimit -Sn \"$(ulimit -Hn)\" && exec \"$@\"", "sh"] + Self.asUser + [
                "\(Self.binaries ?? "")/postgres", "-D", "\(folder)/data", "-k", "\(folder)/socket", "-c",
                "fsync=off", "-c", "max_files_per_process=16384",
            ] + (["listen_addresses="] + extra).flatMap { ["-c", $0] })
        let place = location("owner", database: "postgres")
        guard eventually(within: 30, { try? PostgreSQLConnection(place) }) != nil else {
            throw Failure("the server does not start: \(server?.errorText ?? "")")
        }
    }

    func stop() {
        server?.signal(SIGINT)
        _ = try? server?.wait(within: 30)
        server = nil
    }

    /// Ends it as a fault would.
    func crash() {
        server?.signal(SIGQUIT)
        _ = try? server?.wait(within: 30)
        server = nil
    }

    func location(_ role: String, database: String = "fleet") -> String {
        let port = extra.first { $0.hasPrefix("port=") } ?? "port=5432"
        return "postgresql:///\(database)?host=\(folder)/socket&user=\(role)&\(port)"
    }

    func connect(_ role: String = "owner") throws -> PostgreSQLConnection {
        try PostgreSQLConnection(location(role))
    }
}
