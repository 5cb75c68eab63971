import Foundation
import TestSupport
import Testing

@testable import Daemon

@Suite struct StateFolderTests {
    private func failure(_ path: String) -> String? {
        do throws(StartError) {
            let folder = try StateFolder(path)
            _ = folder.path
            return nil
        } catch { return error.description }
    }

    private func mode(_ path: String) throws -> mode_t {
        var status = stat()
        try #require(stat(path, &status) == 0, "\(path)")
        return status.st_mode & 0o7777
    }

    /// With the folders above it, in whatever way its path is written.
    @Test(arguments: ["s", "a/b/s", "s/", "a//s", "a/./s//"])
    func madeForItsOwnerOnly(name: String) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/" + name
            let state = try StateFolder(path)
            #expect(try mode(path) == 0o700)
            #expect(try mode(path + "/dumps") == 0o700)
            #expect(try mode(path + "/lock") == 0o600)
            #expect(state.path == path)
            #expect(state.dumps == path + "/dumps")
            #expect(state.database == path + "/retinue.db")
        }
    }

    @Test func oneThatIsThereIsLeftAsItIs() throws {
        try withTemporaryFolder { folder in
            #expect(chmod(folder, 0o750) == 0)
            try write("x", to: folder + "/other")
            let state = try StateFolder(folder)
            #expect(try mode(folder) == 0o750)
            #expect(try String(contentsOfFile: folder + "/other", encoding: .utf8) == "x")
            _ = state.path
        }
    }

    @Test func secondDaemonIsRefused() throws {
        try withTemporaryFolder { folder in
            do {
                let first = try StateFolder(folder)
                #expect(try String(contentsOfFile: folder + "/lock", encoding: .utf8) == "\(getpid())\n")
                #expect(
                    failure(folder)
                        == "another retinued (pid \(getpid())) already uses the state folder \(folder); "
                        + "stop it or choose another with --state-dir")
                // The refusal leaves the lock with its holder.
                #expect(failure(folder) != nil)
                #expect(try String(contentsOfFile: folder + "/lock", encoding: .utf8) == "\(getpid())\n")
                _ = first.path
            }
            // Nobody has to clear away what a daemon has left.
            #expect(failure(folder) == nil)
        }
    }

    @Test func whatALockSaysIsNotTrusted() throws {
        try withTemporaryFolder { folder in
            let first = try StateFolder(folder)
            for text in ["", "no number\n", String(repeating: "9", count: 5000)] {
                try Data(text.utf8).withUnsafeBytes { bytes in
                    let file = try #require(fopen(folder + "/lock", "w"))
                    fwrite(bytes.baseAddress, 1, bytes.count, file)
                    fclose(file)
                }
                let refusal = try #require(failure(folder))
                #expect(refusal.hasPrefix("another retinued"))
                #expect(refusal.utf8.count < 300)
            }
            _ = first.path
        }
    }

    @Test func aFileInItsPlace() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/file"
            try write("x", to: path)
            #expect(
                failure(path) == "the state folder \(path) is not a folder; choose another with --state-dir")
            #expect(
                failure(path + "/s")
                    == "the state folder \(path)/s cannot be made: Not a directory; choose another with --state-dir"
            )
            try makeFolder(folder + "/s")
            try write("x", to: folder + "/s/dumps")
            #expect(failure(folder + "/s")?.contains("\(folder)/s/dumps is not a folder") == true)
        }
    }

    @Test func lockIsNotFollowedElsewhere() throws {
        try withTemporaryFolder { folder in
            try write("precious", to: folder + "/precious")
            try makeFolder(folder + "/s")
            #expect(symlink("../precious", folder + "/s/lock") == 0)
            #expect(failure(folder + "/s")?.contains("/lock is a symbolic link") == true)
            #expect(try String(contentsOfFile: folder + "/precious", encoding: .utf8) == "precious")
        }
    }

    @Test(.privileged) func unwritable() throws {
        let scratch = try ScratchFilesystem(.tmpfs)
        let path = try scratch.folder("s")
        try makeFolder(path + "/dumps")
        try run(["mount", "-o", "remount,ro", scratch.path])
        #expect(
            failure(path)
                == "the state folder \(path) is not writable: Read-only file system; "
                + "choose another with --state-dir")
        #expect(
            failure(path + "/new")
                == "the state folder \(path)/new cannot be made: Read-only file system; "
                + "choose another with --state-dir")
    }
}
