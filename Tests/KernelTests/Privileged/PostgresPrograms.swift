import Foundation
import TestSupport

extension Programs {
    /// The folder with the programs of the newest PostgreSQL.
    static func postgres() throws -> String {
        let folder = "/usr/lib/postgresql"
        let versions = try FileManager.default.contentsOfDirectory(atPath: folder).compactMap { Int($0) }
        guard let newest = versions.max() else { throw Failure("\(folder) has no PostgreSQL") }
        return "\(folder)/\(newest)/bin"
    }
}
