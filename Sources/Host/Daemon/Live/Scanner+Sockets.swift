import Observation
import Procfs
import Records
import SocketDiagnostics
import SystemCalls

/// The sockets and what goes through descriptors alone.
extension Scanner {
    func addSockets(_ snapshot: inout HostSnapshot, _ holders: DescriptorHolders) {
        var query: SocketQuery
        do throws(SocketQueryError) {
            query = try network.socketQuery()
        } catch {
            snapshot.failures.append(ScanFailure("TCP and UDP sockets", error.code))
            return
        }
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
                            endReceived: states.contains(socket.state)))
                }
            }
            if transport == .tcp { snapshot.socketsRead = Clock.monotonic() }
        }
    }

    func addChannels(_ snapshot: inout HostSnapshot, _ holders: DescriptorHolders) {
        for (inode, pids) in holders.pipes where pids.count > 1 {
            snapshot.channels.append(
                ChannelSnapshot(.pipe, name: Array("pipe".utf8), holders: pids, peers: pids))
            _ = inode
        }
        for (path, pids) in holders.fifos where pids.count > 1 {
            snapshot.channels.append(ChannelSnapshot(.fifo, name: path, holders: pids, peers: pids))
        }
        let sockets = unixSockets(&snapshot)
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
    private func unixSockets(_ snapshot: inout HostSnapshot) -> [UnixSocket] {
        var found: [UnixSocket] = []
        do throws(SocketQueryError) {
            var query = try SocketQuery()
            found = try query.unix()
        } catch { snapshot.failures.append(ScanFailure("Unix sockets", error.code)) }
        guard network.inode != nil else { return found }
        do throws(SocketQueryError) {
            var query = try network.socketQuery()
            let known = Set(found.map(\.inode))
            found += try query.unix().filter { !known.contains($0.inode) }
        } catch { snapshot.failures.append(ScanFailure("Unix sockets of the network namespace", error.code)) }
        return found
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
