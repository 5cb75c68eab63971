import Foundation

/// What the tests have beside their sources (Tests/Fixtures).
package enum Fixtures {
    /// The path of one of them.
    package static func path(_ name: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures").appendingPathComponent(name).path
    }

    /// The path of a file that version 0.1.0 wrote.
    package static func version1(_ name: String) -> String { path("version-1/" + name) }
}
