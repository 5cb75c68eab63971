import MoveGroup
import Records
import TestSupport

let second: UInt64 = 1_000_000_000

extension HostDump {
    /// The dump as the daemon would have it.
    var contents: DumpContents {
        var header = DumpHeader()
        header.hostID = id
        header.hostName = "name of \(id)"
        header.time = time * second
        header.addresses = addresses.map { NetworkAddress($0)! }
        return DumpContents(header: header, ledger: ledger)
    }

    /// The dump as text, read back.
    func readBack() throws -> DumpContents {
        let contents = contents
        return try DumpContents(ndjson: contents.ledger.ndjson(contents.header))
    }

    private var ledger: Ledger {
        var ledger = Ledger()
        for one in observed {
            let key = Self.key(one.fact, &ledger)
            var access: Access = []
            if case .file(_, _, let letters) = one.fact { access = Access(letters: letters)! }
            for time in [one.first, one.last] {
                ledger.note(key, access: access, evidence: one.evidence, time: time * second)
            }
        }
        return ledger
    }

    private static func key(_ fact: Fact, _ ledger: inout Ledger) -> RecordKey {
        func program(_ program: Prog?, _ ledger: inout Ledger) -> ProgramID {
            guard let program else { return .unknown }
            func text(_ name: String) -> TextID {
                name.isEmpty ? .none : ledger.texts.intern(Array(name.utf8))
            }
            return ledger.intern(
                Program(
                    executable: text(program.executable), script: text(program.script),
                    workload: text(program.workload)))
        }
        func endpoint(_ address: String, _ port: UInt16) -> EndpointID {
            ledger.intern(Endpoint(NetworkAddress(address)!, port: port))
        }
        switch fact {
        case .file(let user, let path, _):
            return .file(program(user, &ledger), path: ledger.texts.intern(Array(path.utf8)))
        case .spawn(let parent, let child):
            return .spawn(program(parent, &ledger), child: program(child, &ledger))
        case .connect(let client, let address, let port, let transport, let peer):
            return .connect(
                program(client, &ledger), transport, remote: endpoint(address, port),
                peer: program(peer, &ledger))
        case .accept(let server, let address, let port, let from, let transport, let peer):
            return .accept(
                program(server, &ledger), transport, local: endpoint(address, port),
                remote: endpoint(from, 0),
                peer: program(peer, &ledger))
        case .listen(let server, let address, let port, let transport):
            return .listen(program(server, &ledger), transport, local: endpoint(address, port))
        case .ipc(let user, let mechanism, let name, let peer):
            let text = name.isEmpty ? TextID.none : ledger.texts.intern(Array(name.utf8))
            return .ipc(program(user, &ledger), mechanism, name: text, peer: program(peer, &ledger))
        }
    }
}
