import Foundation
import SystemCalls
import Testing

@testable import Daemon

/// Paths with links on them, which may be switched.
@Suite struct LeadsOfPathsTests {
    private let folder: String

    init() throws {
        let temporary = URL(fileURLWithPath: NSTemporaryDirectory()).resolvingSymlinksInPath().path
        folder = temporary + "/leads-\(UInt64.random(in: 0...UInt64.max))"
        for version in ["v1", "v2"] {
            try FileManager.default.createDirectory(
                atPath: folder + "/" + version, withIntermediateDirectories: true)
            try Data().write(to: URL(fileURLWithPath: folder + "/" + version + "/app"))
        }
        try link("current", to: "v1")
        try link("app", to: folder + "/current/../current/app")
    }

    private func link(_ name: String, to target: String) throws {
        try? FileManager.default.removeItem(atPath: folder + "/" + name)
        try FileManager.default.createSymbolicLink(
            atPath: folder + "/" + name, withDestinationPath: target)
    }

    private func led(_ path: String, _ file: String, at moment: UInt64) -> Bool {
        LeadsOfPaths.led(Array((folder + path).utf8), to: Array((folder + file).utf8), at: moment)
    }

    /// A link that was there at the exec has led to its file; one that was made later may not have.
    @Test func whatALinkHasLedTo() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let later = Clock.wall() + 1_000_000_000
        for path in ["/current/app", "/app", "/./app"] {
            #expect(led(path, "/v1/app", at: later), "\(path)")
            #expect(!led(path, "/v2/app", at: later), "\(path)")
        }
        let before = Clock.wall()
        usleep(30_000)
        try link("current", to: "v2")
        for path in ["/current/app", "/app"] {
            #expect(!led(path, "/v2/app", at: before), "\(path)")
            #expect(led(path, "/v2/app", at: later), "\(path)")
        }
        #expect(led("/v1/app", "/v1/app", at: before))
    }

    /// Links in a circle, and none at all.
    @Test func whatLeadsNowhere() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try link("one", to: "two")
        try link("two", to: "one")
        #expect(!led("/one", "/v1/app", at: .max))
        #expect(!led("/gone/app", "/v1/app", at: .max))
    }
}
