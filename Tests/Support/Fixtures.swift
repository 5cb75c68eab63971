import Foundation

/// Files that earlier versions wrote (Tests/Fixtures).
package enum Fixtures {
    /// The path of a file that version 0.1.0 wrote.
    package static func version1(_ name: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/version-1").appendingPathComponent(name).path
    }
}
