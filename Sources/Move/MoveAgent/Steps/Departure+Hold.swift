import CLinux
import Glibc
import MovePlan
import Records
import Synchronization
import SystemCalls
import Transfer
import Transport

/// New clients, who are held meanwhile.
extension Departure {
    /// Seconds after which the kernel lifts the hold of an agent that died.
    static let holdSeconds = 10

    /// Ports as clients have them: those of the network that the programs have here.
    private var heldPorts: [ServicePort] {
        origin.cell?.state.network?.wish.outside(order.ports) ?? order.ports
    }

    private var hold: Hold {
        Hold(
            name: order.name, ports: heldPorts, within: Self.holdSeconds,
            address: origin.cell?.state.network?.wish.address)
    }

    /// What takes its time, and holds nobody yet.
    func prepareHold() throws(MoveError) {
        try hold.prepare()
        let traffic = HeldTraffic.begin(heldPorts, for: order.name)
        status.withLock { $0.traffic = traffic }
    }

    func beginHold() throws(MoveError) {
        try hold.load()
        status.withLock { $0.traffic }?.beginDatagrams()
    }

    /// Not while it is lifted.
    func renewHold() {
        let hold = hold
        status.withLock { status in
            guard status.deadline > 0 else { return }
            status.traffic?.drain()
            try? hold.load()
        }
    }

    /// Lifts it, and hands to this host's kernel what was stored and not passed on: it answers whether there is a service or not.
    func endHold() throws(MoveError) {
        let name = order.name
        let traffic = try status.withLock { status throws(MoveError) in
            status.deadline = 0
            defer { status.traffic = nil }
            guard let traffic = status.traffic else {
                try Hold.letIn(name: name)
                return nil as HeldTraffic?
            }
            try traffic.release { () throws(MoveError) in try Hold.letIn(name: name) }
            return traffic
        }
        try Hold.remove(name: name)
        // What redirects the packets goes with it, behind them.
        _ = traffic
    }
}
