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

/// A host and a folder: `db1=/mnt/db1`.
struct HostRoot: ExpressibleByArgument {
    var host: String
    var folder: String

    init?(argument: String) {
        guard let equals = argument.lastIndex(of: "="), equals != argument.startIndex else { return nil }
        host = String(argument[..<equals])
        folder = String(argument[argument.index(after: equals)...])
        if folder.isEmpty { return nil }
    }
}

/// Looks up the sizes of a graph's files.
struct FileSizeReader {
    private let graph: DependencyGraph
    /// A folder for each host; `nil` where its files cannot be looked at.
    private var folders: [String?]

    init(_ graph: DependencyGraph, _ options: RootOptions) throws {
        self.graph = graph
        let own = Self.machineID()
        folders = graph.hosts.map { host in
            // A part of this host that plays one of its own has its files too.
            own.map { host.id == $0 || host.id.hasPrefix($0 + "/") } == true ? "" : nil
        }
        for root in options.roots {
            let numbers = graph.hosts.indices.dropFirst().filter { number in
                let host = graph.hosts[number]
                return host.id == root.host || host.name == root.host
                    || NetworkAddress(root.host).map { host.addresses.contains($0) } == true
            }
            guard !numbers.isEmpty else {
                throw Failure("no record is of a host \"\(root.host)\"", status: ExitStatus.badInput)
            }
            for number in numbers { folders[number] = root.folder == "/" ? "" : root.folder }
        }
    }

    private static func machineID() -> String? {
        guard let bytes = try? FileDescriptor.open("/etc/machine-id", O_RDONLY).readAll(limit: 4096) else {
            return nil
        }
        let line = String(decoding: bytes.prefix { $0 != 0x0a }, as: UTF8.self)
        return line.isEmpty ? nil : line
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
            "\(Quantity.grouped(unknown[host] ?? 0)) files of \(host) could not be measured: run there, or give "
                + "--root \(host)=FOLDER"
        }
        if gone > 0 {
            remarks.append("\(Quantity.grouped(gone)) files are not there any more, and count as nothing")
        }
        return remarks
    }
}
