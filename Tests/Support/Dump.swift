import Foundation

/// A dump read back: what a test asks it is one line, and what is missing is an optional.
package struct Dump: Sendable {
    package struct Machine: Decodable, Sendable {
        package var name: String
        package var addresses: [String]
        package var kernel: String
        package var boot: String
    }

    package struct Source: Decodable, Sendable {
        package var mode: String?
        package var received: UInt64?
        package var lost: UInt64?
        package var unknownScripts: UInt64?
        package var unknownExecutables: UInt64?
        package var inheritedWorkloads: UInt64?
        package var imagesReported: UInt64?
        package var reportsPaused: UInt64?
        package var unattributedUnix: UInt64?
        package var untranslated: UInt64?
        package var unnoticed: UInt64?
        package var filesystemsInNamespaces: UInt64?
        package var filesystemsElsewhere: UInt64?
        package var namespacesMissed: UInt64?

        private enum CodingKeys: String, CodingKey {
            case mode, received, lost, unnoticed
            case unknownScripts = "unknown_scripts"
            case unknownExecutables = "unknown_executables"
            case inheritedWorkloads = "inherited_workloads"
            case imagesReported = "images_reported"
            case reportsPaused = "reports_paused"
            case unattributedUnix = "unattributed_unix"
            case untranslated = "translations_unknown"
            case filesystemsInNamespaces = "filesystems_in_namespaces"
            case filesystemsElsewhere = "filesystems_elsewhere"
            case namespacesMissed = "namespaces_missed"
        }
    }

    package struct Scope: Decodable, Equatable, Sendable {
        package var netns: String?
        package var cgroup: String?

        package init(netns: String? = nil, cgroup: String? = nil) {
            self.netns = netns
            self.cgroup = cgroup
        }
    }

    package struct Header: Decodable, Sendable {
        package var type: String
        package var schema: String
        package var time: String
        package var host: String
        package var machine: Machine
        package var scope: Scope?
        package var sources: [String: Source]
    }

    package struct Program: Decodable, Hashable, Sendable {
        package var executable: String
        package var script: String?
        package var workload: String?

        package init(executable: String, script: String? = nil, workload: String? = nil) {
            self.executable = executable
            self.script = script
            self.workload = workload
        }
    }

    package struct Address: Decodable, Hashable, Sendable {
        package var address: String
        package var port: Int?

        package init(address: String, port: Int? = nil) {
            self.address = address
            self.port = port
        }
    }

    /// A dependency record, with the keys of every relation.
    package struct Dependency: Decodable, Sendable {
        package var program: Program
        package var relation: String
        package var evidence: String
        package var count: UInt64
        package var first: String
        package var last: String
        package var path: String?
        package var pathRaw: String?
        package var kind: String?
        package var access: String?
        package var child: Program?
        package var transport: String?
        package var remote: Address?
        package var local: Address?
        package var peer: Program?
        package var sent: UInt64?
        package var received: UInt64?
        package var lowerBound: Bool?
        package var mechanism: String?
        package var name: String?
        package var mountNamespace: String?
        package var containerPath: String?

        enum CodingKeys: String, CodingKey {
            case program, relation, evidence, count, first, last, path, kind, access, child, transport
            case remote, local, peer, sent, received, mechanism, name
            case pathRaw = "path_raw"
            case lowerBound = "lower_bound"
            case mountNamespace = "mount_namespace"
            case containerPath = "container_path"
        }

        /// The path as the kernel has it, in which bytes that are no UTF-8 are written `\xNN`.
        package var exactPath: String? {
            guard let pathRaw else { return path }
            return Data(base64Encoded: pathRaw).map { BytePath.text(of: Array($0)) }
        }
    }

    package struct Gap: Decodable, Sendable {
        package var source: String
        package var cause: String
        package var from: String
        package var to: String
        package var lost: UInt64?
        package var resynchronised: String?
    }

    private struct Kind: Decodable { var type: String }

    package var header: Header
    package var dependencies: [Dependency] = []
    package var gaps: [Gap] = []
    /// The lines as they stand in the file.
    package var lines: [String]

    /// Reads the text of a dump; throws on the first line that is not what it should be.
    package init(text: String) throws {
        guard text.hasSuffix("\n") else { throw Failure("a dump does not end with a line feed") }
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
        let decoder = JSONDecoder()
        guard let first = lines.first else { throw Failure("an empty dump") }
        header = try decoder.decode(Header.self, from: Data(first.utf8))
        guard header.type == "header", header.schema == "retinue/2" else {
            throw Failure("a dump does not start with a header of retinue/2: \(first)")
        }
        for line in lines.dropFirst() {
            let data = Data(line.utf8)
            do {
                switch try decoder.decode(Kind.self, from: data).type {
                case "dependency": dependencies.append(try decoder.decode(Dependency.self, from: data))
                case "gap": gaps.append(try decoder.decode(Gap.self, from: data))
                default: break
                }
            } catch {
                throw Failure("a dump has a line that cannot be read: \(line)\n\(error)")
            }
        }
    }

    /// Reads a dump from a file.
    package init(path: String) throws {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure("\(path) is not UTF-8")
        }
        try self.init(text: text)
    }

    /// The records of programs that ran in a control group.
    package func records(of workload: String) -> [Dependency] {
        dependencies.filter { $0.program.workload == workload }
    }

    /// The file records of a path.
    package func files(_ path: String) -> [Dependency] {
        dependencies.filter { $0.relation == "file" && $0.exactPath == path }
    }
}

/// Paths as text that loses nothing.
package enum BytePath {
    /// The text of a path; where its bytes are no UTF-8, those that are not ASCII are written `\xNN`.
    package static func text(of bytes: [UInt8]) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        return bytes.map { byte in
            byte < 0x80 ? String(UnicodeScalar(byte)) : "\\x" + String(byte, radix: 16)
        }.joined()
    }
}
