import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// A recorded stream gives the same records again, to anybody.
    @Suite("record and replay")
    struct ReplaySuite {
        @Test(.timeLimit(.minutes(2)))
        func replayGivesTheSameRecords() throws {
            try withTemporaryFolder { folder in
                let files = try ScratchFilesystem()
                let place = try files.folder("replay")
                try write(Programs.pipelines, to: place + "/pipelines.sh")
                let trace = folder + "/trace"
                let daemon = try DaemonUnderTest(
                    stateFolder: folder + "/state", arguments: ["--record", trace])
                let group = try ControlGroup()
                try run(try group.command(["dash", "pipelines.sh"]), folder: place)
                let live = Self.lines(try daemon.dump(), group)
                try daemon.stop()

                chmod(folder, 0o755)
                chmod(trace, 0o644)
                let retinued = try Unprivileged.copy("retinued", to: folder)
                let text = try run(Unprivileged.command([retinued, "--replay", trace]))
                let replayed = Self.lines(try Dump(text: text), group)
                #expect(live.count > 100)
                let missing = live.subtracting(replayed).sorted()
                let extra = replayed.subtracting(live).sorted()
                #expect(missing.isEmpty, "\(missing.count) missing: \(missing.prefix(3))")
                #expect(extra.isEmpty, "\(extra.count) extra: \(extra.prefix(3))")
                try files.unmount()
            }
        }

        private static func lines(_ dump: Dump, _ group: ControlGroup) -> Set<String> {
            // Change numbers are those of a ledger's own history: a replay begins one.
            Set(
                dump.lines.filter { $0.contains("\"\(group.workload)\"") }.map {
                    $0.replacing(/"change":\d+,/, with: "")
                })
        }
    }
}

/// Running a program as a user who may do nothing.
enum Unprivileged {
    static func command(_ command: [String]) -> [String] {
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] + command
    }

    /// Copies a product to where everybody can reach it; the folder of the build may not be such a place.
    static func copy(_ name: String, to folder: String) throws -> String {
        let copy = folder + "/" + name
        try FileManager.default.copyItem(atPath: try Products.path(name), toPath: copy)
        chmod(copy, 0o755)
        return copy
    }
}
