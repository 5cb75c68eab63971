import ArgumentParser
import Glibc
import MoveGroup
import Records
import SystemCalls

/// What a move group is computed from, and how.
struct GroupOptions: ParsableArguments {
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Dumps, stores and lists of any number of hosts; without it the daemon is asked.",
            valueName: "file"),
        completion: .file())
    var from: [String] = []

    @Flag(help: "Follow every relation both ways and stop nowhere, as the method was published.")
    var symmetric = false

    @Option(
        help: ArgumentHelp(
            "Rules that say where to stop; the default ones follow behind them.", valueName: "file"),
        completion: .file())
    var policy: String?

    @Option(
        name: .customLong("stop-at"),
        help: ArgumentHelp("Let it join and follow nothing beyond.", valueName: "pattern"))
    var stopAt: [String] = []

    @Option(help: ArgumentHelp("Follow it whatever the rules say.", valueName: "pattern"))
    var include: [String] = []

    @Option(help: ArgumentHelp("Do not let it join.", valueName: "pattern"))
    var exclude: [String] = []

    @Flag(help: "Leave out lines that cannot be read, and say how many.")
    var lenient = false

    @Option(
        name: .customLong("clock-skew"),
        help: ArgumentHelp("How far apart the clocks of two hosts may be.", valueName: "seconds"))
    var clockSkew = 5.0

    @OptionGroup var window: TimeWindow

    @OptionGroup var daemon: DaemonOptions

    /// Where rules stand if no file is named.
    static let policyPath = "/etc/retinue/boundary.policy"

    func validate() throws {
        guard clockSkew >= 0, clockSkew <= 86_400 else {
            throw ValidationError("--clock-skew is a number of seconds from 0 to 86400")
        }
        guard from.isEmpty || (daemon.socket == nil && daemon.stateFolder == nil) else {
            throw ValidationError("--from reads files and asks no daemon: give no --socket or --state-dir")
        }
        guard from.count < Int(UInt16.max) else { throw ValidationError("--from takes at most 65,534 files") }
        guard from.lazy.filter({ $0 == "-" }).count <= 1 else {
            throw ValidationError("standard input can be read only once")
        }
    }

    /// Joins the inputs.
    ///
    /// - Throws: `Failure`, with status 2 also for a file that is not there: 1 would be an answer to `why`.
    func graph() throws -> DependencyGraph {
        do {
            return try join()
        } catch let failure as Failure where failure.status == ExitStatus.negative {
            throw Failure(failure.message, details: failure.details, status: ExitStatus.badInput)
        }
    }

    /// Joins what the group of a program can reach: all of the inputs, or of a fleet's store what is looked up.
    func graph(of program: String) throws -> DependencyGraph {
        guard let location = from.first(where: FleetAccess.isLocation) else { return try graph() }
        guard from.count == 1 else {
            throw Failure("a fleet's store is the only input, if it is one", status: ExitStatus.badInput)
        }
        guard !symmetric, !NodePattern(program).isAddressOrObject else {
            throw Failure(
                "of a fleet's store neither --symmetric groups nor those of an address can be had: use dumps",
                status: ExitStatus.badInput)
        }
        guard let read = FleetAccess.read else {
            preconditionFailure("retinue-fleet runs where a store is named")
        }
        do {
            return try read(
                location, program, try closure(hasReasons: true),
                SocketPairing(clockSkew: UInt64(clockSkew * 1e9)), window.span
            ) { try NodeChoice($0).start(for: program) }
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure("\(error)", status: ExitStatus.badInput)
        }
    }

    /// Joins the inputs, or, where a single list allows it, just what is connected with a node: the same for a group
    /// that begins there.
    ///
    /// - Parameter name: of the node, as it was typed.
    func graph(around name: String, usesIndex: Bool) throws -> DependencyGraph {
        if from.contains(where: FleetAccess.isLocation) { return try graph(of: name) }
        // Of a line that is left out, and of a row outside of the window, only reading all of them knows.
        if from.count == 1, !lenient, window.span == nil {
            do {
                let list = ConnectedList(path: from[0], usesIndex: usesIndex)
                if let graph = try list.graph(around: name) { return graph }
            } catch let failure as Failure where failure.status == ExitStatus.negative {
                // What cannot be opened is reported by the other way.
            }
        }
        return try graph()
    }

    private func join() throws -> DependencyGraph {
        guard !from.contains(where: FleetAccess.isLocation) else {
            throw Failure(
                "this command reads all records; of a fleet's store only group, why, plan, transfer and advise can",
                status: ExitStatus.badInput)
        }
        var builder = GraphBuilder()
        builder.window = window.span
        if from.isEmpty {
            builder.add(try DumpContents(reading: daemon.askForDump()), from: "the daemon's dump")
        } else {
            try GraphInputs(paths: from, isLenient: lenient).read(into: &builder)
        }
        return builder.finish(
            SocketPairing(clockSkew: UInt64(clockSkew * 1e9), isPermissive: symmetric))
    }

    /// How to close over it.
    ///
    /// - Parameter hasReasons: whether reasons will be asked for.
    func closure(hasReasons: Bool) throws -> ClosureOptions {
        var options = ClosureOptions()
        options.isSymmetric = symmetric
        options.policy = try Self.policy(in: policy)
        options.stopAt = stopAt.map { NodePattern($0) }
        options.include = include.map { NodePattern($0) }
        options.exclude = exclude.map { NodePattern($0) }
        options.prefersEvidence = hasReasons
        return options
    }

    /// Reads the rules.
    ///
    /// - Parameters:
    ///   - named: the file that was named, if one was.
    ///   - defaultPath: the file whose rules hold otherwise, if it is there.
    static func policy(
        in named: String?, otherwise defaultPath: String = policyPath
    ) throws -> BoundaryPolicy {
        let path = named ?? defaultPath
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try FileDescriptor.open(path, O_RDONLY).readAll(limit: 16 << 20)
        } catch {
            if named == nil, error.code == ENOENT { return .standard }
            throw Failure(
                "cannot read the policy \(path): \(SystemError.text(of: error.code))",
                status: ExitStatus.badInput)
        }
        do {
            return try BoundaryPolicy(parsing: String(decoding: bytes, as: UTF8.self), from: path)
        } catch {
            throw Failure(error.description, status: ExitStatus.badInput)
        }
    }

    /// The group of the program that was named.
    func group(of program: String, in graph: DependencyGraph, hasReasons: Bool) throws -> MoveGroup {
        let start = try NodeChoice(graph).start(for: program)
        return graph.moveGroup(of: start, try closure(hasReasons: hasReasons))
    }
}

/// Where the files of hosts can be looked at.
struct RootOptions: ParsableArguments {
    @Option(
        name: .customLong("root"),
        help: ArgumentHelp(
            "Where a host's files are mounted; this host's are at /.", valueName: "host=folder"))
    var roots: [HostRoot] = []
}

/// Looks up the sizes of a graph's files.
struct FileSizeReader {
    private let graph: DependencyGraph
    /// A folder for each host; `nil` where its files cannot be looked at.
    private let folders: [String?]

    /// - Parameter given: where the files of hosts are mounted; this host's are at /.
    init(_ graph: DependencyGraph, _ given: [HostRoot] = []) throws(Failure) {
        try self.init(graph, HostRoots(given: given, machineID: MachineID.read()))
    }

    init(_ graph: DependencyGraph, _ roots: HostRoots) throws(Failure) {
        self.graph = graph
        try roots.check(against: graph.hosts)
        // A path begins with a slash of its own.
        folders = graph.hosts.map { host in roots.root(of: host).map { $0 == "/" ? "" : $0 } }
    }

    /// Bytes of a regular file as it is now; `nil` if it cannot be looked at.
    func size(of node: NodeID) -> UInt64? {
        guard let folder = folders[Int(graph.host(node).rawValue)] else { return nil }
        let path = Array(folder.utf8) + graph.withText(node) { Array($0) } + [0]
        var status = stat()
        let isRegular = path.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return false }
            return lstat(start.assumingMemoryBound(to: CChar.self), &status) == 0
                && status.st_mode & S_IFMT == S_IFREG
        }
        return isRegular ? UInt64(status.st_size) : nil
    }

    /// What is not known of the plan's sizes.
    func remarks(on plan: TransferPlan) -> [String] {
        var unknown: [String: Int] = [:]
        var gone = 0
        for item in plan.items where item.bytes == nil {
            let host = graph.host(item.node)
            if folders[Int(host.rawValue)] == nil {
                unknown[graph[host].title, default: 0] += 1
            } else {
                gone += 1
            }
        }
        var remarks = unknown.keys.sorted().map { host in
            "\(Quantity.counted(unknown[host] ?? 0, "file")) of \(host) could not be measured: run there, or give "
                + "--root \(host)=FOLDER"
        }
        if gone > 0 {
            remarks.append(
                gone == 1
                    ? "1 file is not there any more, and counts as nothing"
                    : "\(Quantity.grouped(gone)) files are not there any more, and count as nothing")
        }
        return remarks
    }
}

extension DependencyGraph {
    /// The numbers of the hosts that an id, a name or an address means.
    func hosts(named name: String) throws -> [Int] {
        let numbers = hosts.indices.dropFirst().filter { number in
            let host = hosts[number]
            return host.id == name || host.name == name
                || NetworkAddress(name).map { host.addresses.contains($0) } == true
        }
        guard !numbers.isEmpty else {
            throw Failure("no record is of a host \"\(name)\"", status: ExitStatus.badInput)
        }
        return numbers
    }
}

/// `HOST=DIR`: where the files of a host can be looked at.
struct HostRoot: ExpressibleByArgument, Equatable {
    let host: String
    let directory: String

    /// The first `=` parts the two: a directory may have one, an id, a name or an address has none.
    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
        host = String(parts[0])
        directory = String(parts[1])
    }

    func names(_ host: GraphHost) -> Bool {
        if self.host == host.id || self.host == host.name { return true }
        return NetworkAddress(self.host).map { host.addresses.contains($0) } ?? false
    }
}

/// Where the files of each host can be looked at: nowhere, unless somebody said so or it is this machine.
struct HostRoots {
    let given: [HostRoot]
    /// Id of this machine; `nil` if it has none.
    let machineID: String?

    /// The directory below which a host's files are.
    func root(of host: GraphHost) -> String? { root(host.id) { $0.names(host) } }

    /// The same of a host by its id, and by whether a directory was given for it.
    func root(_ id: String, _ isGiven: (HostRoot) -> Bool) -> String? {
        if let root = given.first(where: isGiven) { return root.directory }
        guard let machineID, !machineID.isEmpty else { return nil }
        // A network namespace that is watched as a host of its own is MACHINE-ID/NAME, with the same files.
        return id == machineID || id.hasPrefix(machineID + "/") ? "/" : nil
    }

    /// Refuses a directory for a host that no input names, and one that is not there.
    func check(against hosts: [GraphHost]) throws(Failure) {
        try check("no input has a host of that id, name or address") { root in
            hosts.contains { root.names($0) }
        }
    }

    /// The same by whether there is a host that a directory was given for; `nobody` says that there is none.
    func check(_ nobody: String, _ isKnown: (HostRoot) -> Bool) throws(Failure) {
        for root in given {
            guard isKnown(root) else {
                throw Failure("--root \(root.host)=…: \(nobody)", status: ExitStatus.badInput)
            }
            guard FileProbe.isDirectory(root.directory) else {
                throw Failure(
                    "--root \(root.host)=\(root.directory): no such directory",
                    status: ExitStatus.badInput)
            }
        }
    }
}
