import Glibc
import Records
import SystemCalls
import Transport

/// The destination's end of a way to what stays, kept over restarts beside the move's journal.
struct ArrivalTunnel {
    let name: String
    let path: String

    init(name: String, folder: String) { (self.name, path) = (name, folder + "/tunnel.json") }

    private var kept: Tunnel? { SafeFile.read(path).flatMap { Tunnel($0, name: name) } }

    /// Makes it.
    func begin(_ request: JSONValue) throws(MoveError) {
        guard let tunnel = Tunnel(request, name: name), !tunnel.isSource else {
            throw MoveError("no addresses for a tunnel")
        }
        try SafeFile.write(tunnel.value, to: path)
        try tunnel.begin()
    }

    /// After a restart, if there is one.
    func renew() throws(MoveError) { try kept?.begin() }

    /// Removes it, if there is one.
    func end() throws(MoveError) {
        guard let tunnel = kept else { return }
        try tunnel.end()
        unlink(path)
    }

    /// Which of some endpoints are not reached from here: nobody answers within two seconds, not even that nobody listens.
    static func unreachable(_ endpoints: [JSONValue]) -> JSONValue {
        var found: [JSONValue] = []
        for endpoint in endpoints.prefix(64) {
            guard let address = endpoint["address"]?.string, Tunnel.isAddress(address),
                let port = endpoint["port"]?.integer.flatMap({ UInt16(exactly: $0) })
            else { continue }
            do throws(TLSError) { _ = try Sockets.connect(to: address, port: port, seconds: 2) } catch {
                if !"\(error)".contains(SystemError.text(of: ECONNREFUSED)) { found.append(.string(address)) }
            }
        }
        return .object([.init("unreachable", .array(found))])
    }
}
