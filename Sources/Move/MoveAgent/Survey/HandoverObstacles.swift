import Glibc
import Procfs
import SocketDiagnostics
import SunRPC
import Text

/// Whether a program is called from outside and has nothing on disk but what it declares, so that another one can take its place.
struct HandoverObstacles {
    /// What rpcbind(8) knows.
    let registrations: [Registration]
    /// What is declared: files, and folders with all that they have.
    let declared: [[UInt8]]
    /// What paths of the programs' root begin with as seen from the host.
    var prefix: [UInt8] = []

    /// Where a program is called, its ports by transport; `rpc` says which of them are known to rpcbind.
    static func ports(of processes: [SurveyedProcess], in sockets: (Int32) -> SurveyedSockets?)
        -> [ServicePort]
    {
        var found: Set<ServicePort> = []
        for process in processes {
            guard let sockets = sockets(process.pid) else { continue }
            for descriptor in process.descriptors {
                guard case .socket(let inode) = descriptor.kind, let socket = sockets.inet[inode],
                    socket.local.port != 0,
                    socket.transport == .tcp ? socket.state == .listen : socket.remote.port == 0
                else { continue }
                found.insert(ServicePort(isTCP: socket.transport == .tcp, number: socket.local.port))
            }
        }
        return found.sorted { ($0.isTCP ? 1 : 0, $0.number) < ($1.isTCP ? 1 : 0, $1.number) }
    }

    /// Each port, and those of Sun RPC by what rpcbind calls them.
    func serves(_ ports: [ServicePort]) -> [String] {
        ports.flatMap { port -> [String] in
            let transports = port.isTCP ? ["tcp", "tcp6"] : ["udp", "udp6"]
            let known = registrations.filter {
                $0.port == port.number && transports.contains($0.network)
            }
            return known.isEmpty ? ["\(port.isTCP ? "tcp" : "udp") \(port.number)"] : known.map(\.description)
        }
    }

    /// Where it is not called by anybody.
    func found(_ processes: [SurveyedProcess], serves: [String]) -> [Obstacle] {
        guard let first = processes.first else { return [] }
        var obstacles: [Obstacle] = []
        if serves.isEmpty {
            obstacles.append(
                Obstacle(
                    rulesOut: .handover, effect: .refused, pid: first.pid, place: .attribute, kind: "no-port",
                    what: "it listens on no TCP or UDP port, and rpcbind does not know it", peer: nil,
                    cure: "use cold"))
        }
        for process in processes {
            guard let directory = ProcessDirectory(process.pid) else { continue }
            let open = written(process, directory)
            obstacles += open
            // A file that is open no more shows by what was written alone.
            if open.isEmpty, declared.isEmpty, let bytes = directory.bytesWritten(), bytes > 0 {
                obstacles.append(
                    Obstacle(
                        rulesOut: .handover, effect: .lost, pid: process.pid, place: .attribute,
                        kind: "written-before",
                        what: "it has had bytes written to files that it has not open now",
                        peer: nil, cure: "declare its data (retinue move handover --data), or use cold"))
            }
        }
        return obstacles
    }

    private func written(_ process: SurveyedProcess, _ directory: borrowing ProcessDirectory) -> [Obstacle] {
        writtenFiles(process, directory).map { place, path in
            let name = Printable.text(path)
            return Obstacle(
                rulesOut: .handover, effect: .lost, pid: process.pid, place: place, kind: "written-file",
                what: "it writes \(name)", peer: nil,
                cure: "declare it (retinue move handover --data \(name)), or use cold")
        }
    }

    /// Files that are open for writing, or mapped so, and are not declared.
    func writtenFiles(
        _ process: SurveyedProcess, _ directory: borrowing ProcessDirectory
    ) -> [(place: Obstacle.Place, path: [UInt8])] {
        func inside(_ path: [UInt8]) -> [UInt8] {
            path.starts(with: prefix) ? Array(path.dropFirst(prefix.count)) : path
        }
        var found: [(place: Obstacle.Place, path: [UInt8])] = []
        var seen: Set<[UInt8]> = []
        let mounts = Set(directory.mounts().map { UInt64($0.id) })
        for descriptor in process.descriptors {
            guard case .path(let outer) = descriptor.kind, case let path = inside(outer), !isDeclared(path),
                let flags = directory.descriptorInformation(descriptor.number)?.flags,
                flags & O_ACCMODE != O_RDONLY, flags & Self.pathOnly == 0,
                let status = directory.statistics(descriptor: descriptor.number),
                status.mode & S_IFMT == S_IFREG,
                !DescriptorObstacles.isQueue(process.pid, descriptor.number, status, mounts),
                seen.insert(path).inserted
            else { continue }
            found.append((.descriptor(descriptor.number), path))
        }
        for file in MappedFile.parse(directory.maps(), sharedWritable: true)
        where file.isSharedWritable {
            let path = inside(file.path)
            guard !path.starts(with: "/dev/shm/".utf8), !isDeclared(path), seen.insert(path).inserted else {
                continue
            }
            found.append((.memory, path))
        }
        return found
    }

    /// `O_PATH` of open(2).
    private static let pathOnly: Int32 = 0o10000000

    private func isDeclared(_ path: [UInt8]) -> Bool {
        declared.contains { path == $0 || path.starts(with: $0 + [UInt8(ascii: "/")]) }
    }
}
