import Foundation
import TestSupport

/// What most of these tests need: a folder, a filesystem of their own, and the daemon watching.
///
/// The filesystem is mounted before the daemon starts.
final class Bench {
    let folder: String
    let files: ScratchFilesystem
    let daemon: DaemonUnderTest

    init(_ kind: ScratchFilesystem.Kind = .tmpfs, configuration: String? = nil, prefix: [String] = []) throws
    {
        folder = try makeTemporaryFolder()
        do {
            files = try ScratchFilesystem(kind)
            daemon = try DaemonUnderTest(
                stateFolder: folder + "/state", configuration: configuration, prefix: prefix)
        } catch {
            try? FileManager.default.removeItem(atPath: folder)
            throw error
        }
    }

    deinit {
        daemon.process.kill()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Runs a workload in a control group of its own and gives the records that a dump then has of it.
    func records(of command: [String]) throws -> [Dump.Dependency] {
        let group = try ControlGroup()
        try run(group.command(command))
        let dump = try daemon.dump()
        return dump.records(of: group.workload)
    }
}

extension [Dump.Dependency] {
    /// The file records of one path.
    func files(_ path: String) -> [Dump.Dependency] {
        filter { $0.relation == "file" && $0.exactPath == path }
    }

    /// The records of one relation.
    func relation(_ relation: String) -> [Dump.Dependency] { filter { $0.relation == relation } }
}

/// A path beside the test's own products, or of a program that they bring.
func workload(_ name: String) throws -> String { try Products.path(name) }
