import ArgumentParser
import Glibc
import MoveGroup
import Records
import SystemCalls

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

    init(_ graph: DependencyGraph, _ options: RootOptions) throws(Failure) {
        self.graph = graph
        let roots = HostRoots(given: options.roots, machineID: MachineID.read())
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
