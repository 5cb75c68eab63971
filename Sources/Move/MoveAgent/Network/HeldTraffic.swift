import CLinux
import Glibc
import Records
import Synchronization
import SystemCalls

/// What opens a connection while the service is at neither place: stored, and handed to the kernel of the host that lets clients
/// in as soon as it does, so that a client goes on when the hold ends and not when it sends its SYN again, after 1, 3 or 7 s.
///
/// The packets are captured while nftables drops them, and not queued (NFQUEUE): an agent that dies leaves the hold as it would
/// be without this, queues need a kernel module that not every host has, and what is captured can go to another host. The
/// destination answers a SYN that came to the source: address, ports and sequence number are those of the client's connection.
///
/// UDP datagrams are stored likewise, within a bound of their own. None is handed over twice: those that arrive in the
/// milliseconds in which the hold is loaded or lifted may be lost, as before.
final class HeldTraffic: Sendable {
    private struct Stored {
        var connections = PacketStore(most: 1024, bytes: 1 << 20)
        var datagrams = PacketStore(most: 256, bytes: 1 << 20)
        var takesDatagrams = false
        /// Until the hold is lifted.
        var capture: PacketCapture?
        /// From then on, until this goes: the kernel waits for all its processors when a packet socket does (synchronize_net), 50 ms
        /// and more.
        var ended: PacketCapture?

        mutating func drain() { capture?.drain { add($0, at: $1) } }

        mutating func add(_ packet: HeldPacket, at interface: UInt32) {
            if packet.flow.isTCP {
                connections.add(packet, at: interface)
            } else if takesDatagrams {
                datagrams.add(packet, at: interface)
            }
        }
    }

    private let ports: Set<ServicePort>
    private let injector = PacketInjector()
    private let stored = Mutex(Stored())

    /// Begins to capture, which has to be before the hold is loaded: no SYN is dropped unseen.
    init(_ ports: [ServicePort]) throws(MoveError) {
        self.ports = Set(ports.map { ServicePort(isTCP: $0.isTCP, number: $0.number) })
        let capture = try PacketCapture(ports)
        stored.withLock { $0.capture = capture }
    }

    /// One that stores, or `nil` where that cannot be: clients send their SYNs again, then.
    static func begin(_ ports: [ServicePort], for name: String) -> HeldTraffic? {
        guard !ports.isEmpty else { return nil }
        do throws(MoveError) { return try HeldTraffic(ports) } catch {
            Diagnostics.say("\(name): \(error)")
            return nil
        }
    }

    /// Stores what has arrived. From time to time while the hold lasts, since the kernel keeps only so much.
    func drain() { stored.withLock { $0.drain() } }

    /// Once the hold is loaded: datagrams that were captured before have reached the service, those from here on do not.
    func beginDatagrams() {
        drain()
        stored.withLock { $0.takesDatagrams = true }
    }

    /// Makes what hands packets to the kernel at an interface.
    func prepare(_ interface: String?) {
        guard let interface, case let number = if_nametoindex(interface), number > 0 else { return }
        do throws(MoveError) { try injector.prepare(number) } catch {
            Diagnostics.say(
                "what arrives while clients are held will have to be sent again by them: \(error)")
        }
    }

    /// Lifts the hold by `body`, and hands the kernel all that is stored.
    func release<Result>(_ body: () throws(MoveError) -> Result) throws(MoveError) -> Result {
        drain()
        stored.withLock { $0.takesDatagrams = false }
        let result = try body()
        let packets = stored.withLock { stored in
            stored.drain()
            (stored.ended, stored.capture) = (stored.capture ?? stored.ended, nil)
            return stored.connections.take() + stored.datagrams.take()
        }
        do throws(MoveError) {
            for (packet, interface) in packets { try injector.inject(packet, at: interface) }
        } catch { Diagnostics.say("clients that were held have to send again: \(error)") }
        return result
    }

    /// Takes out what is for an address that goes to another host, as that one takes it (`add`).
    func take(to address: ServiceAddress) -> JSONValue {
        drain()
        let bytes = address.bytes
        let lo = if_nametoindex("lo")
        let packets = stored.withLock {
            let isWanted: (HeldPacket) -> Bool = { $0.flow.destination == bytes }
            return $0.connections.take(where: isWanted) + $0.datagrams.take(where: isWanted)
        }
        // A client of this host that came by the address that has left has no address any more.
        return .array(
            packets.filter { $0.interface != lo }.map { .string(Hexadecimal.text($0.packet.bytes)) })
    }

    /// Adds what was stored at another host, for an address that is at an interface here: whatever is none that opens a flow to a
    /// held port at that address is left out.
    func add(_ packets: JSONValue?, to address: ServiceAddress, at interface: String) {
        let number = if_nametoindex(interface)
        let bytes = address.bytes
        stored.withLock { stored in
            for value in (packets?.array ?? []).prefix(2048) {
                guard
                    let packet = value.string.flatMap({ Hexadecimal.bytes($0, limit: 65_535) }).flatMap({
                        HeldPacket($0)
                    }),
                    packet.flow.destination == bytes,
                    ports.contains(ServicePort(isTCP: packet.flow.isTCP, number: packet.flow.port))
                else { continue }
                if packet.flow.isTCP {
                    stored.connections.add(packet, at: number)
                } else {
                    stored.datagrams.add(packet, at: number)
                }
            }
        }
    }
}
