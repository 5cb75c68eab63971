import MoveGroup
import Records

/// A node by what it is called: the same in every graph, whatever the order of its inputs.
struct Named: Hashable, CustomStringConvertible {
    var host: String
    var node: Node

    /// A program.
    static func program(_ host: String, _ program: Prog) -> Named {
        Named(
            host: host,
            node: .program(
                ProgramName(
                    executable: Array(program.executable.utf8), script: Array(program.script.utf8),
                    workload: Array(program.workload.utf8))))
    }

    /// A file.
    static func file(_ host: String, _ path: String) -> Named {
        Named(host: host, node: .file(Array(path.utf8)))
    }

    /// A channel.
    static func channel(_ host: String, _ mechanism: Mechanism, _ name: String) -> Named {
        Named(host: host, node: .channel(mechanism, name: Array(name.utf8)))
    }

    /// An address; of no host if nobody observed it.
    static func endpoint(
        _ host: String, _ address: String, _ port: UInt16, _ transport: Transport = .tcp
    ) -> Named {
        Named(host: host, node: .endpoint(transport, Endpoint(NetworkAddress(address)!, port: port)))
    }

    var description: String {
        func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
        return switch node {
        case .program(let name):
            "\(host):\(text(name.executable)) \(text(name.script))@\(text(name.workload))"
        case .file(let path): "\(host):file \(text(path))"
        case .entry(let path): "\(host):entry \(text(path))"
        case .channel(let mechanism, let name): "\(host):\(mechanism.word):\(text(name))"
        case .endpoint(let transport, let endpoint): "\(host):\(EndpointText.text(transport, endpoint))"
        }
    }
}

/// A crossing by names.
struct NamedCrossing: Hashable, CustomStringConvertible {
    var member: Named
    var other: Named
    var obstacle: Obstacle

    var description: String { "\(member) -> \(other): \(obstacle)" }
}

/// A move group by names.
struct Outcome: Equatable {
    var members: Set<Named> = []
    var crossings: Set<NamedCrossing> = []
    var distances: [Named: Int] = [:]
    /// The weakest evidence on the way to each member.
    var strengths: [Named: UInt8] = [:]
}
