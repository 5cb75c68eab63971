import CLinux
import Glibc
import Observation
import Procfs
import Records
import SocketDiagnostics
import SystemCalls

/// The sockets and what goes through descriptors alone.
extension Scanner {
    /// Adds the TCP and UDP sockets of the network namespaces in which processes were met; returns their Unix sockets.
    ///
    /// Each is entered for the moment alone: an open socket would keep a namespace alive after its last process.
    func addSockets(_ snapshot: inout HostSnapshot, _ holders: DescriptorHolders) -> [UnixSocket] {
        var unix: [UnixSocket] = []
        // The numbers of those that the tables show.
        var known: Set<UInt32> = []
        do throws(SocketQueryError) {
            var query = try network.socketQuery()
            let failures = snapshot.failures.count
            addInet(&query, snapshot.network, &snapshot, holders, &known)
            if snapshot.network != 0, snapshot.failures.count == failures {
                snapshot.networks.append(snapshot.network)
            }
            do throws(SocketQueryError) {
                unix = try query.unix()
            } catch { snapshot.failures.append(ScanFailure("Unix sockets", error.code)) }
        } catch {
            snapshot.failures.append(ScanFailure("TCP and UDP sockets", error.code))
            snapshot.failures.append(ScanFailure("Unix sockets", error.code))
        }
        addRaw(of: processInside(snapshot), snapshot.network, &snapshot, holders)
        addTranslations(&snapshot, snapshot.network) { () throws(SystemError) in
            try network.translatedFlows()
        }
        if network.inode == nil {
            addOtherNetworks(&snapshot, holders, &unix, &known)
            known.formUnion(unix.map(\.inode))
            addOthers(&snapshot, holders, besides: known)
        } else {
            addOwnUnixSockets(&snapshot, &unix)
        }
        snapshot.socketsRead = Clock.monotonic()
        return unix
    }

    /// Network namespaces, besides the daemon's own, whose sockets a scan reads; `OtherNetworks` names the rest.
    static let mostNetworks = 64

    private func addOtherNetworks(
        _ snapshot: inout HostSnapshot, _ holders: DescriptorHolders, _ unix: inout [UnixSocket],
        _ inet: inout Set<UInt32>
    ) {
        var processes: [UInt64: Int32] = [:]
        for process in snapshot.processes where process.facts.network != 0 {
            processes[process.facts.network] = process.facts.pid
        }
        processes[snapshot.network] = nil
        var known = Set(unix.map(\.inode))
        for (index, (inode, pid)) in processes.sorted(by: { $0.key < $1.key }).enumerated() {
            guard index < NetworkNumbers.most else { break }
            guard let namespace = Self.namespace(inode, of: pid) else { continue }
            if let numbers = network.numbers { namespace.meet(numbers) }
            guard index < Self.mostNetworks else { continue }
            do throws(SocketQueryError) {
                var query = try namespace.socketQuery()
                // What cannot be read of it is no failure of the scan: the namespace is named as one that is not watched.
                var found = HostSnapshot()
                addInet(&query, inode, &found, holders, &inet)
                let there = try query.unix()
                guard found.failures.isEmpty else { continue }
                snapshot.sockets += found.sockets
                addRaw(of: pid, inode, &snapshot, holders)
                addTranslations(&snapshot, inode) { () throws(SystemError) in
                    try namespace.translatedFlows()
                }
                snapshot.networks.append(inode)
                for socket in there where known.insert(socket.inode).inserted { unix.append(socket) }
            } catch { continue }
        }
    }

    /// Adds the connections whose destination a namespace translates.
    private func addTranslations(
        _ snapshot: inout HostSnapshot, _ inode: UInt64, _ flows: () throws(SystemError) -> [TranslatedFlow]
    ) {
        do throws(SystemError) {
            for flow in try flows() {
                snapshot.translations.append(
                    TranslatedConnection(
                        flow.transport == 6 ? .tcp : .udp, client: Endpoint(flow.client),
                        asked: Endpoint(flow.asked), server: Endpoint(flow.server), seen: Endpoint(flow.seen),
                        network: inode)
                )
            }
        } catch { snapshot.untranslatedNetworks += 1 }
    }

    /// The namespace of a process, if the process is still in it.
    private static func namespace(_ inode: UInt64, of pid: Int32) -> NetworkNamespace? {
        do throws(SystemError) {
            let namespace = try NetworkNamespace(path: "/proc/\(pid)/ns/net")
            guard namespace.inode == inode else { return nil }
            return namespace
        } catch { return nil }
    }

    /// A process in the namespace that is watched; the daemon's own is outside one that was named.
    private func processInside(_ snapshot: borrowing HostSnapshot) -> Int32? {
        guard let inode = network.inode else { return getpid() }
        return snapshot.processes.first { $0.facts.network == inode }?.facts.pid
    }

    /// Adds what programs take from the network without a port.
    private func addRaw(
        of pid: Int32?, _ inode: UInt64, _ snapshot: inout HostSnapshot, _ holders: DescriptorHolders
    ) {
        guard let pid, let found = try? ProcessDirectory(opening: pid).rawSockets() else { return }
        for socket in found {
            guard let pids = holders.sockets[socket.inode] else { continue }
            let address = NetworkAddress(high: socket.address.high, low: socket.address.low)
            snapshot.sockets.append(
                SocketSnapshot(
                    socket.kind == .ip ? .raw : .packet, isListening: true,
                    local: Endpoint(address, port: socket.number),
                    remote: Endpoint(NetworkAddress(high: 0, low: 0), port: 0), holders: pids, network: inode)
            )
        }
    }

    /// Adds sockets of protocols whose tables are not read: that a program has one.
    private func addOthers(
        _ snapshot: inout HostSnapshot, _ holders: DescriptorHolders, besides known: Set<UInt32>
    ) {
        let nowhere = Endpoint(NetworkAddress(high: 0, low: 0), port: 0)
        for (inode, pids) in holders.sockets where !known.contains(inode) {
            guard let number = holders.firstDescriptors[inode], let pid = pids.first,
                let found = ProcessDirectory(pid)?.socketProtocol(number)
            else { continue }
            snapshot.sockets.append(
                SocketSnapshot(
                    Transport(found), isListening: true, local: nowhere, remote: nowhere, holders: pids))
        }
    }

    private func addInet(
        _ query: inout SocketQuery, _ inode: UInt64, _ snapshot: inout HostSnapshot,
        _ holders: DescriptorHolders, _ known: inout Set<UInt32>
    ) {
        for transport in [TransportProtocol.tcp, .udp] {
            for family in [AddressFamily.v4, .v6] {
                let sockets: [InetSocket]
                do throws(SocketQueryError) {
                    sockets = try query.inet(family, transport)
                } catch {
                    let what =
                        "\(transport == .tcp ? "TCP" : "UDP") sockets of \(family == .v4 ? "IPv4" : "IPv6")"
                    snapshot.failures.append(ScanFailure(what, error.code))
                    continue
                }
                for socket in sockets {
                    known.insert(socket.inode)
                    let isListening =
                        transport == .tcp
                        ? socket.state == .listen : socket.remote.port == 0 && socket.local.port != 0
                    let isConnected = socket.remote.port != 0 && socket.state != .synSent
                    guard isListening || isConnected else { continue }
                    let states: [TCPState] = [.closeWait, .lastAck, .closing, .timeWait]
                    snapshot.sockets.append(
                        SocketSnapshot(
                            transport == .tcp ? .tcp : .udp, isListening: isListening,
                            local: Endpoint(socket.local), remote: Endpoint(socket.remote),
                            holders: holders.sockets[socket.inode] ?? [],
                            sent: socket.traffic?.bytesSent ?? 0,
                            received: socket.traffic?.bytesReceived ?? 0,
                            endReceived: states.contains(socket.state), network: inode))
                }
            }
        }
    }

    func addChannels(
        _ snapshot: inout HostSnapshot, _ holders: DescriptorHolders, _ looked: PipeHolders,
        _ unix: [UnixSocket]
    ) {
        func add(_ ends: PipeEnds, _ mechanism: Mechanism, _ name: [UInt8]) {
            guard ends.areOfSeveral else { return }
            let used = looked.remaining(ends)
            guard !used.writers.isEmpty, !used.readers.isEmpty else { return }
            snapshot.channels.append(
                ChannelSnapshot(mechanism, name: name, holders: used.writers, peers: used.readers))
        }
        for ends in holders.pipes.values { add(ends, .pipe, Array("pipe".utf8)) }
        for fifo in holders.fifos.values { add(fifo.ends, .fifo, fifo.path) }
        let names = UnixNames(unix)
        let peers = Dictionary(unix.map { ($0.inode, $0.peer) }) { first, _ in first }
        for socket in unix where socket.peer != 0 {
            // Of two that name each other one is enough; a bound datagram socket does not name who sends to it.
            if peers[socket.peer] == socket.inode, socket.peer < socket.inode { continue }
            guard let here = holders.sockets[socket.inode], let there = holders.sockets[socket.peer] else {
                continue
            }
            snapshot.channels.append(
                ChannelSnapshot(
                    .unix, name: names.name(socket.inode, socket.peer), holders: here, peers: there,
                    number: socket.inode))
        }
        let datagram = UInt8(SOCK_DGRAM.rawValue)
        for socket in unix where !socket.name.isEmpty {
            guard socket.state == .listen || socket.type == datagram else { continue }
            snapshot.unixListeners.append(
                UnixListener(
                    inode: socket.inode, isDatagram: socket.type == datagram, bound: socket.name,
                    name: names.name(socket.inode, 0), holders: holders.sockets[socket.inode] ?? [],
                    changed: Self.changed(socket)))
        }
    }

    /// When the file of a socket was made or last changed, if its name leads there.
    private static func changed(_ socket: UnixSocket) -> UInt64 {
        guard socket.name.first == UInt8(ascii: "/"), let file = socket.file else { return 0 }
        var status = stat()
        let result = (socket.name + [0]).withUnsafeBufferPointer { path in
            path.withMemoryRebound(to: CChar.self) { lstat($0.baseAddress!, &status) }
        }
        let device =
            UInt64(file.device >> 20) << 8 | UInt64(file.device & 0xff)
            | UInt64(file.device & 0xf_ff00) << 12
        guard result == 0, UInt32(truncatingIfNeeded: status.st_ino) == file.inode, status.st_dev == device
        else { return 0 }
        return UInt64(status.st_ctim.tv_sec) * 1_000_000_000 + UInt64(status.st_ctim.tv_nsec)
    }

    /// Unix sockets belong to the network namespace of their maker, an accepted one to that of the client;
    /// but what has a path is reached from every namespace, so the daemon's own is asked as well.
    private func addOwnUnixSockets(_ snapshot: inout HostSnapshot, _ unix: inout [UnixSocket]) {
        do throws(SocketQueryError) {
            var query = try SocketQuery()
            let known = Set(unix.map(\.inode))
            unix += try query.unix().filter { !known.contains($0.inode) }
        } catch {
            snapshot.failures.append(ScanFailure("Unix sockets of the daemon's own network", error.code))
        }
    }
}

/// What Unix sockets are called, so that two have one name only if they are bound to one file.
///
/// The name is the string that was bound, for ever: relative to a folder that nobody knows any more, or a path in another
/// mount namespace. The file decides (`UNIX_DIAG_VFS`).
struct UnixNames {
    private var sockets: [UInt32: (name: [UInt8], file: UnixSocket.File?)] = [:]
    /// Names to which more than one file is bound.
    private var ambiguous: Set<[UInt8]> = []

    init(_ all: [UnixSocket]) {
        var files: [[UInt8]: UnixSocket.File] = [:]
        for socket in all where !socket.name.isEmpty {
            sockets[socket.inode] = (socket.name, socket.file)
            guard let file = socket.file else { continue }
            if let other = files.updateValue(file, forKey: socket.name), other != file {
                ambiguous.insert(socket.name)
            }
        }
    }

    /// The name of a connection by its two ends: the accepted socket carries that to which the listener was bound.
    func name(_ inode: UInt32, _ peer: UInt32) -> [UInt8] {
        guard let (name, file) = sockets[peer] ?? sockets[inode] else { return Array("socketpair".utf8) }
        let isAbsolute = name.first == UInt8(ascii: "/")
        guard let file, !isAbsolute || ambiguous.contains(name) else { return Self.printable(name) }
        return name
            + Array(" (inode \(file.inode), device \(file.device >> 20):\(file.device & 0xf_ffff))".utf8)
    }

    /// An abstract name starts with NUL; ss(8) and lsof(8) write `@`.
    private static func printable(_ name: [UInt8]) -> [UInt8] {
        name.first == 0 ? [UInt8(ascii: "@")] + name.dropFirst() : name
    }
}

extension Endpoint {
    /// The same address in the words of records.
    init(_ address: SocketAddress) {
        self.init(NetworkAddress(high: address.high, low: address.low), port: address.port)
    }
}

extension Transport {
    fileprivate init(_ other: SocketProtocol) {
        self =
            switch other {
            case .sctp: .sctp
            case .udpLite: .udplite
            case .ping: .ping
            case .vsock: .vsock
            }
    }
}
