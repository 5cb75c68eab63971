import Glibc
import SocketDiagnostics
import SystemCalls

/// Connections of this host that conntrack takes for open and of which no socket is left: their end went by while no table of the
/// host's had connections tracked. A client that takes the same port again would be led by one, past the rules, for up to five days.
enum EndedConnections {
    /// One of this host's, of TCP, that is not translated.
    struct Tracked: Equatable {
        var ends: Ends
        /// As the kernel names it: the family, `CTA_TUPLE_ORIG`, `CTA_ID`.
        private let family: UInt8
        private let original: [UInt8]
        private let number: [UInt8]

        /// - Parameters:
        ///   - ports: only of these.
        ///   - addresses: of this host; their ports are 0.
        ///   - prefix: not of those whose mark begins with this byte.
        init?(
            _ answer: NetlinkAnswer, ports: Set<UInt16>, addresses: Set<SocketAddress>, markedBy prefix: UInt8
        ) {
            // IPCTNL_MSG_CT_NEW, behind struct nfgenmsg.
            guard answer.kind == 1 << 8, let family = answer.body.first else { return nil }
            let parts = answer.attributes(behind: 4)
            // CTA_STATUS: IPS_SRC_NAT, IPS_DST_NAT; CTA_MARK.
            guard let original = parts[1], let status = Self.number(parts[3]), status & 0x30 == 0,
                let number = parts[12], parts[8]?.first != prefix
            else { return nil }
            let tuple = NetlinkAnswer.attributes(in: original[...])
            let ip = NetlinkAnswer.attributes(in: (tuple[1] ?? [])[...])
            let proto = NetlinkAnswer.attributes(in: (tuple[2] ?? [])[...])
            guard proto[1] == [UInt8(IPPROTO_TCP)], let sourcePort = Self.port(proto[2]),
                let destinationPort = Self.port(proto[3]),
                let source = SocketAddress(ip[1] ?? ip[3], sourcePort),
                let destination = SocketAddress(ip[2] ?? ip[4], destinationPort)
            else { return nil }
            // One that was picked up in the middle may be known the other way round.
            if ports.contains(destinationPort), addresses.contains(destination.host) {
                ends = Ends(port: destinationPort, peer: source)
            } else if ports.contains(sourcePort), addresses.contains(source.host) {
                ends = Ends(port: sourcePort, peer: destination)
            } else {
                return nil
            }
            (self.family, self.original, self.number) = (family, original, number)
        }

        /// Has the kernel forget this one (`IPCTNL_MSG_CT_DELETE`), and none that has its ends since.
        var end: NetlinkMessage {
            var message = NetlinkMessage(1 << 8 | 2, flags: NetlinkMessage.acknowledged)
            message.append([family, 0, 0, 0])
            message.append(NetlinkMessage.nested(1, original))
            message.attribute(12, number)
            return message
        }

        private static func number(_ bytes: [UInt8]?) -> UInt32? {
            guard let bytes, bytes.count == 4 else { return nil }
            return bytes.reduce(0) { $0 << 8 | UInt32($1) }
        }

        private static func port(_ bytes: [UInt8]?) -> UInt16? {
            guard let bytes, bytes.count == 2 else { return nil }
            return UInt16(bytes[0]) << 8 | UInt16(bytes[1])
        }
    }

    /// This host's port, and the other end.
    struct Ends: Hashable {
        var port: UInt16
        var peer: SocketAddress
    }

    /// Has the kernel forget those of some ports (`IPCTNL_MSG_CT_DELETE`; Linux 2.6.14).
    ///
    /// To be called when new connections are tracked from their first packet on, and none is picked up: what is open afterwards and
    /// has no socket here is passed on, and marked.
    static func forget(ports: [UInt16], markedBy prefix: UInt8) throws(MoveError) {
        do {
            var dump = NetlinkMessage(1 << 8 | 1, flags: NetlinkMessage.dump)
            dump.append([0, 0, 0, 0])
            let own = try InterfaceAddress.all(isIPv6: false) + InterfaceAddress.all(isIPv6: true)
            let addresses = Set(own.compactMap { SocketAddress($0.bytes, 0) })
            let tracked = try Netlink.ask(TrackedConnections.netfilter, dump.bytes(), answers: .max)
                .compactMap {
                    Tracked($0, ports: Set(ports), addresses: addresses, markedBy: prefix)
                }
            guard !tracked.isEmpty else { return }
            // Behind the dump: of what was opened meanwhile there is a socket.
            let open = try sockets(Set(ports))
            for one in tracked where !open.contains(one.ends) {
                let answers = try Netlink.ask(TrackedConnections.netfilter, one.end.bytes())
                if let code = answers.first?.error, code != 0, code != ENOENT {
                    throw SystemError("conntrack", code: code)
                }
            }
        } catch { throw MoveError("connections that have ended are not forgotten: \(error)") }
    }

    /// Of this host's network, those included that nobody has accepted.
    private static func sockets(_ ports: Set<UInt16>) throws(SocketQueryError) -> Set<Ends> {
        var query = try SocketQuery()
        var found: Set<Ends> = []
        for family in [AddressFamily.v4, .v6] {
            let states = SocketStates.all.subtracting([SocketStates(.timeWait), SocketStates(.listen)])
            for socket in try query.inet(family, .tcp, states: states) where ports.contains(socket.local.port)
            {
                found.insert(Ends(port: socket.local.port, peer: socket.remote))
            }
        }
        return found
    }
}

extension SocketAddress {
    /// From 4 or 16 bytes in network order.
    fileprivate init?(_ bytes: [UInt8]?, _ port: UInt16) {
        switch bytes?.count {
        case 4: self.init(v4: bytes!.reduce(0) { $0 << 8 | UInt32($1) }, port: port)
        case 16:
            func number(_ part: ArraySlice<UInt8>) -> UInt64 { part.reduce(0) { $0 << 8 | UInt64($1) } }
            self.init(high: number(bytes![..<8]), low: number(bytes![8...]), port: port)
        default: return nil
        }
    }

    /// Without its port.
    fileprivate var host: SocketAddress { SocketAddress(high: high, low: low, port: 0) }
}
