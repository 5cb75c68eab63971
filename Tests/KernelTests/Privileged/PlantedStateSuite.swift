import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// What another user prepares where root is about to keep the daemon's state: nothing of it makes the daemon
    /// touch, widen, delete or trust a file that it was not meant to.
    @Suite("planted state folders")
    struct PlantedStateSuite {
        /// A folder where everybody may write, sticky as /tmp, and one of root with things worth keeping.
        private struct Scene {
            let open: String
            let victims: String
            var state: String { open + "/state" }

            init(_ folder: String) throws {
                open = folder + "/open"
                victims = folder + "/victims"
                for path in [open, victims] { try makeFolder(path) }
                #expect(chmod(folder, 0o755) == 0 && chmod(open, 0o1777) == 0 && chmod(victims, 0o755) == 0)
            }

            /// Runs a command as another user.
            func other(_ command: String...) throws {
                try run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] + command)
            }

            func victim(_ name: String, _ text: String = "important", mode: mode_t = 0o644) throws -> String {
                let path = victims + "/" + name
                try write(text, to: path)
                #expect(chmod(path, mode) == 0)
                return path
            }

            /// Everything below a folder of root: path, mode, owner, contents.
            func look() throws -> [String] {
                try FileManager.default.subpathsOfDirectory(atPath: victims).sorted().map { name in
                    var status = stat()
                    try #require(lstat(victims + "/" + name, &status) == 0)
                    let contents = FileManager.default.contents(atPath: victims + "/" + name)
                    return "\(name) \(status.st_mode) \(status.st_uid) \(contents.map(Array.init) ?? [])"
                }
            }
        }

        /// Lends a scene, lets `plant` prepare it, and sees that the daemon refuses it and leaves root's files alone.
        private func refuses(_ expected: String, _ plant: (Scene) throws -> Void) throws {
            try withTemporaryFolder { folder in
                let scene = try Scene(folder)
                try plant(scene)
                let before = try scene.look()
                let daemon = try Child(
                    [
                        try Products.path("retinued"), "--state-dir", scene.state, "--socket",
                        folder + "/socket",
                    ])
                #expect(try daemon.wait(within: 30) == .exited(1))
                let lines = daemon.errorText.split(separator: "\n")
                #expect(lines.count == 1 && lines[0].contains(expected), "\(daemon.errorText)")
                #expect(try scene.look() == before)
            }
        }

        @Test func aStoreThatIsALink() throws {
            try refuses("belongs to user 65534") { scene in
                let victim = try scene.victim("passwd")
                try scene.other("mkdir", "-m", "777", scene.state)
                try scene.other("ln", "-s", victim, scene.state + "/retinue.db")
            }
        }

        @Test func dumpsThatAreALink() throws {
            try refuses("belongs to user 65534") { scene in
                try makeFolder(scene.victims + "/cron.d")
                for number in 10..<40 { _ = try scene.victim("cron.d/\(number)-backup.ndjson") }
                try scene.other("mkdir", scene.state)
                try scene.other("ln", "-s", scene.victims + "/cron.d", scene.state + "/dumps")
            }
        }

        @Test func aStateFolderThatIsALink() throws {
            try refuses("belongs to user 65534") { scene in
                try makeFolder(scene.victims + "/etc")
                try scene.other("ln", "-s", scene.victims + "/etc", scene.state)
            }
        }

        @Test func aLockThatIsALink() throws {
            try refuses("belongs to user 65534") { scene in
                let victim = try scene.victim("l", "x")
                try scene.other("mkdir", scene.state)
                try scene.other("ln", "-s", victim, scene.state + "/lock")
            }
        }

        @Test func aLockThatIsAFIFO() throws {
            try refuses("belongs to user 65534") { scene in
                try scene.other("mkdir", scene.state)
                try scene.other("mkfifo", scene.state + "/lock")
            }
        }

        @Test func aStoreThatIsAHardLink() throws {
            try refuses("belongs to user 65534") { scene in
                let victim = try scene.victim("h")
                try scene.other("mkdir", scene.state)
                // As root: whether the other user may depends on protected_hardlinks.
                try run(["ln", victim, scene.state + "/retinue.db"])
            }
        }

        @Test func aStoreOfTheOtherUser() throws {
            try refuses("belongs to user 65534") { scene in
                try scene.other("mkdir", scene.state)
                try scene.other("touch", scene.state + "/retinue.db")
                try scene.other("chmod", "666", scene.state + "/retinue.db")
            }
        }

        @Test func aFolderWhereOthersMayReplaceIt() throws {
            try refuses("where others may write") { scene in #expect(chmod(scene.open, 0o777) == 0) }
            try refuses("a folder of user 65534") { scene in
                #expect(chown(scene.open, 65534, 65534) == 0 && chmod(scene.open, 0o755) == 0)
            }
        }

        /// What is root's own in such a folder can be used, as /tmp/retinue can.
        @Test func aFolderOfRootInAStickyOne() throws {
            try withTemporaryFolder { folder in
                let scene = try Scene(folder)
                // As root in any case: the folders are.
                let daemon = try DaemonUnderTest(
                    stateFolder: scene.state, arguments: ["--socket", folder + "/socket"], prefix: ["env"])
                try daemon.stop()
                #expect(access(scene.state + "/retinue.db", F_OK) == 0)
            }
        }
    }
}
