import Foundation
import TestSupport

/// A program that was started, and how to ask it to end.
private struct Server {
    var child: Child
    var signal: Int32
    /// Where a server that a script waits for tells its number.
    var numberFile: String?

    func end() {
        guard let numberFile else { return child.signal(signal) }
        // As long as the script runs the number is nobody else's.
        guard child.endingIfOver() == nil,
            let text = try? String(contentsOfFile: numberFile, encoding: .utf8),
            let number = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)), number > 1
        else { return }
        kill(number, signal)
    }
}

/// A web application on three hosts, each a network namespace with a control group, a folder and a daemon
/// of its own, and a client on a fourth that nobody observes.
///
/// - web: nginx, started by a script, hands requests on;
/// - app: a server in Python, which keeps a state file, sorts a list with sort(1) once, and asks the
///   database through psql(1); beside it a reporter that reads the state file;
/// - db: PostgreSQL with a cluster of its own, as an unprivileged user.
final class Shop {
    static let hosts = ["web", "app", "db"]
    static let orders = 10

    let root: String
    let postgres: String
    private let files: ScratchFilesystem
    private let network: NamespaceSwitch
    private let groups: [String: ControlGroup]
    private let folder: String
    private var daemons: [String: DaemonUnderTest] = [:]
    private var servers: [Server] = []

    init() throws {
        folder = try makeTemporaryFolder()
        files = try ScratchFilesystem()
        root = files.path
        network = try NamespaceSwitch(Self.hosts + ["client"])
        groups = Dictionary(uniqueKeysWithValues: try Self.hosts.map { ($0, try ControlGroup()) })
        postgres = try Programs.postgres()
        // The server is not run by root, and the folder around it is root's alone.
        chmod((root as NSString).deletingLastPathComponent, 0o711)
        try layFiles()
    }

    deinit {
        // Asked first, since a server waits for its processes; what does not listen goes with its control
        // group. All of it before what it stands on.
        for server in servers { server.end() }
        for server in servers { _ = eventually(within: 5) { server.child.endingIfOver() } }
        for group in groups.values { group.remove() }
        for daemon in daemons.values { daemon.process.kill() }
        try? FileManager.default.removeItem(atPath: folder)
    }

    func address(_ host: String) -> String { network.addresses[host] ?? "" }

    func workload(_ host: String) -> String { groups[host]?.workload ?? "" }

    // MARK: Files

    private func layFiles() throws {
        let web = try files.folder("web")
        try makeFolder(web + "/html")
        try write("<h1>The shop</h1>\n", to: web + "/html/index.html")
        try write(
            ShopFiles.nginx(folder: web, address: address("web"), application: address("app")),
            to: web + "/nginx.conf")
        try write(ShopFiles.start(folder: web), to: web + "/start.sh", executable: true)

        let app = try files.folder("app")
        try write(ShopFiles.shop, to: app + "/shop.py")
        try write(ShopFiles.reporter, to: app + "/reporter.py")
        try write("tea\ncups\nbread\n", to: app + "/articles")
        try write(
            ShopFiles.configuration(
                address: address("app"), database: address("db"), psql: postgres + "/psql"),
            to: app + "/shop.conf")
        try layCluster(files.folder("db"))

        // A daemon names its host by the last part of the path: here that is the same in every run.
        let names = try files.folder("names")
        for host in Self.hosts {
            try FileManager.default.createSymbolicLink(
                atPath: "\(names)/\(host)", withDestinationPath: "/run/netns/\(network.names[host] ?? "")")
        }
    }

    private func layCluster(_ folder: String) throws {
        try run(["install", "-d", "-o", "postgres", folder + "/run", folder + "/data"])
        let data = folder + "/data"
        try run(
            Self.asPostgres + [
                postgres + "/initdb", "-D", data, "-U", "shop", "-A", "trust", "--no-sync", "--locale=C",
                "--encoding=UTF8",
            ])
        try append(
            """
            listen_addresses = '\(address("db"))'
            unix_socket_directories = '\(folder)/run'
            fsync = off
            """, to: data + "/postgresql.conf")
        try append("host all all 10.20.0.0/24 trust", to: data + "/pg_hba.conf")
    }

    private func append(_ text: String, to path: String) throws {
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try file.seekToEnd()
        try file.write(contentsOf: Data((text + "\n").utf8))
        try file.close()
    }

    private static let asPostgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]

    // MARK: Programs

    /// Starts a program in a host's namespace and control group.
    private func start(_ host: String, _ command: [String]) throws -> Child {
        guard let group = groups[host] else { throw Failure("there is no host \(host)") }
        // Python would lay compiled files beside its library, were it not for Debian.
        var environment = Child.environment
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        return try Child(group.command(network.command(host, command)), environment: environment)
    }

    func startDatabase() throws {
        let child = try start("db", Self.asPostgres + [postgres + "/postgres", "-D", root + "/db/data"])
        servers.append(Server(child: child, signal: SIGINT))
        try wait(for: child, until: "the database is ready") {
            let lines = try? String(contentsOfFile: root + "/db/data/postmaster.pid", encoding: .utf8)
            return lines?.contains("ready") == true
        }
    }

    func startApplication() throws {
        let child = try start("app", ["python3", root + "/app/shop.py"])
        servers.append(Server(child: child, signal: SIGTERM))
        try wait(for: child, until: "the shop is ready") { child.outputText == "ready\n" }
    }

    func startFrontEnd() throws {
        let child = try start("web", [root + "/web/start.sh"])
        servers.append(Server(child: child, signal: SIGTERM, numberFile: root + "/web/nginx.pid"))
        // It writes its number once it listens.
        try wait(for: child, until: "nginx is ready") {
            (try? String(contentsOfFile: root + "/web/nginx.pid", encoding: .utf8))?.isEmpty == false
        }
    }

    private func wait(for child: Child, until state: String, _ isReached: () -> Bool) throws {
        let done: Bool? = eventually(within: 60, every: 0.02) {
            if isReached() { return true }
            return child.endingIfOver() == nil ? nil : false
        }
        guard done == true else {
            throw Failure("not so: \(state)\n\(child.outputText)\(child.errorText)")
        }
    }

    /// - Parameter recording: whether each records the raw events.
    func startDaemons(recording: Bool = false) throws {
        for host in Self.hosts {
            daemons[host] = try DaemonUnderTest(
                stateFolder: "\(folder)/\(host)",
                arguments: ["--netns", "\(root)/names/\(host)", "--cgroup", workload(host)]
                    + (recording ? ["--record", "\(folder)/\(host).trace"] : []))
        }
    }

    /// The calls that the recorded events of all hosts are, and the list that the published method makes of them.
    func publishedList() throws -> String {
        var files: [String] = []
        for host in Self.hosts {
            let calls = "\(folder)/\(host).calls"
            let retinued = try Products.path("retinued")
            let trace = "\(folder)/\(host).trace"
            try write(run([retinued, "--replay", trace, "--format", "calls"]), to: calls)
            files.append("\(address(host))=\(calls)")
        }
        let list = folder + "/list.csv"
        try run([try Products.path("retinue"), "list", "--format", "records", "-o", list] + files)
        return list
    }

    /// Orders, one after another, and looks at the start page; what the client was answered.
    func order() throws -> String {
        let place = "http://" + address("web")
        let curl = ["curl", "--silent", "--show-error", "--fail", "--no-progress-meter"]
        let orders = try run(
            network.command("client", curl + ["\(place)/orders?[1-\(Self.orders)]"]))
        return try orders + run(network.command("client", curl + [place + "/"]))
    }

    /// Lets the reporter write its report.
    func report() throws -> String {
        try start("app", ["python3", root + "/app/reporter.py"]).succeed()
        return try String(contentsOfFile: root + "/app/report", encoding: .utf8)
    }

    // MARK: Dumps

    /// Asks for a dump of each host; says whether none of them tells of losses.
    ///
    /// A socket is destroyed some time after its process is gone; a dump that lacks one is asked for again.
    func takeDumps() throws -> Bool {
        let wanted: [String: [String: UInt64]] = [
            "web": ["accept": 2, "connect": UInt64(Self.orders)],
            // One more for the table.
            "app": ["accept": UInt64(Self.orders), "connect": UInt64(Self.orders + 1)],
            "db": ["accept": UInt64(Self.orders + 1)],
        ]
        for (host, totals) in wanted {
            guard let daemon = daemons[host] else { continue }
            var last: Dump?
            _ = try eventually(within: 15, every: 0.5) { () -> Bool? in
                let dump = try daemon.dump()
                last = dump
                let isWhole = totals.allSatisfy { relation, total in
                    dump.dependencies.relation(relation).reduce(0) { $0 + $1.count } >= total
                }
                return isWhole ? true : nil
            }
            guard let last, last.gaps.isEmpty else { return false }
            try FileManager.default.copyItem(atPath: realPath(daemon.latest), toPath: dumpPath(host))
        }
        return true
    }

    /// The files, as `host:path`, that a program of these (`host:path`) is known for certain to have opened.
    func certainFiles(of programs: Set<String>) throws -> Set<String> {
        var files: Set<String> = []
        for host in Self.hosts {
            let dump = try Dump(path: dumpPath(host))
            for record in dump.dependencies.relation("file") where record.evidence != "inferred" {
                let program = record.program.script ?? record.program.executable
                guard let path = record.exactPath, programs.contains(withoutRoot("\(host):\(program)")) else {
                    continue
                }
                files.insert(withoutRoot("\(host):\(path)"))
            }
        }
        return files
    }

    private func withoutRoot(_ text: String) -> String {
        text.replacingOccurrences(of: root + "/", with: "/")
    }

    /// Where the dump of a host lies.
    func dumpPath(_ host: String) -> String { "\(folder)/\(host).ndjson" }

    /// Ends the daemons in good order.
    func stopDaemons() throws { for daemon in daemons.values { try daemon.stop() } }
}
