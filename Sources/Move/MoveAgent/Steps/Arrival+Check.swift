import CLinux
import Glibc
import MovePlan
import Placeholders
import Records
import Synchronization
import SystemCalls
import Transfer
import Transport

/// What stands in the way at the destination.
extension Arrival {
    func check(_ request: JSONValue, bytes: UInt64) throws(MoveError) -> JSONValue {
        var problems: [String] = []
        if cell.isRunning { problems.append("\(name) runs here already, in the cell of that name") }
        // The folder may have gone since it was made.
        mkdir(cell.root, 0o755)
        var status = statvfs()
        if statvfs(cell.root, &status) == 0 {
            let free = UInt64(status.f_bavail) * UInt64(status.f_frsize)
            if free < bytes { problems.append("there is room for \(free) bytes, and \(bytes) are to come") }
        }
        let isolation = request["isolation"]?.string.flatMap(Isolation.init) ?? .chroot
        problems += try conflicts(isolation)
        for tool in ["nft", "ip"] + [isolation.tool].compactMap({ $0 }) where !Tool.exists(tool) {
            problems.append(
                "\(tool) is not installed here"
                    + (tool == Machine.emulator ? ": Debian has it in qemu-system-x86" : ""))
        }
        var notes: [String] = []
        if isolation == .machine {
            let machine = Machine.obstacles(machine)
            problems += machine.problems
            notes += machine.notes
        }
        if request["live"] == .boolean(true), let obstacle = LiveTrial.obstacle() {
            problems.append(obstacle)
        }
        if request["fetches_memory"] == .boolean(true) {
            do throws(MoveError) { try Criu().needFetching() } catch { problems.append("\(error)") }
        }
        for unit in (request["units"]?.array ?? []).compactMap(\.string)
        where SystemdUnits.isName(unit) && SystemdUnits.isBooted && SystemdUnits.run([unit]) {
            problems.append("the unit \(unit) runs here already")
        }
        if request["start_first"] == .boolean(true), let obstacle = AccessGroup.obstacle(in: cell.root) {
            problems.append(
                "files cannot be fetched when they are touched (Linux 6.14, on ext4, xfs or btrfs): \(obstacle)"
            )
        }
        if request["address_stays"] == .boolean(true) {
            guard let kept = request["address"]?.string.flatMap({ KeptAddress($0, name: name) }) else {
                throw MoveError("no address that stays")
            }
            if request["address_is_kept"] == .boolean(true) {
                if try kept.address.interface() != nil {
                    problems.append("\(kept.address.address) is an address of this host already")
                } else if try kept.address.interfaceOfNetwork() == nil {
                    problems.append("no interface of this host lies in the network of \(kept.address.text)")
                }
            } else if try kept.interface() == nil {
                problems.append(
                    "\(kept.address.address) stays at neither host: move to the one that keeps it, or without --address-stays"
                )
            }
        } else if let text = request["address"]?.string, let address = ServiceAddress(text) {
            if try address.interface() != nil {
                problems.append("\(address.address) is an address of this host already")
            }
            if try address.interfaceOfNetwork() == nil {
                problems.append("no interface of this host lies in the network of \(address.text)")
            }
        }
        return .object([
            .init("problems", .array(problems.map { .string($0) })),
            .init("notes", .array(notes.map { .string($0) })), .init("state", .string(state)),
            .init("patience", .integer(Int128(patience))),
            .init("kernel", .string("\(KernelRelease.running.major).\(KernelRelease.running.minor)")),
        ])
    }

    /// Ports that somebody has here already.
    func conflicts(_ isolation: Isolation) throws(MoveError) -> [String] {
        guard !cell.isRunning else { return [] }
        func list(_ ports: [ServicePort]) -> String { ports.map(\.description).joined(separator: ", ") }
        let outside = network?.outside(ports) ?? ports
        var problems: [String] = []
        // What comes to an address of its own comes to nobody else who listens here.
        let busy = outside.filter { !Listening.missing([$0], in: getpid()).contains($0) }
        if !busy.isEmpty, network?.address == nil {
            problems.append(
                "something listens here on \(list(busy)): "
                    + (network == nil
                        ? "a container with --own-network and --address, or with --publish, does not mind"
                        : "--publish it under another number, or give it an address of its own by --address"))
        }
        let published = CellNetwork.conflicts(network, ports, beside: cell.folder)
        if !published.isEmpty { problems.append("another cell here has \(list(published))") }
        return problems
    }
}
