import CLinux
import Glibc
import Observation
import Procfs
import Records
import SocketDiagnostics
import SystemCalls

/// Finds what is there at one moment: processes, what they hold open, sockets, channels, what they share.
struct Scanner {
    let roots: MountRoots
    let network: HostNetwork

    typealias Depth = ScanRequest.Depth

    /// Scans the host. A process that vanishes meanwhile is left out; one that may not be read is empty.
    ///
    /// Those that did something since the last scan come first; where the request has a limit, the rest is left
    /// out when it is reached.
    func scan(_ request: ScanRequest) -> HostSnapshot {
        var snapshot = HostSnapshot()
        snapshot.monotonic = Clock.monotonic()
        snapshot.wall = Clock.wall()
        snapshot.addresses = network.addresses()
        var holders = DescriptorHolders()
        let active = Set(request.first)
        let pids = ProcessList.pids()
        for (position, pid) in (pids.filter(active.contains) + pids.filter { !active.contains($0) })
            .enumerated()
        {
            let now = Clock.monotonic()
            if request.limit != 0, position >= active.count, now - snapshot.monotonic > request.limit {
                snapshot.isComplete = false
                break
            }
            guard let directory = ProcessDirectory(pid) else { continue }
            guard var process = scan(directory, request.depth, &holders) else { continue }
            process.time = now
            snapshot.processes.append(process)
        }
        addSockets(&snapshot, holders)
        addChannels(&snapshot, holders)
        snapshot.channels += holders.shared.channels()
        return snapshot
    }

    private func scan(
        _ directory: borrowing ProcessDirectory, _ depth: Depth, _ holders: inout DescriptorHolders
    ) -> ProcessSnapshot? {
        let pid = directory.pid
        let facts: ProcessFacts
        switch depth {
        case .full:
            guard let found = LiveSurroundings.facts(directory) else { return nil }
            facts = found
        case .open:
            let place = network.inode == nil ? 0 : directory.namespace("net") ?? 0
            facts = ProcessFacts(pid: pid, parent: 0, executable: [], network: place)
        }
        var files: [HeldFile] = []
        // Numbers first: reading a link in the middle of the folder's own listing is fine, but an
        // escaping closure over a borrowed directory is not.
        var paths: [(number: Int32, path: [UInt8])] = []
        directory.descriptors { number, target in
            if target.first == UInt8(ascii: "/") {
                paths.append((number, target))
            } else {
                holders.note(target, pid)
            }
        }
        for entry in paths {
            if let file = heldFile(directory, entry.number, entry.path, depth, pid, &holders) {
                files.append(file)
            }
        }
        let maps = directory.maps()
        holders.shared.note(maps: maps, directory)
        // Of shared memory the descriptor is mostly closed at once, and the kernel tells of the closing only
        // when the last mapping goes.
        for mapped in MappedFile.parse(maps, sharedWritable: depth == .open) {
            let access: Access = mapped.isSharedWritable ? [.opened, .written] : .opened
            files.append(HeldFile(path: mapped.path, access: access, kind: .regular))
        }
        return ProcessSnapshot(facts: facts, files: files)
    }

    private func heldFile(
        _ directory: borrowing ProcessDirectory, _ number: Int32, _ path: [UInt8], _ depth: Depth,
        _ pid: Int32, _ holders: inout DescriptorHolders
    ) -> HeldFile? {
        guard let flags = directory.openFlags(number) else { return nil }
        if flags & O_PATH != 0 { return nil }
        let isWritable = flags & O_ACCMODE != O_RDONLY
        guard let status = directory.statistics(descriptor: number), let kind = FileKind(mode: status.st_mode)
        else { return nil }
        if holders.shared.note(path, status, pid) { return nil }
        if kind == .fifo { holders.noteFifo(path, pid) }
        if depth == .open && !isWritable { return nil }
        // Deleted, or one of the kernel's views of itself.
        guard status.st_nlink > 0, !roots.pseudoDevices.contains(UInt64(status.st_dev)) else { return nil }
        return HeldFile(path: path, access: isWritable ? [.opened, .written] : .opened, kind: kind)
    }

    private func addSockets(_ snapshot: inout HostSnapshot, _ holders: DescriptorHolders) {
        var query: SocketQuery
        do throws(SocketQueryError) {
            query = try network.socketQuery()
        } catch {
            snapshot.failures.append(Self.failure("sockets", error))
            return
        }
        for transport in [TransportProtocol.tcp, .udp] {
            for family in [AddressFamily.v4, .v6] {
                let sockets: [InetSocket]
                do throws(SocketQueryError) {
                    sockets = try query.inet(family, transport)
                } catch {
                    snapshot.failures.append(
                        Self.failure("\(transport) sockets, IP\(family)", error))
                    continue
                }
                for socket in sockets {
                    let isListening =
                        transport == .tcp
                        ? socket.state == .listen : socket.remote.port == 0 && socket.local.port != 0
                    let isConnected = socket.remote.port != 0 && socket.state != .synSent
                    guard isListening || isConnected else { continue }
                    let states: [SocketState] = [.closeWait, .lastAcknowledgement, .closing, .timeWait]
                    snapshot.sockets.append(
                        SocketSnapshot(
                            transport == .tcp ? .tcp : .udp, isListening: isListening,
                            local: Endpoint(socket.local), remote: Endpoint(socket.remote),
                            holders: holders.sockets[socket.inode] ?? [],
                            sent: socket.traffic?.bytesSent ?? 0,
                            received: socket.traffic?.bytesReceived ?? 0,
                            endReceived: states.contains(socket.state)))
                }
            }
            if transport == .tcp { snapshot.socketsRead = Clock.monotonic() }
        }
    }

    private static func failure(_ what: String, _ error: SocketQueryError) -> Loss {
        Loss(source: SourceName.sockets, cause: "dump of \(what): \(error)", count: nil)
    }

    private func addChannels(_ snapshot: inout HostSnapshot, _ holders: DescriptorHolders) {
        for (inode, pids) in holders.pipes where pids.count > 1 {
            snapshot.channels.append(
                ChannelSnapshot(.pipe, name: Array("pipe".utf8), holders: pids, peers: pids))
            _ = inode
        }
        for (path, pids) in holders.fifos where pids.count > 1 {
            snapshot.channels.append(ChannelSnapshot(.fifo, name: path, holders: pids, peers: pids))
        }
        let sockets = unixSockets()
        var names: [UInt32: [UInt8]] = [:]
        for socket in sockets where !socket.name.isEmpty { names[socket.inode] = socket.name }
        for socket in sockets where socket.peer > socket.inode {
            guard let here = holders.sockets[socket.inode], let there = holders.sockets[socket.peer] else {
                continue
            }
            // The accepted socket carries the name that the listener was bound to.
            let name = names[socket.inode] ?? names[socket.peer] ?? []
            snapshot.channels.append(
                ChannelSnapshot(
                    .unix, name: Self.printable(name.isEmpty ? Array("socketpair".utf8) : name),
                    holders: here,
                    peers: there))
        }
    }

    /// Unix sockets belong to the network namespace of their maker, an accepted one to that of the client;
    /// but what has a path is reached from every namespace, so the daemon's own is asked as well.
    private func unixSockets() -> [UnixSocket] {
        var found: [UnixSocket] = []
        if var query = try? SocketQuery(), let sockets = try? query.unix() { found += sockets }
        if network.inode != nil, var query = try? network.socketQuery(), let sockets = try? query.unix() {
            let known = Set(found.map(\.inode))
            found += sockets.filter { !known.contains($0.inode) }
        }
        return found
    }

    /// An abstract name starts with NUL; ss(8) and lsof(8) write `@`.
    private static func printable(_ name: [UInt8]) -> [UInt8] {
        name.first == 0 ? [UInt8(ascii: "@")] + name.dropFirst() : name
    }
}

/// Which processes hold an inode that only descriptors lead to.
struct DescriptorHolders {
    private(set) var sockets: [UInt32: [Int32]] = [:]
    private(set) var pipes: [UInt32: [Int32]] = [:]
    private(set) var fifos: [[UInt8]: [Int32]] = [:]
    /// What they share by other means; the tables of it are those of the moment in which this was made.
    var shared = SharedObjects()

    /// Takes in what a link in /proc/PID/fd says: `socket:[N]` or `pipe:[N]`; anything else is left out.
    mutating func note(_ target: [UInt8], _ pid: Int32) {
        guard let open = target.firstIndex(of: UInt8(ascii: "[")), target.last == UInt8(ascii: "]"),
            let inode = UInt32(String(decoding: target[(open + 1)...].dropLast(), as: UTF8.self))
        else { return }
        if target.starts(with: "socket:".utf8) { Self.add(pid, &sockets[inode, default: []]) }
        if target.starts(with: "pipe:".utf8) { Self.add(pid, &pipes[inode, default: []]) }
    }

    mutating func noteFifo(_ path: [UInt8], _ pid: Int32) { Self.add(pid, &fifos[path, default: []]) }

    private static func add(_ pid: Int32, _ pids: inout [Int32]) {
        if pids.last != pid { pids.append(pid) }
    }
}

extension Endpoint {
    /// The same address in the words of records.
    init(_ address: SocketAddress) {
        self.init(NetworkAddress(high: address.high, low: address.low), port: address.port)
    }
}
