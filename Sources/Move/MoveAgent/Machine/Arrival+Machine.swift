import Glibc
import Records
import SystemCalls

/// A machine at its destination.
extension Arrival {
    /// Seconds that a kernel has to come up, in software on a busy host.
    private static let mostSeconds: UInt64 = 150

    /// Boots the machine before the source's clients are held: it waits for its programs then, which costs them no time.
    func bootMachine() throws(MoveError) {
        guard isolation == .machine, !journal.stands(.start), !cell.isRunning else { return }
        if cell.isWaiting { return }
        var state = cell.state
        (state.isolation, state.isOn, state.isCutOff) = (isolation, false, false)
        (state.units, state.enabled) = ([], [])
        try joinNetwork(&state)
        cell.state = state
        try cell.begin(isWaiting: true)
        let limit = Clock.monotonic() + Self.mostSeconds * 1_000_000_000
        while !Machine(cell: cell).has(.booted) {
            guard cell.isWaiting, Clock.monotonic() < limit else {
                let words = cell.lastWords
                cell.end(within: 1)
                throw MoveError("the machine does not come up\(words.isEmpty ? "" : ": \(words)")")
            }
            usleep(5_000)
        }
        Fault.pass("boot")
    }

    /// The network of its own that was asked for, the settings of a machine, and the ports.
    func joinNetwork(_ state: inout Cell.State) throws(MoveError) {
        (state.ports, state.machine, state.network) = (ports, machine, nil)
        guard !state.isCutOff else { return }
        if let network {
            state.network = CellNetwork(
                of: cell.folder, ports: ports, wish: network,
                number: try CellNetwork.freeNumber(beside: cell.folder))
        } else if state.isolation == .machine {
            throw MoveError("a machine has a network of its own, and none is asked for")
        }
    }
}
