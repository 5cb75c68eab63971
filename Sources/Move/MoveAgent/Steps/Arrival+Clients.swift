import CLinux
import Glibc
import MovePlan
import Placeholders
import Records
import Synchronization
import SystemCalls
import Transfer
import Transport

/// New clients at the destination: held, then let in.
extension Arrival {
    /// Holds new clients here, if that is not so yet.
    func hold(_ address: ServiceAddress?) throws(MoveError) {
        guard !journal.stands(.holdThere) else { return }
        try journal.write(.holdThere, .begun)
        let held = network?.outside(ports) ?? ports
        (traffic, trafficEnd) = (HeldTraffic.begin(held, for: name), 0)
        let hold = Hold(name: name, ports: held, within: nil, address: network?.address)
        try hold.prepare()
        try hold.load()
        try redirection.suspend()
        traffic?.beginDatagrams()
        try journal.write(.holdThere, .done)
        addressInterface = try address?.interfaceOfNetwork()
        traffic?.prepare(addressInterface)
        // Where nothing was brought before, the round to come removes what it does not know, on which mounts would lie; a network of
        // its own is made by the start.
        if network == nil, receiver != nil { waiting = try cell.prepare(isolation) }
    }

    func address(_ request: JSONValue) -> ServiceAddress? {
        request["address"]?.string.flatMap { ServiceAddress($0) }
    }

    func finishAdmission(_ packets: JSONValue? = nil) throws(MoveError) {
        if let taken = try takeAddress() { traffic?.add(packets, to: taken.address, at: taken.interface) }
        if let kept, let interface = addressInterface {
            traffic?.add(packets, to: kept.address, at: interface)
        }
        try endLive(leavesAddress: kept == nil)
        try redirection.end()
        enableUnits()
        var state = cell.state
        state.isOn = true
        cell.state = state
        if server.isKnown {
            try server.register()
        } else if let traffic {
            try traffic.release { () throws(MoveError) in try Hold.letIn(name: name) }
        } else {
            try Hold.letIn(name: name)
        }
        // Until the source has passed on the rest.
        trafficEnd = Clock.monotonic() + 5_000_000_000
        hasEmptyHold = !server.isKnown
        fetching?.goAhead()
        settleHost()
        if journal.state(.admit) == .begun { try journal.write(.admit, .done) }
    }

    /// Removes what held clients, which takes its time: they were let in before.
    func removeHold() throws(MoveError) {
        guard hasEmptyHold else { return }
        try Hold.remove(name: name)
        hasEmptyHold = false
    }

    /// Gives this host the address that moved with the service, where it has not; `nil` where none moved.
    @discardableResult
    func takeAddress() throws(MoveError) -> (address: ServiceAddress, interface: String)? {
        guard let text = journal.detail(.admit)?.string, let address = ServiceAddress(text) else {
            return nil
        }
        var interface = try address.interface()
        // There it is for connections that were restored before clients are let in. A whole net there would lead all of it astray.
        if interface == "lo", let alone = cell.state.liveAddress.flatMap({ ServiceAddress($0) }) {
            interface = nil
            // Its net cannot be found while it is this host's own.
            if addressInterface == nil { try alone.remove(from: "lo") }
        }
        if interface == nil, let known = addressInterface, if_nametoindex(known) > 0 { interface = known }
        if interface == nil { interface = try address.interfaceOfNetwork() }
        guard let interface else {
            throw MoveError("no interface of this host lies in the network of \(address.text)")
        }
        try address.add(to: interface)
        return (address, interface)
    }
}
