import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// What the package is for: a web application on three hosts, from the kernel's events to the move group.
    @Suite("three real hosts")
    struct ThreeHostsSuite {
        /// What was there before the daemons.
        enum Start: CaseIterable {
            case afterDaemons
            case databaseBefore
        }

        /// On a machine so busy that the kernel drops events the dumps say so, and it is played again.
        @Test(.timeLimit(.minutes(5)), arguments: Start.allCases)
        func theGroupIsTheOneWrittenByHand(_ start: Start) throws {
            for _ in 0..<5 where try Self.isPlayedWithoutLoss(start) { return }
            Issue.record("events were lost each time")
        }

        private static func isPlayedWithoutLoss(_ start: Start) throws -> Bool {
            let shop = try Shop()
            if start == .databaseBefore { try shop.startDatabase() }
            try shop.startDaemons()
            let began = Date()
            if start == .afterDaemons { try shop.startDatabase() }
            try shop.startApplication()
            try shop.startFrontEnd()
            let answers = (1...Shop.orders).map { "\($0)\n" }.joined() + "<h1>The shop</h1>\n"
            #expect(try shop.order() == answers)
            #expect(try shop.report() == "\(Shop.orders) orders\n")
            guard try shop.takeDumps() else { return false }
            // For docs/walkthrough.md, which shows what is answered of them.
            if let folder = ProcessInfo.processInfo.environment["RETINUE_KEEP_DUMPS"] {
                for host in Shop.hosts {
                    let text = try String(contentsOfFile: shop.dumpPath(host), encoding: .utf8)
                    try write(
                        text.replacingOccurrences(of: shop.root, with: "/srv/shop"),
                        to: "\(folder)/\(host).ndjson")
                }
            }
            let question = Question(shop)
            let group = try question.group()
            checkMembers(group, shop, start)
            checkFiles(group, shop, start, began: began)
            try checkLibraries(group)
            checkBoundary(group, start)
            try checkReasons(question, shop)
            try checkOrders(question)
            try checkWithoutDatabase(question, shop)
            try checkStop(question)
            try checkOtherStarts(question, group, shop)
            try shop.stopDaemons()
            return true
        }

        // MARK: The group by hand

        private static func programs(_ shop: Shop) -> [String] {
            [
                "app:/app/reporter.py",  // reads what the shop writes
                "app:/app/shop.py",
                "app:/usr/bin/sort",
                "app:\(shop.postgres)/psql",
                "db:\(shop.postgres)/postgres",
                // A script that starts a server is part of the service; the shell in it is no login shell.
                "web:/web/start.sh",
                "web:/usr/sbin/nginx",
            ].sorted()
        }

        private static func checkMembers(_ group: GroupDocument, _ shop: Shop, _ start: Start) {
            #expect(group.hosts.compactMap(\.name) == ["app", "db", "web"])
            #expect(group.hosts.flatMap(\.gaps).isEmpty)
            #expect(group.programs == programs(shop))
            for program in group.members.programs {
                let host = String(program.text.prefix { $0 != ":" })
                #expect(program.workload == shop.workload(host))
                let interpreter = program.script.map {
                    $0.hasSuffix(".py") ? "/usr/bin/python3" : "/usr/bin/dash"
                }
                if let interpreter { #expect(program.executable?.hasPrefix(interpreter) == true) }
            }
            #expect(
                group.addresses == [
                    "app:tcp:\(shop.address("app")):8080", "db:tcp:\(shop.address("db")):5432",
                    "web:tcp:\(shop.address("web")):80",
                ])
            // The pipes between a server and its own processes bind nobody else. PostgreSQL keeps a small
            // System V segment to notice a second server, and shares memory with its own processes.
            let channels = group.channels.map {
                $0.replacing(/(PostgreSQL\.|key 0x)[0-9a-f]+/) { "\($0.1)N" }
            }
            #expect(Set(channels) == ["db:posix-shm:/PostgreSQL.N", "db:shm:key 0xN"])
            #expect(group.members.entries.isEmpty)
        }

        // MARK: Files

        /// Files of the application itself, by whether their readers and writers have to move with them.
        private static let ownFiles: [String: Bool] = [
            "web:/web/start.sh": false,
            "web:/web/nginx.conf": false,
            "web:/web/html/index.html": false,
            "web:/web/access.log": true,
            "web:/web/error.log": true,
            "web:/web/nginx.pid": true,
            "app:/app": false,  // Python lists the folder of its script
            "app:/app/shop.py": false,
            "app:/app/reporter.py": false,
            "app:/app/shop.conf": false,
            "app:/app/articles": false,
            "app:/app/articles.sorted": true,
            "app:/app/state.json.new": true,
            "app:/app/state.json": true,
            "app:/app/report": true,
        ]

        private static func checkFiles(
            _ group: GroupDocument, _ shop: Shop, _ start: Start, began: Date
        ) {
            var own: [String: Bool] = [:]
            var cluster: [String: Bool] = [:]
            var memory: [Bool] = []
            for file in group.members.files {
                let (text, isBound) = (file.text, file.bound == true)
                if text.hasPrefix("db:/db/") {
                    cluster[String(text.dropFirst("db:".count))] = isBound
                } else if text.hasPrefix("db:/dev/shm/PostgreSQL.") {
                    memory.append(isBound)
                } else if isSystem(file.path ?? "") {
                    #expect(!isBound, "\(text) belongs to the system, and nobody here writes it")
                } else {
                    own[text] = isBound
                }
            }
            #expect(own == ownFiles)
            // POSIX shared memory is no device: whoever shares it has to move. Its names are drawn by lot.
            #expect(!memory.isEmpty && !memory.contains(false))
            checkCluster(cluster, shop, start, began)
        }

        /// Every library that the loader takes is there, as the file that the links lead to.
        private static func checkLibraries(_ group: GroupDocument) throws {
            let files = Set(group.members.files.map(\.text))
            for program in group.members.programs {
                guard let executable = program.executable else { continue }
                let host = program.text.prefix { $0 != ":" }
                let libraries = try run(["ldd", executable]).split(separator: "\n").compactMap { line in
                    line.split(separator: " ").first { $0.hasPrefix("/") }.map { realPath(String($0)) }
                }
                #expect(!libraries.isEmpty)
                let missing = ([executable] + libraries).filter { !files.contains("\(host):\($0)") }
                #expect(missing.isEmpty, "\(program.text)")
            }
        }

        /// Executables, libraries, what languages and tools bring along, and their settings.
        private static func isSystem(_ path: String) -> Bool {
            ["/usr/", "/lib/", "/etc/"].contains { path.hasPrefix($0) }
        }

        /// Which files a cluster has is the database's affair; what it changed is no matter of opinion.
        private static func checkCluster(
            _ found: [String: Bool], _ shop: Shop, _ start: Start, _ began: Date
        ) {
            let folder = shop.root + "/db/data"
            let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
            #expect(!names.isEmpty)
            for name in names {
                var status = stat()
                guard lstat(folder + "/" + name, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
                    Double(status.st_mtim.tv_sec) > began.timeIntervalSince1970
                else { continue }
                #expect(found["/db/data/" + name] == true, "the database has written \(name)")
            }
            #expect(found["/db/data/base/5/PG_VERSION"] == false)
            // Of a server that was there before, what it read at its start and closed is not known.
            let isWhole = start == .afterDaemons
            for name in ["postgresql.conf", "pg_hba.conf", "PG_VERSION"] {
                #expect(found["/db/data/" + name] == (isWhole ? false : nil), "\(name)")
            }
            let strangers = found.keys.filter { path in
                !path.hasPrefix("/db/data/") && !path.hasPrefix("/db/run/") && path != "/db/data"
            }
            #expect(strangers.isEmpty)
        }

        // MARK: Where it ends

        private static func checkBoundary(_ group: GroupDocument, _ start: Start) {
            // ip(8) starts whatever it is told to. Of a server that was there before the daemons, nothing
            // tells who started it.
            var launchers = [
                "app:/app/reporter.py <- app:/usr/bin/ip: launcher **/ip",
                "app:/app/shop.py <- app:/usr/bin/ip: launcher **/ip",
                "web:/web/start.sh <- web:/usr/bin/ip: launcher **/ip",
            ]
            if start == .afterDaemons {
                let server = group.programs.first { $0.hasPrefix("db:") } ?? ""
                launchers.append("\(server) <- db:/usr/bin/setpriv: launcher **/setpriv")
            }
            let endpoint = "web:/usr/sbin/nginx <- nothing: unobserved"
            #expect(group.strangers.filter { $0 != endpoint } == launchers.sorted())
            let files: Set = ["file /dev/**", "file /proc/**", "file /sys/**", "file /run/netns/**"]
            #expect(group.fileRules.subtracting(files).isEmpty)
            // The client is not dropped: it has to find the new place.
            #expect(group.endpoints == ["in 10.20.0.4 at 80: web:/usr/sbin/nginx"])
        }

        // MARK: Reasons

        private static func checkReasons(_ question: Question, _ shop: Shop) throws {
            let orders = Shop.orders
            let postgres = shop.postgres
            let begin = "/usr/sbin/nginx (web) is where the group begins"
            let shopTaken =
                "/usr/sbin/nginx (web) connects to tcp \(shop.address("app")):8080, taken by "
                + "/app/shop.py (app): exact, \(orders) times"
            let psqlStarted =
                "/app/shop.py (app) started \(postgres)/psql (app): exact, \(orders + 1) times"
            // Whether or not the server was there before the daemon: the process that took a connection ends it, and is
            // named by the kernel then.
            let chains: [String: [String]] = [
                "web:/web/start.sh": [
                    "/usr/sbin/nginx (web) was started by /web/start.sh (web): exact, once"
                ],
                "web:/web/access.log": ["/usr/sbin/nginx (web) writes /web/access.log (web): exact, once"],
                "app:/app/shop.py": [shopTaken],
                "app:/usr/bin/sort": [
                    shopTaken, "/app/shop.py (app) started /usr/bin/sort (app): exact, once",
                ],
                "app:\(postgres)/psql": [shopTaken, psqlStarted],
                "db:\(postgres)/postgres": [
                    shopTaken, psqlStarted,
                    "\(postgres)/psql (app) connects to tcp \(shop.address("db")):5432, taken by "
                        + "\(postgres)/postgres (db): exact, \(orders + 1) times",
                ],
            ]
            for (member, chain) in chains {
                let reasons = try question.why(member)
                #expect(reasons == [begin] + chain)
            }
        }

        // MARK: Other questions

        /// The order of the dumps says nothing.
        private static func checkOrders(_ question: Question) throws {
            let text = try question.text()
            for order in [["db", "app", "web"], ["app", "web", "db"], ["web", "db", "app"]] {
                let other = try question.text(hosts: order)
                #expect(other == text)
            }
        }

        /// Without the dump of its host the database is an address to be reconnected, and none is made up.
        private static func checkWithoutDatabase(_ question: Question, _ shop: Shop) throws {
            let group = try question.group(hosts: ["web", "app"])
            #expect(group.programs == programs(shop).filter { !$0.hasPrefix("db:") })
            #expect(
                group.endpoints == [
                    "in 10.20.0.4 at 80: web:/usr/sbin/nginx",
                    "out \(shop.address("db")) at 5432: app:\(shop.postgres)/psql",
                ])
            let unobserved = group.boundary.crossings.filter { $0.obstacle == "unobserved" }
            #expect(
                Set(unobserved.compactMap(\.other?.text)) == [
                    "tcp:\(shop.address("client")):*", "tcp:\(shop.address("db")):5432",
                ])
        }

        /// Where one says stop, what it is made of comes along, and nothing beyond.
        private static func checkStop(_ question: Question) throws {
            let group = try question.group(["--stop-at", "**/shop.py"])
            #expect(
                group.programs == ["app:/app/shop.py", "web:/usr/sbin/nginx", "web:/web/start.sh"].sorted())
            #expect(group.members.programs.filter { $0.stop == true }.map(\.text) == ["app:/app/shop.py"])
            let files = group.members.files.map(\.text).filter { $0.hasPrefix("app:/app") }
            #expect(files == ["app:/app/shop.py"])
        }

        /// Whoever of the group is asked about, the group is the same: what binds them binds both ways.
        private static func checkOtherStarts(_ question: Question, _ group: GroupDocument, _ shop: Shop)
            throws
        {
            for start in programs(shop) {
                let other = try question.group(of: start)
                #expect(other.programs == group.programs, "\(start)")
                #expect(other.addresses == group.addresses, "\(start)")
                #expect(other.members.files.map(\.text) == group.members.files.map(\.text), "\(start)")
                #expect(other.endpoints == group.endpoints, "\(start)")
            }
        }
    }
}

/// Asks the command line about the dumps of a shop.
private struct Question {
    private let shop: Shop

    init(_ shop: Shop) { self.shop = shop }

    private func from(_ hosts: [String]) -> [String] { ["--from"] + hosts.map(shop.dumpPath) }

    /// Paths as they would be, had the hosts a disk of their own.
    private func own(_ text: String) -> String { text.replacingOccurrences(of: shop.root + "/", with: "/") }

    private func full(_ name: String) -> String {
        guard let range = name.range(of: #":(?=/(web|app|db)/)"#, options: .regularExpression) else {
            return name
        }
        return name.replacingCharacters(in: range, with: ":" + shop.root)
    }

    func text(
        of start: String = "web:/usr/sbin/nginx", hosts: [String] = Shop.hosts, _ options: [String] = []
    ) throws -> String {
        let command = [try Products.path("retinue"), "group", full(start)] + from(hosts)
        return own(try run(command + ["--format", "json"] + options))
    }

    func group(
        of start: String = "web:/usr/sbin/nginx", hosts: [String] = Shop.hosts, _ options: [String] = []
    ) throws -> GroupDocument {
        try GroupDocument(text(of: start, hosts: hosts, options))
    }

    /// The chain of reasons, without times.
    func why(_ member: String) throws -> [String] {
        let command = [try Products.path("retinue"), "why", "web:/usr/sbin/nginx", full(member)]
        return own(try run(command + from(Shop.hosts))).split(separator: "\n").map { line in
            line.replacingOccurrences(
                of: #", \d{4}-\d\d-\d\d .*$"#, with: "", options: .regularExpression)
        }
    }
}
