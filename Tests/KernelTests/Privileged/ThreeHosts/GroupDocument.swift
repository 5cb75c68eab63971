import Foundation
import TestSupport

/// What `retinue group --format json` says, as far as the test asks.
struct GroupDocument: Decodable {
    struct Host: Decodable {
        var id: String
        var name: String?
        var gaps: [Dump.Gap]
    }

    struct Node: Decodable {
        var kind: String?
        var host: String?
        var executable: String?
        var script: String?
        var workload: String?
        var path: String?
        var transport: String?
        var address: String?
        var port: Int?
        var mechanism: String?
        var name: String?
        var bound: Bool?
        var stop: Bool?

        /// `app:/usr/bin/sort`: the host's name, and the path of a program (its script's) or of a file.
        var text: String {
            let host = self.host.flatMap { $0.split(separator: "/").last.map { $0 + ":" } } ?? ""
            return host + (script ?? executable ?? path ?? object)
        }

        private var object: String {
            if let mechanism { return "\(mechanism):\(name ?? "")" }
            return "\(transport ?? "?"):\(address ?? "?"):\(port.map { "\($0)" } ?? "*")"
        }
    }

    struct Members: Decodable {
        var programs: [Node]
        var files: [Node]
        var endpoints: [Node]
        var channels: [Node]
        var entries: [Node]
    }

    struct Crossing: Decodable {
        var member: Node
        var other: Node?
        var obstacle: String
        var rule: String?
    }

    struct Endpoint: Decodable {
        var direction: String
        var address: String
        var port: Int
        var members: [Node]
    }

    struct Boundary: Decodable {
        var crossings: [Crossing]
        var endpoints: [Endpoint]
    }

    var hosts: [Host]
    var members: Members
    var boundary: Boundary

    init(_ text: String) throws {
        self = try JSONDecoder().decode(GroupDocument.self, from: Data(text.utf8))
    }

    var programs: [String] { members.programs.map(\.text).sorted() }
    var addresses: [String] { members.endpoints.map(\.text).sorted() }
    var channels: [String] { members.channels.map(\.text).sorted() }

    /// What has to be connected anew: `in 10.20.0.4 at 80: web:/usr/sbin/nginx`.
    var endpoints: [String] {
        boundary.endpoints.map { endpoint in
            "\(endpoint.direction) \(endpoint.address) at \(endpoint.port): "
                + endpoint.members.map(\.text).joined(separator: " ")
        }.sorted()
    }

    /// Programs that stayed behind by a rule, each with the member that led to it.
    var strangers: [String] {
        boundary.crossings.filter { $0.other?.kind == "program" || $0.other == nil }.map { crossing in
            "\(crossing.member.text) <- \(crossing.other?.text ?? "nothing"): "
                + (crossing.rule ?? crossing.obstacle)
        }.sorted()
    }

    /// The rules by which files stayed behind.
    var fileRules: Set<String> {
        Set(boundary.crossings.filter { $0.other?.kind == "file" }.map { $0.rule ?? $0.obstacle })
    }
}
